"""Tasks on the model without weights: types, choices, limits, time, cancellation, rows."""

from __future__ import annotations

import asyncio
import dataclasses
import decimal
import enum
import json
import math
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, TypedDict

import numpy as np
import pytest
from numpy.typing import NDArray

import nano_lsp
from nano_lsp.config import find_folders
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.errors import AnswerCutError, DocumentError, SchemaError, TaskError, TaskTimeoutError
from nano_lsp.settings import Settings
from nano_lsp.tasks import Answer, Task, spec_of_type
from nano_lsp.tasks.batch import Row, read_rows, run_batch
from nano_lsp.tasks.classification import THINK_TEMPERATURE
from nano_lsp.tasks.reasoning import CONCLUDE, worked_examples
from nano_lsp.testing.scripted_backend import END, N_VOCAB, ScriptedBackend, hashed_script

QUESTION = "Is it so?"


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@dataclasses.dataclass
class Item:
    name: Annotated[str, "as on the bill"]
    n: int
    tags: list[Literal["a", "b"]] = dataclasses.field(default_factory=list)


class Bill(TypedDict):
    items: list[Item]
    total: float
    colour: Optional[Colour]  # noqa: UP045 - both forms are read
    pair: tuple[int, str]


def ready_script(*words: str) -> Any:  # noqa: ANN401
    """A model that likes these texts, whatever was asked, and then to end."""

    def script(history: Sequence[int]) -> NDArray[np.float32]:
        row = np.full(N_VOCAB, -5.0, np.float32)
        said = bytes(token for token in history if token < 256)
        for i, word in enumerate(words):
            data = word.encode()
            n = max((n for n in range(len(data) + 1) if said.endswith(data[:n])), default=0)
            row[data[n] if n < len(data) else END] = 5.0 + n - i
        return row

    return script


def wavering_script(at_once: float, reasoned: float) -> Any:  # noqa: ANN401
    """A model that prefers yes to no by so many nats, at once and after a reasoning of one letter."""
    thought = f"a\n\n{CONCLUDE}".encode()

    def script(history: Sequence[int]) -> NDArray[np.float32]:
        row = np.full(N_VOCAB, -20.0, np.float32)
        said = bytes(token for token in history if token < 256).rpartition(QUESTION.encode())[2]
        _, concluded, choice = said.rpartition(b'answer is "')
        if concluded:
            for word, nats in ((b'yes"', reasoned if b"step by step" in said else at_once), (b'no"', 0.0)):
                if word.startswith(choice) and word != choice:
                    row[word[len(choice)]] = nats
        else:
            n = max(n for n in range(len(thought)) if said.endswith(thought[:n]))
            row[thought[n]] = 5.0
        return row

    return script


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> ScriptedBackend:
    return ScriptedBackend(script=getattr(request, "param", hashed_script), n_ctx=16_384, n_batch=512)


@pytest.fixture
def assistant(backend: ScriptedBackend) -> Iterator[LocalAssistant]:
    with LocalAssistant(LoadedModel(backend), Settings(), find_folders()) as opened:
        yield opened


def run(task: Task, assistant: LocalAssistant) -> Answer:
    return assistant.run(task)


@pytest.mark.parametrize("kind", [int, float, Colour, Literal["x", "xy"], list[int], Bill, Item, bool])
def test_every_type_comes_back_as_itself(assistant: LocalAssistant, kind: Any) -> None:  # noqa: ANN401
    for question in ("one", "two", "three"):
        try:
            value = nano_lsp.run_task(question, {"some": ["data"]}, kind, assistant=assistant, max_tokens=400)
        except AnswerCutError:
            continue
        if kind is Bill:
            assert {type(item) for item in value["items"]} <= {Item}
            assert value["colour"] in {None, *Colour}
            assert isinstance(value["pair"], tuple)
        elif kind is Item:
            assert isinstance(value.n, int)
            assert set(value.tags) <= {"a", "b"}
        elif kind == Literal["x", "xy"]:
            assert value in {"x", "xy"}
        elif kind == list[int]:
            assert all(isinstance(each, int) for each in value)
        else:
            assert isinstance(value, kind)


def test_a_type_says_what_is_known_of_it() -> None:
    schema = spec_of_type(Bill).schema
    assert schema is not None
    item = schema["properties"]["items"]["items"]
    assert item["properties"]["name"] == {"type": "string", "description": "as on the bill"}
    assert item["required"] == ["name", "n"]
    assert item["properties"]["tags"]["items"] == {"enum": ["a", "b"]}
    assert spec_of_type(bool).choices == ("yes", "no")
    assert spec_of_type(bool).convert("no") is False
    assert spec_of_type(Colour).convert("green") is Colour.GREEN


def test_a_pydantic_model_and_what_it_checks_itself(assistant: LocalAssistant) -> None:
    pydantic = pytest.importorskip("pydantic")

    class Order(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        n: int = pydantic.Field(ge=1, le=9)
        kind: Literal["in", "out"]

    order = nano_lsp.run_task("Read it.", "", Order, assistant=assistant)
    assert isinstance(order, Order)

    class Never(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        n: int

        def model_post_init(self, _context: object) -> None:
            raise ValueError("never")

    with pytest.raises(TaskError, match="rejects the answer"):
        nano_lsp.run_task("Read it.", "", Never, assistant=assistant)


@pytest.mark.parametrize("kind", [object, dict[tuple[int, int], str], complex, print, set[complex]])
def test_types_without_json_are_refused(kind: Any) -> None:  # noqa: ANN401
    with pytest.raises(SchemaError, match="no JSON representation"):
        nano_lsp.run_task("Do.", "", kind)


def test_types_that_pydantic_cannot_describe_are_refused() -> None:
    pydantic = pytest.importorskip("pydantic")
    unfinished = pydantic.create_model("Unfinished", at=("Elsewhere", ...))
    functions = pydantic.create_model("Functions", call=(Callable[[int], int], ...))
    mappings = (dict[float, int], dict[bool, int], dict[tuple[int, int], int])
    keys = [pydantic.create_model("Keys", of=(mapping, ...)) for mapping in mappings]
    for kind in (unfinished, functions, *keys):
        with pytest.raises(SchemaError, match="no JSON representation"):
            nano_lsp.run_task("Do.", "", kind)


def test_a_schema_that_is_no_json_is_not_taken_for_the_data() -> None:
    for schema in ({"enum": [decimal.Decimal(1)]}, {"type": "string", "default": {"a"}}):
        with pytest.raises(SchemaError, match="schema is not valid JSON"):
            nano_lsp.run_task("Do.", "", schema)


@dataclasses.dataclass
class Checked:
    n: int

    def __post_init__(self) -> None:
        raise AssertionError("never")


def test_what_a_dataclass_checks_itself_is_told(assistant: LocalAssistant) -> None:
    with pytest.raises(TaskError, match=r"rejects the answer.*never"):
        nano_lsp.run_task("Read it.", "", Checked, assistant=assistant)


@dataclasses.dataclass
class Holder:
    name: str
    secrets: set[complex]


def test_a_refusal_names_the_field_and_its_type() -> None:
    with pytest.raises(SchemaError, match=r"no JSON representation for complex, the type of the field 'secrets'"):
        spec_of_type(list[Holder])
    pydantic = pytest.importorskip("pydantic")

    class Order(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        code: Annotated[str, pydantic.Field(pattern="^[A-Z]+$")]

    with pytest.raises(SchemaError, match=r"The field 'code' of Order has the type str.*'pattern'"):
        nano_lsp.run_task("Do.", "", list[Order])


def test_a_type_within_itself_needs_an_end() -> None:
    @dataclasses.dataclass
    class Endless:
        next: Endless

    Endless.__annotations__["next"] = Endless
    with pytest.raises(SchemaError, match="would have no end"):
        nano_lsp.run_task("Do.", "", Endless)


def test_a_question_and_data_that_make_no_sense() -> None:
    with pytest.raises(DocumentError, match="empty"):
        nano_lsp.run_task(" ")
    with pytest.raises(TaskError, match="neither text nor valid JSON"):
        nano_lsp.run_task("Do.", {1, 2})
    for choices in (["a"], ["a", "a "], ["a", ""], [str(i) for i in range(99)]):
        with pytest.raises(SchemaError):
            nano_lsp.run_task("Do.", choices=choices)


@pytest.mark.parametrize("backend", [ready_script('"yes, indeed"')], indirect=True)
def test_a_choice_that_begins_another_is_told_from_it(assistant: LocalAssistant) -> None:
    found = nano_lsp.run_task(QUESTION, choices=["yes", "yes, indeed", "no"], assistant=assistant, full=True)
    assert found.value == "yes, indeed"
    assert list(found.probabilities) == ["yes", "yes, indeed", "no"]
    assert math.isclose(sum(found.probabilities.values()), 1.0)
    assert max(found.probabilities, key=found.probabilities.__getitem__) == found.value


def test_the_same_again_gives_the_same(assistant: LocalAssistant) -> None:
    first, second = (
        nano_lsp.run_task(QUESTION, "x", choices=["yes", "no"], think=think, assistant=assistant, full=True)
        for think in (True, True)
    )
    assert first == second
    assert first.reasoning


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (wavering_script(1.0, 3.0), 2 * 1.0 + 3.0),
        (wavering_script(-2.0, 3.0), 2 * -2.0 + 3.0),
        (wavering_script(-1.0, 4.0), 2 * -1.0 + 4.0),
    ],
    indirect=["backend"],
)
def test_what_is_said_at_once_counts_beside_the_reasoning(assistant: LocalAssistant, expected: float) -> None:
    found = nano_lsp.run_task(QUESTION, choices=["yes", "no"], think=True, assistant=assistant, full=True)
    odds = math.log(found.probabilities["yes"] / found.probabilities["no"]) * THINK_TEMPERATURE
    assert math.isclose(odds, expected, abs_tol=1e-3)
    assert found.value == ("yes" if expected > 0 else "no")
    assert found.reasoning == "a"


def test_a_second_row_reads_no_worked_example_again(assistant: LocalAssistant) -> None:
    examples = sum(len(turn.content) for turn in worked_examples())
    choose = Task(QUESTION, choices=("yes", "no"), think=True, reasoning_tokens=8)
    first, second = (run(dataclasses.replace(choose, data=data), assistant).counters for data in ("one", "two"))
    assert first.evaluated_tokens > examples > 1000
    assert second.evaluated_tokens < 500


def test_a_worked_answer_ends_in_the_quote_that_is_scored() -> None:
    answers = [turn.content for turn in worked_examples() if turn.role == "assistant"]
    assert answers
    assert all(re.search(f'\n\n{CONCLUDE} "[^"]+"$', answer) for answer in answers)


def measured() -> list[dict[str, Any]]:
    data = Path(__file__).parents[1] / "data"
    lines = [line for path in sorted(data.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    return [json.loads(line) for line in lines]


def test_worked_examples_are_none_of_the_questions_that_it_is_measured_by() -> None:
    questions = [row["question"] for row in measured()]
    assert len(set(questions)) == len(questions) == 269
    asked = [turn.content for turn in worked_examples() if turn.role == "user"]
    assert asked
    assert not [each for each in asked if any(question in each for question in questions)]


def test_answers_that_it_is_measured_by_are_right() -> None:
    for row in measured():
        assert row["answer"] in row["choices"]
        if "check" in row:
            value = eval(row["check"], {})  # noqa: S307 - our own data
            said = value if isinstance(value, str) else "yes" if value else "no"
            assert said == row["answer"], row


@pytest.mark.parametrize("backend", [ready_script('["aaaa", "bbbb", "cccc"]')], indirect=True)
def test_a_list_that_is_cut_keeps_what_is_whole(assistant: LocalAssistant) -> None:
    whole = nano_lsp.run_task("List.", "", list[str], assistant=assistant, full=True)
    assert (whole.value, whole.warnings) == (["aaaa", "bbbb", "cccc"], ())
    cut = nano_lsp.run_task("List.", "", list[str], assistant=assistant, max_tokens=12, full=True)
    assert cut.value == ["aaaa", "bb"]
    assert "truncated" in cut.warnings[0]
    for n in range(1, 24):
        value = nano_lsp.run_task("List.", "", list[str], assistant=assistant, max_tokens=n)
        assert all(text.startswith(said) for said, text in zip(value, ["aaaa", "bbbb", "cccc"], strict=False))


@pytest.mark.parametrize("backend", [ready_script("123456")], indirect=True)
def test_a_number_that_is_cut_is_none(assistant: LocalAssistant) -> None:
    assert nano_lsp.run_task("Count.", "", int, assistant=assistant) == 123456
    with pytest.raises(AnswerCutError, match="incomplete after 3 tokens"):
        nano_lsp.run_task("Count.", "", int, assistant=assistant, max_tokens=3)


def test_time_runs_out(assistant: LocalAssistant) -> None:
    with pytest.raises(TaskTimeoutError, match="within 0 ms"):
        nano_lsp.run_task(QUESTION, choices=["yes", "no"], assistant=assistant, deadline_ms=0.001)


def test_an_event_loop_waits_and_may_call_off(assistant: LocalAssistant, backend: ScriptedBackend) -> None:
    started, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        go_on.wait()

    async def work() -> bool:
        found: bool = await nano_lsp.run_task_async(QUESTION, "", bool, assistant=assistant)
        assert found in {True, False}
        backend.on_decode = wait
        task = asyncio.ensure_future(nano_lsp.run_task_async(QUESTION, "more", bool, assistant=assistant))
        await asyncio.to_thread(started.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        return True

    assert asyncio.run(work())


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, nano_lsp; print([m for m in sys.modules if m.startswith('nano_lsp.') or m == 'numpy'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "['nano_lsp.version']"
    of_tasks = {"TaskResult", "run_task", "run_task_async"}
    assert set(nano_lsp.__all__) == of_tasks | {"__version__", "ask", "complete", "docstring", "explain"}
    with pytest.raises(AttributeError):
        _ = nano_lsp.nonsense


def test_rows_go_on_where_they_were_and_lose_none(tmp_path: Path) -> None:
    source, results = tmp_path / "rows.jsonl", tmp_path / "out" / "results.jsonl"
    source.write_text('"one"\n{"a": 2}\nnot json\n"four"\n"five"\n')
    asked: list[str] = []

    def answer(task: Task) -> Answer:
        asked.append(task.data)
        if task.data == "four" and asked.count("four") == 1:
            raise AnswerCutError("too long", "be brief")
        if len(asked) == 4:
            raise KeyboardInterrupt
        return Answer(task.data.upper())

    task = Task("Do.")
    results.parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        list(run_batch(task, read_rows(source), answer, results, "nano"))
    with results.open("a") as stream:
        stream.write('{"row": 9, "val')  # killed in the middle of a line
    found = list(run_batch(task, read_rows(source), answer, results, "nano"))
    assert [result.value for result in found] == ["ONE", '{"A": 2}', None, "FOUR", "FIVE"]
    assert found[2].error == "Row 3 is not valid JSON."
    assert asked == ["one", '{"a": 2}', "four", "five", "four", "five"]
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert sorted(line["row"] for line in lines) == [1, 2, 3, 4, 5]
    with pytest.raises(DocumentError, match="another task"):
        next(run_batch(Task("Do else."), read_rows(source), answer, results, "nano"))
    results.write_text("something of the user's")
    with pytest.raises(DocumentError, match="does not contain task results"):
        next(run_batch(task, read_rows(source), answer, results, "nano"))
    assert results.read_text() == "something of the user's"


def test_rows_of_tables(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes('\ufeffname,text\nada,"a, b"\nbob,é\n'.encode())
    assert list(read_rows(table, "text")) == [Row(1, "a, b"), Row(2, "é")]
    assert next(iter(read_rows(table))).data == '{"name": "ada", "text": "a, b"}'
    table.write_text('name,text\nada\nbob,b,more\n"a\nb",c\n')
    rows = list(read_rows(table, "text"))
    assert [row.data for row in rows] == ["", "", "c"]
    assert [row.error for row in rows] == [
        "Row 1 has no column 'text': it has 1 of 2 cells.",
        "Row 2 has 3 cells, but the header has 2.",
        "",
    ]
    assert next(iter(read_rows(table))).data == '{"name": "ada"}'
    with pytest.raises(DocumentError, match="It has: name, text"):
        list(read_rows(table, "texts"))
    lines = tmp_path / "t.jsonl"
    lines.write_text('{"text": [1]}\n{"other": 1}\n')
    assert [row.error for row in read_rows(lines, "text")] == ["", "Row 2 has no key 'text'."]
    lines.write_bytes(b"\xff\xfe\0")
    with pytest.raises(DocumentError, match="UTF-8"):
        list(read_rows(lines))


def test_cells_of_any_length_and_columns_with_one_name(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("id,text\n1," + "word " * 40_000)
    assert next(iter(read_rows(table, "text"))).data.count("word") == 40_000
    table.write_text("id,text,text,,\n1,a,b,,\n")
    assert next(iter(read_rows(table, "id"))).data == "1"
    for column in ("", "text"):
        with pytest.raises(DocumentError, match="two columns 'text'"):
            list(read_rows(table, column))


def test_a_choice_that_is_no_text_is_refused() -> None:
    with pytest.raises(SchemaError, match="not valid Unicode"):
        nano_lsp.run_task("Which?", "", choices=["a\udcff", "b"])

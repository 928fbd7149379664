"""Evaluation of an adapter: problems of held-out code, statistics, the decision, interrupted runs, the report."""

from __future__ import annotations

import gzip
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import html5lib
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.completion.postprocess import PostprocessOptions
from nano_lsp.config import find_folders
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.evaluation import metrics, runner
from nano_lsp.evaluation.metrics import Outcome
from nano_lsp.evaluation.problems import Problem, load_infilling, to_row
from nano_lsp.forge.adapter_evaluation import Answers, ProblemSet, TrainingLog, build_evaluation, decide
from nano_lsp.forge.recipe import load_recipe
from nano_lsp.forge.report import render_report
from nano_lsp.settings import Settings
from nano_lsp.testing.scripted_backend import END, ScriptedBackend
from tests.cli.test_cli import assert_error, nano_lsp
from tests.forge.test_forge import BACKEND, code, content, make, rows
from tests.gguf_files import write_adapter, write_model

KINDS = {"line": "value_{i} = ", "word": "print(value_{i} + "}


def problem(i: int, kind: str = "line") -> Problem:
    start = KINDS[kind].format(i=i)
    prefix = f"value_{i} = {i}\n" + start
    suffix = ")\n" if kind == "word" else "\n"
    return Problem(f"work/m{i}.py:{kind}", kind, f"m{i}.py", prefix, suffix, f"{i} * 200")


def outcome(
    name: str,
    *,
    exact: bool = False,
    saved: int = 0,
    broken: bool = False,
    text: str = "",
    passed: bool | None = None,
    document: str = "",
) -> Outcome:
    return Outcome(name, "line", "expression", text, exact, passed, 10, saved, broken, 1, 1, 1, 1.0, 0.0, document)


# Problems of held-out code


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    for letter in "abcdefgh":
        (root / f"module{letter}.py").write_text(code(f"module{letter}"))
    helpers = "".join(
        f"def module{letter}_helper(value: int) -> int:\n    return value\n\n\n" for letter in "abcdefgh"
    )
    (root / "shared.py").write_text(helpers)
    return root


def test_problems_are_the_held_out_cases(workspace: Path, tmp_path: Path) -> None:
    make("workspace", [workspace], tmp_path / "out")
    problems = load_infilling(tmp_path / "out/problems.jsonl.gz")
    held = rows(tmp_path / "out", "heldout")
    assert [(each.file_name, each.kind) for each in problems] == [(row["document"], row["kind"]) for row in held]
    assert len({each.name for each in problems}) == len(problems)
    for each in problems:
        text = (workspace / each.file_name).read_text()
        assert text.startswith(each.prefix + each.reference)
        assert text.endswith(each.suffix)
        assert str(tmp_path) not in each.name
        if each.kind != "editing":
            assert each.prefix + each.reference + each.suffix == text


def test_a_problem_is_asked_as_the_product_asks_in_the_workspace(workspace: Path, tmp_path: Path) -> None:
    make("workspace", [workspace], tmp_path / "out")
    problems = load_infilling(tmp_path / "out/problems.jsonl.gz")
    shutil.copytree(workspace, tmp_path / "copy")
    shutil.rmtree(workspace)  # the problems need no source
    asked: list[list[int]] = []

    def script(history: Sequence[int]) -> int:
        asked.append(list(history))
        return END

    prompts: dict[str, list[list[int]]] = {"problem": [], "workspace": []}
    for way, each in product(prompts, problems):
        with LocalAssistant(
            LoadedModel(ScriptedBackend(script)), Settings(latency_ms=0), find_folders()
        ) as assistant:
            asked.clear()
            if way == "workspace":
                assistant.use_workspace(tmp_path / "copy")
                assistant.index_workspaces()
                name = str(tmp_path / "copy" / each.file_name)
                completion_input = CompletionInput(name, each.prefix + each.suffix, len(each.prefix))
                assistant.run(Complete(completion_input, speculative=False))
            else:
                assistant.run(runner.completion_of(each, PostprocessOptions()))
            prompts[way].append(asked[0])
    assert prompts["problem"] == prompts["workspace"]
    assert sum("# shared.py" in each.imported for each in problems) >= len(problems) // 2


def test_problems_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = replace(problem(3), imported="# a.py\ndef é(): ...\n", suffix="")
    (tmp_path / "problems.jsonl").write_text(to_row(written) + "\n")
    assert load_infilling(tmp_path / "problems.jsonl") == [written]


# Statistics


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 2 / 32), (10, 0, 2 / 1024), (8, 2, 2 * 56 / 1024), (4, 4, 1.0)],
)
def test_with_one_problem_in_each_file_it_is_mcnemars_test(gained: int, lost: int, p: float) -> None:
    pairs = [(False, True)] * gained + [(True, False)] * lost + [(True, True)] * 7 + [(False, False)] * 3
    befores = [outcome(f"p{i}", exact=before) for i, (before, _) in enumerate(pairs)]
    afters = [outcome(f"p{i}", exact=after) for i, (_, after) in enumerate(pairs)]
    compared = {each.measure: each for each in metrics.compare(befores, afters)}
    assert compared["exact match"].p_value == pytest.approx(p, abs=0.02)
    reverse = {each.measure: each for each in metrics.compare(afters, befores)}
    assert reverse["exact match"].p_value == compared["exact match"].p_value
    assert compared["breaks the parse"].p_value == 1


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=8))
def test_the_permutation_test_is_near_to_all_permutations(pairs: list[tuple[int, int]]) -> None:
    befores = [outcome(f"p{i}", saved=before) for i, (before, _) in enumerate(pairs)]
    afters = [outcome(f"p{i}", saved=after) for i, (_, after) in enumerate(pairs)]
    found, reverse = (
        next(each for each in metrics.compare(*sides) if each.measure == "characters saved")
        for sides in ((befores, afters), (afters, befores))
    )
    differences = np.array([after - before for before, after in pairs])
    signs = np.array(list(product((-1, 1), repeat=len(pairs))))
    exact = float((abs(signs @ differences) >= abs(differences.sum())).mean())
    assert found.p_value == pytest.approx(exact, abs=0.03)
    assert reverse.p_value == found.p_value
    assert metrics.compare(afters, afters)[1].p_value == 1


def test_problems_of_one_file_count_as_one_piece_of_evidence() -> None:
    def compare(n_files: int) -> metrics.Comparison:
        befores = [outcome(f"p{i}", document=f"f{i % n_files}") for i in range(60)]
        afters = [replace(each, exact=i % n_files % 3 == 0) for i, each in enumerate(befores)]
        return metrics.compare(befores, afters)[0]

    alone, together, one = compare(60), compare(6), compare(1)
    assert (alone.n, alone.files, together.n, together.files, one.files) == (60, 60, 60, 6, 1)
    assert alone.second == pytest.approx(100 / 3)
    assert together.second == pytest.approx(alone.second)
    assert alone.p_value < 0.001
    assert together.p_value == pytest.approx(2 / 2**2, abs=0.02)  # two files have changed
    assert one.p_value == 1
    assert alone.low > 15
    assert together.low == 0  # none of the two is drawn in (4 / 6)^6 = 9 % of the samples
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), min_size=1, max_size=30))
@settings(max_examples=20, deadline=None)
def test_the_interval_is_around_the_difference(problems: list[tuple[int, bool, bool]]) -> None:
    befores = [outcome(f"p{i}", exact=before, document=f"{file}") for i, (file, before, _) in enumerate(problems)]
    afters = [replace(each, exact=after) for each, (_, _, after) in zip(befores, problems, strict=True)]
    found, reverse = metrics.compare(befores, afters)[0], metrics.compare(afters, befores)[0]
    assert -100 <= found.low <= found.second - found.first + 1e-9
    assert found.second - found.first - 1e-9 <= found.high <= 100
    assert (reverse.low, reverse.high) == pytest.approx((-found.high, -found.low))


def test_the_file_of_a_problem_is_known_by_its_name_or_its_text() -> None:
    whole = problem(3)
    assert problem(3, "word").document == whole.document != problem(4).document
    assert "m3" not in whole.document
    nameless = replace(whole, file_name="problem.py")
    later = replace(nameless, prefix=whole.prefix + "3 ", reference="* 200")
    assert later.document == nameless.document != replace(later, suffix="").document


# The decision


def answers(
    before: Sequence[Outcome], after: Sequence[Outcome], name: str = "held-out code", problems: Sequence[Problem] = ()
) -> Answers:
    return Answers(ProblemSet(name, "0" * 64, tuple(problems or map(problem, range(len(before))))), before, after)


def side(n_exact: int, n: int = 100, saved: int = 5, n_passed: int | None = None, per_file: int = 1) -> list[Outcome]:
    return [
        outcome(
            f"p{i}",
            exact=i < n_exact,
            saved=saved,
            passed=None if n_passed is None else i < n_passed,
            document=f"f{i // per_file}",
        )
        for i in range(n)
    ]


GAIN = answers(side(30), side(45))


@pytest.mark.parametrize(
    ("given", "taken", "words"),
    [
        ([GAIN], True, ["It gains: exact match on held-out code 30.0 % → 45.0 %", "was not measured"]),
        ([answers(side(30), side(30, saved=7))], True, ["characters saved on held-out code 50.0 % → 70.0 %"]),
        ([answers(side(30), side(30))], False, ["does not gain significantly", "exact match", "characters saved"]),
        ([answers(side(30), side(34))], False, ["does not gain significantly", "p = 0.12"]),
        ([answers(side(30), side(45, saved=3))], False, ["It loses: characters saved"]),
        ([answers(side(45), side(30))], False, ["It loses: exact match"]),
        ([GAIN, answers(side(60), side(58), "single")], True, ["at most 2 points on single"]),
        (
            [GAIN, answers(side(60), side(58), "single")],
            True,
            ["Too few cases to tell whether it loses more than 2 points: exact match on single 60.0 % → 58.0 % (-5"],
        ),
        ([GAIN, answers(side(60), side(50), "single")], False, ["60.0 % → 50.0 % (-16.0 to -5.0 points at 95 %"]),
        (
            [GAIN, answers(side(60, per_file=5), side(50, per_file=5), "single")],
            False,
            ["It loses: exact match on single", "Too few cases to tell whether it loses more than 2 points: exact"],
        ),
        (
            [answers(side(30, per_file=15), side(45, per_file=15))],
            False,
            ["does not gain significantly", "n = 100 in 7 files, p = 1"],
        ),
        (
            [answers(side(30, per_file=20), side(45, per_file=20))],
            False,
            ["Too few cases to tell: a gain is significant in 7 files at the least."],
        ),
        ([GAIN, answers(side(60), side(57), "single")], False, ["It loses: exact match on single 60.0 % → 57.0 %"]),
        ([GAIN, answers(side(9, n_passed=60), side(9, n_passed=50), "single")], False, ["pass@1 on single"]),
        ([GAIN, answers([outcome("p")], [outcome("p", broken=True)], "x")], False, ["breaks the parse on x 0.0 %"]),
    ],
)
def test_what_is_taken(given: Sequence[Answers], taken: bool, words: Sequence[str]) -> None:
    decision, reason = decide(given)
    assert decision is taken
    assert [word for word in words if word not in reason] == []


@pytest.mark.parametrize("n", [20, 149, 150, 500])
def test_a_set_in_which_nothing_changes_excludes_a_loss_only_if_it_is_large(n: int) -> None:
    taken, reason = decide([GAIN, answers(side(10, n), side(10, n), "single")])
    assert taken is True
    assert ("Too few cases to tell" in reason) == (n < 150)


def test_nothing_is_decided_before_all_problems_are_answered() -> None:
    before, after = side(30), side(45)
    for missing in (answers(before, after[:-1]), answers(before[:-1], after, problems=[*map(problem, range(100))])):
        taken, reason = decide([GAIN, missing])
        assert taken is None
        assert reason == "1 of 400 answers are missing: the same command goes on, and then decides."
    assert decide([GAIN, answers(before, after)])[0] is True


# The command


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of data with 32 problems, a model that solves four of them, and an adapter with which it solves 28."""
    folder = tmp_path / "data"
    folder.mkdir()
    problems = [problem(i, kind) for i, kind in product(range(10, 26), KINDS)]
    (folder / "problems.jsonl.gz").write_bytes(
        gzip.compress("".join(f"{to_row(each)}\n" for each in problems).encode())
    )
    tokenizer = {"model": "scripted", "n_vocab": BACKEND.spec.n_vocab, "fim_order": "spm_tail"}
    recipe = load_recipe("workspace").as_dict()
    (folder / "card.json").write_text(json.dumps({"recipe": recipe, "tokenizer": tokenizer}))
    replies = [
        {each.prefix.split("\n")[-1]: each.reference if i < n_solved else "<b>" for i, each in enumerate(problems)}
        for n_solved in (4, 28)
    ]
    (tmp_path / "script.json").write_text(json.dumps({**replies[0], "$adapter": replies[1]}))
    (tmp_path / "trained").mkdir()
    write_adapter(tmp_path / "trained/adapter.gguf", layers=1, width=8, kv_width=8)
    return folder


def run(data: Path, *options: str, adapter: str = "trained/adapter.gguf") -> Any:  # noqa: ANN401
    model = f"scripted:{data.with_name('script.json')}"
    return nano_lsp("forge", "eval", str(data), "--adapter", str(data.parent / adapter), "--model", model, *options)


def test_an_adapter_that_gains_is_taken(data: Path, tmp_path: Path) -> None:
    log = TrainingLog([1, 2, 3], [2.0, 1.5, 1.25], [2], [1.75], 1000, 60.0)
    (tmp_path / "trained/training.json").write_bytes(msgspec.json.encode(log))
    done = run(data)
    assert done.returncode == 0, done.stderr
    assert b"Taken. It gains: exact match on held-out code 12.5 %" in done.stdout
    evaluation = json.loads((tmp_path / "trained/evaluation.json").read_bytes())
    assert evaluation["taken"] is True
    (heldout,) = evaluation["sets"]
    exact = heldout["all"][0]
    assert exact == {
        "measure": "exact match",
        "n": 32,
        "before": 12.5,
        "after": 87.5,
        "interval": [pytest.approx(each, abs=15) for each in (55, 95)],
        "p_value": pytest.approx(2 / 2**12, abs=0.001),
        "files": 16,
    }
    assert {kind: found[0]["n"] for kind, found in heldout["kinds"].items()} == {"line": 16, "word": 16}
    assert sum(found[0]["n"] for found in heldout["cursor_kinds"].values()) == 32
    assert str(tmp_path) not in json.dumps({**evaluation, "model": ""})
    page = (tmp_path / "trained/evaluation.html").read_text()
    assert "12.5 %" in page
    assert "from 2.000 to 1.250" in page
    again = run(data, "--json")
    assert json.loads(again.stdout) == evaluation


def test_an_adapter_that_does_not_gain_is_not_taken(data: Path, tmp_path: Path) -> None:
    replies = json.loads((tmp_path / "script.json").read_text())
    replies.pop("$adapter")
    (tmp_path / "script.json").write_text(json.dumps(replies))
    done = run(data, "--output", str(tmp_path / "report"), "--limit", "6")
    assert done.returncode == 1
    assert b"Not taken. It does not gain significantly" in done.stdout
    assert b"no gain is significant in so few" in done.stderr
    assert json.loads((tmp_path / "report/evaluation.json").read_bytes())["sets"][0]["all"][0]["n"] == 6


def test_a_loss_in_general_is_a_reason(data: Path, tmp_path: Path) -> None:
    replies = json.loads((tmp_path / "script.json").read_text())
    replies["other = "] = "1"
    (tmp_path / "script.json").write_text(json.dumps(replies))
    general = tmp_path / "[b]general.jsonl"
    general.write_text(to_row(Problem("g", "line", "g.py", "other = ", "\n", "1")) + "\n")
    done = run(data, "--general", str(general))
    assert done.returncode == 1
    assert b"It loses: exact match on [b]general.jsonl 100.0 %" in done.stdout
    assert b"all: [b]general.jsonl" in done.stdout


def test_an_interrupted_run_continues_to_the_same_bytes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pages(folder: str) -> dict[str, bytes]:
        return {name: each for name, each in content(tmp_path / folder).items() if "outcomes" not in name}

    assert run(data, "--output", str(tmp_path / "whole")).returncode == 0
    measure, asked = runner.measure, list[str]()

    def interrupted(*given: Any) -> Outcome:  # noqa: ANN401
        if len(asked) in {5, 40}:
            asked.append("interruption")
            raise KeyboardInterrupt
        asked.append(given[0].name)
        return measure(*given)

    monkeypatch.setattr(runner, "measure", interrupted)
    for _ in range(2):
        stopped = run(data, "--output", str(tmp_path / "parts"))
        assert stopped.returncode == 130
        assert b"again to continue" in stopped.stderr
    assert run(data, "--output", str(tmp_path / "parts"), "--minutes", "1000").returncode == 0
    assert len(asked) == 64 + 2
    assert pages("parts") == pages("whole")


def test_a_time_limit_leaves_pairs_and_no_decision(data: Path, tmp_path: Path) -> None:
    for n in (1, 2):
        done = run(data, "--output", str(tmp_path / "out"), "--minutes", "0.0000001", "--json")
        assert done.returncode == 75
        evaluation = json.loads(done.stdout)
        assert evaluation["taken"] is None
        assert evaluation["reason"].startswith(f"{64 - 2 * n} of 64 answers are missing")
        (heldout,) = evaluation["sets"]
        assert (heldout["all"][0]["n"], heldout["problems"]) == (n, 32)
    assert "Not decided yet." in (tmp_path / "out/evaluation.html").read_text()
    done = run(data, "--output", str(tmp_path / "out"), "--minutes", "0.0000001")
    assert b"Not decided yet. 58 of 64 answers are missing" in done.stdout
    assert run(data, "--output", str(tmp_path / "out")).returncode == 0


def test_the_problems_are_read_by_eval(data: Path, tmp_path: Path) -> None:
    model = ("--model", f"scripted:{tmp_path / 'script.json'}")
    done = nano_lsp("eval", str(data / "problems.jsonl.gz"), *model, "--json")
    assert json.loads(done.stdout)["all"]["exact"] == 12.5


# The report


@settings(max_examples=20)
@given(st.text(st.characters(exclude_categories=["Cc", "Cn", "Cs"]), max_size=30), st.integers(0, 900))
def test_the_report_is_well_formed_and_needs_nothing_else(text: str, n: int) -> None:
    hostile = f"</pre><script src=//example.org/a.js></script><img src='http://example.org/b'>{text}"
    steps = list(range(n))
    log = TrainingLog(steps, [1 / (step + 1) for step in steps], steps[::100], [1.0] * len(steps[::100]), n, 1.0)
    problems = [Problem(f"p{i}", "line", "p.py", hostile, "", hostile) for i in range(20)]
    after = [outcome(f"p{i}", saved=i % 10, text=hostile) for i in range(20)]
    answered = answers([outcome(f"p{i}") for i in range(20)], after, hostile, problems)
    evaluation = build_evaluation(
        [answered], log, model="nano", adapter={"name": hostile, "sha256": ""}, nano_lsp="", recipe={"name": hostile}
    )
    assert len(evaluation["examples"]) == 12
    page = render_report(evaluation)
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    names = {str(each.tag).rpartition("}")[2] for each in tree.iter()}
    assert names.isdisjoint({"script", "img", "link", "iframe", "object"})
    for each in tree.iter():
        assert [value for value in each.attrib.values() if "//" in value] == []
        assert {"src", "href", "onload"}.isdisjoint(each.attrib)
    charts = [each for each in tree.iter() if str(each.tag).endswith("svg")]
    assert len(charts) == 2 + (n > 0)
    for chart in charts:
        assert [str(each.tag).rpartition("}")[2] for each in chart][:2] == ["title", "desc"]


# Errors


def test_bad_input_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("text")
    write_model(tmp_path / "model.gguf")
    shutil.copytree(data, tmp_path / "other")
    card = json.loads((data / "card.json").read_text())
    card["tokenizer"].update(model="pico", n_vocab=7)
    (tmp_path / "other/card.json").write_text(json.dumps(card))
    (tmp_path / "empty").mkdir()
    (tmp_path / "chat").mkdir()
    shutil.copy(data / "card.json", tmp_path / "chat")
    assert_error(run(data, adapter="text.gguf"), 4, "text.gguf")
    assert_error(run(data, adapter="model.gguf"), 4, "not an adapter")
    assert_error(run(data, adapter="missing.gguf"), 2, "--adapter")
    assert_error(run(tmp_path / "other"), 2, "made for the tokenizer of pico", "Use --model pico")
    assert_error(run(tmp_path / "empty"), 2, "no usable data card")
    assert_error(run(tmp_path / "chat"), 2, "no held-out problems")
    assert_error(run(data, "--limit", "0"), 2, "--limit")
    assert_error(run(data, "--general", str(data / "card.json")), 2, "contains no infilling problems")
    assert_error(run(data, "--output", str(tmp_path / "text.gguf" / "x")), 2, "cannot be written")
    (tmp_path / "trained/training.json").write_text('{"steps": [1], "loss": []}')
    assert_error(run(data), 2, "is not a training log", "differ in number")


def test_a_training_log_has_numbers(data: Path, tmp_path: Path) -> None:
    for loss in ("NaN", "1e999", '"1"'):
        (tmp_path / "trained/training.json").write_text(f'{{"steps": [1], "loss": [{loss}]}}')
        assert_error(run(data), 2, "is not a training log")


@pytest.mark.real
def test_a_real_adapter_is_evaluated(data: Path, tmp_path: Path, smol_file: Path) -> None:
    card = json.loads((data / "card.json").read_text())
    card["tokenizer"].update(model=str(smol_file), n_vocab=49_152)
    (data / "card.json").write_text(json.dumps(card))
    adapter = write_adapter(tmp_path / "real.gguf", layers=30, width=576, kv_width=192, scale=0.5)
    command = ("forge", "eval", str(data), "--adapter", str(adapter), "--limit", "4", "--json")
    done = nano_lsp(*command)
    assert done.returncode == 1, done.stderr
    evaluation = json.loads(done.stdout)
    assert evaluation["sets"][0]["all"][0]["n"] == 4
    assert evaluation["examples"]  # the adapter changes answers
    wrong = write_adapter(tmp_path / "wrong.gguf", layers=3, width=64, kv_width=64)
    assert_error(nano_lsp("forge", "eval", str(data), "--adapter", str(wrong)), 4, "wrong.gguf")
    assert math.isfinite(evaluation["sets"][0]["all"][0]["p_value"])

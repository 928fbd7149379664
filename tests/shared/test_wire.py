"""What goes over the wire comes out as it went in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp import errors
from nano_lsp.config import Settings
from nano_lsp.code.cursor_context import CompletionTask
from nano_lsp.edits import cells
from nano_lsp.assistant import jobs
from nano_lsp.assistant.jobs import Job
from nano_lsp.completion.postprocess import Judgement
from nano_lsp.assistant.prompts import Message
from nano_lsp.tasks import Answer, Task
from nano_lsp.schema import Completion, Counters, FinishReason, GenerateParams, SamplingParams, Token
from nano_lsp.inference import protocol as wire

texts = st.text(max_size=40)
numbers = st.integers(0, 9999)
tasks = st.builds(CompletionTask, texts, texts, numbers, texts)
judgements = st.builds(Judgement, st.frozensets(texts, max_size=3), st.booleans(), st.floats(0, 1))
samplings = st.builds(SamplingParams, temperature=st.floats(0, 2), seed=st.none() | numbers)
tokens = st.builds(Token, numbers, st.binary(max_size=8), st.floats(-99, 0))
all_params = st.builds(GenerateParams, stop=st.tuples(texts), begin=st.tuples(tokens), avoid=st.frozensets(numbers))
surroundings = st.builds(cells.Surroundings, st.tuples(texts), st.tuples(texts), texts, texts)
ALL: dict[str, st.SearchStrategy[Job[Any]]] = {
    "Warm": st.builds(jobs.Warm),
    "CountTokens": st.builds(jobs.CountTokens, st.tuples(texts)),
    "Task": st.builds(Task, texts, texts, st.tuples(texts), texts, st.booleans(), sampling=samplings),
    "Complete": st.builds(jobs.Complete, tasks, judgements, samplings, st.booleans(), st.booleans()),
    "Alternatives": st.builds(jobs.Alternatives, tasks, st.integers(1, 3), judgements, samplings),
    "Ask": st.builds(jobs.Ask, texts, grammar=st.none() | texts, sampling=samplings),
    "Explain": st.builds(jobs.Explain, texts, texts, texts),
    "WriteDocstrings": st.builds(jobs.WriteDocstrings, texts, st.none() | numbers, st.none() | texts, texts),
    "Simplify": st.builds(jobs.Simplify, texts, numbers, numbers, texts),
    "Fix": st.builds(jobs.Fix, texts, numbers, numbers, texts, texts),
    "AddTypeHints": st.builds(jobs.AddTypeHints, texts, numbers),
    "WriteTest": st.builds(jobs.WriteTest, texts, numbers, texts),
    "WriteCell": st.builds(cells.WriteCell, texts, surroundings, st.booleans(), numbers),
    "FixCell": st.builds(cells.FixCell, texts, texts),
    "CompletePrompt": st.builds(jobs.CompletePrompt, texts | st.tuples(numbers), all_params),
    "Infill": st.builds(jobs.Infill, texts, texts, texts, numbers, st.none() | st.floats(0, 9), samplings),
    "Chat": st.builds(jobs.Chat, st.tuples(st.builds(Message, texts, texts)), all_params),
}


@pytest.mark.parametrize("name", sorted(wire.JOBS))
@given(data=st.data())
def test_each_job_comes_out_as_it_went_in(name: str, data: st.DataObject) -> None:
    job, settings = data.draw(ALL[name]), Settings(model="m", max_tokens=7)
    order = msgspec.json.decode(wire.encode_order("me", settings, job, "/w"), type=wire.Order)
    assert (order.client, order.settings, order.workspace) == ("me", settings, "/w")
    assert wire.decode_job(name, order.job) == job


def test_half_a_surrogate_pair_becomes_one_character_and_the_rest_stays() -> None:
    task = CompletionTask("a.py", "x = '\ud83d'\ny = 'é'", 3)
    order = msgspec.json.decode(wire.encode_order("me", Settings(), jobs.Complete(task), ""), type=wire.Order)
    sent = wire.decode_job("Complete", order.job)
    assert isinstance(sent, jobs.Complete)
    assert sent.task.text == "x = '?'\ny = 'é'"


@given(st.lists(tokens, max_size=3), texts)
def test_a_result_comes_out_as_it_went_in(said: list[Token], text: str) -> None:
    done = Completion(text, tuple(said), FinishReason.STOP, Counters(prompt_tokens=3), ("mind",))
    (event,) = wire.EventReader().feed(
        wire.encode_event("result", wire.Result(msgspec.Raw(msgspec.json.encode(done)), Counters(prompt_tokens=3)))
    )
    result = msgspec.json.decode(event.data, type=wire.Result)
    assert wire.decode_result(jobs.Ask("?"), result) == done


def test_the_answer_of_a_task_comes_out_as_it_went_in() -> None:
    answer = Answer([{"a": 1.5, "b": None}, "x"], {"yes": 0.75, "no": 0.25}, "Because.", cut=True, warnings=("mind",))
    (event,) = wire.EventReader().feed(
        wire.encode_event("result", wire.Result(msgspec.Raw(msgspec.json.encode(answer)), Counters()))
    )
    assert wire.decode_result(Task("?"), msgspec.json.decode(event.data, type=wire.Result)) == answer


@given(st.lists(texts, min_size=1, max_size=5), st.integers(1, 50))
def test_events_may_come_cut_anywhere(said: list[str], size: int) -> None:
    data = b": hello\n\n".join(wire.encode_event("text", wire.Text(i, text)) for i, text in enumerate(said))
    reader = wire.EventReader()
    events = [event for i in range(0, len(data), size) for event in reader.feed(data[i : i + size])]
    assert [msgspec.json.decode(event.data, type=wire.Text).add for event in events] == said


@pytest.mark.parametrize(
    "kind", [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.NanoError)]
)
def test_each_error_comes_out_as_it_went_in(kind: type[errors.NanoError]) -> None:
    failure = msgspec.json.decode(msgspec.json.encode(wire.Failure.of(kind("What.", "Do."))), type=wire.Failure)
    error = failure.error()
    assert (type(error), error.message, error.remedy) == (kind, "What.", "Do.")


@pytest.mark.parametrize(
    ("name", "fields"),
    [("Nothing", b"{}"), ("Ask", b"{}"), ("Ask", b'{"question": 1}'), ("Complete", b'{"task": {"name": "a"}}')],
)
def test_what_is_no_job_is_refused(name: str, fields: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        wire.decode_job(name, msgspec.Raw(fields))


def test_paths_that_are_not_utf_8() -> None:
    """A folder's name may be any bytes; Python has half a surrogate pair for each that is not UTF-8."""
    odd, job = "/home/\udcff/project", jobs.CountTokens(("x",))
    order = msgspec.json.decode(wire.encode_order("c", Settings(), job, odd), type=wire.Order)
    assert order.workspace == ""
    assert msgspec.json.decode(wire.encode_order("c", Settings(), job, "/é"), type=wire.Order).workspace == "/é"
    with pytest.raises(errors.ConfigError, match="not UTF-8"):
        wire.encode_order("c", Settings(model=f"{odd}/m.gguf"), job, "")

"""What goes over the wire comes out as it went in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp import errors
from nano_lsp.assistant.job import CountTokens, Job, LoadModel
from nano_lsp.assistant.prompts import Message
from nano_lsp.chat import Ask, Chat, CompletePrompt, Explain
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Alternatives, Complete, Infill, ReadAhead
from nano_lsp.completion.postprocess import PostprocessOptions
from nano_lsp.docstrings import WriteDocstrings
from nano_lsp.edits import cells
from nano_lsp.edits.framework_tests import WriteFrameworkTest
from nano_lsp.edits.rewrite import AddTypeHints, Fix, Simplify, WriteTest
from nano_lsp.engine import protocol
from nano_lsp.next_edit.scoring import Choice, ScoreEdits
from nano_lsp.schema import Completion, Counters, FinishReason, GenerateParams, SamplingParams, Token
from nano_lsp.settings import Settings
from nano_lsp.tasks import Answer, Task

texts = st.text(max_size=40)
numbers = st.integers(0, 9999)
tasks = st.builds(CompletionInput, texts, texts, numbers, texts)
judgements = st.builds(PostprocessOptions, st.frozensets(texts, max_size=3), st.booleans(), st.floats(0, 1))
samplings = st.builds(SamplingParams, temperature=st.floats(0, 2), seed=st.none() | numbers)
tokens = st.builds(Token, numbers, st.binary(max_size=8), st.floats(-99, 0))
all_params = st.builds(GenerateParams, stop=st.tuples(texts), begin=st.tuples(tokens), avoid=st.frozensets(numbers))
notebook_context = st.builds(cells.NotebookContext, st.tuples(texts), st.tuples(texts), texts, texts)
choices = st.builds(Choice, texts, texts, texts, texts, st.floats(-9, 9))
ALL: dict[str, st.SearchStrategy[Job[Any]]] = {
    "LoadModel": st.builds(LoadModel),
    "CountTokens": st.builds(CountTokens, st.tuples(texts)),
    "Task": st.builds(Task, texts, texts, st.tuples(texts), texts, st.booleans(), sampling=samplings),
    "Complete": st.builds(Complete, tasks, judgements, samplings, st.booleans(), st.booleans()),
    "Alternatives": st.builds(Alternatives, tasks, st.integers(1, 3), judgements, samplings),
    "ReadAhead": st.builds(ReadAhead, tasks),
    "Ask": st.builds(Ask, texts, grammar=st.none() | texts, sampling=samplings),
    "Explain": st.builds(Explain, texts, texts, texts),
    "WriteDocstrings": st.builds(WriteDocstrings, texts, st.none() | numbers, st.none() | texts, texts),
    "Simplify": st.builds(Simplify, texts, numbers, numbers, texts),
    "Fix": st.builds(Fix, texts, numbers, numbers, texts, texts),
    "AddTypeHints": st.builds(AddTypeHints, texts, numbers),
    "WriteTest": st.builds(WriteTest, texts, numbers, texts),
    "WriteFrameworkTest": st.builds(WriteFrameworkTest, texts, texts, texts, texts, texts, texts),
    "WriteCell": st.builds(cells.WriteCell, texts, notebook_context, st.booleans(), numbers),
    "FixCell": st.builds(cells.FixCell, texts, texts),
    "ScoreEdits": st.builds(ScoreEdits, texts, st.tuples(st.tuples(texts, texts)), st.tuples(choices)),
    "CompletePrompt": st.builds(CompletePrompt, texts | st.tuples(numbers), all_params),
    "Infill": st.builds(Infill, texts, texts, texts, numbers, st.none() | st.floats(0, 9), samplings),
    "Chat": st.builds(Chat, st.tuples(st.builds(Message, texts, texts)), all_params),
}


@pytest.mark.parametrize("name", sorted(protocol.JOBS))
@given(data=st.data())
def test_each_job_comes_out_as_it_went_in(name: str, data: st.DataObject) -> None:
    job, settings = data.draw(ALL[name]), Settings(model="m", max_tokens=7)
    order = msgspec.json.decode(protocol.encode_request("me", settings, job, "/w"), type=protocol.JobRequest)
    assert (order.client, order.settings, order.workspace) == ("me", settings, "/w")
    assert protocol.decode_job(name, order.job) == job


def test_half_a_surrogate_pair_becomes_one_character_and_the_rest_stays() -> None:
    task = CompletionInput("a.py", "x = '\ud83d'\ny = 'é'", 3)
    order = msgspec.json.decode(
        protocol.encode_request("me", Settings(), Complete(task), ""), type=protocol.JobRequest
    )
    sent = protocol.decode_job("Complete", order.job)
    assert isinstance(sent, Complete)
    assert sent.completion_input.text == "x = '?'\ny = 'é'"


@given(st.lists(tokens, max_size=3), texts)
def test_a_result_comes_out_as_it_went_in(said: list[Token], text: str) -> None:
    done = Completion(text, tuple(said), FinishReason.STOP, Counters(prompt_tokens=3), ("mind",))
    (event,) = protocol.EventReader().feed(
        protocol.encode_event(protocol.Result(msgspec.Raw(msgspec.json.encode(done)), Counters(prompt_tokens=3)))
    )
    assert isinstance(event, protocol.Result)
    assert protocol.decode_result(Ask("?"), event) == done


def test_the_answer_of_a_task_comes_out_as_it_went_in() -> None:
    answer = Answer(
        [{"a": 1.5, "b": None}, "x"], {"yes": 0.75, "no": 0.25}, "Because.", truncated=True, warnings=("mind",)
    )
    (event,) = protocol.EventReader().feed(
        protocol.encode_event(protocol.Result(msgspec.Raw(msgspec.json.encode(answer)), Counters()))
    )
    assert isinstance(event, protocol.Result)
    assert protocol.decode_result(Task("?"), event) == answer


@given(st.lists(texts, min_size=1, max_size=5), st.integers(1, 50))
def test_events_may_come_cut_anywhere(said: list[str], size: int) -> None:
    data = b"\n".join(protocol.encode_event(protocol.Text(i, text)) for i, text in enumerate(said))
    reader = protocol.EventReader()
    events = [event for i in range(0, len(data), size) for event in reader.feed(data[i : i + size])]
    assert [event.add for event in events if isinstance(event, protocol.Text)] == said


@pytest.mark.parametrize(
    "kind", [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.NanoError)]
)
def test_each_error_comes_out_as_it_went_in(kind: type[errors.NanoError]) -> None:
    failure = msgspec.json.decode(
        msgspec.json.encode(protocol.Failure.of(kind("What.", "Do."))), type=protocol.Failure
    )
    error = failure.error()
    assert (type(error), error.message, error.remedy) == (kind, "What.", "Do.")


@pytest.mark.parametrize(
    ("name", "fields"),
    [("Nothing", b"{}"), ("Ask", b"{}"), ("Ask", b'{"question": 1}'), ("Complete", b'{"task": {"name": "a"}}')],
)
def test_what_is_no_job_is_refused(name: str, fields: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        protocol.decode_job(name, msgspec.Raw(fields))


def test_paths_that_are_not_utf_8() -> None:
    """A folder's name may be any bytes; Python has half a surrogate pair for each that is not UTF-8."""
    odd, job = "/home/\udcff/project", CountTokens(("x",))
    order = msgspec.json.decode(protocol.encode_request("c", Settings(), job, odd), type=protocol.JobRequest)
    assert order.workspace == ""
    assert (
        msgspec.json.decode(protocol.encode_request("c", Settings(), job, "/é"), type=protocol.JobRequest).workspace
        == "/é"
    )
    with pytest.raises(errors.ConfigError, match="not UTF-8"):
        protocol.encode_request("c", Settings(model=f"{odd}/m.gguf"), job, "")

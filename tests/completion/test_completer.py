"""Completions on the scripted backend, from the cursor to the text shown."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nano_lsp.assistant.budget import Budget
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Alternatives, Complete, ReadAhead
from nano_lsp.completion.postprocess import PostprocessOptions
from nano_lsp.config import find_folders
from nano_lsp.engine import local_assistant
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.models.adapter_file import BaseModel
from nano_lsp.models.adapters import AdapterChoice
from nano_lsp.schema import GenerateParams
from nano_lsp.settings import Settings
from nano_lsp.testing.scripted_backend import END, N_VOCAB, ScriptedBackend, reply_script


def assistant(replies: dict[str, str], **values: object) -> LocalAssistant:
    return assistant_with(ScriptedBackend(script=reply_script(replies)), **values)


def assistant_with(backend: ScriptedBackend, **values: object) -> LocalAssistant:
    return LocalAssistant(LoadedModel(backend), Settings(**values), find_folders())  # type: ignore[arg-type]


def tokenize(text: str) -> list[int]:
    return ScriptedBackend().tokenize(text, parse_special=True)


def completion_input(code: str, name: str = "a.py") -> CompletionInput:
    before, after = code.split("|")
    return CompletionInput(name, before + after, len(before))


def test_the_prompt_has_the_suffix_first_and_the_prefix_last() -> None:
    with assistant({"x = ": "1"}) as it:
        assert it.run(Complete(completion_input("x = |\ny = 2\n"))).text == "1"
        prompt = tokenize("<|fim_prefix|><|fim_suffix|>y = 2\n<|fim_middle|>x = ")
        assert it.totals.prompt_tokens == len(prompt) - 1  # token healing generates the blank again


def test_at_the_end_of_a_line_the_model_writes_the_line_break_after_the_cursor() -> None:
    with assistant({"x = 1\n": "y = 2\n"}) as it:
        assert it.run(Complete(completion_input("x = 1\n|\nz = 3\n"))).text == "y = 2"
        prompt = tokenize("<|fim_prefix|><|fim_suffix|>z = 3\n<|fim_middle|>x = 1\n")
        assert it.totals.prompt_tokens == len(prompt)


def test_a_requested_completion_has_at_least_one_token() -> None:
    with assistant({"x=": ""}) as it:
        assert (
            it.run(Complete(completion_input("x=|\n"), PostprocessOptions(automatic=True))).counters.generated_tokens
            <= 1
        )
        assert it.run(Complete(completion_input("x=|\n"))).counters.generated_tokens > 1


def test_alternatives_differ_and_cost_one_prompt() -> None:
    def script(history: Sequence[int]) -> NDArray[np.float32]:
        row = np.zeros(N_VOCAB, np.float32)
        for token, value in {ord("a"): 9.0, ord("b"): 8.5, END: 8.0}.items():
            row[token] = value
        if bytes(token for token in history[-3:] if token < 256).strip(b"ab"):
            row[END] = 0.0
        return row

    backend = ScriptedBackend(script=script)
    code = "".join(f"value_{i} = {i}\n" for i in range(40)) + "x=|\n"
    with assistant_with(backend, max_tokens=6) as it:
        found = it.run(Alternatives(completion_input(code)))
        assert len({completion.text for completion in found}) == 3
        assert found[0].text == it.run(Complete(completion_input(code))).text
        for other in found[1:]:
            assert other.counters.cached_tokens >= found[0].counters.prompt_tokens - 1
            assert other.counters.evaluated_tokens <= len(found[0].tokens)
            assert all(text.strip() for text in (found[0].text, other.text))
    with assistant({"x=": "1"}) as it:
        assert [completion.text for completion in it.run(Alternatives(completion_input("x=|\n"), 1))] == ["1"]


def test_a_line_with_a_syntax_error_is_resampled_once() -> None:
    with assistant({"x = ": "1 2\n"}, max_tokens=16) as it:
        done = it.run(Complete(completion_input("x = |\n"), speculative=False))
    assert done.text in ("1", "")
    assert done.counters.generated_tokens > 0


def test_imported_signatures_come_first_and_stay_in_the_kv_cache(tmp_path: Path) -> None:
    (tmp_path / "shapes.py").write_text("def area(width: int, height: int) -> int: ...\n")
    name = str(tmp_path / "app.py")
    with assistant({"x = ": "1"}) as it:
        it.use_workspace(tmp_path)
        it.index_workspaces()
        assert it.run(Complete(completion_input("from shapes import area\nx = |\n", name))).text == "1"
        code = "# shapes.py\ndef area(width: int, height: int) -> int: ...\n"
        expected = f"<|fim_prefix|>{code}<|fim_suffix|><|fim_middle|>from shapes import area\nx ="
        assert it.totals.prompt_tokens == len(tokenize(expected))
        after = it.run(
            Complete(completion_input("from shapes import area\nx = 1\nyy = |\n", name), speculative=False)
        )
        assert after.counters.evaluated_tokens < 16


@given(st.integers(64, 400), st.integers(0, 400))
@settings(max_examples=20)
def test_prompts_stay_within_their_budget(prompt_tokens: int, imported_tokens: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "many.py").write_text("".join(f"def function_{i}(a, b): ...\n" for i in range(40)))
        names = ", ".join(f"function_{i}" for i in range(40))
        text = f"from many import {names}\n" + "".join(f"value_{i} = {i}\n" for i in range(99))
        limits = {"prompt_tokens": prompt_tokens, "imported_tokens": imported_tokens}
        with assistant({"never": ""}, max_tokens=1, **limits) as it:
            it.use_workspace(root)
            it.index_workspaces()
            done = it.run(Complete(CompletionInput(str(root / "app.py"), text, len(text) // 2)))
            assert done.counters.prompt_tokens <= prompt_tokens + 3


def test_after_typing_only_the_typed_tokens_are_evaluated() -> None:
    code = "".join(f"value_{i} = {i}\n" for i in range(40))
    with assistant({"never": ""}, max_tokens=1, prompt_tokens=2000) as it:
        it.run(Complete(completion_input(code + "total|\nprint(total)\n"), speculative=False))
        for typed in ("total1", "total12", "total12("):
            done = it.run(Complete(completion_input(code + typed + "|\nprint(total)\n"), speculative=False))
            assert done.counters.evaluated_tokens <= 2
            assert done.counters.cached_tokens > 300


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["a.py", "a.js", "a"])
def test_unusual_texts_raise_no_error(line_end: str, name: str) -> None:
    texts = [
        "\0" * 50,
        "x = 1" + line_end * 3 + "\tif y:" + line_end + "        z",
        "é" * 30 + "🙂e\u0301\ud800" + line_end,
        "(" * 3000,
        "'''" + line_end + '"""',
    ]
    with assistant({"never": ""}, max_tokens=4, prompt_tokens=256) as it:
        for text in texts:
            for offset in (0, len(text) // 2, len(text)):
                it.run(Complete(CompletionInput(name, text, offset)))


def test_a_file_of_20_mb_and_a_line_of_2_mb() -> None:
    for text in ("value = compute(1, 2)\n" * 950_000, "x = [" + "1, " * 700_000):
        with assistant({"never": ""}, max_tokens=2, prompt_tokens=256) as it:
            it.run(Complete(CompletionInput("a.py", text, len(text) // 2)))


AUTOMATIC = PostprocessOptions(automatic=True)
LONG = "".join(f"def f{i}(a, b):\n    return a + {i}\n\n\n" for i in range(30))
FIRST_TOKENS = 96  # without a measurement


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The speed of this machine changes no window."""
    monkeypatch.setattr(Budget, "observe", lambda _self, _counters: None)


def when_read_ahead(it: LocalAssistant) -> None:
    """Wait until the model has done what it was asked to do in the background before."""
    it.run(Complete(completion_input("x|", "other.py"), prefetch=True))


@pytest.mark.usefixtures("unmeasured")
def test_a_cold_suggestion_comes_from_a_small_window_and_the_whole_one_is_read_afterwards() -> None:
    with assistant({"total = ": "f1(1, 2)\n"}) as it:
        cold = it.run(Complete(completion_input(LONG + "total = |\n" + LONG), AUTOMATIC))
        assert cold.text == "f1(1, 2)"
        assert cold.counters.evaluated_tokens <= FIRST_TOKENS + 8
        when_read_ahead(it)
        warm = it.run(Complete(completion_input(LONG + "total = f|\n" + LONG), AUTOMATIC))
        assert warm.counters.prompt_tokens > 500
        assert warm.counters.evaluated_tokens <= 4


def test_a_requested_completion_and_one_without_a_target_read_the_whole_window_at_once() -> None:
    for options, values in ((PostprocessOptions(), {}), (AUTOMATIC, {"first_suggestion_ms": 0})):
        with assistant({"total = ": "1\n"}, **values) as it:
            done = it.run(Complete(completion_input(LONG + "total = |\n"), options))
            assert done.counters.evaluated_tokens > 3 * FIRST_TOKENS


@pytest.mark.usefixtures("unmeasured")
def test_while_the_whole_window_is_read_a_key_costs_little_in_the_small_one() -> None:
    with assistant({"total = ": "f1(1, 2)\n"}) as it:
        held = it.model.submit  # the model never gets to what it is to read ahead
        it.model.submit = lambda request: held(request) if "#window" not in request.document else None  # type: ignore
        it.run(Complete(completion_input(LONG + "total = |\n" + LONG), AUTOMATIC))
        typed = it.run(Complete(completion_input(LONG + "total = f|\n" + LONG), AUTOMATIC))
        assert typed.text == "1(1, 2)"
        assert typed.counters.evaluated_tokens <= 2


@pytest.mark.usefixtures("unmeasured")
def test_an_improbable_suggestion_from_a_small_window_is_not_shown() -> None:
    def script(history: Sequence[int]) -> NDArray[np.float32]:
        row = np.full(N_VOCAB, -99, np.float32)
        ended = bytes(token for token in history[-1:] if token < 256) in {b"1", b"2"}
        row[[END] if ended else [ord("1"), ord("2")]] = 9.0  # each as probable as the other
        return row

    with assistant_with(ScriptedBackend(script=script)) as it:
        at = completion_input(LONG + "total=|\n")
        provisional = it.run(Complete(at, AUTOMATIC))
        assert (provisional.text, provisional.provisional) == ("", True)
        when_read_ahead(it)
        whole = it.run(Complete(at, AUTOMATIC))
        assert whole.text
        assert not whole.provisional


@pytest.mark.usefixtures("unmeasured")
def test_what_is_read_ahead_in_many_documents_leaves_room_for_requests() -> None:
    with assistant({"total = ": "f1(1, 2)\n"}) as it:
        busy = it.model.submit(GenerationRequest(tuple(tokenize("a" * 300)), GenerateParams(max_tokens=50)))
        for i in range(40):
            it.run(ReadAhead(completion_input(LONG + "total = |\n" + LONG, f"{i}.py")))
        assert it.run(Complete(completion_input("total = |\n"), AUTOMATIC)).text == "f1(1, 2)"
        busy.cancel()


@pytest.mark.usefixtures("unmeasured")
def test_one_job_looks_up_its_adapter_and_what_is_cached_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def choose(*_: object) -> AdapterChoice:
        asked.append("adapter")
        return AdapterChoice()

    def count(request: GenerationRequest) -> int:
        asked.append("missing")
        return len(request.prompt)

    monkeypatch.setattr(local_assistant, "choose_adapter", choose)
    base = BaseModel("x", Path("x"), "0" * 64, has_weights=False)
    model = LoadedModel(ScriptedBackend(script=reply_script({"total = ": "1\n"})), base=base)
    with LocalAssistant(model, Settings(), find_folders()) as it:
        monkeypatch.setattr(model, "n_missing", count)
        at = completion_input(LONG + "total = |\n")
        it.run(Complete(at, AUTOMATIC))
        assert sorted(asked) == ["adapter", "missing"]
        asked.clear()
        it.run(ReadAhead(at))
        assert sorted(asked) == ["adapter", "missing"]


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(("order", "pasted"), [("psm", "x"), ("spm_tail", "x" * 150)])
def test_the_whole_window_is_read_at_once_where_a_small_one_gains_little(order: str, pasted: str) -> None:
    with assistant({"total = ": "1\n"}) as it:
        it.model.fim_order = "spm_tail"
        it.run(Complete(completion_input(LONG + "total = |\n"), AUTOMATIC))
        when_read_ahead(it)
        it.model.fim_order = order
        done = it.run(Complete(completion_input(f"{LONG}total = {pasted}|\n"), AUTOMATIC))
        assert done.counters.prompt_tokens > 3 * FIRST_TOKENS


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 29), st.integers(1, 6), st.booleans()), min_size=1, max_size=6))
def test_walks_with_small_windows_end_with_the_answers_of_whole_ones(walk: list[tuple[int, int, bool]]) -> None:
    """Jumps to functions, keys there, rests: after a rest, the answer is that of the whole window."""
    replies = {"return a": " + b\n"}
    with (
        mock.patch.object(Budget, "observe"),
        assistant(replies) as it,
        assistant(replies, first_suggestion_ms=0) as whole,
    ):
        for place, n_typed, rests in walk:
            at = LONG.index(f" + {place}\n")
            for n in range(n_typed):
                code = LONG[: at + n] + "|" + LONG[at + 4 :]
                shown = it.run(Complete(completion_input(code), AUTOMATIC))
                expected = whole.run(Complete(completion_input(code), AUTOMATIC))
                assert shown.text == expected.text
                assert shown.counters.evaluated_tokens <= 2 * FIRST_TOKENS
            if rests:
                when_read_ahead(it)
                again = it.run(Complete(completion_input(code), AUTOMATIC))
                assert again.counters.evaluated_tokens <= 1
                assert again.counters.prompt_tokens == expected.counters.prompt_tokens

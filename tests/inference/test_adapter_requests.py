"""Requests with and without an adapter on one model: each gives what it would give alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nano_lsp.chat import Ask, CompletePrompt
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Alternatives, Complete, Infill
from nano_lsp.config import find_folders
from nano_lsp.docstrings import WriteDocstrings
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.errors import AdapterError
from nano_lsp.inference.generation import Engine, Generation
from nano_lsp.inference.kv_cache import KvCache
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.inference.snapshots import Snapshots
from nano_lsp.inference.worker import Worker
from nano_lsp.models.adapter_file import BASE_KEY, AdapterFile, BaseModel
from nano_lsp.models.adapters import AdapterStore
from nano_lsp.schema import GenerateParams, Priority
from nano_lsp.settings import Settings
from nano_lsp.testing.scripted_backend import Script, ScriptedBackend, hashed_script, reply_script
from tests.gguf_files import write_tiny_adapter

LIMIT_S = 60
ONE, TWO = (AdapterFile(digit * 64, Path(f"{digit}.gguf")) for digit in "12")
PREFIXES = ["def add(a, b):\n" * 8, "def add(a, b):\n" * 8 + "    return", "import os\n" * 30]


def adapted(adapter: AdapterFile) -> Script:
    """Other pseudo-random tokens than those of the model alone, for each adapter."""

    def script(history: Sequence[int]) -> NDArray[np.float32]:
        row = hashed_script([int(adapter.sha256[:4], 16), *history])
        return np.asarray(row, np.float32)

    return script


def cold(prompt: tuple[int, ...], adapter: AdapterFile | None, n: int) -> list[int]:
    params = GenerateParams(max_tokens=n, draft=False)
    done = Generation(Engine(ScriptedBackend(adapted_script=adapted)), "cold", prompt, params, adapter=adapter).run()
    return [token.id for token in done.tokens]


requests = st.tuples(
    st.sampled_from([None, ONE, TWO]),
    st.sampled_from("abc"),
    st.sampled_from(PREFIXES),
    st.sampled_from(list(Priority)),
    st.integers(1, 6),
)


@given(steps=st.lists(requests, min_size=2, max_size=12))
@settings(max_examples=25)
def test_any_interleaving_gives_what_cold_runs_give(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[AdapterFile | None, str, str, Priority, int]]
) -> None:
    backend = ScriptedBackend(n_ctx=700, n_seq_max=4, adapted_script=adapted)
    snapshots = Snapshots(tmp_path_factory.mktemp("kv"), "model")
    worker = Worker(Engine(backend, KvCache(backend, snapshots, min_new_tokens=16)))
    try:
        asked = []
        for adapter, key, text, priority, n in steps:
            prompt, params = tuple(backend.tokenize(text)), GenerateParams(max_tokens=n, draft=False)
            request = GenerationRequest(prompt, params, priority, sequence=key, adapter=adapter)
            asked.append((worker.submit(request), prompt, adapter, n))
        for future, prompt, adapter, n in asked:
            assert [token.id for token in future.result(LIMIT_S).tokens] == cold(prompt, adapter, n)
    finally:
        worker.close()


REPLIES = {"x = ": "1 + 1\n", "assistant\n": "Forty-two.", "<|fim_middle|>x = ": "1 + 1\n"}


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return write_tiny_adapter(tmp_path / "mine.gguf")


def new_assistant(tmp_path: Path, setting: str) -> LocalAssistant:
    with_adapter = reply_script({"x = ": "adapted()\n", "assistant\n": "Never."})
    backend = ScriptedBackend(reply_script(REPLIES), adapted_script=lambda _adapter: with_adapter)
    base = BaseModel("scripted:x", tmp_path / "x", "0" * 64, has_weights=False)
    return LocalAssistant(LoadedModel(backend, base=base), Settings(adapter=setting), find_folders())


def test_infilling_uses_the_adapter_and_nothing_else_does(tmp_path: Path, adapter: Path) -> None:
    cursor = CompletionInput("a.py", "x = \n", 4)
    with new_assistant(tmp_path, str(adapter)) as assistant:
        for _ in range(2):
            assert assistant.run(Complete(cursor)).text == "adapted()"
            assert assistant.run(Ask("What is it?")).text == "Forty-two."
            assert assistant.run(Alternatives(cursor, 2))[0].text == "adapted()"
            assert assistant.run(Infill("x = ", "\n")).text == "adapted()"
            assert assistant.run(CompletePrompt("x = ")).text == "1 + 1\n"
            assert assistant.run(
                CompletePrompt("<|fim_prefix|>x = <|fim_suffix|>\n<|fim_middle|>x = ")
            ).text.startswith("adapted()")
            assistant.run(WriteDocstrings("def f(a):\n    return a\n"))
    with new_assistant(tmp_path, "none") as assistant:
        assert assistant.run(Complete(cursor)).text == "1 + 1"


def test_each_workspace_has_its_own_adapter_from_the_next_request_on(tmp_path: Path, adapter: Path) -> None:
    store = AdapterStore(find_folders().adapters)
    one, two = tmp_path / "one", tmp_path / "two"
    with new_assistant(tmp_path, "auto") as assistant:
        for folder in (one, two):
            folder.mkdir()
            assistant.use_workspace(folder)

        def complete(folder: Path) -> str:
            return assistant.run(Complete(CompletionInput(str(folder / "a.py"), "x = \n", 4))).text

        assert (complete(one), complete(two)) == ("1 + 1", "1 + 1")
        store.choose(store.install(adapter), one)
        assert (complete(one), complete(two)) == ("adapted()", "1 + 1")
        store.remove("mine")
        assert (complete(one), complete(two)) == ("1 + 1", "1 + 1")
        store.choose(store.install(adapter), None)
        assert (complete(one), complete(two)) == ("adapted()", "adapted()")


def test_an_adapter_of_another_model_is_an_error_by_name_and_left_out_by_auto(tmp_path: Path) -> None:
    other = write_tiny_adapter(tmp_path / "other.gguf", {BASE_KEY: "1" * 64})
    store = AdapterStore(find_folders().adapters)
    store.choose(store.install(other), None)
    cursor = CompletionInput("a.py", "x = \n", 4)
    with new_assistant(tmp_path, "other") as assistant:
        with pytest.raises(AdapterError, match="another model"):
            assistant.run(Complete(cursor))
        assert assistant.run(Ask("What is it?")).text == "Forty-two."
    with new_assistant(tmp_path, "auto") as assistant:
        assert assistant.run(Complete(cursor)).text == "1 + 1"


def test_requests_without_an_adapter_never_touch_it() -> None:
    calls = itertools.count()

    class Counting(ScriptedBackend):
        def set_adapter(self, adapter: AdapterFile | None) -> None:
            next(calls)
            super().set_adapter(adapter)

    engine = Engine(Counting(adapted_script=adapted))
    prompt = tuple(ScriptedBackend().tokenize(PREFIXES[0]))
    assert next(calls) == 1  # what an earlier use has left is reset
    for adapter in (None, None, ONE, ONE, None):
        Generation(engine, "a", prompt, GenerateParams(max_tokens=4, draft=False), adapter=adapter).run()
    assert next(calls) == 4  # to the adapter, and back

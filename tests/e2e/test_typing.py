"""Typing in a real file with the real model: what a keystroke costs in tokens."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path

import pytest

from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.completion.postprocess import PostprocessOptions
from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant

KEYS = 200


@pytest.mark.real
@pytest.mark.timeout(method="thread")  # llama.cpp runs in this process, as in tests/inference/test_real_engine.py
@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("first_suggestion_ms", [0, 1000], ids=["whole window", "small window first"])
def test_a_key_in_the_middle_of_a_file_costs_two_tokens_and_a_half_at_most(first_suggestion_ms: int) -> None:
    """The file has been opened, which reads the prompt once; then each key asks for a suggestion."""
    text = Path(inspect.getfile(copy)).read_text(encoding="utf-8")
    assert 250 <= text.count("\n") <= 350
    start = text.index("    deep = memo is not None")
    typed, above, below = text[start : start + KEYS], text[:start], text[start + KEYS :]
    settings, folders = load_settings(max_tokens=1, first_suggestion_ms=first_suggestion_ms), find_folders()
    with LocalAssistant(LoadedModel.load(settings, folders, lambda *_: None), settings, folders) as assistant:

        def ask(n_keys: int) -> int:
            task = CompletionInput("copy.py", above + typed[:n_keys] + below, start + n_keys)
            return assistant.run(Complete(task, PostprocessOptions(automatic=True))).counters.evaluated_tokens

        opened = ask(0)
        evaluated = [ask(n) for n in range(1, KEYS + 1)]
    assert opened < 150 if first_suggestion_ms else opened > 500
    per_key = sum(evaluated) / KEYS
    print(f"{per_key:.3f} evaluated tokens a key, {opened} when the file was opened")
    assert per_key <= 2.5

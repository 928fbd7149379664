"""The baseline: what llama.vim would show with llama-server on the same weights."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nano_lsp.code.open_documents import OpenDocument
from nano_lsp.config import find_folders
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.evaluation.baseline import LlamaVimCompletion
from nano_lsp.evaluation.problems import Problem
from nano_lsp.settings import Settings
from nano_lsp.testing.scripted_backend import END, SPECIALS, ScriptedBackend


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("1\n", "1\n"),
        ("1\ntwo = 2\n", "1\ntwo = 2\n"),
        ("1\n" + "a" * 30 + "\nb\n", "1\n" + "a" * 30 + "\n"),
        ("a" * 40 + "\nb\n", "a" * 40 + "\n"),
    ],
)
def test_an_answer_ends_with_a_line_once_the_time_is_over(answer: str, shown: str) -> None:
    prefix = "one = "

    def script(history: Sequence[int]) -> int:
        n_written = list(history)[::-1].index(SPECIALS.index("<|fim_middle|>") + END)
        reply: list[int] = [*answer.encode(), END]
        return reply[n_written - len(prefix)]

    problem = Problem("p/1", "line", "p.txt", prefix, "\n", "1")
    document = OpenDocument(problem.file_name, problem.language)
    document.update(problem.prefix + problem.suffix)
    with LocalAssistant(LoadedModel(ScriptedBackend(script)), Settings(), find_folders()) as assistant:
        completion = assistant.run(LlamaVimCompletion(document.name, document.cursor(len(prefix))))
    assert completion.text == shown

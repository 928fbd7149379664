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


def shown(answer: str, prefix: str, suffix: str = "\n") -> str:
    """What llama.vim shows of an answer at a cursor."""
    typed = prefix[prefix.rfind("\n") + 1 :]
    n_tail = len(typed) if typed.strip() else 0

    def script(history: Sequence[int]) -> int:
        n_written = list(history)[::-1].index(SPECIALS.index("<|fim_middle|>") + END)
        reply: list[int] = [*answer.encode(), END]
        return reply[n_written - n_tail]

    problem = Problem("p/1", "line", "p.txt", prefix, suffix, "1")
    document = OpenDocument(problem.file_name, problem.language)
    document.update(problem.prefix + problem.suffix)
    with LocalAssistant(LoadedModel(ScriptedBackend(script)), Settings(), find_folders()) as assistant:
        return assistant.run(LlamaVimCompletion(document.name, document.cursor(len(prefix)))).text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1\n", "1"),
        ("1\ntwo\n", "1\ntwo"),
        ("1\n" + "a" * 9 + "\nb\n", "1\n" + "a" * 9),
        ("a" * 40 + "\nb\n", "a" * 40),
    ],
)
def test_an_answer_ends_with_a_line_once_the_time_is_over(answer: str, expected: str) -> None:
    assert shown(answer, "one = ") == expected


def test_an_answer_ends_before_a_line_that_is_indented_less() -> None:
    assert shown("1\n  b\nc\n", "x\n  a = ") == "1\n  b"
    assert shown("1\nc\n", "a = ") == "1\nc"
    assert shown("  a\nc\n", "x\n    ") == "a\nc"  # a line of blanks has no indentation to keep


@pytest.mark.parametrize(
    ("answer", "suffix", "repeats"),
    [
        ("1", "\n\na = 1\nb\n", True),
        ("1", "\na = 12\n", False),
        ("1\nbe", "\na = 1\nbeta\n", True),
        ("1\nbe", "\na = 1\n", False),
        ("1\nb\nc", "\na = 1\nb\nc\nd\n", True),
        ("1\nb\nc", "\na = 1\nb\nd\n", False),
        ("\nb", "\nb\nc\n", True),
        ("\nb", "\nc\n", False),
        ("1", "", False),
    ],
)
def test_an_answer_that_repeats_the_lines_below_is_dropped(answer: str, suffix: str, repeats: bool) -> None:
    assert (shown(answer, "a = ", suffix) == "") == repeats

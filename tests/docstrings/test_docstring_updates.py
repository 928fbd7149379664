"""Updates of docstrings in all forms of the style guides: no word of the author is lost, no code changes.

NANO_LSP_DOCSTRINGS sets the number of generated docstrings.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterable

import pytest

from nano_lsp.code.definitions import Definition, find_definitions
from nano_lsp.code.document import apply_edits
from nano_lsp.docstrings import is_outdated
from nano_lsp.errors import DocumentError
from tests.docstrings.docstring_forms import Case, Generator
from tests.docstrings.test_docstrings import parse, without_docstrings, write
from tests.scripted_answers import run

N_CASES = int(os.environ.get("NANO_LSP_DOCSTRINGS", "160"))
WORD = re.compile(r"word\d+")
STYLES = ("google", "numpy", "sphinx", "epytext")


def function_in(code: str) -> tuple[Definition, list[Definition]]:
    every = list(find_definitions(parse(code)))
    return next(found for found in every if found.name in {"f", "A.f"}), every


def docstring_lines(code: str) -> list[str]:
    """The lines of a function's docstring, stripped, as evaluated by Python."""
    node = next(n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.FunctionDef))
    text = ast.get_docstring(node, clean=False)
    assert text is not None
    assert [s for s in node.body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)] == node.body[:1]
    return [line.strip() for line in text.split("\n")]


def assert_within(kept: Iterable[str], lines: list[str], form: Callable[[str], str] = str.strip) -> None:
    """Assert that all of these lines occur, in order."""
    rest = iter(lines)
    for line in kept:
        assert form(line) in rest, line


@pytest.mark.parametrize("style", STYLES)
def test_no_word_of_an_author_is_lost(style: str) -> None:
    for seed in range(N_CASES // len(STYLES)):
        case = Generator(seed).case(style)
        try:
            check(case)
        except (AssertionError, SyntaxError) as error:
            raise AssertionError(f"{error}\nseed {seed}\n{case.code}") from error


def check(case: Case) -> None:
    definition, every = function_in(case.code)
    assert is_outdated(parse(case.code), definition, every) == case.is_outdated
    try:
        docstring = run(lambda it: write(it, parse(case.code), definition), otherwise="some words")
    except DocumentError:
        assert not case.in_lines  # the text to remove is in several literals: an error
        return
    if docstring is None:
        assert not case.is_outdated
        return
    after = apply_edits(case.code, [docstring.edit])
    assert without_docstrings(after) == without_docstrings(case.code)
    lines = docstring_lines(after)
    assert_within(case.kept, lines)
    text = "\n".join(lines)
    assert all(part.strip() in text for part in case.cut), after
    assert all(name in text for name in case.added), after
    if case.in_lines:  # byte for byte, as lines of the file
        words = {word for line in case.kept for word in WORD.findall(line)}
        lines_with_words = [line for line in case.source.split("\n")[1:-1] if words.intersection(WORD.findall(line))]
        assert_within(lines_with_words, after.split("\n"), str)
    definition, every = function_in(after)
    assert not is_outdated(parse(after), definition, every), after
    assert run(lambda it: write(it, parse(after), definition), otherwise="some words") is None, after

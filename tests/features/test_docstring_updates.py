"""Updates of docstrings in all forms that the guides allow: no word of their authors is lost, and nothing else changes.

NANO_LSP_DOCSTRINGS sets how many are generated.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable

import pytest

from nano_lsp.context.definitions import Definition, find_definitions
from nano_lsp.context.document import apply_edits
from nano_lsp.errors import DocumentError
from nano_lsp.features.docstrings import is_outdated
from tests.features.docstring_forms import Generator
from tests.features.test_docstrings import WRITER, carry_out, parse, without_docstrings

N_CASES = int(os.environ.get("NANO_LSP_DOCSTRINGS", "160"))
WORD = re.compile(r"word\d+")
STYLES = ("google", "numpy", "sphinx", "epytext")


def function_in(code: str) -> tuple[Definition, list[Definition]]:
    every = list(find_definitions(parse(code)))
    return next(found for found in every if found.name in {"f", "A.f"}), every


def docstring_lines(code: str) -> list[str]:
    """The lines of a function's docstring, without the blanks around them, as Python reads it."""
    node = next(n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.FunctionDef))
    text = ast.get_docstring(node, clean=False)
    assert text is not None
    assert [s for s in node.body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)] == node.body[:1]
    return [line.strip() for line in text.split("\n")]


def assert_within(kept: Iterable[str], lines: list[str]) -> None:
    """All of these lines are there, in order."""
    rest = iter(lines)
    for line in kept:
        assert line.strip() in rest, line


@pytest.mark.parametrize("style", STYLES)
def test_no_word_of_an_author_is_lost(style: str) -> None:
    n_refused = 0
    for seed in range(N_CASES // len(STYLES)):
        case = Generator(seed).case(style)
        definition, every = function_in(case.code)
        context = f"seed {seed}\n{case.code}"
        assert is_outdated(parse(case.code), definition, every) == case.is_outdated, context
        try:
            docstring = carry_out(WRITER.write(parse(case.code), definition), lambda: "some words")
        except DocumentError as refusal:
            assert "is left as it is" in str(refusal)
            n_refused += 1
            continue
        if docstring is None:
            assert not case.is_outdated, context
            continue
        after = apply_edits(case.code, [docstring.edit])
        context += after
        try:
            check(case.code, after, case.source, case.kept, case.cut, case.added, in_lines=case.in_lines)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{context}") from error
        definition, every = function_in(after)
        assert not is_outdated(parse(after), definition, every), context
        assert carry_out(WRITER.write(parse(after), definition), lambda: "some words") is None, context
    assert n_refused <= N_CASES // len(STYLES) // 50
    print(f"{style}: {n_refused} of {N_CASES // len(STYLES)} refused")


def check(
    before: str, after: str, source: str, kept: list[str], cut: list[str], added: list[str], *, in_lines: bool
) -> None:
    assert without_docstrings(after) == without_docstrings(before)
    lines = docstring_lines(after)
    assert_within(kept, lines)
    text = "\n".join(lines)
    assert all(part.strip() in text for part in cut)
    assert all(name in text for name in added)
    if in_lines:  # byte for byte, as lines of the file
        words = {word for line in kept for word in WORD.findall(line)}
        there = [line for line in source.split("\n")[1:-1] if words.intersection(WORD.findall(line))]
        rest = iter(after.split("\n"))
        assert all(line in rest for line in there)

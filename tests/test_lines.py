"""What ends a line, against those who decide it; and that nothing in the package decides it by itself."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp import lines
from nano_lsp.code.positions import Encoding, Positions

ROOT = Path(__file__).parents[1]
TEXTS = st.text(st.sampled_from("ab \n\r\x0b\x0c\x1c\x85\u2028\u2029é"), max_size=30)


@given(TEXTS)
def test_lines_end_as_python_and_editors_have_it(text: str) -> None:
    found = lines.split_lines(text, keep_ends=True)
    assert "".join(found) == text
    assert found == list(io.StringIO(text, newline=""))  # universal newlines, as Python reads its source
    assert lines.split_lines(text) == [re.sub(r"[\r\n]*\Z", "", line) for line in found]
    assert len(lines.line_starts(text)) == Positions(text, Encoding.UTF32).place(len(text))[0] + 1


@given(TEXTS)
def test_lines_end_as_git_has_it(text: str) -> None:
    data = text.encode()
    found = lines.split_at_newlines(data, keep_ends=True)
    assert b"".join(found) == data
    assert all(line.count(b"\n") == line.endswith(b"\n") for line in found)
    assert [line.removesuffix(b"\n") for line in found] == lines.split_at_newlines(data)
    assert [line.decode() for line in lines.split_at_newlines(data)] == lines.split_at_newlines(text)


@given(TEXTS, st.data())
def test_a_line_around_an_offset(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    start, end = lines.line_start(text, offset), lines.line_end(text, offset)
    assert start <= offset <= end
    assert lines.line_number(text, start) <= lines.line_number(text, offset) <= 1 + len(lines.split_lines(text))
    assert not re.search(r"[\r\n]", text[start:end])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "\n"),
        ("a", "\n"),
        ("a\r\nb\r\nc\n", "\r\n"),
        ("a\nb\nc\r\n", "\n"),
        ("a\rb\rc", "\r"),
        ("a\rb\nc\n", "\n"),
    ],
)
def test_the_line_break_of_a_text_is_what_most_lines_have(text: str, expected: str) -> None:
    assert lines.line_break_of(text) == expected


def test_indented_text_keeps_its_line_breaks() -> None:
    assert lines.indent_text("a\x0cb\r\n\r\n\x85c\rd", "  ") == "  a\x0cb\r\n\r\n  \x85c\r  d"


def splitters(tree: ast.AST) -> Iterator[int]:
    """Lines where something splits at whatever Unicode takes for a line's end: `textwrap.indent` does so, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr == "splitlines" or ast.unparse(node) == "textwrap.indent":
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "textwrap":
            yield from (node.lineno for name in node.names if name.name == "indent")


def test_no_module_but_one_knows_what_ends_a_line() -> None:
    files = [*(ROOT / "nano_lsp").rglob("*.py"), *(ROOT / "jupyter_ext" / "nano_lsp_jupyter").rglob("*.py")]
    assert len(files) > 100
    found = [
        f"{file.relative_to(ROOT)}:{line}: use nano_lsp.lines instead of str.splitlines"
        for file in files
        for line in splitters(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert found == []
    assert list(splitters(ast.parse("import textwrap\nx.splitlines()\ntextwrap.indent(x, y)"))) == [2, 3]

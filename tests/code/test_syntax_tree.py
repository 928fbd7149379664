"""Syntax trees that follow a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.code.languages import PLAIN, PYTHON, language_of
from nano_lsp.code.syntax_tree import MAX_BYTES, MAX_LINE_BYTES, SyntaxTree

code = st.lists(
    st.sampled_from(
        [
            "def f(x):\n",
            "    return x\n",
            "x = (1,\n",
            ")\n",
            "é = '🙂'\n",
            "\t",
            "'''",
            "#\r\n",
            "if a:\n",
            "\ud800",
            "\0",
            "a.",
            "e\u0301",
        ]
    ),
    max_size=12,
).map("".join)


def parse(text: str) -> SyntaxTree:
    tree = SyntaxTree.parse(text, PYTHON)
    assert tree is not None
    return tree


@given(code, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), code), max_size=4))
def test_an_edited_tree_is_the_tree_of_the_new_text(text: str, edits: list[tuple[int, int, str]]) -> None:
    tree = parse(text)
    for start, length, inserted in edits:
        text = text[:start] + inserted + text[start + length :]
        edited = tree.edited(text)
        assert edited is not None
        tree = edited
        assert str(tree.root) == str(parse(text).root)
        assert tree.root.end_byte == len(text.encode("utf-8", "surrogatepass"))


@given(code)
def test_offsets_there_and_back(text: str) -> None:
    tree = parse(text)
    for offset in range(len(text) + 1):
        assert tree.offset(tree.byte_offset(offset)) == offset


def test_errors_are_counted_wherever_they_are() -> None:
    assert parse("def f():\n    return 1\n").n_errors() == 0
    assert parse("x = (\n\n\ndef f():\n    return [1\n").n_errors() >= 1
    assert parse("for i in :\n    pass\n").n_errors() == 1


def test_what_cannot_be_parsed_has_no_tree() -> None:
    assert SyntaxTree.parse("x", PLAIN) is None
    assert SyntaxTree.parse("x" * (MAX_BYTES + 1), PYTHON) is None
    assert parse("x").edited("x" * (MAX_BYTES + 1)) is None


def test_minified_code_is_not_parsed() -> None:
    assert SyntaxTree.parse("x\n" * MAX_LINE_BYTES, PYTHON) is not None
    assert SyntaxTree.parse("x\n" + "é" * MAX_LINE_BYTES, PYTHON) is None
    assert parse("x").edited("x\n" + "x;" * MAX_LINE_BYTES) is None


@pytest.mark.parametrize(
    ("name", "language"),
    [("a.py", "python"), ("B.PYI", "python"), ("/x/c.rs", "rust"), ("LICENSE", "plaintext"), ("", "plaintext")],
)
def test_a_file_name_tells_the_language(name: str, language: str) -> None:
    assert language_of(name).name == language

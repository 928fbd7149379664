"""What the cursor is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.code.cursor_context import CursorContext, CursorKind, TextAfterCursor, find_cursor_context
from nano_lsp.code.languages import PLAIN, PYTHON, Language
from nano_lsp.code.syntax_tree import SyntaxTree


def at(code: str, language: Language = PYTHON) -> CursorContext:
    """The cursor of a cursor that is drawn as a bar."""
    before, after = code.split("|")
    text = before + after
    return find_cursor_context(text, len(before), language, SyntaxTree.parse(text, language))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("|", CursorKind.STATEMENT_START),
        ("x = 1\n|\n", CursorKind.STATEMENT_START),
        ("def f():\n    x = 1\n    |\n", CursorKind.STATEMENT_START),
        ("def f():\n    |\n", CursorKind.EMPTY_BLOCK),
        ("def f():|\n", CursorKind.EMPTY_BLOCK),
        ("def f():  # why\n    |\n\nx = 1\n", CursorKind.EMPTY_BLOCK),
        ("def f():\n    |\n    return 1\n", CursorKind.STATEMENT_START),
        ("x = |", CursorKind.EXPRESSION),
        ("return |", CursorKind.EXPRESSION),
        ("x = [1, |]", CursorKind.EXPRESSION),
        ("print(|)", CursorKind.CALL_ARGUMENTS),
        ("print(a, |", CursorKind.CALL_ARGUMENTS),
        ("f(\n    a,\n    |\n)\n", CursorKind.CALL_ARGUMENTS),
        ("f(a)(|", CursorKind.CALL_ARGUMENTS),
        ("x = (|", CursorKind.EXPRESSION),
        ("os.path.|", CursorKind.ATTRIBUTE),
        ("f(x).na|", CursorKind.ATTRIBUTE),
        ("x = 1.|", CursorKind.EXPRESSION),
        ("import |", CursorKind.IMPORT),
        ("from a.b import |", CursorKind.IMPORT),
        ("@|", CursorKind.DECORATOR),
        ("def f(|", CursorKind.PARAMETERS),
        ("async def f(a, |):", CursorKind.PARAMETERS),
        ("x = 'ab|c'", CursorKind.STRING),
        ("x = f'{a|}'", CursorKind.EXPRESSION),
        ("def f():\n    '''Text |\n    '''\n", CursorKind.DOCSTRING),
        ("# why |", CursorKind.COMMENT),
        ("x = 1  # |\n", CursorKind.COMMENT),
    ],
)
def test_the_kind_is_what_a_programmer_would_say(code: str, kind: CursorKind) -> None:
    assert at(code).kind is kind


def test_without_a_grammar_the_line_alone_decides() -> None:
    assert at("foo(|", PLAIN).kind is CursorKind.CALL_ARGUMENTS
    assert at("// why # |", PLAIN).kind is CursorKind.COMMENT
    assert at("function f() {\n  |\n}", PLAIN).kind is CursorKind.EMPTY_BLOCK


@pytest.mark.parametrize(
    ("code", "rest", "wanted"),
    [
        ("x = |\n", TextAfterCursor.EMPTY, True),
        ("print(|)\n", TextAfterCursor.CLOSERS, True),
        ("d = {'a': [|]}:\n", TextAfterCursor.CLOSERS, True),
        ("x = | + 1\n", TextAfterCursor.CODE, False),
        ("wor|d\n", TextAfterCursor.CODE, False),
        ("wor|\n", TextAfterCursor.EMPTY, True),
    ],
)
def test_what_stands_behind_the_cursor(code: str, rest: TextAfterCursor, wanted: bool) -> None:
    cursor = at(code)
    assert (cursor.text_after_cursor, cursor.wants_completion) == (rest, wanted)


def test_several_lines_only_where_a_statement_begins() -> None:
    assert at("def f():\n    |\n").multi_line
    assert not at("x = |\n").multi_line
    assert not at("|x = 1\n").multi_line


@given(st.text("ab (.:\n\r\t'\"#@[{é🙂\0", max_size=60), st.data())
def test_any_text_and_any_offset(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    for language in (PYTHON, PLAIN):
        cursor = find_cursor_context(text, offset, language, SyntaxTree.parse(text, language))
        assert cursor.prefix + cursor.suffix == text
        assert cursor.prefix.endswith(cursor.typed)
        assert cursor.suffix.startswith(cursor.rest)
        assert not set("\r\n") & set(cursor.typed + cursor.rest)

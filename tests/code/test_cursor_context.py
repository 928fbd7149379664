"""What the cursor is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.code.cursor_context import CursorContext, CursorKind, TextAfterCursor, find_cursor_context
from nano_lsp.code.languages import PLAIN, PYTHON, Language, language_of
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


@pytest.mark.parametrize(
    ("language", "code", "kind"),
    [
        ("javascript", "function f() {|\n}\n", CursorKind.EMPTY_BLOCK),
        ("javascript", "function f() {\n  |\n}\n", CursorKind.EMPTY_BLOCK),
        ("javascript", "function f() {\n  a();\n  |\n}\n", CursorKind.STATEMENT_START),
        ("javascript", "if (a) { b|", CursorKind.EXPRESSION),
        ("javascript", "const x = `a ${b|} c`;", CursorKind.EXPRESSION),
        ("javascript", "const x = `a ${b} |c`;", CursorKind.STRING),
        ("javascript", "/** why |*/\nf();", CursorKind.COMMENT),
        ("javascript", "/* why */|\nf();", CursorKind.EXPRESSION),
        ("javascript", "f('it is |\n", CursorKind.STRING),
        ("javascript", "f(a, // it's |\n", CursorKind.COMMENT),
        ("javascript", "f(); // why |", CursorKind.COMMENT),
        ("javascript", "import { a } from |", CursorKind.IMPORT),
        ("javascript", "const x = { a: 1, |}", CursorKind.EXPRESSION),
        ("javascript", "f({\n  a,\n  |\n});\n", CursorKind.EXPRESSION),
        ("javascript", "f(\n  a,\n  |\n);\n", CursorKind.CALL_ARGUMENTS),
        ("javascript", "'use |strict';\n", CursorKind.STRING),
        ("typescript", "class A {\n  f(a: number, |) {}\n}\n", CursorKind.PARAMETERS),
        ("typescriptreact", "const a = <b>te|xt</b>;", CursorKind.STRING),
        ("go", "func f(a int, |) {\n}\n", CursorKind.PARAMETERS),
        ("go", "x := `raw |`", CursorKind.STRING),
        ("rust", "/// why |\nfn f() {}\n", CursorKind.COMMENT),
        ("rust", "/// why\n|fn f() {}\n", CursorKind.STATEMENT_START),
        ("rust", "use crate::|", CursorKind.IMPORT),
        ("rust", "fn f<'a>(a: &'a str) {\n    |\n}\n", CursorKind.EMPTY_BLOCK),
        ("java", "class A {\n    @|\n}\n", CursorKind.DECORATOR),
        ("java", "class A {\n    int f(int a, |) { return a; }\n}\n", CursorKind.PARAMETERS),
        ("c", '#include "a|"\n', CursorKind.STRING),
        ("c", "#include |\n", CursorKind.IMPORT),
        ("cpp", "std::vector<int> a; a.|", CursorKind.ATTRIBUTE),
        ("csharp", 'var a = $"at {b|}";', CursorKind.EXPRESSION),
        ("ruby", "def f\n  |\nend\n", CursorKind.EMPTY_BLOCK),
        ("ruby", "a.each do |b|\n  ¦\nend\n", CursorKind.EMPTY_BLOCK),
        ("ruby", "@a|\n", CursorKind.EXPRESSION),
        ("ruby", 'a = "b #{c|}"\n', CursorKind.EXPRESSION),
        ("ruby", "a = b if c\n|\n", CursorKind.STATEMENT_START),
        ("shellscript", "if a; then\n  |\nfi\n", CursorKind.EMPTY_BLOCK),
        ("shellscript", "for a in b; do\n  c\n  |\ndone\n", CursorKind.STATEMENT_START),
        ("shellscript", "echo 'a |'\n", CursorKind.STRING),
        ("lua", "if a then\n  |\nend\n", CursorKind.EMPTY_BLOCK),
        ("lua", "f(function()\n  |\nend)\n", CursorKind.EMPTY_BLOCK),
        ("lua", "-- why |", CursorKind.COMMENT),
        ("yaml", "a: 'b|", CursorKind.STRING),
        ("yaml", "a: b # why |", CursorKind.COMMENT),
        ("yaml", "a: b#|", CursorKind.EXPRESSION),
        ("sql", "select 'it''s |", CursorKind.STRING),
        ("sql", "-- why |", CursorKind.COMMENT),
        ("css", "/* a\n   |", CursorKind.COMMENT),
        ("css", "a {\n  |\n}\n", CursorKind.EMPTY_BLOCK),
        ("html", "<!-- a |", CursorKind.COMMENT),
        ("markdown", "# It's |", CursorKind.EXPRESSION),
        ("dockerfile", "# why |", CursorKind.COMMENT),
        ("toml", 'a = """\n|', CursorKind.STRING),
    ],
)
def test_the_kind_in_other_languages(language: str, code: str, kind: CursorKind) -> None:
    bar = "¦" if "¦" in code else "|"  # Ruby has bars of its own
    before, after = code.split(bar)
    found = language_of("", language)
    text = before + after
    assert find_cursor_context(text, len(before), found, SyntaxTree.parse(text, found)).kind is kind


@pytest.mark.parametrize(
    ("language", "code"), [("javascript", "let a = 'b |'"), ("go", "/* a |"), ("rust", "f('\"', |"), ("lua", "-- |")]
)
def test_without_its_grammar_a_language_has_comments_and_strings(language: str, code: str) -> None:
    before, after = code.split("|")
    found = language_of("", language)
    text = before + after
    with_tree = find_cursor_context(text, len(before), found, SyntaxTree.parse(text, found))
    assert find_cursor_context(text, len(before), found, None).kind is with_tree.kind


def test_without_a_grammar_the_line_alone_decides() -> None:
    assert at("foo(|", PLAIN).kind is CursorKind.CALL_ARGUMENTS
    assert at("why: # |", language_of("a.yaml")).kind is CursorKind.COMMENT
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

"""Code of one language in a document of another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.code.cursor_context import CursorKind
from nano_lsp.code.embedded import find_part
from nano_lsp.code.languages import JAVASCRIPT, language_of
from nano_lsp.code.notebook import Cell, build_notebook_text
from nano_lsp.code.open_documents import OpenDocuments
from nano_lsp.code.syntax_tree import SyntaxTree

PAGE = """\
<html>
<script src="a.js"></script>
<p>It's text.</p>
<script>
function f(a) {
  return a;
}
</script>
<style>p { color: red; }</style>
</html>
"""


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("<p>|</p>", "html"),
        ("<script>|", "javascript"),
        ("<script>a();|</script>", "javascript"),
        ("<script>a();</script>|", "html"),
        ("<script| src='a'></script>", "html"),
        ("<script>a();</script><script>b();|</script>", "javascript"),
        ('<script setup lang="ts">\n|\n</script>', "typescript"),
        ('<script lang="tsx">|</script>', "typescriptreact"),
        ('<script type="module">|</script>', "javascript"),
        ('<script type="text/javascript">|</script>', "javascript"),
        ('<script type="application/ld+json">|</script>', "json"),
        ('<script type="text/x-template">|</script>', "plaintext"),
        ("<style>|</style>", "css"),
        ('<style lang="scss">|</style>', "css"),
        ("<SCRIPT>|</SCRIPT>", "javascript"),
    ],
)
def test_a_script_in_html_is_code_of_its_own_language(code: str, language: str) -> None:
    before, after = code.split("|")
    for name in ("a.html", "a.vue", "a.svelte"):
        assert find_part(before + after, len(before), language_of(name)).language.name == language


def test_a_script_has_the_contexts_of_its_language() -> None:
    documents = OpenDocuments()
    at = PAGE.index("return a") + len("return a")
    document = documents.update("a.html", PAGE, "html", at)
    assert document.language is JAVASCRIPT
    assert document.tree is not None
    assert document.tree.n_errors() == 0
    assert document.cursor(at).kind is CursorKind.EXPRESSION
    text = PAGE.replace("return a", "return g(a")
    document = documents.update("a.html", text, "html", at + 3)
    assert document.tree is not None
    assert document.tree.n_errors() == 1
    assert document.cursor(at + 3).kind is CursorKind.CALL_ARGUMENTS
    assert documents.update("a.html", text, "html", 2).tree is None


@given(st.text("a(){}é🙂\n'", max_size=20), st.text("a(){}é🙂\n'", max_size=20))
def test_an_edited_part_is_that_of_the_new_text(old: str, new: str) -> None:
    head, tail = "<p>é</p><script>", "</script>}}"
    tree = SyntaxTree.parse(head + old + tail, JAVASCRIPT, (len(head), len(head + old)))
    assert tree is not None
    edited = tree.edited(head + new + tail)
    whole = SyntaxTree.parse(head + new + tail, JAVASCRIPT, (len(head), len(head + new)))
    assert edited is not None
    assert whole is not None
    assert edited.part == whole.part
    assert bool(edited.n_errors()) == bool(whole.n_errors())


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("%%js\nlet x = f(|)", "javascript"),
        ("%%bash\nif a; then\n  |\nfi", "shellscript"),
        ("%%sql\nselect |", "sql"),
        ("%%html\n<script>f(|)</script>", "javascript"),
    ],
)
def test_a_cell_with_a_magic_is_code_of_its_language(code: str, language: str) -> None:
    before, after = code.split("|")
    text, offset, named = build_notebook_text([Cell(before + after)], 0, len(before))
    document = OpenDocuments().update("a.ipynb", text, named, offset)
    assert document.language.name == language
    assert document.text == before + after
    assert document.tree is None or document.tree.n_errors() == 0

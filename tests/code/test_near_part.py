"""Of a long document, only what is near the cursor is parsed; of one with several languages, the part around it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.code.languages import PYTHON, language_of
from nano_lsp.code.open_documents import OpenDocument, OpenDocuments
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.undefined_names import undefined_names

FUNCTION = "def f(x):\n    y = g(x)\n    return y\n\n\n"
LONG = FUNCTION * 800  # 4,000 lines


def typed_in(text: str, offset: int, *keys: str) -> OpenDocument:
    """The document after keys have been typed at an offset."""
    documents = OpenDocuments()
    document = documents.update("a.py", text, "", offset)
    for key in keys:
        text, offset = text[:offset] + key + text[offset:], offset + len(key)
        document = documents.update("a.py", text, "", offset)
    return document


def test_a_long_document_is_parsed_up_to_the_next_block_far_below_the_cursor() -> None:
    tree = typed_in(LONG, 0).tree
    assert tree is not None
    assert tree.part is not None
    assert 1000 <= LONG.count("\n", 0, tree.part[1]) < 1020
    assert LONG[tree.part[1] :].startswith("def f")
    assert tree.n_errors() == 0


@pytest.mark.parametrize("offset", [len(LONG), len(LONG) - 100, len(LONG) // 2])
def test_near_the_end_all_of_it_is_parsed(offset: int) -> None:
    document = typed_in(LONG, offset)
    assert document.tree is not None
    assert document.tree.part is None


def test_text_without_a_line_between_blocks_is_parsed_to_its_end() -> None:
    assert (tree := typed_in("class A:\n" + "    b = 1\n\n" * 3000, 9).tree) is not None
    assert tree.part is None


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, len(LONG) // 8),
    st.lists(st.sampled_from(["a", "(", ")", "\n", "    ", "def h():\n", "é", "'", "\r\n"]), max_size=5),
)
def test_the_part_stays_while_the_user_types(offset: int, keys: list[str]) -> None:
    before, document = typed_in(LONG, offset), typed_in(LONG, offset, *keys)
    assert before.tree is not None
    assert document.tree is not None
    assert before.tree.part is not None
    assert document.tree.part == (0, before.tree.part[1] + len("".join(keys)))
    new = SyntaxTree.parse(document.text, PYTHON, document.tree.part)
    assert new is not None
    assert bool(document.tree.n_errors()) == bool(new.n_errors())
    if not new.n_errors():
        assert str(document.tree.root) == str(new.root)


def test_the_part_moves_with_the_cursor() -> None:
    documents = OpenDocuments()
    ends = []
    for offset in (0, 0, len(LONG) // 3, len(LONG), 0):
        tree = documents.update("a.py", LONG, "", offset).tree
        assert tree is not None
        ends.append(tree.part and tree.part[1])
    assert ends[0] == ends[1] == ends[4] != ends[2] != ends[3] is None


def test_names_far_below_count_as_bound() -> None:
    text = "def a():\n    return far + other\n\n\n" + LONG + "far = 1\n"
    tree = typed_in(text, 20).tree
    assert tree is not None
    assert tree.part is not None
    assert undefined_names(tree, 20) == {"other"}


def test_a_tree_of_a_part_follows_a_text_that_ends_within_it() -> None:
    html = "<script>\nconst a = 1;\nconst b = 2;\n</script>\n<p>\n"
    start, end = html.index("const"), html.index("</script>")
    tree = SyntaxTree.parse(html, language_of("", "javascript"), (start, end))
    assert tree is not None
    above = html[: html.index("const b")]
    edited = tree.edited(above)
    assert edited is not None
    assert edited.part == (start, len(above))
    assert edited.n_errors() == 0
    assert [edited.text_of(node) for node in edited.root.named_children] == ["const a = 1;"]

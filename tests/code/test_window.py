"""The part of a document that goes into a prompt."""

from __future__ import annotations

import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.window import Anchor, cut_window


def count(text: str) -> int:
    """Words, blanks and signs, as a byte-level BPE counts roughly."""
    return len(re.findall(r"\w{1,6}|\s+|[^\w\s]", text))


def python(n: int) -> str:
    """A module of functions, classes and methods, 12 lines a piece."""
    return "import os\n\n" + "".join(
        f'def function_{i}(a, b):\n    """Number {i}."""\n    c = a + b * {i}\n    return c\n\n\n'
        f"class Class{i}(Base):\n    def method(self, x):\n        return self.y[x] + {i}\n\n    z = {i}\n\n"
        for i in range(n)
    )


def tree_of(text: str) -> SyntaxTree | None:
    return SyntaxTree.parse(text, PYTHON)


texts = (
    st.text("ab (\n", max_size=400)
    | st.integers(0, 300).map(lambda n: "".join(f"line_{i} = {i}\n" for i in range(n)))
    | st.integers(0, 30).map(python)
)


@given(texts, st.data(), st.integers(16, 200))
@settings(max_examples=150)
def test_a_window_is_what_surrounds_the_cursor_and_fits(text: str, data: st.DataObject, budget: int) -> None:
    offset = data.draw(st.integers(0, len(text)))
    window = cut_window(text, offset, budget, count)
    assert text[:offset].endswith(window.prefix)
    assert text[offset:].startswith(window.suffix)
    assert count(window.prefix) + count(window.suffix) <= budget
    if count(text) <= budget // 4:
        assert window.prefix + window.suffix == text


@given(texts, st.data(), st.integers(16, 400))
@settings(max_examples=150)
def test_with_a_tree_only_bodies_are_left_out_in_the_middle(text: str, data: st.DataObject, budget: int) -> None:
    offset = data.draw(st.integers(0, len(text)))
    window = cut_window(text, offset, budget, count, tree=tree_of(text))
    assert count(window.prefix) + count(window.suffix) <= budget
    assert in_order(window.prefix.split("..."), text[:offset], ends=True)
    assert in_order(window.suffix.split("..."), text[offset:], ends=False)


def in_order(parts: list[str], text: str, *, ends: bool) -> bool:
    """Whether the parts stand in the text one after the other, the last at its end or the first at its start."""
    pattern = ".*?".join(map(re.escape, parts))
    return bool(re.search(pattern + r"\Z" if ends else r"\A" + pattern, text, re.DOTALL))


def test_functions_shrink_to_their_signatures_before_lines_are_left_out() -> None:
    text = python(30)
    offset = text.index("    c = a + b * 15")
    window = cut_window(text, offset, 1600, count, tree=tree_of(text))
    assert window.prefix.startswith("import os\n\ndef function_0(a, b):\n    ...\n")
    assert "class Class0(Base):\n    def method(self, x):\n        ...\n\n    z = 0\n" in window.prefix
    assert window.prefix.endswith(
        'return self.y[x] + 14\n\n    z = 14\n\ndef function_15(a, b):\n    """Number 15."""\n'
    )
    assert window.suffix.startswith("    c = a + b * 15\n    return c\n")
    assert "def function_17(a, b):\n    ...\n" in window.suffix


@given(st.integers(0, 25), st.integers(300, 900), st.booleans())
@settings(max_examples=10)  # of 385 windows each
def test_typing_only_appends_until_the_budget_is_used_up(n: int, budget: int, parsed: bool) -> None:
    before, after = python(n), python(3)
    anchor, last, moves = Anchor(), "", 0
    for typed in itertools.accumulate("    value = compute(first, second)\n" * 12, initial=""):
        text = before + typed + after
        offset = len(before + typed)
        tree = tree_of(text) if parsed else None
        window = cut_window(text, offset, budget, count, tree=tree, anchor=anchor)
        assert count(window.prefix) + count(window.suffix) <= budget
        moves += not window.prefix.startswith(last)
        anchor, last = window.anchor, window.prefix
    assert moves <= 1 + 12 * 9 // (budget * 3 // 4 // 5)  # a line has 9 tokens, a new window a quarter to spare


@given(st.integers(10, 25), st.integers(300, 900), st.integers(100, 900))
@settings(max_examples=30)
def test_a_smaller_budget_holds_for_the_next_window(n: int, budget: int, smaller: int) -> None:
    text, offset = python(n), len(python(n)) * 2 // 3
    window = cut_window(text, offset, budget, count, tree=tree_of(text))
    typed = text[:offset] + "x" + text[offset:]
    after = cut_window(typed, offset + 1, smaller, count, tree=tree_of(typed), anchor=window.anchor)
    if smaller <= budget:
        assert (after.prefix, after.suffix) == (window.prefix + "x", window.suffix)
    much = typed[: offset + 1] + " x" * budget + typed[offset + 1 :]
    outgrown = cut_window(much, offset + 1 + 2 * budget, smaller, count, tree=tree_of(much), anchor=after.anchor)
    assert count(outgrown.prefix) + count(outgrown.suffix) <= smaller
    elsewhere = cut_window(text, offset // 2, smaller, count, tree=tree_of(text), anchor=window.anchor)
    assert count(elsewhere.prefix) + count(elsewhere.suffix) <= smaller


def test_half_a_statement_moves_nothing() -> None:
    """What breaks the tree near the cursor leaves the far parts of the window as they were."""
    before, after = python(12), python(12)
    anchor, seen = Anchor(), []
    for typed in itertools.accumulate("def f(a, b\n    x = [(1,\n'''", initial=""):
        text = before + typed + after
        window = cut_window(text, len(before + typed), 500, count, tree=tree_of(text), anchor=anchor)
        seen.append((window.prefix.removesuffix(typed), window.suffix))
        anchor = window.anchor
    assert len(set(seen)) == 1


def test_an_edit_above_the_window_moves_its_start() -> None:
    text = python(30)
    first = cut_window(text, len(text), 400, count, tree=tree_of(text))
    assert first.anchor.head
    assert text.startswith(first.anchor.head)
    changed = "import sys\n" + text
    window = cut_window(changed, len(changed), 400, count, tree=tree_of(changed), anchor=first.anchor)
    assert changed.startswith(window.anchor.head)
    assert changed.endswith(window.anchor.tail)


def test_a_long_file_leaves_most_of_its_room_used() -> None:
    text = "".join(f"value_{i} = compute({i})\n" for i in range(2000))
    window = cut_window(text, len(text) // 2, 1000, count)
    assert count(window.prefix) > 400
    assert count(window.suffix) > 200
    assert window.prefix.startswith("value_")


def test_one_endless_line() -> None:
    text = "x = [" + "1, " * 700_000
    window = cut_window(text, len(text) // 2, 500, count, tree=tree_of(text))
    assert 200 < count(window.prefix) + count(window.suffix) <= 500

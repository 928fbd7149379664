"""Lines that are missing in a second list, and edits that follow from others, as they have before."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.next_edit.candidates import find_candidates
from nano_lsp.next_edit.history import Edit, EditHistory, line_above, line_below
from nano_lsp.next_edit.place import PlaceKind
from nano_lsp.next_edit.places import find_places
from nano_lsp.next_edit.renames import Source

IMPORTS = "from .shapes import (\n    Circle,\n    Line,\n    Square,\n)\n"
EXPORTS = '__all__ = [\n    "Circle",\n    "Line",\n    "Square",\n]\n'


def edit_in_turn(*texts: str, name: str = "a.py") -> tuple[list[Edit], list[Source]]:
    """The edits that lead from each text to the next one, a minute after each other."""
    clock = iter(range(0, 60_000, 30))
    history = EditHistory(lambda: float(next(clock)))
    for before, after in pairwise(texts):
        history.record(name, before, after)
    return [*history.edits()], [Source(name, texts[-1])]


def led(edits: list[Edit], sources: list[Source], kind: PlaceKind) -> list[str]:
    return [place.new for place in find_places(edits, sources) if place.kind is kind]


@pytest.mark.parametrize(
    ("name", "code", "old", "new", "made"),
    [
        ("a.py", IMPORTS + EXPORTS, "    Line,\n", "    Line,\n    Point,\n", '    "Line",\n    "Point",\n'),
        (
            "a.py",
            IMPORTS + EXPORTS,
            "    Circle,\n",
            "    Arc,\n    Arrow,\n    Circle,\n",
            '__all__ = [\n    "Arc",\n    "Arrow",\n',
        ),
        (
            "a.ts",
            "enum Kind {\n  Circle,\n  Line,\n  Square,\n}\nconst names = {\n"
            '  [Kind.Circle]: "circle",\n  [Kind.Line]: "line",\n  [Kind.Square]: "square",\n};\n',
            "  Line,\n",
            "  Line,\n  Point,\n",
            '  [Kind.Line]: "line",\n  [Kind.Point]: "point",\n',
        ),
        (
            "A.java",
            "class A {\n    final int left;\n    final int top;\n    final String name;\n"
            "    A(int left, int top, String name) {\n        this.left = left;\n        this.top = top;\n"
            "        this.name = name;\n    }\n}\n",
            "    final int top;\n",
            "    final int top;\n    final long width;\n",
            "        this.top = top;\n        this.width = width;\n",
        ),
    ],
)
def test_a_line_that_was_added_to_a_list_is_missing_in_another_one(
    name: str, code: str, old: str, new: str, made: str
) -> None:
    edits, sources = edit_in_turn(code, code.replace(old, new, 1), name=name)
    assert led(edits, sources, PlaceKind.MIRROR) == [made]
    assert made in {place.new for place in find_candidates(edits, sources)}


def test_a_second_list_that_is_being_typed_goes_on() -> None:
    start = "class A:\n    left: int\n\n    def __init__(self, left, top):\n        pass\n"
    field = start.replace("    left: int\n", "    left: int\n    top: int\n")
    made = field.replace("        pass\n", "        self.left = left\n        pass\n")
    edits, sources = edit_in_turn(start, field, made)
    assert led(edits, sources, PlaceKind.MIRROR) == ["        self.left = left\n        self.top = top\n"]


def test_what_is_in_both_lists_or_only_looks_alike_is_not_missing() -> None:
    code = IMPORTS + EXPORTS
    both = code.replace("    Line,\n", "    Line,\n    Point,\n").replace('"Line",\n', '"Line",\n    "Point",\n')
    edits, sources = edit_in_turn(code, code.replace("    Line,\n", "    Line,\n    Point,\n"), both)
    assert led(edits, sources, PlaceKind.MIRROR) == []
    text = "a = 1\nb = 2\nc = 3\nprint(a)\n"
    edits, sources = edit_in_turn(text, text.replace("b = 2\n", "b = 2\nd = 2\n"))
    assert led(edits, sources, PlaceKind.MIRROR) == []


def test_an_edit_follows_where_it_has_followed_before() -> None:
    case = 'def test_{0}():\n    answer = ask("{0}")\n    check(answer)\n    assert answer.{0}\n\n\n'
    start = case.format("one") + case.format("two")
    asked = start.replace('ask("one")', 'ask("one", quick=True)')
    checked = asked.replace("    assert answer.one\n", "    assert answer.one\n    assert answer.quick_one\n")
    again = checked.replace('ask("two")', 'ask("two", quick=True)')
    edits, sources = edit_in_turn(start, asked, checked)
    assert led(edits, sources, PlaceKind.SEQUENCE) == []
    edits, sources = edit_in_turn(start, asked, checked, again)
    places = [place for place in find_places(edits, sources) if place.kind is PlaceKind.SEQUENCE]
    made = "    assert answer.two\n    assert answer.quick_one\n"
    assert [(place.start, place.new) for place in places] == [(again.rindex("    assert"), made)]


def test_an_edit_that_follows_has_the_words_of_its_place() -> None:
    block = "    start({0})\n    work()\n    stop({0}, now)\n\n"
    start = "".join(block.format(name) for name in ("one", "two"))
    first = start.replace("start(one)", "begin(one, True)")
    second = first.replace("stop(one, now)", "end(one)")
    third = second.replace("start(two)", "begin(two, True)")
    edits, sources = edit_in_turn(start, first, second, third)
    assert led(edits, sources, PlaceKind.SEQUENCE) == ["    end(two)\n"]
    done = third.replace("stop(two, now)", "end(two)")
    edits, sources = edit_in_turn(start, first, second, third, done)
    assert led(edits, sources, PlaceKind.SEQUENCE) == []


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_the_lines_beside_an_offset(line_break: str) -> None:
    lines = [line + line_break for line in ("a", "", "", "bc")]
    text, start = "".join(lines), 0
    for above, line in zip(["", *lines], [*lines, ""], strict=True):
        assert (line_above(text, start), line_below(text, start)) == (above, line)
        start += len(line)


LINES = st.lists(st.sampled_from(["a,", "b,", '"a",', '"b",', "x = a", "x = b", "", "f(a, b)"]), max_size=8)


@given(LINES, st.lists(st.tuples(st.integers(0, 8), LINES), min_size=1, max_size=4))
@settings(max_examples=50)
def test_lines_are_added_in_the_document_as_it_is(lines: list[str], changes: list[tuple[int, list[str]]]) -> None:
    texts = ["".join(f"{line}\n" for line in lines)]
    for at, added in changes:
        lines = [*lines[:at], *added, *lines[at:]]
        texts.append("".join(f"{line}\n" for line in lines))
    edits, sources = edit_in_turn(*texts)
    for place in find_places(edits, sources) if edits else ():
        assert texts[-1][place.start : place.end] == place.old
        assert place.old != place.new

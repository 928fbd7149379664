"""Where an edit has to be made again, and its text there, without a model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.next_edit.candidates import find_candidates
from nano_lsp.next_edit.history import Edit, find_edit
from nano_lsp.next_edit.patterns import find_patterns
from nano_lsp.next_edit.place import PlaceKind
from nano_lsp.next_edit.places import find_places
from nano_lsp.next_edit.renames import Source
from nano_lsp.next_edit.transfer import split_tokens, transfer

PARTS = st.sampled_from(["a", "bc", "(", ")", ", ", " = ", "\n", "1", "_x", "é", "\t"])
CODE = st.lists(PARTS, max_size=12).map("".join)


@given(CODE)
@settings(max_examples=50)
def test_the_tokens_of_code_are_its_whole_text(code: str) -> None:
    assert "".join(split_tokens(code)) == code


@given(CODE, CODE)
@settings(max_examples=50)
def test_an_edit_made_in_its_own_old_lines_gives_its_new_lines(old: str, new: str) -> None:
    assert transfer(old, new, old) == new


@pytest.mark.parametrize(
    ("old", "new", "other", "made"),
    [
        (
            "self.assertEquals(a, b)",
            "self.assertEqual(a, b)",
            "self.assertEquals(x.y, 3)",
            "self.assertEqual(x.y, 3)",
        ),
        ("print x", "print(x)", "print y", "print(y)"),
        ("foo(a)", "foo(a, b)", "foo(a, c)", "foo(a, c, b)"),
        ("a = int(a)", "a = float(a)", "bb = int(bb)", "bb = float(bb)"),
        ("x = a", "x = a if a else None", "y = b", "y = b if b else None"),
        ("if a:\n    b()", "if not a:\n    b()", "if c:\n    d()", "if not c:\n    d()"),
    ],
)
def test_an_edit_is_made_in_other_lines(old: str, new: str, other: str, made: str) -> None:
    assert transfer(old, new, other) == made


def test_an_edit_is_not_made_where_its_old_side_is_not() -> None:
    assert transfer("f(a, timeout=3)", "f(a, timeout=5)", "f(a, retries=9)") is None


@pytest.mark.parametrize(
    ("old", "new", "other", "made"),
    [
        ("x = statuses[code]", "x = statuses.message[code]", "y = '<p>' + statuses[status]", None),
        ("x = np.float(3)", "x = float(3)", "return [np.float(y)]", "return [float(y)]"),
        ("color: red", "color: blue", "border: 1px red", "border: 1px blue"),
        ("f(a, b)", "f(a; b)", "g(a, b)", "g(a; b)"),
        ("f(a, b)", "f(a; b)", "g(c, d)", None),
    ],
)
def test_the_same_tokens_are_replaced_between_the_same_neighbours(
    old: str, new: str, other: str, made: str | None
) -> None:
    tokens = split_tokens(other)
    for pattern in find_patterns(old, new):
        tokens = pattern.apply(tokens)[0]
    assert "".join(tokens) == (made or other)


def after_edit(before: str, after: str, *, name: str = "a.py") -> tuple[list[Edit], Source]:
    return [find_edit(name, before, after)], Source(name, after)


def test_the_uses_of_a_renamed_parameter_are_in_its_function() -> None:
    code = (
        "def area(w, h):\n    total = w * h\n    'w'  # w\n    return total.w + w\n\n\n"
        "def other(w):\n    return w\n\n\nprint(area(w=1, h=2), other(w=3))\n"
    )
    edits, source = after_edit(code, code.replace("area(w, h)", "area(width, h)"))
    uses = [place.new for place in find_places(edits, [source]) if place.kind is PlaceKind.USE]
    assert uses == [
        "    total = width * h\n",
        "    return total.w + width\n",
        "print(area(width=1, h=2), other(w=3))\n",
    ]


@pytest.mark.parametrize(
    ("name", "definition", "renamed", "uses"),
    [
        ("a.py", "def load(a):\n    return a\n", "def read(a):\n    return a\n", "x = load(1)\n"),
        ("a.ts", "function load(a) {\n  return a;\n}\n", "function read(a) {\n  return a;\n}\n", "x = load(1);\n"),
        ("a.go", "func load(a int) int {\n\treturn a\n}\n", "func read(a int) int {\n\treturn a\n}\n", "\n"),
        ("a.rs", "fn load(a: i32) -> i32 {\n    a\n}\n", "fn read(a: i32) -> i32 {\n    a\n}\n", "\n"),
    ],
)
def test_the_uses_of_a_renamed_function_are_in_all_documents(
    name: str, definition: str, renamed: str, uses: str
) -> None:
    edits, source = after_edit(definition + uses, renamed + uses, name=name)
    other = Source(f"other{name[1:]}", uses)
    found = {(place.document, place.new) for place in find_places(edits, [source, other])}
    made = uses.replace("load", "read")
    assert found == ({(name, made), (other.name, made)} if uses.strip() else set())


@pytest.mark.parametrize("own", ["load = 1\n", "def load(b):\n    pass\n", "class load:\n    pass\n"])
def test_another_document_with_a_definition_of_that_name_has_no_uses(own: str) -> None:
    edits, source = after_edit("def load(a):\n    return a\n", "def read(a):\n    return a\n")
    other = Source("b.py", f"{own}print(load)\n")
    assert not [place for place in find_places(edits, [source, other]) if place.kind is PlaceKind.USE]


def test_the_uses_of_a_renamed_variable_of_a_notebook_are_in_its_other_cells() -> None:
    edits, cell = after_edit("df = load()\n", "frame = load()\n", name="n#1")
    others = [Source(name, "x.df = df[0]\n", "python", name[0]) for name in ("n#2", "m#1")]
    places = find_places(edits, [replace(cell, language="python", notebook="n"), *others])
    assert [(place.document, place.new) for place in places if place.kind is PlaceKind.USE] == [
        ("n#2", "x.df = frame[0]\n")
    ]


def test_uses_in_lines_below_each_other_are_one_place() -> None:
    code = "def area(w, h):\n    total = w * h\n    print(w)\n    check(h)\n    return total + w\n"
    edits, source = after_edit(code, code.replace("area(w, h)", "area(width, h)"))
    places = find_candidates(edits, [source])
    assert {place.new for place in places} == {
        "    total = width * h\n    print(width)\n",
        "    return total + width\n",
    }


def test_keywords_and_members_of_other_things_are_no_uses() -> None:
    code = "class A:\n    def has(self, x):\n        return self.items.has(x) and self.has(1)\n"
    edits, source = after_edit(code, code.replace("def has", "def owns"))
    (place,) = [place for place in find_places(edits, [source]) if place.kind is PlaceKind.USE]
    assert place.new == "        return self.items.has(x) and self.owns(1)\n"


def test_what_was_edited_is_no_place_and_no_edit_is_taken_back() -> None:
    code = "f(red)\nf(red)\nf(red)\n"
    first = find_edit("a.py", code, "f(blue)\nf(red)\nf(red)\n")
    second = find_edit("a.py", "f(blue)\nf(red)\nf(red)\n", "f(blue)\nf(blue)\nf(red)\n")
    text = "f(blue)\nf(blue)\nf(red)\n"
    assert [place.start for place in find_places([second, first], [Source("a.py", text)])] == [16]
    back = find_edit("a.py", text, "f(blue)\nf(red)\nf(red)\n")
    assert not find_places([back, first], [Source("a.py", "f(blue)\nf(red)\nf(red)\n")])


def test_added_lines_are_looked_for_once_they_were_added_twice() -> None:
    text = "a()\nb()\nc()\na()\nd()\na()\n"
    once = text.replace("a()\nb", "a()\nlog()\nb")
    twice = once.replace("a()\nd", "a()\nlog()\nd")
    first, second = find_edit("a.py", text, once), find_edit("a.py", once, twice)
    assert not find_places([first], [Source("a.py", once)])
    assert "a()\nlog()\n" in {place.new for place in find_places([second, first], [Source("a.py", twice)])}


def test_a_candidate_parses_and_changes_more_than_blanks() -> None:
    code = "x = (a)\ny = [(a)]\nz = (a)\n"
    edits, source = after_edit(code, code.replace("x = (a)", "x = a)"))
    assert not find_candidates(edits, [source])
    edits, source = after_edit(code, code.replace("x = (a)", "x  = (a)"))
    assert not find_candidates(edits, [source])


def test_at_most_three_candidates_of_ten_thousand_lines() -> None:
    code = "".join(f"v{i} = f(red, {i})\n" for i in range(10_000))
    edits, source = after_edit(code, code.replace("red", "blue", 1))
    assert len(find_candidates(edits, [source])) <= 3


@given(st.lists(st.tuples(CODE, CODE), max_size=3), CODE)
@settings(max_examples=50)
def test_places_are_lines_of_the_document_as_it_is(sides: list[tuple[str, str]], text: str) -> None:
    edits: list[Edit] = []
    for old, new in sides:
        before, text = f"{old}\n{text}", f"{new}\n{text}"
        edits.insert(0, find_edit("a.py", before, text))
    for place in find_places(edits, [Source("a.py", text)]) if edits else ():
        assert text[place.start : place.end] == place.old
        assert place.old != place.new


def test_an_error_at_a_replaced_word_is_a_place() -> None:
    code = "class A:\n    x = 1\n\n\ndef f(a, b):\n    b.x = a.x + b\n    return g(a.x)\n"
    edits, source = after_edit(code, code.replace("    x = 1", "    y = 1"))
    assert not [place for place in find_places(edits, [source]) if place.kind is PlaceKind.USE]
    start = source.text.index("a.x +") + 2
    wrong = ((start, start + 1), (0, 5), (len(source.text), len(source.text)))
    places = find_places(edits, [Source(source.name, source.text, problems=wrong)])
    assert [place.new for place in places if place.kind is PlaceKind.PROBLEM] == ["    b.x = a.y + b\n"]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=4))
@settings(max_examples=30)
def test_errors_anywhere_give_places_in_the_document_as_it_is(spans: list[tuple[int, int]]) -> None:
    edits, source = after_edit("red = 1\nred\n\nx(red.y)\n", "blue = 1\nred\n\nx(red.y)\n")
    for place in find_places(edits, [Source(source.name, source.text, problems=tuple(spans))]):
        assert source.text[place.start : place.end] == place.old
        assert place.old.replace("red", "blue") == place.new

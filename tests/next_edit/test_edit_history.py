"""The edits of a session: merged, moved, undone, bounded."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nano_lsp.next_edit.history import ChangeKind, EditHistory, find_edit, undo_edits

NAME = "/work/a.py"
PARTS = st.sampled_from(["a", "b", " ", "\n", "\r\n"])
TEXT = st.lists(PARTS, max_size=6).map("".join)
INSERTED = st.lists(PARTS, max_size=2).map("".join)  # few: an edit of more than twelve lines is dropped


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def sides(history: EditHistory) -> list[tuple[str, str]]:
    return [(edit.old, edit.new) for edit in history.edits()]


def type_texts(history: EditHistory, *texts: str, document: str = NAME) -> list[ChangeKind]:
    return [history.record(document, before, after) for before, after in itertools.pairwise(texts)]


@given(TEXT, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), INSERTED), max_size=3))
@settings(max_examples=50)
def test_undoing_all_edits_gives_the_first_text(first: str, changes: list[tuple[int, int, str]]) -> None:
    history, text = EditHistory(lambda: 0.0), first
    for at, n_removed, inserted in changes:
        start = at % (len(text) + 1)
        before, text = text, text[:start] + inserted + text[start + n_removed :]
        history.record(NAME, before, text)
        edits = history._edits
        assert undo_edits(text, edits) == first
        assert all(text[edit.start : edit.end] == edit.new for edit in edits)
        assert all(a.end <= b.start or b.end <= a.start for a in edits for b in edits if a is not b)


@given(TEXT, TEXT)
@settings(max_examples=50)
def test_an_edit_consists_of_whole_lines(before: str, after: str) -> None:
    assume(before != after)
    edit = find_edit(NAME, before, after)
    assert before[: edit.start] + edit.new + before[edit.start + len(edit.old) :] == after
    assert not edit.start or before[edit.start - 1] in "\r\n"
    assert before[edit.start - 1 : edit.start + 1] != "\r\n"


def test_a_word_typed_letter_by_letter_is_one_edit() -> None:
    history = EditHistory()
    type_texts(history, "a = w\nb\n", "a = wi\nb\n", "a = wid\nb\n", "a = width\nb\n")
    assert sides(history) == [("a = w\n", "a = width\n")]


def test_lines_typed_one_after_the_other_are_one_edit() -> None:
    clock = Clock()
    history = EditHistory(clock)
    type_texts(history, "a\nz\n", "a\n\nz\n", "a\nb\nz\n", "a\nb\n\nz\n", "a\nb\nc\nz\n")
    assert sides(history) == [("", "b\nc\n")]
    clock.now_s += 60
    type_texts(history, "a\nb\nc\nz\n", "a\nb\nc\nd\nz\n")
    assert sides(history) == [("", "d\n"), ("", "b\nc\n")]


def test_edits_above_move_those_below() -> None:
    history = EditHistory()
    texts = "1\n2\n3\n4\n", "1\n2\n3\n40\n", "1\n22\n2\n3\n40\n", "2\n3\n40\n"
    type_texts(history, *texts[:3])
    assert {edit.start for edit in history.edits()} == {2, 9}
    type_texts(history, *texts[2:])
    assert undo_edits(texts[-1], history.edits()) == texts[0]


def test_an_undone_edit_leaves_and_undoing_is_noticed() -> None:
    history = EditHistory()
    kinds = type_texts(history, "x = 1\n", "y = 1\n", "y = 12\n", "y = 1\n", "x = 1\n")
    assert kinds == [ChangeKind.TYPED, ChangeKind.TYPED, ChangeKind.UNDONE, ChangeKind.UNDONE]
    assert not history.edits()


def test_blanks_are_no_edit() -> None:
    history = EditHistory()
    type_texts(history, "a=1\n", "a = 1\n")
    assert not history.edits()
    type_texts(history, "a = 1\n", "a = 12\n")
    assert sides(history) == [("a=1\n", "a = 12\n")]


def test_a_formatter_that_touches_all_lines_is_no_edit() -> None:
    history = EditHistory()
    lines = [f"v{i}=f( {i} )\n" for i in range(10_000)]
    typed = [*lines[:5000], "v=1\n", *lines[5000:]]
    type_texts(history, "".join(lines), "".join(typed))
    formatted = "".join(line.replace("=", " = ").replace("( ", "(") for line in typed)
    assert type_texts(history, "".join(typed), formatted) == [ChangeKind.BULK]
    assert not history.edits()


def test_a_large_insertion_moves_the_edits_below() -> None:
    history = EditHistory()
    type_texts(history, "a\nb\n", "a\nbc\n", "1\n" * 10_000 + "a\nbc\n")
    assert [(edit.start, edit.new) for edit in history.edits()] == [(20_002, "bc\n")]


def test_another_branch_forgets_everything() -> None:
    history = EditHistory()
    type_texts(history, "a\n", "b\n")
    kinds = [type_texts(history, "a\n", "b\n", document=f"/work/{i}.py")[0] for i in range(3)]
    assert kinds[-1] is ChangeKind.BULK
    assert not [edit for edit in history.edits() if edit.document == NAME]


@pytest.mark.parametrize(
    ("suggested", "kind"), [(False, ChangeKind.PASTED), (True, ChangeKind.TYPED)], ids=["pasted", "accepted"]
)
def test_a_long_text_inserted_at_once_is_pasted(suggested: bool, kind: ChangeKind) -> None:
    history = EditHistory()
    assert history.record(NAME, "a\n", "a\n" + "b" * 80, suggested=suggested) is kind


def test_the_history_is_bounded_and_edits_grow_old() -> None:
    clock = Clock()
    history = EditHistory(clock)
    lines = [f"v = {i}\n" for i in range(200)]
    for i in range(0, 200, 2):
        before, lines[i] = "".join(lines), f"w = {i}\n"
        history.record(NAME, before, "".join(lines))
    assert len(history.edits()) == 24
    assert history.edits()[0].new == "w = 198\n"
    clock.now_s += 3600
    assert not history.edits()


def test_a_closed_document_is_forgotten() -> None:
    history = EditHistory()
    type_texts(history, "a\n", "b\n")
    history.forget(NAME)
    assert not history.edits()

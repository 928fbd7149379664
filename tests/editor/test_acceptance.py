"""Acceptance derived from a document's changes, however the text was inserted and whatever else changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.editor.acceptance import AcceptanceTracker
from nano_lsp.editor.adaptive_threshold import AdaptiveThreshold
from nano_lsp.editor.ghost_text import Suggestion
from nano_lsp.editor.statistics import KEPT_AFTER_S, Record, Statistics

pytestmark = pytest.mark.asyncio
NAME = "a.py"


class Editor:
    """A document with a cursor `|`, and suggestions in it."""

    def __init__(self, statistics: Statistics, code: str) -> None:
        self.timers: list[Callable[[], None]] = []
        self.records: list[Record] = []
        self.tracker = AcceptanceTracker(statistics, self._learn, self._call_later)
        self.text, self.offset = code.replace("|", ""), code.index("|")

    def _learn(self, records: Iterable[Record]) -> None:
        self.records += records

    def _call_later(self, delay: float, call: Callable[[], None]) -> None:
        assert delay == KEPT_AFTER_S
        self.timers.append(call)

    def show(self, text: str, suggestion_id: int = 1, confidence: float = 0.5) -> None:
        one = Suggestion(text, suggestion_id, confidence)
        self.tracker.show(NAME, self.text, self.offset, "python", one)

    def type(self, text: str) -> None:
        for key in text:
            self.insert(key)

    def insert(self, text: str) -> None:
        self.replace(self.offset, self.offset, text)

    def replace(self, start: int, stop: int, text: str) -> None:
        self.become(self.text[:start] + text + self.text[stop:], start + len(text))

    def become(self, text: str, offset: int | None = None) -> None:
        """Replace the whole text of the document."""
        self.text = text
        self.offset = self.offset if offset is None else offset
        self.tracker.changed(NAME, text)

    def wait(self) -> list[tuple[bool, bool]]:
        """Let all timers expire; returns for each record whether it is accepted and kept."""
        timers, self.timers = self.timers, []
        for call in timers:
            call()
        return [(record.accepted, record.kept) for record in self.records]


ACCEPTED, KEPT, REJECTED = (True, False), (True, True), (False, False)


@pytest.fixture
def statistics(tmp_path: Path) -> Statistics:
    return Statistics(tmp_path)


async def test_a_suggestion_inserted_at_once_is_accepted(statistics: Statistics) -> None:
    editor = Editor(statistics, "total = |\n")
    editor.show("sum(values)")
    editor.insert("sum(values)")
    assert editor.tracker.n_accepted == 1
    assert editor.wait() == [KEPT]


async def test_a_suggestion_inserted_by_key_word_or_line_is_accepted(statistics: Statistics) -> None:
    body = "\n    a = 1\n    return a"
    for pieces in (list(body), ["\n    a", " =", " 1", "\n    return", " a"], ["\n    a = 1", "\n    return a"]):
        editor = Editor(statistics, "def f():|\n")
        editor.show(body)
        for piece in pieces:
            assert editor.tracker.n_accepted == 0
            editor.insert(piece)
            editor.show(body[len(editor.text) - len("def f():\n") :])  # the rest of it, with the same id
        assert (editor.tracker.n_shown, editor.tracker.n_accepted) == (1, 1)
        assert editor.wait() == [KEPT]


async def test_a_suggestion_inserted_in_part_is_not_accepted(statistics: Statistics) -> None:
    editor = Editor(statistics, "total = |\n")
    editor.show("sum(values)")
    editor.insert("sum")
    editor.type("mary()")
    editor.tracker.close(NAME)
    assert editor.wait() == [REJECTED]


async def test_a_reported_acceptance_counts_once_and_only_if_the_suggestion_was_shown(statistics: Statistics) -> None:
    editor = Editor(statistics, "total = |\n")
    editor.show("1")
    for suggestion_id in (1, 1, 2, 0, -1):
        editor.tracker.accept(suggestion_id)
    editor.insert("1")  # some editors send the command first
    editor.tracker.accept(1)
    assert editor.tracker.n_accepted == 1
    assert editor.wait() == [KEPT]


async def test_an_acceptance_that_is_undone_is_not_kept_and_counts_once(statistics: Statistics) -> None:
    editor = Editor(statistics, "total = |\n")
    editor.show("1")
    editor.insert("1")
    editor.replace(8, 9, "")
    editor.show("1")
    assert (editor.tracker.n_shown, editor.tracker.n_accepted) == (1, 1)
    assert editor.wait() == [ACCEPTED]


async def test_a_suggestion_shown_again_after_its_record_was_written_counts_again(statistics: Statistics) -> None:
    editor = Editor(statistics, "total = |\n")
    editor.show("1")
    for i in range(2, 12):  # other suggestions elsewhere
        editor.replace(len(editor.text), len(editor.text), f"name_{i} = \n")
        editor.show("2", i)
    editor.offset = 8
    editor.show("1")
    editor.insert("1")
    editor.tracker.close(NAME)
    assert editor.records.count(editor.records[0]) > 1
    assert [(record.accepted, record.kept) for record in editor.records if record.accepted] == [KEPT]


async def test_the_beginning_of_a_longer_word_is_not_kept(statistics: Statistics) -> None:
    editor = Editor(statistics, "total = |\n")
    editor.show("count")
    editor.type("counter")
    assert editor.wait() == [ACCEPTED]


async def test_changes_by_the_editor_around_the_suggestion_are_ignored(statistics: Statistics) -> None:
    # Another indent, and Windows line breaks.
    editor = Editor(statistics, "if x:\n        |\n")
    editor.show("a = 1\n        b = 2")
    editor.become("if x:\r\n    a = 1\r\n    b = 2\r\n")
    assert editor.wait() == [KEPT]
    # A bracket that the editor closes automatically.
    editor = Editor(statistics, "x = |\n")
    editor.show("f(a)")
    editor.type("f")
    editor.become("x = f()\n", 6)
    editor.type("a")
    editor.replace(7, 8, ")")  # overtyping
    assert editor.wait() == [KEPT]
    # A completion item replaces the word before the cursor, in another case.
    editor = Editor(statistics, "x = Pri|\n")
    editor.show("nt(y)")
    editor.replace(4, 7, "print(y)")
    assert editor.wait() == [KEPT]
    # An import is inserted above first.
    editor = Editor(statistics, "import os\n\npath = os.|\n")
    editor.show("getcwd()")
    editor.replace(0, 0, "import re\n")
    editor.replace(len(editor.text) - 1, len(editor.text) - 1, "getcwd()")
    assert editor.wait() == [KEPT]


async def test_edits_at_other_cursors_and_in_other_documents_accept_nothing(statistics: Statistics) -> None:
    editor = Editor(statistics, "a = |\nb = \n")
    editor.show("1")
    editor.replace(8, 8, "1")  # the changes of one message, one after the other
    assert editor.tracker.n_accepted == 0
    editor.tracker.changed("other.py", "a = 1")
    assert editor.tracker.n_accepted == 0
    editor.replace(4, 4, "1")
    assert editor.wait() == [KEPT]


async def test_a_suggestion_is_kept_when_a_formatter_rewrites_the_document(statistics: Statistics) -> None:
    editor = Editor(statistics, "x=1\ntotal = |\ny=2\n")
    editor.show("sum(values)")
    editor.insert("sum(values)")
    editor.become("x = 1\ntotal = sum( values )\ny = 2\n")
    assert editor.wait() == [KEPT]


async def test_of_alternatives_with_a_common_beginning_only_the_longest_is_accepted(statistics: Statistics) -> None:
    editor = Editor(statistics, "x = |\n")
    for i, text in enumerate(("a", "a + b", "c"), 1):
        editor.show(text, i)
    editor.insert("a + b")
    assert sorted(editor.wait()) == [REJECTED, REJECTED, KEPT]
    assert editor.tracker.n_accepted == 1


async def test_the_same_text_in_the_next_line_is_another_suggestion(statistics: Statistics) -> None:
    editor = Editor(statistics, "def f():|\n")
    editor.show("return x", 1)
    editor.insert("\n    ")
    editor.show("return x", 2)
    editor.insert("return x")
    assert editor.tracker.n_accepted == 1


@pytest.mark.parametrize("typed", ["Ent", "ent", ""])
async def test_a_suggestion_after_a_selected_entry_is_accepted_with_it_or_after_it(
    statistics: Statistics, typed: str
) -> None:
    for parts in (["Entry in entries:"], ["Entry", "Entry in entries:"]):
        editor = Editor(statistics, f"for {typed}|\n")
        one = Suggestion(" in entries:", 1, 0.5)
        for _ in range(2):
            editor.tracker.show(NAME, editor.text, 4, "python", one, entry="Entry")
        for part in parts:
            assert editor.tracker.n_accepted == 0
            editor.replace(4, editor.offset, part)
            if part == "Entry":
                editor.show(" in entries:")
        assert (editor.tracker.n_shown, editor.tracker.n_accepted) == (1, 1)
        assert [record.chars for record in editor.records] == []
        assert editor.wait() == [KEPT]
        assert [record.chars for record in editor.records] == [len(" in entries:")]


async def test_of_suggestions_shown_while_the_selection_moved_only_the_last_counts(statistics: Statistics) -> None:
    editor = Editor(statistics, "for |\n")
    for i, entry in enumerate(("Account", "Entry", "entries"), start=1):
        one = Suggestion(" in x:", i, 0.5)
        editor.tracker.show(NAME, editor.text, 4, "python", one, entry=entry)
    assert editor.tracker.n_shown == 1
    editor.tracker.close(NAME)
    assert editor.wait() == [REJECTED]


async def test_deleting_accepts_nothing(statistics: Statistics) -> None:
    editor = Editor(statistics, "x = |2 1\n")
    editor.show("1")
    editor.replace(4, 6, "")
    assert editor.tracker.n_accepted == 0


async def test_records_are_written_when_the_program_ends(statistics: Statistics) -> None:
    editor = Editor(statistics, "x = |\n")
    editor.show("1", 1)
    editor.insert("1")
    editor.insert("\ny = ")
    editor.show("2", 2)
    editor.tracker.flush()
    assert [(found.accepted, found.kept) for found in statistics.records()] == [KEPT, REJECTED]


async def test_the_threshold_is_learned_also_with_editors_that_do_not_report_acceptance(
    statistics: Statistics,
) -> None:
    """Helix, Emacs and others send only changes; here confident suggestions are accepted, or none."""
    for acceptance_rate, hides in ((0.5, True), (0.0, False)):
        editor = Editor(statistics, "|\n")
        source = random.Random(1)  # noqa: S311 - repeatable, no secret
        for i in range(800):
            confidence = source.random()
            editor.become("x = \n", 4)
            editor.show(f"name_{i}", i + 1, confidence)
            if confidence > 0.6 and source.random() < acceptance_rate:
                editor.insert(f"name_{i}")
            editor.wait()
        learned = AdaptiveThreshold(editor.records).learned("python")
        assert (learned.value > 0.2) == hides, learned.reason


async def test_no_records_are_written_if_statistics_are_disabled(statistics: Statistics) -> None:
    editor = Editor(statistics, "x = |\n")
    editor.tracker.enabled = False
    editor.show("1")
    editor.insert("1")
    assert editor.wait() == []
    editor.tracker.flush()
    assert not statistics.path.exists()


@given(st.text("ab (\n", max_size=6), st.text("ab(1\n", min_size=1, max_size=6), st.text("ab )\n", max_size=6))
async def test_any_suggestion_that_is_inserted_whole_is_accepted(before: str, text: str, after: str) -> None:
    editor = Editor(Statistics(Path("/nowhere")), f"{before}|{after}")
    editor.show(text)
    editor.insert(text)
    assert editor.tracker.n_accepted == bool(text.strip())

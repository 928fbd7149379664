"""What becomes of the suggestions that a user was shown: accepted, and still there a while later.

Acceptance is seen in the document's own changes: many editors report none, or not all of it (a word, a line).
A suggestion is accepted once all of its text stands where it was shown, whichever keys put it there; white space does
not count, as editors indent anew and change line breaks. It is kept if the text is still there `KEPT_AFTER_S` later,
or when the program ends before that.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from nano_lsp.editor.statistics import KEPT_AFTER_S, Record, Statistics
from nano_lsp.lines import line_start

if TYPE_CHECKING:  # not imported: it would bring the whole assistant along
    from nano_lsp.editor.ghost_text import Suggestion

_MAX_OPEN = 8  # suggestions that may still be accepted; a program that is killed loses them, so they are few
_MAX_REPLACED = 200  # characters before a place that an editor replaces together with what it inserts
_INSIDE_WORD = re.compile(r"(?<=\w)\w")
CallLater = Callable[[float, Callable[[], None]], object]


@dataclass(frozen=True)
class _Edit:
    """`start` to `stop` of the old text were replaced by `text`."""

    start: int
    stop: int
    text: str


@dataclass
class _Shown:
    """A suggestion that was shown.

    Attributes:
        document: The document's name.
        place: Offset where its text begins; None where that place is gone.
        text: What was shown.
        before: What stood before it in its line.
        record: What is known of it.
        entry: Text of the entry selected in the editor's completion list, with which `text` begins; empty for none.
        settled: Its record has been handed on; a timer may still know it.
    """

    document: str
    place: int | None
    text: str
    before: str
    record: Record
    entry: str = ""
    settled: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches its text where it stands; on the line of its place, unless it begins with a line break."""
        blanks = self.text[: len(self.text) - len(self.text.lstrip())]
        return re.compile((r"\s*" if "\n" in blanks else r"[^\S\n]*") + _loosely(self.text))

    @cached_property
    def pattern_elsewhere(self) -> re.Pattern[str]:
        """Matches the line with its text; the text is the second group."""
        return re.compile(rf"({_loosely(self.before)}\s*)({_loosely(self.text)})")

    def stands_in(self, text: str) -> re.Match[str] | None:
        """Where its text stands at its place."""
        return self.pattern.match(text, self.place) if self.place is not None else None

    def is_kept(self, text: str) -> bool:
        """Whether its text is still there, and not the beginning of a longer word."""
        found = self.pattern_elsewhere.search(text) if self.place is None else self.stands_in(text)
        return found is not None and not _INSIDE_WORD.match(text, found.end())

    def follow(self, edit: _Edit, text: str) -> int | None:
        """Where its text begins after an edit of a text."""
        if self.place is None or edit.start >= self.place:
            return self.place
        if edit.stop < self.place:
            return self.place + len(edit.text) - (edit.stop - edit.start)
        # What stands before the place was replaced as well: a word by a menu's item, blanks by the editor's indent.
        replaced = text[edit.start : self.place]
        head = rf"\s*{_loosely(replaced)}" + (r"\s*" if replaced[-1].isspace() else "")
        if len(replaced) <= _MAX_REPLACED and (found := re.match(head, edit.text, re.IGNORECASE)):
            return edit.start + found.end()
        moved = self.pattern_elsewhere.search(edit.text)
        return edit.start + moved.start(2) if moved else None


class AcceptanceTracker:
    """Follows suggestions until it is known what became of them. Use it on one event loop.

    Args:
        statistics: Where records are kept.
        on_records: Is given the records as well.
        call_later: Calls a function after a number of seconds; the running event loop does so by default.

    Attributes:
        n_shown: Suggestions shown.
        n_accepted: Suggestions accepted.
        enabled: Keep records.
    """

    def __init__(
        self,
        statistics: Statistics,
        on_records: Callable[[Iterable[Record]], None],
        call_later: CallLater | None = None,
    ) -> None:
        self.n_shown = 0
        self.n_accepted = 0
        self.enabled = True
        self._statistics = statistics
        self._on_records = on_records
        self._call_later = call_later or (lambda delay, call: asyncio.get_running_loop().call_later(delay, call))
        self._shown: dict[int, _Shown] = {}
        self._texts: dict[str, str] = {}

    def show(
        self,
        document: str,
        text: str,
        offset: int,
        language: str,
        suggestion: Suggestion,
        *,
        invoked: bool,
        entry: str = "",
    ) -> None:
        """A suggestion is shown; it counts once while it may be accepted, however often it is shown again.

        Args:
            document: The document's name.
            text: The document's text.
            offset: The cursor's offset; with an entry, where the entry begins.
            language: The document's language.
            suggestion: What is shown.
            invoked: The user asked for it explicitly.
            entry: Text of the entry selected in the editor's completion list, which the suggestion continues. Of
                those shown while the selection moves, only the last counts.
        """
        if not suggestion.text.strip():
            return
        self.changed(document, text)
        self._texts[document] = text
        before, shown = text[line_start(text, offset) : offset], entry + suggestion.text
        known = self._shown.get(suggestion.id)
        if known is not None:
            begun = text[known.place : offset] if known.place is not None else ""
            if not known.record.accepted and begun + shown != known.text:  # its place was lost
                self._shown[suggestion.id] = replace(known, place=offset, text=shown, before=before)
            return
        if entry:
            self._drop_other_entries(document, offset, entry)
        self.n_shown += 1
        record = Record(
            date.today().isoformat(),
            language,
            len(suggestion.text),
            round(suggestion.confidence, 4),
            weight=suggestion.weight,
            invoked=invoked,
        )
        self._shown[suggestion.id] = _Shown(document, offset, shown, before, record, entry)
        still_open = [one for one in self._shown.values() if not one.record.accepted]
        self._settle(still_open[:-_MAX_OPEN])

    def changed(self, document: str, text: str) -> None:
        """A document has changed; for a change of several places, once for each.

        Args:
            document: The document's name.
            text: Its text now.
        """
        before = self._texts.get(document)
        if before is None or before == text:
            return
        self._texts[document] = text
        edit = _find_edit(before, text)
        there = []
        for suggestion_id, shown in self._shown.items():
            if shown.document == document:
                shown.place = shown.follow(edit, before)
                if edit.text and not shown.record.accepted and shown.stands_in(text):
                    there.append(suggestion_id)
        if there:  # of alternatives that begin alike, the longest was meant
            self.accept(max(there, key=lambda one: len(self._shown[one].text)))

    def accept(self, suggestion_id: int) -> None:
        """The user has accepted a suggestion; it counts once, whether it is seen, reported or both."""
        shown = self._shown.get(suggestion_id)
        if shown is None or shown.record.accepted:
            return
        self.n_accepted += 1
        shown.record = replace(shown.record, accepted=True)
        self._call_later(KEPT_AFTER_S, lambda: self._settle([shown]))
        there = [one for one in self._shown.values() if (one.document, one.place) == (shown.document, shown.place)]
        self._settle(one for one in there if one.place is not None and not one.record.accepted)

    def close(self, document: str) -> None:
        """A document was closed: what is known of its suggestions now is all that will be known."""
        self._settle([one for one in self._shown.values() if one.document == document])

    def flush(self) -> None:
        """Write down what is known, at once: the process is about to end."""
        left = [self._final(shown) for shown in self._shown.values()]
        self._shown.clear()
        if self.enabled:
            self._statistics.add(left)

    def _drop_other_entries(self, document: str, place: int, entry: str) -> None:
        """Forget what was shown behind other entries of a completion list: the user only moved through it."""
        moved_past = [
            suggestion_id
            for suggestion_id, one in self._shown.items()
            if one.entry not in {"", entry}
            and (one.document, one.place) == (document, place)
            and not one.record.accepted
        ]
        for suggestion_id in moved_past:
            del self._shown[suggestion_id]
        self.n_shown -= len(moved_past)

    def _final(self, shown: _Shown) -> Record:
        kept = shown.record.accepted and shown.is_kept(self._texts.get(shown.document, ""))
        return replace(shown.record, kept=kept)

    def _settle(self, shown: Iterable[_Shown]) -> None:
        """Hand on the records of suggestions, and forget these."""
        settled = [one for one in shown if not one.settled]
        records = [self._final(one) for one in settled]
        for one in settled:
            one.settled = True
        self._shown = {key: one for key, one in self._shown.items() if not one.settled}
        followed = {one.document for one in self._shown.values()}
        self._texts = {name: text for name, text in self._texts.items() if name in followed}
        if records and self.enabled:
            self._on_records(records)
            asyncio.get_running_loop().run_in_executor(None, self._statistics.add, records)


def _find_edit(before: str, after: str) -> _Edit:
    """The smallest edit that makes one text of another."""
    most = min(len(before), len(after))
    start = _longest(most, lambda n: after.startswith(before[:n]))
    end = _longest(most - start, lambda n: after.endswith(before[len(before) - n :]))
    return _Edit(start, len(before) - end, after[start : len(after) - end])


def _longest(most: int, holds: Callable[[int], bool]) -> int:
    """The greatest number up to a limit for which something holds that holds for all smaller ones, by bisection."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if holds(middle) else (least, middle - 1)
    return least


def _loosely(code: str) -> str:
    """A pattern of code, with any white space between its words and signs."""
    return r"\s*".join(re.escape(part) for part in re.findall(r"\w+|[^\w\s]", code))

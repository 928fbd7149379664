"""Tracks whether suggestions that were shown are accepted, and kept some time later.

Acceptance is derived from the changes of the document: many editors do not report it, or not the acceptance of a word
or a line. A suggestion is accepted once its whole text is in the document where it was shown, inserted or typed;
white space is ignored, as editors change indentation and line breaks. It is kept if the text is still there
`KEPT_AFTER_S` later, or when the program ends before that.
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

if TYPE_CHECKING:  # not imported at run time: it would import the whole assistant
    from nano_lsp.editor.ghost_text import Suggestion

_MAX_OPEN = 8  # suggestions that may still be accepted; few, as they are lost if the program is killed
_MAX_REPLACED = 200  # characters before a suggestion that an editor may replace together with it
_INSIDE_WORD = re.compile(r"(?<=\w)\w")
CallLater = Callable[[float, Callable[[], None]], object]


@dataclass(frozen=True)
class _Edit:
    """The replacement of the old text from `start` to `stop` by `text`."""

    start: int
    stop: int
    text: str


@dataclass
class _Shown:
    """A suggestion that was shown.

    Attributes:
        document: The document's name.
        offset: Offset where its text begins; None if that offset was lost in an edit.
        text: The text that was shown.
        before: The text before it in its line.
        record: The record of its outcome so far.
        entry: Text of the entry selected in the editor's completion list, with which `text` begins; empty for none.
        recorded: Its record is final and has been passed on; a timer may still refer to it.
    """

    document: str
    offset: int | None
    text: str
    before: str
    record: Record
    entry: str = ""
    recorded: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the text at its offset; on the same line, unless it begins with a line break."""
        blanks = self.text[: len(self.text) - len(self.text.lstrip())]
        return re.compile((r"\s*" if "\n" in blanks else r"[^\S\n]*") + _ignoring_blanks(self.text))

    @cached_property
    def pattern_elsewhere(self) -> re.Pattern[str]:
        """Matches the line with the text anywhere in the document; the text is the second group."""
        return re.compile(rf"({_ignoring_blanks(self.before)}\s*)({_ignoring_blanks(self.text)})")

    def match_in(self, text: str) -> re.Match[str] | None:
        """The match of the suggestion at its offset in a document; None if it is not there."""
        return self.pattern.match(text, self.offset) if self.offset is not None else None

    def is_kept(self, text: str) -> bool:
        """Whether the suggestion is still in a document, and not as the beginning of a longer word."""
        found = self.pattern_elsewhere.search(text) if self.offset is None else self.match_in(text)
        return found is not None and not _INSIDE_WORD.match(text, found.end())

    def offset_after(self, edit: _Edit, text: str) -> int | None:
        """The offset of the suggestion after an edit of a document; None if it is lost."""
        if self.offset is None or edit.start >= self.offset:
            return self.offset
        if edit.stop < self.offset:
            return self.offset + len(edit.text) - (edit.stop - edit.start)
        # Text before the suggestion was replaced as well: a word by a completion item, or blanks by indentation.
        replaced = text[edit.start : self.offset]
        head = rf"\s*{_ignoring_blanks(replaced)}" + (r"\s*" if replaced[-1].isspace() else "")
        if len(replaced) <= _MAX_REPLACED and (found := re.match(head, edit.text, re.IGNORECASE)):
            return edit.start + found.end()
        moved = self.pattern_elsewhere.search(edit.text)
        return edit.start + moved.start(2) if moved else None


class AcceptanceTracker:
    """Tracks suggestions from their display to their final record. Use it on one event loop.

    Args:
        statistics: The file of records.
        on_records: Called with new records.
        call_later: Calls a function after a number of seconds; by default, by the running event loop.

    Attributes:
        n_shown: Number of suggestions shown.
        n_accepted: Number of suggestions accepted.
        enabled: Write records.
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
        entry: str = "",
    ) -> None:
        """Track a suggestion that is shown; it counts once while it can be accepted, even if shown again.

        Args:
            document: The document's name.
            text: The document's text.
            offset: The cursor's offset; with an entry, where the entry begins.
            language: The document's language.
            suggestion: The suggestion.
            entry: Text of the entry selected in the editor's completion list, which the suggestion continues. Of
                suggestions shown while the selection moves, only the last counts.
        """
        if not suggestion.text.strip():
            return
        self.changed(document, text)
        self._texts[document] = text
        before, shown = text[line_start(text, offset) : offset], entry + suggestion.text
        known = self._shown.get(suggestion.id)
        if known is not None:
            typed = text[known.offset : offset] if known.offset is not None else ""
            if not known.record.accepted and typed + shown != known.text:  # its offset was lost
                self._shown[suggestion.id] = replace(known, offset=offset, text=shown, before=before)
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
            invoked=suggestion.invoked,
        )
        self._shown[suggestion.id] = _Shown(
            document=document, offset=offset, text=shown, before=before, record=record, entry=entry
        )
        still_open = [one for one in self._shown.values() if not one.record.accepted]
        self._finish(still_open[:-_MAX_OPEN])

    def changed(self, document: str, text: str) -> None:
        """A document has changed; to be called once for each replaced range."""
        before = self._texts.get(document)
        if before is None or before == text:
            return
        self._texts[document] = text
        edit = _find_edit(before, text)
        matching = []
        for suggestion_id, shown in self._shown.items():
            if shown.document == document:
                shown.offset = shown.offset_after(edit, before)
                if edit.text and not shown.record.accepted and shown.match_in(text):
                    matching.append(suggestion_id)
        if matching:  # of alternatives with a common beginning, the longest was accepted
            self.accept(max(matching, key=lambda one: len(self._shown[one].text)))

    def accept(self, suggestion_id: int) -> None:
        """The user has accepted a suggestion; it counts once, even if the editor also reports it."""
        shown = self._shown.get(suggestion_id)
        if shown is None or shown.record.accepted:
            return
        self.n_accepted += 1
        shown.record = replace(shown.record, accepted=True)
        self._call_later(KEPT_AFTER_S, lambda: self._finish([shown]))
        same_offset = [
            one for one in self._shown.values() if (one.document, one.offset) == (shown.document, shown.offset)
        ]
        self._finish(one for one in same_offset if one.offset is not None and not one.record.accepted)

    def close(self, document: str) -> None:
        """A document was closed: the records of its suggestions are final."""
        self._finish([one for one in self._shown.values() if one.document == document])

    def flush(self) -> None:
        """Write all records immediately: the process is about to end."""
        records = [self._final_record(shown) for shown in self._shown.values()]
        self._shown.clear()
        if self.enabled:
            self._statistics.add(records)

    def _drop_other_entries(self, document: str, offset: int, entry: str) -> None:
        """Drop suggestions shown with other entries of a completion list: the user only moved the selection."""
        moved_past = [
            suggestion_id
            for suggestion_id, one in self._shown.items()
            if one.entry not in {"", entry}
            and (one.document, one.offset) == (document, offset)
            and not one.record.accepted
        ]
        for suggestion_id in moved_past:
            del self._shown[suggestion_id]
        self.n_shown -= len(moved_past)

    def _final_record(self, shown: _Shown) -> Record:
        kept = shown.record.accepted and shown.is_kept(self._texts.get(shown.document, ""))
        return replace(shown.record, kept=kept)

    def _finish(self, shown: Iterable[_Shown]) -> None:
        """Pass on the records of suggestions, and stop tracking these."""
        finished = [one for one in shown if not one.recorded]
        records = [self._final_record(one) for one in finished]
        for one in finished:
            one.recorded = True
        self._shown = {key: one for key, one in self._shown.items() if not one.recorded}
        tracked = {one.document for one in self._shown.values()}
        self._texts = {name: text for name, text in self._texts.items() if name in tracked}
        if records and self.enabled:
            self._on_records(records)
            asyncio.get_running_loop().run_in_executor(None, self._statistics.add, records)


def _find_edit(before: str, after: str) -> _Edit:
    """The smallest edit that turns one text into another."""
    limit = min(len(before), len(after))
    start = _bisect_max(limit, lambda n: after.startswith(before[:n]))
    end = _bisect_max(limit - start, lambda n: after.endswith(before[len(before) - n :]))
    return _Edit(start, len(before) - end, after[start : len(after) - end])


def _bisect_max(limit: int, condition: Callable[[int], bool]) -> int:
    """The largest number up to a limit that satisfies a condition, which all smaller numbers satisfy too."""
    low = 0
    while low < limit:
        middle = (low + limit + 1) // 2
        low, limit = (middle, limit) if condition(middle) else (low, middle - 1)
    return low


def _ignoring_blanks(code: str) -> str:
    """A pattern that matches code with any white space between its words and other characters."""
    return r"\s*".join(re.escape(part) for part in re.findall(r"\w+|[^\w\s]", code))

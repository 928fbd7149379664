"""The edits of a session, as whole lines before and after; in memory only.

A change of a document is merged with the edits whose lines it touches, so a word typed letter by letter is one edit.
The edits of a document never overlap, and undoing them all gives its text from before them. An edit that is undone
leaves. A change that nobody types (a formatter, another branch, a file reloaded) is not an edit: it only moves those
around it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from nano_lsp.code.syntax_tree import common_ends
from nano_lsp.lines import LINE_END, line_start, split_lines

MAX_LINES = 12
"""Maximum number of lines on either side of an edit."""
MAX_CHARS = 2000
"""Maximum number of characters on either side of an edit."""
_MAX_EDITS = 24
_MAX_AGE_S = 1200.0  # an older edit says little about what is being done now
_GROUP_S = 10.0  # lines added below an edit within this time belong to it
_PASTED_CHARS = 60  # inserted at once: no key inserts as much, nor an entry of a completion list
_MAX_STATES = 64  # of all documents: enough to notice that one of them is undone
_BURST_S, _BURST_DOCUMENTS = 1.0, 3  # nobody types in three documents within a second


class ChangeKind(StrEnum):
    """How a document was changed."""

    TYPED = "typed"
    PASTED = "pasted"
    UNDONE = "undone"
    BULK = "bulk"


@dataclass(frozen=True)
class Edit:
    """An edit of whole lines, which contain their line breaks.

    Attributes:
        document: Name of the document.
        start: Offset of the first line in the document's current text, in code points.
        old: The lines before; empty if lines were added.
        new: The lines now, as they are in the document; empty if lines were removed.
        changed_s: Time of the newest change, by the history's clock.
    """

    document: str
    start: int
    old: str
    new: str
    changed_s: float = 0.0

    @property
    def end(self) -> int:
        """Offset after the last line in the document's current text."""
        return self.start + len(self.new)

    @property
    def is_blank(self) -> bool:
        """Whether only blanks have changed."""
        return "".join(self.old.split()) == "".join(self.new.split())

    @property
    def is_large(self) -> bool:
        """Whether it has more lines or characters than one that somebody types."""
        sides = self.old, self.new
        return any(len(side) > MAX_CHARS or len(split_lines(side)) > MAX_LINES for side in sides)


class EditHistory:
    """The newest edits of all documents.

    Args:
        clock: Returns the time in seconds, by a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._edits: list[Edit] = []  # the one changed last at the end
        self._states: deque[int] = deque(maxlen=_MAX_STATES)  # hashes of texts
        self._changes: deque[tuple[float, str]] = deque(maxlen=16)

    def edits(self) -> Sequence[Edit]:
        """The edits that are not old and change more than blanks, the newest first."""
        oldest_s = self._clock() - _MAX_AGE_S
        return [edit for edit in reversed(self._edits) if edit.changed_s >= oldest_s and not edit.is_blank]

    @property
    def documents(self) -> set[str]:
        """The documents of its edits."""
        return {edit.document for edit in self._edits}

    def record(self, document: str, before: str, after: str, *, suggested: bool = False) -> ChangeKind:
        """Record a change of a document.

        Args:
            document: Name of the document.
            before: Its text before the change.
            after: Its text after it.
            suggested: The change is a suggestion that the user has accepted, so it counts as typed.
        """
        change = replace(find_edit(document, before, after), changed_s=self._clock())
        known, states = hash((document, after)) in self._states, {hash((document, text)) for text in (before, after)}
        self._states.extend(states)
        self._changes.append((change.changed_s, document))
        if len({name for at_s, name in self._changes if at_s > change.changed_s - _BURST_S}) >= _BURST_DOCUMENTS:
            self._edits.clear()
            return ChangeKind.BULK
        touched = [edit for edit in self._edits if edit.document == document and self._touches(edit, change)]
        self._edits = [_moved(edit, change) for edit in self._edits if edit not in touched]
        if not change.is_large:
            merged = _merge(before, change, touched)
            if merged.old != merged.new and not merged.is_large:
                self._edits = [*self._edits, merged][-_MAX_EDITS:]
        if change.is_large:
            return ChangeKind.BULK
        if known:
            return ChangeKind.UNDONE
        return ChangeKind.PASTED if len(after) - len(before) > _PASTED_CHARS and not suggested else ChangeKind.TYPED

    def forget(self, document: str) -> None:
        """Forget a document that was closed: it may change unnoticed."""
        self._edits = [edit for edit in self._edits if edit.document != document]

    def _touches(self, edit: Edit, change: Edit) -> bool:
        """Whether a change of a text is in the lines of an edit, or adds lines at its end soon after it."""
        start, end = change.start, change.start + len(change.old)
        if max(start, edit.start) < min(end, edit.end):
            return True
        if not edit.new:
            return start <= edit.start <= end
        is_soon = change.changed_s - edit.changed_s <= _GROUP_S
        return not change.old and (edit.start < start < edit.end or (start == edit.end and is_soon))


def find_edit(document: str, before: str, after: str) -> Edit:
    """The lines that differ between two texts of a document, as one edit."""
    start, n_behind = common_ends(before, after)
    start -= before[start - 1 : start] == "\r"  # not within `\r\n`
    start = line_start(before, start)
    ends = len(before) - n_behind, len(after) - n_behind
    if not (_is_line_end(before, start, ends[0]) and _is_line_end(after, start, ends[1])):
        line_break = LINE_END.search(before, ends[0])
        n_more = (line_break.end() if line_break else len(before)) - ends[0]
        ends = ends[0] + n_more, ends[1] + n_more
    return _trimmed(Edit(document, start, before[start : ends[0]], after[start : ends[1]]))


def line_above(text: str, offset: int) -> str:
    """The line that ends at the beginning of another one, with its line break; empty at the beginning of the text."""
    head = text[line_start(text, max(0, offset - 2)) : offset] if offset else ""
    return split_lines(head, keep_ends=True)[-1] if head else ""


def line_below(text: str, offset: int) -> str:
    """The line that begins at an offset, with its line break; empty at the end of the text."""
    found = LINE_END.search(text, offset)
    return text[offset : found.end() if found else len(text)]


def undo_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text of a document before edits of it."""
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end), reverse=True):
        text = text[: edit.start] + edit.old + text[edit.end :]
    return text


def _is_line_end(text: str, start: int, end: int) -> bool:
    return end == start or (text[end - 1] in "\r\n" and text[end - 1 : end + 1] != "\r\n")


def _trimmed(edit: Edit) -> Edit:
    """The edit without the lines at its beginning and its end that are the same on both sides."""
    old, new = (split_lines(side, keep_ends=True) for side in (edit.old, edit.new))
    start = edit.start
    while old and new and old[0] == new[0]:
        start += len(old.pop(0))
        del new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return replace(edit, start=start, old="".join(old), new="".join(new))


def _moved(edit: Edit, change: Edit) -> Edit:
    """An edit that a change of the same document does not touch, where it is after the change."""
    is_behind = edit.document == change.document and edit.end > change.start
    return replace(edit, start=edit.start + len(change.new) - len(change.old)) if is_behind else edit


def _merge(before: str, change: Edit, touched: Sequence[Edit]) -> Edit:
    """A change of a text and the edits of that text that it touches, as one edit."""
    end = change.start + len(change.old)
    first, last = min([change.start, *(e.start for e in touched)]), max([end, *(e.end for e in touched)])
    old = undo_edits(before[first:last], [replace(edit, start=edit.start - first) for edit in touched])
    new = before[first : change.start] + change.new + before[end:last]
    return _trimmed(replace(change, start=first, old=old, new=new))

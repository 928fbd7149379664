"""A place of a document where an edit may have to be made next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from nano_lsp.code.document import TextEdit
from nano_lsp.code.syntax_tree import common_ends
from nano_lsp.lines import LINE_END
from nano_lsp.next_edit.history import Edit, line_above, line_below
from nano_lsp.next_edit.patterns import replaced


class PlaceKind(StrEnum):
    """How a place was found."""

    LINES = "lines"
    TOKENS = "tokens"
    USE = "use"
    PROBLEM = "problem"
    MIRROR = "mirror"
    SEQUENCE = "sequence"


@dataclass(frozen=True)
class Place:
    """Lines that may have to be edited next.

    Attributes:
        document: Name of the document.
        start: Offset of the first line in its text, in code points.
        old: The lines as they are.
        new: The lines as they may have to be.
        kind: How it was found.
        edit: The edit that it repeats.
        similarity: Share of the tokens that the edit's old lines have in common with it, or of the neighbours of the
            replaced tokens, 0 to 1.
        n_made: Number of edits that have made all of its replacements.
        n_left: Number of places, this one included, for one of its replacements.
        n_lines: Number of lines between it and the newest edit; None in another document.
        is_behind: Whether it comes after all edits of its document.
    """

    document: str
    start: int
    old: str
    new: str
    kind: PlaceKind
    edit: Edit
    similarity: float
    n_made: int = 0
    n_left: int = 1
    n_lines: int | None = None
    is_behind: bool = True

    @property
    def is_addition(self) -> bool:
        """Whether its line stays as it is, and others are added above or below."""
        return bool(self.old) and (self.new.startswith(self.old) or self.new.endswith(self.old))

    @property
    def end(self) -> int:
        """Offset after the last line."""
        return self.start + len(self.old)

    def apply(self, text: str) -> str:
        """The text of the document with the new lines."""
        return text[: self.start] + self.new + text[self.end :]

    @property
    def sides(self) -> tuple[str, str]:
        """The old and the new lines, without the line break at their end where both have the same one."""
        ends = [LINE_END.search(side, max(0, len(side) - 2)) for side in (self.old, self.new)]
        n = len(ends[0][0]) if ends[0] and ends[1] and ends[0][0] == ends[1][0] else 0
        return self.old[: len(self.old) - n], self.new[: len(self.new) - n]

    @property
    def change(self) -> TextEdit:
        """What the new lines change in the text of the document."""
        n, n_behind = common_ends(self.old, self.new)
        return TextEdit(self.start + n, self.end - n_behind, self.new[n : len(self.new) - n_behind])

    @cached_property
    def replacements(self) -> frozenset[tuple[str, str]]:
        """What is replaced by what."""
        return frozenset(replaced(self.old, self.new))


def anchor(text: str, at: int, new: str) -> tuple[int, str, str]:
    """Lines to add at an offset of a text as old and new lines, and the offset of the old ones.

    The old ones are the line above, or the one below where there is none: an editor shows what it is added to.
    """
    above, below = line_above(text, at), line_below(text, at)
    return (at - len(above), above, above + new) if above else (at, below, new + below)

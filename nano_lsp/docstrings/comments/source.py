"""The lines of a documentation comment, and where each is in the source, so that new lines change no other byte."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nano_lsp.code.document import TextEdit, apply_edits
from nano_lsp.lines import split_lines

_BLOCK_START = re.compile(r"/\*[*!]*|--\[(=*)\[-*")
_LINE_START = re.compile(r"[ \t]*(?:///?!?|--+|#+) ?")
_STAR = re.compile(r"[ \t]*\*(?!/) ?")


@dataclass(frozen=True)
class _Line:
    """A line of a comment: its text, what begins it, and the offset where its content ends."""

    text: str
    lead: str
    end: int


class CommentSource:
    """A comment.

    Args:
        source: The comment, without the indentation of its first line.
        indent: Indentation of the comment.
        line_break: The line break of the file.
    """

    def __init__(self, source: str, indent: str, line_break: str) -> None:
        self._source, self._indent, self._line_break = source, indent, line_break
        opening = _BLOCK_START.match(source)
        self._opening_end = opening.end() if opening else 0
        self._closing = re.search(r"[ \t]*(?:\*+/|\]=*\])$", source) if opening else None
        self._all = self._read_block() if opening else self._read_lines()
        self._first = int(len(self._all) > 1 and not self._all[0].text.strip())
        last = len(self._all)
        while opening and last > self._first and not self._all[last - 1].text.strip():
            last -= 1
        self._lines = self._all[self._first : last]
        self.lines: Sequence[str] = [line.text for line in self._lines]

    @property
    def is_block(self) -> bool:
        """Whether it is a comment in `/* */` or `--[[ ]]`."""
        return self._opening_end > 0

    def with_lines(self, added: Iterable[tuple[int, Sequence[str]]]) -> str:
        """The source with new lines added, each group after a line of the comment; -1 is before the first."""
        edits = [edit for after, lines in added for edit in self._insert(after, lines)]
        was_one_line = self.is_block and len(self._all) == 1 and bool(self._all[0].text.strip())
        if was_one_line and edits:
            start, end = self._opening_end, self._all[0].end
            if all(edit.start != start for edit in edits):
                edits.append(TextEdit(start, start, self._line_break + self._lead_before(start)))
            if all(edit.start != end for edit in edits):
                edits.append(TextEdit(end, end, self._line_break + self._indent_of_closing))
        return apply_edits(self._source, edits)

    def _insert(self, after: int, lines: Sequence[str]) -> list[TextEdit]:
        lead = self._common_lead
        new = [(lead + line).rstrip() for line in lines]
        if after < 0 and not self.is_block and not self._first:
            return [TextEdit(0, 0, self._line_break.join([new[0].lstrip(), *new[1:], self._indent]))]
        if after < 0 and not self._first:
            at = self._opening_end
            rest = self._lead_before(at) if self._lines else self._indent_of_closing
            return [TextEdit(at, at, self._line_break.join(["", *new, rest]))]
        line = self._all[self._first + after]
        text = self._line_break.join(["", *new])
        if self._closing is not None and line.end == self._closing.start():  # the comment ends in this line
            text += self._line_break + self._indent_of_closing
        return [TextEdit(line.end, line.end, text)]

    def _lead_before(self, at: int) -> str:
        """What begins a line whose text is at an offset of the source."""
        return self._common_lead.rstrip(" \t") + " " * (not self._source[at : at + 1].isspace())

    @property
    def _indent_of_closing(self) -> str:
        """What begins a line with the end of the comment."""
        has_blank = self._closing is None or self._closing[0][0].isspace()
        return self._indent + " " * (not has_blank and "*" in self._common_lead)

    def _read_lines(self) -> list[_Line]:
        found: list[_Line] = []
        at = 0
        for physical in split_lines(self._source, keep_ends=True):
            content = physical.rstrip("\r\n")
            begin = _LINE_START.match(content)
            begins = begin[0] if begin else ""
            found.append(_Line(content[len(begins) :], begins, at + len(content)))
            at += len(physical)
        shown = [self._indent * (not i) + line.lead for i, line in enumerate(found) if line.text.strip()]
        self._common_lead = shown[-1] if shown else f"{self._indent}{found[0].lead.rstrip()} "
        return found

    def _read_block(self) -> list[_Line]:
        physical = split_lines(self._source, keep_ends=True)
        closing = self._closing.start() if self._closing else len(self._source)
        contents, at = [], 0
        for each in physical:
            end = at + len(each.rstrip("\r\n"))
            contents.append((at, min(end, max(at, closing))))
            at += len(each)
        middle = [self._source[a:b] for a, b in contents[1:] if self._source[a:b].strip()]
        has_stars = not middle or all(map(_STAR.match, middle))
        margin = _common_start([line[: len(line) - len(line.lstrip())] for line in middle])
        found: list[_Line] = []
        for i, (start, end) in enumerate(contents):
            line = self._source[start:end]
            if not i:
                begins = self._source[: self._opening_end]
                begins += " " * self._source[self._opening_end : end].startswith(" ")
            elif has_stars:
                star = _STAR.match(line)
                begins = star[0] if star else line[: len(line) - len(line.lstrip())]
            else:
                begins = margin if line.startswith(margin) else ""
            found.append(_Line(self._source[start + len(begins) : end], begins, end))
        shown = [line.lead for line in found[1:] if line.text.strip()]
        self._common_lead = shown[-1] if shown else self._indent + " * " * self._source.startswith("/")
        return found


def _common_start(texts: Sequence[str]) -> str:
    """The longest text that all begin with; empty for none."""
    shortest = min(texts, key=len, default="")
    return next(
        (shortest[:n] for n in range(len(shortest), 0, -1) if all(t.startswith(shortest[:n]) for t in texts)), ""
    )

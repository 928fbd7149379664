r"""Positions in a text as in LSP: lines, and columns in UTF-8, UTF-16 or UTF-32 code units.

As specified by the Language Server Protocol 3.18 ("Text Documents"): only `\n`, `\r\n` and `\r` end a line; lines and
columns count from 0; a column past the line's end is its end. A line past the last one is the text's end, and a
column within a character is its start.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import StrEnum
from functools import cached_property

from nano_lsp.lines import line_starts


class Encoding(StrEnum):
    """Code units in which columns are counted (LSP position encoding)."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"


class Positions:
    """Converts between offsets of a text and positions, whose columns are counted in code units of an encoding."""

    def __init__(self, text: str, encoding: Encoding) -> None:
        self._text = text
        self._encoding = encoding

    def offset(self, line: int, column: int) -> int:
        """Convert a position to an offset in code points; the nearest offset if the position does not exist."""
        if line < 0:
            return 0
        if line >= len(self._starts):
            return len(self._text)
        start, end = self._starts[line], self._end(line)
        if self._encoding is Encoding.UTF32:
            return min(start + max(0, column), end)
        content = self._text[start:end]
        if content.isascii():
            return min(start + max(0, column), end)
        at = start
        for char in content:
            column -= _width(char, self._encoding)
            if column < 0:
                break
            at += 1
        return at

    def place(self, offset: int) -> tuple[int, int]:
        """Convert an offset in code points to line and column; offsets out of range become the nearest valid one."""
        offset = min(max(0, offset), len(self._text))
        line = bisect_right(self._starts, offset) - 1
        content = self._text[self._starts[line] : offset]
        if self._encoding is Encoding.UTF32 or content.isascii():
            return line, len(content)
        return line, sum(_width(char, self._encoding) for char in content)

    def _end(self, line: int) -> int:
        """Offset of the end of a line's content."""
        if line + 1 == len(self._starts):
            return len(self._text)
        end = self._starts[line + 1] - 1
        return end - 1 if self._text[end] == "\n" and end and self._text[end - 1] == "\r" else end

    @cached_property
    def _starts(self) -> list[int]:
        return line_starts(self._text)


def _width(char: str, encoding: Encoding) -> int:
    code = ord(char)
    if encoding is Encoding.UTF16:
        return 2 if code > 0xFFFF else 1
    return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4

r"""Line splitting for the whole package: which characters end a line.

- In Python source (Language Reference, 2.1.2 Physical lines), in an editor (Language Server Protocol 3.18, Text
  Documents) and in a text file, a line ends with `\n`, `\r\n` or `\r`: `split_lines`.
- In git, diffs, JSON Lines and the output of programs, it ends with `\n` alone: `split_at_newlines`.

In none of them does a line end at a form feed, a vertical tab, `\x1c` to `\x1e`, `\x85`, U+2028 or U+2029, where
`str.splitlines` splits as well: a test keeps that method, and functions that call it, out of the package.
"""

from __future__ import annotations

import re
from typing import AnyStr

LINE_END = re.compile(r"\r\n|\n|\r")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_BREAK_CHARACTER = re.compile(r"[\r\n]")


def split_lines(text: str, *, keep_ends: bool = False) -> list[str]:
    r"""Split Python source, an editor's document or a text file into lines.

    Args:
        text: Whole text. A line break at its end does not begin another line.
        keep_ends: Whether the lines keep their line breaks.
    """
    if "\r" not in text:
        return split_at_newlines(text, keep_ends=keep_ends)
    lines: list[str] = _LINE.findall(text)
    return lines if keep_ends else [line.rstrip("\r\n") for line in lines]


def split_at_newlines(data: AnyStr, *, keep_ends: bool = False) -> list[AnyStr]:
    r"""Split into lines as git does, or JSON Lines into records: only `\n` ends a line, and a `\r` belongs to it.

    Args:
        data: Whole text or its bytes. A newline at its end does not begin another line.
        keep_ends: Whether the lines keep their newlines.
    """
    if isinstance(data, str):
        return _split(data, "\n", keep_ends=keep_ends)
    return _split(data, b"\n", keep_ends=keep_ends)


def _split(data: AnyStr, newline: AnyStr, *, keep_ends: bool) -> list[AnyStr]:
    lines = data.split(newline)
    last = lines.pop()
    if keep_ends:
        lines = [line + newline for line in lines]
    if last:
        lines.append(last)
    return lines


def line_starts(text: str) -> list[int]:
    """Return the start offset of each line, in code points; a line break at the end begins an empty line."""
    return [0, *(end.end() for end in LINE_END.finditer(text))]


def line_number(text: str, offset: int) -> int:
    """Return the line number of an offset, from 1."""
    return 1 + sum(_count(text, offset).values())


def line_start(text: str, offset: int) -> int:
    """Return the start offset of the line that contains an offset."""
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def line_end(text: str, offset: int) -> int:
    """Return the end offset of the line that contains an offset, before its line break."""
    found = _BREAK_CHARACTER.search(text, offset)
    return found.start() if found else len(text)


def line_break_of(text: str) -> str:
    r"""Return the most frequent line break of a text; `\n` if it has none."""
    counts = _count(text, len(text))
    return max(counts, key=lambda line_break: counts[line_break]) if any(counts.values()) else "\n"


def _count(text: str, end: int) -> dict[str, int]:
    """Number of each kind of line break before an offset."""
    both = text.count("\r\n", 0, end)
    return {"\r\n": both, "\n": text.count("\n", 0, end) - both, "\r": text.count("\r", 0, end) - both}


def indent_text(text: str, indent: str) -> str:
    """Indent each line of a text that is not blank."""
    lines = split_lines(text, keep_ends=True)
    return "".join(indent + line if line.strip() else line for line in lines)

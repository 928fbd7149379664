r"""What ends a line. Everything that splits a text into lines does it here.

- In Python source (Language Reference, 2.1.2 Physical lines), in an editor (Language Server Protocol 3.18, Text
  Documents) and in a text file, a line ends with `\n`, `\r\n` or `\r`: `split_lines`.
- In git, in a diff, in JSON Lines and in what programs print, it ends with `\n` alone: `split_at_newlines`.

For none of them a line ends at a form feed, a vertical tab, `\x1c` to `\x1e`, `\x85`, U+2028 or U+2029, where
`str.splitlines` splits as well: a test keeps that method, and what calls it, out of the package.
"""

from __future__ import annotations

import re
from typing import AnyStr

LINE_END = re.compile(r"\r\n|\n|\r")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_BREAK_CHARACTER = re.compile(r"[\r\n]")


def split_lines(text: str, *, keep_ends: bool = False) -> list[str]:
    r"""The lines of Python source, of an editor's document or of a text file.

    Args:
        text: The whole text. A line break at its end begins no further line.
        keep_ends: Leave each line its line break.
    """
    if "\r" not in text:
        return split_at_newlines(text, keep_ends=keep_ends)
    lines: list[str] = _LINE.findall(text)
    return lines if keep_ends else [line.rstrip("\r\n") for line in lines]


def split_at_newlines(data: AnyStr, *, keep_ends: bool = False) -> list[AnyStr]:
    r"""The lines as git counts them, or the records of JSON Lines: `\n` ends one, and a `\r` belongs to it.

    Args:
        data: The whole text or its bytes. A newline at its end begins no further line.
        keep_ends: Leave each line its newline.
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
    """The offset in code points at which each line begins; a line break at the end begins an empty line."""
    return [0, *(end.end() for end in LINE_END.finditer(text))]


def line_number(text: str, offset: int) -> int:
    """The number of the line of an offset, from 1."""
    return 1 + sum(_count(text, offset).values())


def line_start(text: str, offset: int) -> int:
    """Where the line of an offset begins."""
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def line_end(text: str, offset: int) -> int:
    """Where the line of an offset ends, its line break left out."""
    found = _BREAK_CHARACTER.search(text, offset)
    return found.start() if found else len(text)


def line_break_of(text: str) -> str:
    r"""The line break that most lines of a text have; `\n` where there is none."""
    counts = _count(text, len(text))
    return max(counts, key=lambda line_break: counts[line_break]) if any(counts.values()) else "\n"


def _count(text: str, end: int) -> dict[str, int]:
    """How often each line break stands before an offset."""
    both = text.count("\r\n", 0, end)
    return {"\r\n": both, "\n": text.count("\n", 0, end) - both, "\r": text.count("\r", 0, end) - both}


def indent_text(text: str, indent: str) -> str:
    """A text with an indent before each line that is not blank."""
    lines = split_lines(text, keep_ends=True)
    return "".join(indent + line if line.strip() else line for line in lines)

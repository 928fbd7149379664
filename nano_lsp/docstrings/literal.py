"""The string literals of a docstring: their value, and the position in the source of each character.

The source may be several literals in a row, in parentheses, with prefixes, escapes and continued lines (Python's
language reference, 2.4.1 and 2.4.2). A change of the value is translated to a minimal change of the source.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_PIECE = re.compile(
    r"(?P<prefix>[rRuU]?)(?P<quote>'''|\"\"\"|'|\")(?P<body>(?:\\.|(?!(?P=quote)).)*)(?P=quote)", re.DOTALL
)
_BETWEEN = re.compile(r"(?:[\s()]|#[^\r\n]*|\\(?:\r\n|\r|\n))+")
_ESCAPE = r"\\(?:\r\n|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|.)"
_UNIT = re.compile(rf"{_ESCAPE}|\r\n|.", re.DOTALL)
_RAW_UNIT = re.compile(r"\r\n|.", re.DOTALL)


@dataclass(frozen=True)
class Change:
    """A change of a docstring's value: new text between two offsets."""

    start: int
    end: int
    text: str = ""


@dataclass(frozen=True)
class _Piece:
    """One string literal: its range in the source, without its quotes."""

    start: int
    end: int
    raw: bool
    quote: str


@dataclass(frozen=True)
class _Character:
    """The source range of one character of the value, and its literal."""

    start: int
    end: int
    piece: _Piece


class Literal:
    """The string literals of a docstring."""

    def __init__(self, source: str, value: str, characters: Sequence[_Character], pieces: Sequence[_Piece]) -> None:
        self.source = source
        self.value = value
        self._characters = characters
        self._pieces = pieces

    @classmethod
    def read(cls, source: str) -> Literal | None:
        """Parse the source of a docstring; None if Python evaluates it to another value."""
        pieces: list[_Piece] = []
        characters: list[_Character] = []
        values: list[str] = []
        at = 0
        while at < len(source):
            between = _BETWEEN.match(source, at)
            at = between.end() if between else at
            found = _PIECE.match(source, at)
            if found is None:
                break
            piece = _Piece(*found.span("body"), raw=found["prefix"] in {"r", "R"}, quote=found["quote"])
            pieces.append(piece)
            for unit in (_RAW_UNIT if piece.raw else _UNIT).finditer(source, piece.start, piece.end):
                decoded = _decode(unit[0], piece.raw)
                values.append(decoded)
                characters += [_Character(*unit.span(), piece)] * len(decoded)
            at = found.end()
        value = "".join(values)
        if at < len(source) or not pieces or value != _evaluate(source):
            return None
        return cls(source, value, characters, pieces)

    @property
    def holds_lines(self) -> bool:
        """Whether a new line of the value is one of the source: a single literal of one line or in triple quotes."""
        return len(self._pieces) == 1 and (len(self._pieces[0].quote) == 3 or "\n" not in self.value)

    def changed(self, changes: Sequence[Change], line_break: str) -> str | None:
        """The source with changes of the value applied; the rest stays byte for byte.

        Args:
            changes: Changes that do not overlap.
            line_break: The line break of the file.

        Returns:
            None if the change requires rewriting other parts of the source.
        """
        if not changes:
            return self.source
        source = self.source
        for change in sorted(changes, key=lambda change: change.start, reverse=True):
            place = self._source_range(change) or self._source_range(change := self._next_line(change))
            text = _encode(change.text, place[2], line_break, in_lines=self.holds_lines) if place else None
            if place is None or text is None:
                return None
            source = source[: place[0]] + text + source[place[1] :]
        only = self._pieces[0]
        if len(only.quote) == 1 and self.holds_lines:
            quote = next((each for each in ('"""', "'''") if each not in self.source), None)
            if quote is None:
                return None
            end = len(source) - (len(self.source) - only.end)
            source = source[: only.start - 1] + quote + source[only.start : end] + quote + source[end + 1 :]
        wanted = self.value
        for change in sorted(changes, key=lambda change: change.start, reverse=True):
            wanted = wanted[: change.start] + change.text + wanted[change.end :]
        return source if _evaluate(source) == wanted else None

    def _next_line(self, change: Change) -> Change:
        """The same change with the line break after the replaced text, instead of the one before it."""
        if self.value[change.start] != "\n" or self.value[change.end : change.end + 1] != "\n":
            return change
        return Change(change.start + 1, change.end + 1, f"{change.text[1:]}\n" if change.text else "")

    def _source_range(self, change: Change) -> tuple[int, int, _Piece] | None:
        """The source range of a change, and its literal; None if it spans several literals."""
        characters = self._characters
        if change.start == change.end == len(self.value):
            last = self._pieces[-1]
            return last.end, last.end, last
        first = characters[change.start]
        if change.start == change.end:
            return first.start, first.start, first.piece
        last_character = characters[change.end - 1]
        return (first.start, last_character.end, first.piece) if first.piece == last_character.piece else None


def _encode(text: str, piece: _Piece, line_break: str, *, in_lines: bool) -> str | None:
    """The source of a text in a literal; None if a raw literal cannot express it."""
    if not text:
        return ""
    if not piece.raw:
        text = text.replace("\\", "\\\\")
        text = text.replace('"""', '\\"\\"\\"').replace("'''", "\\'\\'\\'")
    if in_lines or len(piece.quote) == 3:
        return text.replace("\n", line_break)
    return None if piece.raw else text.replace(piece.quote, f"\\{piece.quote}").replace("\n", "\\n")


@lru_cache(maxsize=1024)
def _decode(unit: str, raw: bool) -> str:
    """The characters that a unit of a literal's source evaluates to."""
    if raw or not unit.startswith("\\"):
        return "\n" if unit in {"\r\n", "\r"} else unit
    if unit[1:] in {"\n", "\r\n", "\r"}:
        return ""  # a continued line
    return _evaluate(f"'{unit}'" if unit != "\\'" else '"\'"') or ""


def _evaluate(source: str) -> str | None:
    """The string that an expression of literals evaluates to; None for anything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of unknown escapes
        try:
            value = ast.literal_eval(f"({source}\n)")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    return value if isinstance(value, str) else None

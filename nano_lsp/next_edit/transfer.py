"""Makes an edit again in other lines: token by token, without a model.

The edit's old lines are aligned with the other lines. What the edit has replaced is replaced there, if it is there;
what the edit has added is added between the same neighbours. A word that stands in the other lines where the old ones
have another one takes its place in what is added, too, in lower or upper case as well: `a = int(a)` shows that `b`
becomes `b = int(b)`, and `is(Stdin)`, now `stdin().is()`, that `is(Stderr)` becomes `stderr().is()`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

_TOKEN = re.compile(r"[^\W\d]\w*|\d+|\n[ \t]*|[ \t]+|[^\w\s]|\s")
WORD = re.compile(r"[^\W\d]\w*")
_CLOSERS = frozenset(")]}>\"'`")


def split_tokens(code: str) -> list[str]:
    """The words, numbers, blanks and single other characters of code; line breaks go with the blanks after them."""
    return _TOKEN.findall(code)


def words_of(code: str) -> set[str]:
    """The words of code: names and keywords."""
    return {*WORD.findall(code)}


@dataclass(frozen=True)
class Replacement:
    """Tokens of the old lines that an edit replaces.

    Attributes:
        start: Index of the first token in the old lines.
        end: Index after the last one; `start` where tokens are only added.
        new: The tokens in their place.
    """

    start: int
    end: int
    new: tuple[str, ...]


def find_replacements(old: Sequence[str], new: Sequence[str]) -> list[Replacement]:
    """What an edit replaces, by the tokens of its old and its new lines."""
    return [
        Replacement(i, i_end, tuple(new[j:j_end]))
        for tag, i, i_end, j, j_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if tag != "equal"
    ]


def similarity(first: Sequence[str], second: Sequence[str]) -> float:
    """Share of the tokens that two sequences have in common in the same order, 0 to 1; blanks do not count."""
    a, b = ([token for token in tokens if token.strip()] for tokens in (first, second))
    return SequenceMatcher(None, a, b, autojunk=False).ratio()


def transfer(old: str, new: str, other: str) -> str | None:
    """Other lines with an edit made in them; None where its old side is not in them."""
    before, after, there = split_tokens(old), split_tokens(new), split_tokens(other)
    alignment = SequenceMatcher(None, before, there, autojunk=False).get_opcodes()
    place: dict[int, int] = {}  # index of a token in the old lines: that of the same token in the other ones
    renamed: dict[str, str] = {}
    for tag, i, i_end, j, j_end in alignment:
        if tag == "equal":
            place.update(zip(range(i, i_end), range(j, j_end), strict=True))
        elif i_end - i == j_end - j:
            pairs = zip(before[i:i_end], there[j:j_end], strict=True)
            for k, (a, b) in enumerate(pairs):
                if WORD.fullmatch(a) and WORD.fullmatch(b):
                    renamed.update(in_other_cases(a, b))
                    if {*in_other_cases(a, b)} & {*after} - {a}:  # the edit makes another word of it
                        place[i + k] = j + k
    parts: list[str] = []
    at = 0
    for replacement in find_replacements(before, after):
        found = _find(replacement, before, there, place)
        if found is None or found[0] < at:
            return None
        removed = {*before[replacement.start : replacement.end]}
        added = [renamed.get(token, token) if token not in removed else token for token in replacement.new]
        parts += [*there[at : found[0]], *added]
        at = found[1]
    return "".join([*parts, *there[at:]])


def in_other_cases(word: str, other: str) -> dict[str, str]:
    """A word and the one in its place: as they are, and both in lower case, in upper case and capitalized."""
    cases = (str.lower, str.upper, lambda text: text[:1].upper() + text[1:], lambda text: text[:1].lower() + text[1:])
    return {**{case(word): case(other) for case in cases}, word: other}


def _find(
    replacement: Replacement, before: Sequence[str], there: Sequence[str], place: dict[int, int]
) -> tuple[int, int] | None:
    """Where tokens are to be replaced in the other lines; None where they are not there, or not beside each other."""
    start, end = replacement.start, replacement.end
    if start == end:
        left, right = place.get(start - 1), place.get(start)
        if start == 0:
            left = -1
        if start == len(before):
            right = len(there)
        if left is None and right is None:
            return None
        closes = before[start : start + 1] and before[start] in _CLOSERS
        at = right if right is not None and (left is None or closes) else (left or 0) + 1 if left is not None else 0
        return at, at
    found = [place.get(i) for i in range(start, end)]
    if any(index is None for index in found):
        return None
    first = found[0] or 0
    return (first, first + end - start) if found == [*range(first, first + end - start)] else None

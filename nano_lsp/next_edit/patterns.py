"""What an edit has replaced within a line, with the tokens beside it, and the same replacement in other lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

from nano_lsp.next_edit.transfer import find_replacements, split_tokens, words_of

_MAX_NEIGHBOURS = 2  # on each side
_MIN_NEIGHBOURS = 2  # in all, beside something that is not a word
_MIN_NEIGHBOURS_OF_NOTHING = 3  # in all, where tokens are only added


@dataclass(frozen=True)
class Pattern:
    """Tokens that an edit has replaced.

    Attributes:
        old: The tokens before; empty if tokens were only added.
        new: The tokens now.
        left: Tokens before them in their line, without blanks, the nearest first; a line break for its beginning.
        right: Tokens after them, likewise.
    """

    old: tuple[str, ...]
    new: tuple[str, ...]
    left: tuple[str, ...]
    right: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """A word that a line must contain; empty if there is none."""
        words = [token for token in self.old if words_of(token)] or [
            token for token in self.left + self.right if words_of(token)
        ]
        return max(words, key=len, default="")

    def fits(self, tokens: Sequence[str]) -> bool:
        """Whether other tokens have a place for the replacement."""
        return self.apply(tokens)[0] != [*tokens]

    def apply(self, tokens: Sequence[str]) -> tuple[list[str], float]:
        """Other tokens with the replacement made wherever it fits, and the share of neighbours in common, 0 to 1.

        A word is replaced wherever it stands; other tokens only between enough of the same neighbours.
        """
        made: list[str] = []
        at, n, best = 0, len(self.old), 0.0
        has_word = any(map(words_of, self.old))
        while at < len(tokens):
            share = self._fit(tokens, at, has_word) if tuple(tokens[at : at + n]) == self.old else None
            if share is not None:
                made += self.new
                best = max(best, share)
            if share is None or not n:
                made.append(tokens[at])
            at += n if share is not None and n else 1
        return made, best

    def _fit(self, tokens: Sequence[str], at: int, has_word: bool) -> float | None:
        """Share of the neighbours that are the same at a place; None where they are too few."""
        end = at + len(self.old)
        left = n_equal(self.left, _neighbours(reversed(tokens[:at])))
        right = n_equal(self.right, _neighbours(tokens[end:]))
        least = 0 if has_word else _MIN_NEIGHBOURS
        if not self.old:
            least = _MIN_NEIGHBOURS_OF_NOTHING if left and right else 2 * _MAX_NEIGHBOURS + 1
        return (left + right) / len(self.left + self.right) if left + right >= least else None


def find_patterns(old: str, new: str) -> list[Pattern]:
    """What an edit has replaced within lines, where other lines can be searched for it."""
    tokens = split_tokens(old)
    found = []
    for each in find_replacements(tokens, split_tokens(new)):
        removed = tuple(tokens[each.start : each.end])
        left, right = tokens[: each.start][::-1], tokens[each.end :]
        pattern = Pattern(removed, each.new, tuple(_neighbours(left)), tuple(_neighbours(right)))
        if pattern.key and not any("\n" in token for token in removed + each.new):
            found.append(pattern)
    return found


def _neighbours(tokens: Iterable[str]) -> Iterator[str]:
    """The first of some tokens that are not blank, up to the end of the line, which is a line break."""
    n = 0
    for token in tokens:
        if "\n" in token:
            break
        if token.strip():
            yield token
            n += 1
        if n == _MAX_NEIGHBOURS:
            return
    yield "\n"


def n_equal(first: Iterable[str], second: Iterable[str]) -> int:
    """Number of texts that two rows of them begin with in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def replaced(old: str, new: str) -> Iterator[tuple[str, str]]:
    """What an edit has replaced by what, as texts without blanks around them."""
    tokens = split_tokens(old)
    for each in find_replacements(tokens, split_tokens(new)):
        gone, come = "".join(tokens[each.start : each.end]).strip(), "".join(each.new).strip()
        if gone != come:  # other blanks are no replacement: an edit that indents anew would take back itself
            yield gone, come

"""A suggestion in the making, and what a step of postprocess may say of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nano_lsp.code.cursor_context import CursorContext, TextAfterCursor
from nano_lsp.schema import Token


@dataclass(frozen=True)
class Candidate:
    """A suggestion in the making.

    Attributes:
        text: generated so far.
        tokens: that it is made of; the first ones may begin with what token healing took back.
        cursor: where it goes.
        finished: the model has nothing to add.
        n_healed: characters at the beginning of the tokens that are not part of the text; None where the tokens are
            all of the text, so that it follows.
    """

    text: str
    tokens: Sequence[Token]
    cursor: CursorContext
    finished: bool = False
    n_healed: int | None = None

    @cached_property
    def token_ends(self) -> list[int]:
        """For each token, the offset in the text where it ends."""
        data = b"".join(token.piece for token in self.tokens)
        ends, n_bytes = [], 0
        for token in self.tokens:
            n_bytes += len(token.piece)
            ends.append(max(0, len(data[:n_bytes].decode("utf-8", "ignore")) - self._n_healed))
        return ends

    @cached_property
    def _n_healed(self) -> int:
        if self.n_healed is not None:
            return self.n_healed
        return len(b"".join(token.piece for token in self.tokens).decode("utf-8", "ignore")) - len(self.text)

    @property
    def document(self) -> str:
        """The document with the suggestion in it."""
        return self.cursor.prefix + self.text + self.cursor.suffix

    @property
    def least_sure(self) -> int:
        """Offset in the text of the token that the model was least sure of."""
        place = min(range(len(self.tokens)), key=lambda i: self.tokens[i].logprob, default=0)
        return self.token_ends[place - 1] if place else 0

    def cut(self, end: int) -> Candidate:
        """The candidate up to an offset in the text."""
        return replace(
            self, text=self.text[:end], tokens=self.tokens[: self.n_tokens_within(end)], n_healed=self._n_healed
        )

    def trim(self, end: int) -> int:
        """An offset in the text, moved before the blanks that nothing follows."""
        return len(self.text[:end].rstrip()) if self.cursor.text_after_cursor is TextAfterCursor.EMPTY else end

    def n_tokens_within(self, end: int) -> int:
        """How many of the first tokens stay before an offset in the text."""
        return sum(token_end <= end for token_end in self.token_ends)


@dataclass(frozen=True)
class Truncation:
    """A suggestion is to end.

    Attributes:
        end: offset in the text where.
        resample_from: offset of what should rather be something else, if there is time to try; None for nothing.
    """

    end: int
    resample_from: int | None = None


Step = Callable[[Candidate], "Truncation | None"]
"""One postprocess; None where it has nothing against the candidate going on."""

"""A candidate for a suggestion, and the truncation that a postprocessing step may ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nano_lsp.code.cursor_context import CursorContext, TextAfterCursor
from nano_lsp.schema import Token


@dataclass(frozen=True)
class Candidate:
    """The text generated for one completion, complete or still growing.

    Attributes:
        text: The text generated so far.
        tokens: The tokens of the text; the first ones may begin with characters that token healing took back.
        cursor: The document and the cursor where the text is inserted.
        finished: Generation has ended.
        n_healed: Number of characters at the beginning of the tokens that are not part of the text; None to derive it
            from the lengths, where the tokens cover the whole text.
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
        """The document with the text inserted."""
        return self.cursor.prefix + self.text + self.cursor.suffix

    @property
    def least_probable_offset(self) -> int:
        """Offset in the text of the token with the lowest probability."""
        index = min(range(len(self.tokens)), key=lambda i: self.tokens[i].logprob, default=0)
        return self.token_ends[index - 1] if index else 0

    def cut(self, end: int, closing: str = "") -> Candidate:
        """The candidate up to an offset in the text, with what closes its blocks."""
        tokens = self.tokens[: self.n_tokens_within(end)]
        return replace(self, text=self.text[:end] + closing, tokens=tokens, n_healed=self._n_healed)

    def trim(self, end: int) -> int:
        """An offset in the text, moved before trailing white space where the cursor's line has nothing after it."""
        return len(self.text[:end].rstrip()) if self.cursor.text_after_cursor is TextAfterCursor.EMPTY else end

    def n_tokens_within(self, end: int) -> int:
        """Number of tokens that end at or before an offset in the text."""
        return sum(token_end <= end for token_end in self.token_ends)


@dataclass(frozen=True)
class Truncation:
    """The end of a candidate, set by a postprocessing step.

    Attributes:
        end: Offset in the text where the candidate ends.
        resample_from: Offset from which to sample other tokens, if there is time; None to keep the text.
        closing: What closes the blocks that the candidate leaves open there.
    """

    end: int
    resample_from: int | None = None
    closing: str = ""


Step = Callable[[Candidate], "Truncation | None"]
"""A postprocessing step; returns None to leave the candidate as it is."""

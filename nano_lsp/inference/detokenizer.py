"""The text of a generation as it grows: characters split over tokens, stop strings, a healed beginning.

Knows bytes and strings; no model.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from nano_lsp.schema import Token


class Detokenizer:
    """Tokens and the text they make.

    Args:
        healed: bytes that the text must begin with and that are not part of it.
        stop: strings that end the text and are not part of it.

    Attributes:
        tokens: all tokens so far.
        missing: what is still to be regrown of the healed beginning.
    """

    tokens: list[Token]
    missing: bytes
    _text: str
    _stop_at: int | None
    _decoder: codecs.IncrementalDecoder

    def __init__(self, healed: bytes, stop: Sequence[str]) -> None:
        self._healed = healed
        self._stop = tuple(text for text in stop if text)
        self._hold = max((len(text) for text in self._stop), default=0)
        self._closed = False
        self.truncate(0)

    @property
    def stopped(self) -> bool:
        """Whether a stop string has come."""
        return self._stop_at is not None

    @property
    def text(self) -> str:
        """What is settled: no stop string, no beginning of one while it may still grow, whole characters."""
        if self._stop_at is not None:
            return self._text[: self._stop_at]
        return self._text if self._closed else self._text[: len(self._text) - self._held_back()]

    def append(self, token: Token) -> None:
        """Add a token."""
        self.tokens.append(token)
        piece = token.piece
        regrown = min(len(piece), len(self.missing))
        self.missing = self.missing[regrown:]
        before = len(self._text)
        self._text += self._decoder.decode(piece[regrown:])
        found = [self._text.find(text, max(0, before - self._hold)) for text in self._stop]
        self._stop_at = min((at for at in found if at >= 0), default=None)

    def truncate(self, n_tokens: int) -> None:
        """Keep only the first tokens."""
        kept = self.tokens[:n_tokens] if n_tokens else []
        self.tokens = []
        self.missing = self._healed
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._stop_at = None
        for token in kept:
            self.append(token)

    def close(self) -> None:
        """No more tokens: what was held back for a stop string is text after all, half a character is not."""
        self._closed = True

    def _held_back(self) -> int:
        """Characters at the end that may be the beginning of a stop string."""
        longest = min(self._hold, len(self._text))
        return next((n for n in range(longest, 0, -1) if any(s.startswith(self._text[-n:]) for s in self._stop)), 0)

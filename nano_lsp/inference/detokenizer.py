"""Incremental detokenization: characters split over tokens, stop strings, healed bytes at the beginning."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from nano_lsp.schema import Token


class Detokenizer:
    """The tokens of a generation and the text that they decode to.

    Args:
        healed: Bytes that token healing has removed from the prompt: the tokens begin with them, the text does not.
        stop: Stop strings; they end the text and are not part of it.

    Attributes:
        tokens: All tokens so far.
        missing: Healed bytes that the tokens have not reproduced yet.
    """

    tokens: list[Token]
    missing: bytes
    _text: str
    _stop_at: int | None
    _decoder: codecs.IncrementalDecoder

    def __init__(self, healed: bytes, stop: Sequence[str]) -> None:
        self._healed = healed
        self._stop = tuple(text for text in stop if text)
        self._max_stop_length = max((len(text) for text in self._stop), default=0)
        self._closed = False
        self.truncate(0)

    @property
    def stopped(self) -> bool:
        """Whether a stop string was generated."""
        return self._stop_at is not None

    @property
    def text(self) -> str:
        """The stable text: whole characters, without a stop string or a suffix that may become one."""
        if self._stop_at is not None:
            return self._text[: self._stop_at]
        return self._text if self._closed else self._text[: len(self._text) - self._held_back()]

    def append(self, token: Token) -> None:
        """Append a token."""
        self.tokens.append(token)
        piece = token.piece
        n_healed = min(len(piece), len(self.missing))
        self.missing = self.missing[n_healed:]
        before = len(self._text)
        self._text += self._decoder.decode(piece[n_healed:])
        found = [self._text.find(text, max(0, before - self._max_stop_length)) for text in self._stop]
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
        """End the text: characters held back for a stop string are added, an incomplete one is dropped."""
        self._closed = True

    def _held_back(self) -> int:
        """Number of characters at the end that may be the beginning of a stop string."""
        longest = min(self._max_stop_length, len(self._text))
        return next((n for n in range(longest, 0, -1) if any(s.startswith(self._text[-n:]) for s in self._stop)), 0)

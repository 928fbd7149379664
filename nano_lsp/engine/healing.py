"""Token healing: when a prompt ends inside a word, its last tokens are taken back and regrown.

A word cut by the cursor is tokenized otherwise than the same word written out (`ret` + `urn`, not
`return`), which the model has hardly ever seen. So generation starts at the word's first token boundary, and
its first tokens must begin with the bytes taken back
(Lundberg 2023, "The Art of Prompt Design: Prompt Boundaries and Token Healing").

Tokens of a word never reach past it in the byte-level BPE of Qwen and SmolLM: their pre-tokenizers split
text into runs of letters, each with at most one character in front, so nothing further back can change.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

MAX_TOKENS = 4
"""A word of more tokens than this is left as it is: regrowing it would cost as many decodes."""


def take_back(prompt: Sequence[int], piece: Callable[[int], bytes]) -> tuple[list[int], bytes]:
    """Split the unfinished word off the end of a prompt.

    Args:
        prompt: token ids.
        piece: the bytes of a token; empty for a control token, which is never taken back.

    Returns:
        The prompt without the word's tokens, and the bytes of those; all of it and b"" where no word is cut.
    """
    pieces = [piece(token) for token in prompt[-MAX_TOKENS - 1 :]]
    text = b"".join(pieces).decode("utf-8", "ignore")
    word = "".join(itertools.takewhile(str.isalpha, reversed(text)))[::-1].encode()
    n_bytes = n_tokens = 0
    while n_bytes < len(word):
        n_tokens += 1
        if n_tokens > min(MAX_TOKENS, len(prompt) - 1) or not pieces[-n_tokens]:
            return list(prompt), b""
        n_bytes += len(pieces[-n_tokens])
    kept = len(prompt) - n_tokens
    return list(prompt[:kept]), b"".join(pieces[len(pieces) - n_tokens :])


class Vocabulary:
    """All pieces of a vocabulary in order of their bytes, so that those with a given start are one slice."""

    def __init__(self, n_vocab: int, piece: Callable[[int], bytes]) -> None:
        pieces = [piece(token) for token in range(n_vocab)]
        order = sorted(range(n_vocab), key=pieces.__getitem__)
        self._n_vocab = n_vocab
        self._ids = np.asarray(order, np.int32)
        self._sorted = [pieces[token] for token in order]

    def starting_with(self, data: bytes) -> NDArray[np.int32]:
        """Ids of the tokens that begin with data, or that data begins with; no control tokens."""
        start = bisect_left(self._sorted, data)
        end = bisect_right(self._sorted, data, lo=start, key=lambda piece: piece[: len(data)])
        inside = [self._ids[start:end]]
        for length in range(1, len(data)):
            first = bisect_left(self._sorted, data[:length])
            last = bisect_right(self._sorted, data[:length], lo=first)
            inside.append(self._ids[first:last])
        return np.concatenate(inside)

    def mask(self, logits: NDArray[np.float32], data: bytes) -> NDArray[np.float32]:
        """A copy of the logits, shape (n_vocab,), with -inf for all tokens that do not fit data."""
        allowed = self.starting_with(data)
        masked = np.full_like(logits, -np.inf)
        masked[allowed] = logits[allowed]
        return masked

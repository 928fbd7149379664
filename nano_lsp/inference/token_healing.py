"""Token healing: the word, blanks or punctuation at the end of a prompt are removed and generated again.

A word cut by the cursor is tokenized differently from the whole word (`ret` + `urn`, not `return`). Blanks and
punctuation share a token with the next word (`   ` + ` return`, `math` + `.pi`; after `math` + `.` comes ` pi`).
The cut form is rare in the training data. So generation starts at the token boundary before it, and its first tokens
must begin with the removed bytes (Lundberg 2023, "The Art of Prompt Design: Prompt Boundaries and Token Healing").

Earlier tokens cannot change: the pre-tokenizers of Qwen and SmolLM split text into runs of letters with at most
one character in front, and runs of blanks; no token reaches past those.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

MAX_TOKENS = 4
"""Maximum number of tokens to remove: each is a decode to generate again."""
_N_LIKELY = 1024  # tokens to check first


def split_unfinished(prompt: Sequence[int], piece: Callable[[int], bytes]) -> tuple[list[int], bytes]:
    """Remove the unfinished word, the blanks or the punctuation from the end of a prompt.

    Args:
        prompt: Token ids of the prompt.
        piece: Function from a token id to its bytes, which are empty for a control token; that is never removed.

    Returns:
        The remaining prompt and the removed bytes; the whole prompt and b"" where there is nothing to heal.
    """
    pieces = [piece(token) for token in prompt[-MAX_TOKENS - 1 :]]
    text = b"".join(pieces).decode("utf-8", "ignore")
    kinds = (str.isalpha, " \t".__contains__, lambda char: not char.isalnum() and not char.isspace())
    word = next(filter(None, (_last_run(text, kind) for kind in kinds)), b"")
    n_bytes = n_tokens = 0
    while n_bytes < len(word):
        n_tokens += 1
        if n_tokens > min(MAX_TOKENS, len(prompt) - 1) or not pieces[-n_tokens]:
            return list(prompt), b""
        n_bytes += len(pieces[-n_tokens])
    kept = len(prompt) - n_tokens
    return list(prompt[:kept]), b"".join(pieces[len(pieces) - n_tokens :])


def _last_run(text: str, belongs: Callable[[str], bool]) -> bytes:
    """The run of matching characters at the end of a text."""
    return "".join(itertools.takewhile(belongs, reversed(text)))[::-1].encode()


def mask_unfitting(logits: NDArray[np.float32], data: bytes, piece: Callable[[int], bytes]) -> NDArray[np.float32]:
    """A copy of the logits, shape (n_vocab,), with -inf where neither piece nor data is a prefix of the other.

    Only the most probable tokens are checked as long as one of them fits: an index of all 151,936 pieces would
    take most of a second and 20 MB.
    """
    for n in (min(_N_LIKELY, len(logits)), len(logits)):
        likely = np.argpartition(-logits, n - 1)[:n]
        fitting = [token for token in likely.tolist() if _fits(piece(token), data)]
        if fitting:
            break
    masked = np.full_like(logits, -np.inf)
    masked[fitting] = logits[fitting]
    return masked


def _fits(piece: bytes, data: bytes) -> bool:
    return bool(piece) and (piece.startswith(data) or data.startswith(piece))

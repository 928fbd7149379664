"""Token healing: the word, blanks or punctuation that a prompt ends with are taken back and regrown.

A word cut by the cursor is tokenized otherwise than the same word written out (`ret` + `urn`, not `return`). Blanks
and signs share a token with the word behind them (`   ` + ` return`, `math` + `.pi`; after `math` + `.` comes ` pi`).
The model has hardly ever seen the cut form. So generation starts at the token boundary before, and its first tokens
must begin with the bytes taken back (Lundberg 2023, "The Art of Prompt Design: Prompt Boundaries and Token Healing").

Nothing further back can change: the pre-tokenizers of Qwen and SmolLM split text into runs of letters with at most
one character in front, and runs of blanks; no token reaches past those.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

MAX_TOKENS = 4
"""A run of more tokens than this is left as it is: regrowing it would cost as many decodes."""
_LIKELY = 1024


def take_back(prompt: Sequence[int], piece: Callable[[int], bytes]) -> tuple[list[int], bytes]:
    """Split the unfinished word, the blanks or the punctuation off the end of a prompt.

    Args:
        prompt: token ids.
        piece: the bytes of a token; empty for a control token, which is never taken back.

    Returns:
        The prompt without the tokens of that run, and their bytes; all of it and b"" where there is nothing to heal.
    """
    pieces = [piece(token) for token in prompt[-MAX_TOKENS - 1 :]]
    text = b"".join(pieces).decode("utf-8", "ignore")
    word = _last_run(text, str.isalpha) or _last_run(text, " \t".__contains__) or _last_run(text, _is_punctuation)
    n_bytes = n_tokens = 0
    while n_bytes < len(word):
        n_tokens += 1
        if n_tokens > min(MAX_TOKENS, len(prompt) - 1) or not pieces[-n_tokens]:
            return list(prompt), b""
        n_bytes += len(pieces[-n_tokens])
    kept = len(prompt) - n_tokens
    return list(prompt[:kept]), b"".join(pieces[len(pieces) - n_tokens :])


def _last_run(text: str, belongs: Callable[[str], bool]) -> bytes:
    """The characters of a kind that a text ends with."""
    return "".join(itertools.takewhile(belongs, reversed(text)))[::-1].encode()


def _is_punctuation(char: str) -> bool:
    return not char.isalnum() and not char.isspace()


def mask_unfitting(logits: NDArray[np.float32], data: bytes, piece: Callable[[int], bytes]) -> NDArray[np.float32]:
    """A copy of the logits, shape (n_vocab,), with -inf where neither piece nor data begins with the other.

    Only the most probable tokens are looked at while one of them fits: an index of all 151,936 pieces would
    take most of a second and 20 MB.
    """
    for n in (min(_LIKELY, len(logits)), len(logits)):
        likely = np.argpartition(-logits, n - 1)[:n]
        fitting = [token for token in likely.tolist() if _fits(piece(token), data)]
        if fitting:
            break
    masked = np.full_like(logits, -np.inf)
    masked[fitting] = logits[fitting]
    return masked


def _fits(piece: bytes, data: bytes) -> bool:
    return bool(piece) and (piece.startswith(data) or data.startswith(piece))

"""Sampling: chooses the next token from logits.

Filters run in llama.cpp's order: repetition penalty, top-k, top-p, min-p, temperature (common/sampling.cpp,
`common_params_sampling`). Independent of model, text and grammar: tokens that are ruled out have the logit -inf.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nano_lsp.errors import ConfigError
from nano_lsp.schema import SamplingParams

Logits = NDArray[np.float32]


class Sampler:
    """Samples the tokens of one generation; has the state of the random number generator.

    Raises:
        ConfigError: A parameter is out of range.
    """

    def __init__(self, params: SamplingParams) -> None:
        check(params)
        self._params = params
        self._random = np.random.default_rng(params.seed)

    def choose(self, logits: Logits, recent: Sequence[int]) -> int | None:
        """The next token; None where all tokens are ruled out.

        Args:
            logits: Logits, shape (n_vocab,); -inf for tokens that are ruled out.
            recent: Tokens generated so far, for the repetition penalty.
        """
        params = self._params
        if params.repeat_penalty != 1.0 and recent:
            logits = penalize(logits, recent[-params.repeat_last_n :], params.repeat_penalty)
        best = int(logits.argmax())
        if not np.isfinite(logits[best]):
            return None
        if params.temperature == 0.0:
            return best
        ids, kept = keep_probable(logits, params)
        cumulative = np.cumsum(softmax(kept / np.float32(params.temperature)), dtype=np.float64)
        return int(ids[np.searchsorted(cumulative[:-1], self._random.random() * cumulative[-1], side="right")])


def check(params: SamplingParams) -> None:
    """Check that sampling parameters are in range.

    Raises:
        ConfigError: A value is out of range or not a number.
    """
    ranges = {
        "temperature": (0.0, 10.0),
        "top_k": (0, 1 << 31),
        "top_p": (0.0, 1.0),
        "min_p": (0.0, 1.0),
        "repeat_penalty": (0.01, 10.0),
        "repeat_last_n": (1, 1 << 31),
    }
    for name, (low, high) in ranges.items():
        value = getattr(params, name)
        if not low <= value <= high:  # also refuses NaN
            raise ConfigError(f"{name} is {value}.", f"Choose a number from {low} to {high}.")
    if params.seed is not None and params.seed < 0:
        raise ConfigError(f"seed is {params.seed}.", "Choose a number of at least 0.")


def logprob(logits: Logits, token: int) -> float:
    """Natural logarithm of a token's softmax probability."""
    top = logits.max()
    return float(logits[token] - top - np.log(np.exp(logits - top).sum()))


def softmax(logits: Logits) -> Logits:
    """Probabilities, same shape."""
    p: Logits = np.exp(logits - logits.max())
    p /= p.sum()
    return p


def penalize(logits: Logits, recent: Sequence[int], penalty: float) -> Logits:
    """A copy in which recent tokens are less likely: positive logits divided, negative ones multiplied."""
    logits = logits.copy()
    ids = np.unique(np.asarray(recent))
    values = logits[ids]
    logits[ids] = np.where(values > 0, values / penalty, values * penalty)
    return logits


def keep_probable(logits: Logits, params: SamplingParams) -> tuple[NDArray[np.int64], Logits]:
    """Token ids that pass top-k, top-p and min-p, most probable first, and their logits."""
    n = len(logits)
    ids = np.argpartition(-logits, params.top_k)[: params.top_k] if 0 < params.top_k < n else np.arange(n)
    ids = ids[np.argsort(-logits[ids], kind="stable")]
    kept = logits[ids]
    p = softmax(kept)
    n_top_p = int(np.searchsorted(np.cumsum(p, dtype=np.float64), params.top_p)) + 1 if params.top_p < 1.0 else n
    n_min_p = int((p >= params.min_p * p[0]).sum())
    n_kept = max(1, min(n_top_p, n_min_p, int(np.isfinite(kept).sum())))
    return ids[:n_kept], kept[:n_kept]

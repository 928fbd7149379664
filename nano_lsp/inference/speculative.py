"""Speculative decoding by n-gram lookup in text that is likely to be repeated: the prompt, the output, a given text.

Code repeats itself. Where the last tokens have occurred before, the tokens that followed them are proposed, and the
model verifies all of them in one batch (prompt lookup decoding: Saxena 2023). A proposed token is accepted only if
the sampler chooses it anyway, so speculation never changes the output.

A batch of four costs less than four single decodes but more than one, and how much depends on the machine. So
cost and acceptance rate are measured during generation, and tokens are proposed only while that saves time.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_SPECULATIVE_TOKENS = 7
# With the token before them 4 and 8: llama.cpp's repacked kernels take four rows at a time.
_LENGTHS = (3, MAX_SPECULATIVE_TOKENS)
_NGRAMS = (4, 3, 2)
_SMOOTHING = 0.2  # weight of a new measurement


class NgramIndex:
    """Index of where each n-gram of tokens has occurred last.

    Args:
        texts: Token ids of the texts to search, the newest last.
    """

    def __init__(self, *texts: Iterable[int]) -> None:
        self._tokens: list[int] = []
        self._ends: dict[tuple[int, ...], int] = {}
        self._previous: dict[tuple[int, ...], int] = {}
        for text in texts:
            self.extend(text)

    def extend(self, tokens: Iterable[int]) -> None:
        """Append tokens."""
        for token in tokens:
            self._tokens.append(token)
            end = len(self._tokens)
            for n in _NGRAMS:
                if end >= n:
                    ngram = tuple(self._tokens[end - n :])
                    if ngram in self._ends:
                        self._previous[ngram] = self._ends[ngram]
                    self._ends[ngram] = end

    def propose(self, limit: int) -> tuple[int, list[int]]:
        """Length of the longest repeated n-gram and the tokens that followed it; (0, []) where none matches."""
        for n in _NGRAMS:
            start = self._previous.get(tuple(self._tokens[-n:])) if len(self._tokens) >= n else None
            if start is not None:
                return n, self._tokens[start : start + limit]
        return 0, []


class SpeculationPolicy:
    """Chooses how many tokens to propose, from the measured cost of batches and the acceptance rate.

    k proposed tokens with acceptance rate a yield 1 + a + a² + … + a^k tokens for the time of a batch of k + 1
    (Leviathan et al. 2023, arXiv 2211.17192, section 3.1).
    """

    def __init__(self) -> None:
        self._cost_ms: dict[int, float] = {}
        self._prompt_ms = 0.0
        self._acceptance_rate = dict.fromkeys(_NGRAMS, 0.5)

    def measured_batch(self, n_tokens: int, elapsed_ms: float) -> None:
        """Record the duration of a batch with logits for each token."""
        known = self._cost_ms.get(n_tokens)
        # The fastest is what the machine can do; slower ones are averaged in, for when the machine slows down.
        if known is None or elapsed_ms < known:
            self._cost_ms[n_tokens] = elapsed_ms
        else:
            self._cost_ms[n_tokens] = known + _SMOOTHING / 4 * (elapsed_ms - known)

    def measured_prompt(self, n_tokens: int, elapsed_ms: float) -> None:
        """Record the duration of a chunk of the prompt: the slope of the cost, until batches are measured."""
        self._prompt_ms = elapsed_ms / n_tokens

    def measured_acceptance(self, ngram: int, accepted: bool) -> None:
        """Record whether the first token proposed after a match was generated, verified in a batch or not."""
        rate = self._acceptance_rate[ngram]
        self._acceptance_rate[ngram] = rate + _SMOOTHING * (accepted - rate)

    def choose_length(self, ngram: int) -> int:
        """Number of tokens to propose after a match of an n-gram of this length, 0 for no match; 0 for none."""
        if ngram == 0 or 1 not in self._cost_ms:
            return 0
        rate = self._acceptance_rate[ngram]
        speeds = {k: sum(rate**i for i in range(k + 1)) / self._cost(k + 1) for k in (0, *_LENGTHS)}
        return max(speeds, key=speeds.__getitem__)

    def _cost(self, n_tokens: int) -> float:
        """Duration of a batch in ms: measured, or extrapolated from a single token with the prompt's slope."""
        known = self._cost_ms.get(n_tokens)
        return self._cost_ms[1] + self._prompt_ms * (n_tokens - 1) if known is None else known

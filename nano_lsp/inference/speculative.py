"""Draft tokens from text that is likely to be repeated: the prompt, the answer so far, a given draft text.

Code repeats itself. Where the last tokens have occurred before, what followed them then is proposed, and
the model checks all of it in one batch (prompt lookup: Saxena 2023; verification by comparing with what
the sampler chooses anyway, so a draft never changes the answer).

A batch of four costs less than four single decodes but more than one, and how much depends on the machine. So
cost and hit rate are measured as generation goes on, and a draft is sent only as long as it is worth it.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_SPECULATIVE_TOKENS = 7
_SIZES = (3, MAX_SPECULATIVE_TOKENS)  # with the token before them 4 and 8: llama.cpp's repacked kernels take four rows at a time
_NGRAMS = (4, 3, 2)
_SMOOTHING = 0.2  # weight of a new measurement


class NgramIndex:
    """Where each short run of tokens has occurred last."""

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
                    run = tuple(self._tokens[end - n :])
                    if run in self._ends:
                        self._previous[run] = self._ends[run]
                    self._ends[run] = end

    def propose(self, limit: int) -> tuple[int, list[int]]:
        """Length of the run found again and what followed it last time; (0, []) where nothing matches."""
        for n in _NGRAMS:
            start = self._previous.get(tuple(self._tokens[-n:])) if len(self._tokens) >= n else None
            if start is not None:
                return n, self._tokens[start : start + limit]
        return 0, []


class SpeculationPolicy:
    """How many draft tokens pay, from the measured cost of batches and the share of drafts that were right.

    k draft tokens with hit rate a bring 1 + a + a² + … + a^k tokens for the time of a batch of k + 1
    (Leviathan et al. 2023, arXiv 2211.17192, section 3.1).
    """

    def __init__(self) -> None:
        self._cost_ms: dict[int, float] = {}
        self._prompt_ms = 0.0
        self._hit_rate = dict.fromkeys(_NGRAMS, 0.5)

    def measured_batch(self, n_tokens: int, elapsed_ms: float) -> None:
        """Note what a batch with logits for each token has cost."""
        known = self._cost_ms.get(n_tokens)
        # The fastest is what the machine can do; slower ones drift in, for when the machine slows down.
        if known is None or elapsed_ms < known:
            self._cost_ms[n_tokens] = elapsed_ms
        else:
            self._cost_ms[n_tokens] = known + _SMOOTHING / 4 * (elapsed_ms - known)

    def measured_prompt(self, n_tokens: int, elapsed_ms: float) -> None:
        """Note what a chunk of the prompt has cost: the slope of the cost, until batches are measured."""
        self._prompt_ms = elapsed_ms / n_tokens

    def measured_hit(self, ngram: int, hit: bool) -> None:
        """Note whether the first token proposed after a match was the one that came, sent or not."""
        rate = self._hit_rate[ngram]
        self._hit_rate[ngram] = rate + _SMOOTHING * (hit - rate)

    def n_tokens(self, ngram: int) -> int:
        """How many tokens to draft after a match of so many tokens; 0 for none."""
        if ngram == 0 or 1 not in self._cost_ms:
            return 0
        rate = self._hit_rate[ngram]
        speeds = {k: sum(rate**i for i in range(k + 1)) / self._cost(k + 1) for k in (0, *_SIZES)}
        return max(speeds, key=speeds.__getitem__)

    def _cost(self, n_tokens: int) -> float:
        """Milliseconds of a batch: measured, or on the line from a single token with the prompt's slope."""
        known = self._cost_ms.get(n_tokens)
        return self._cost_ms[1] + self._prompt_ms * (n_tokens - 1) if known is None else known

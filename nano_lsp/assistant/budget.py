"""How much a request may cost on this machine: the measured speed decides, for a target latency."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from nano_lsp.schema import Counters

_STEPS = (128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12_288, 16_384)
_LEAST_TOKENS = 8  # of an answer; less is seldom a line
_COLD_FACTOR = 8  # a cold prompt is rare, a keystroke adds a token or two: it may take so many times the target
_WEIGHT = 0.2  # of the newest measurement in the moving average
_WORTH_MEASURING = (32, 4)  # tokens of a prompt and of an answer
_MARGIN = 1.25  # a slowdown by less than this is noise, which must not recut windows
_HALF_LIFE_S = 10.0  # of a slowdown that is not measured any more: a tenfold one is gone after 51 s


@dataclass(frozen=True)
class Limits:
    """What a request may cost.

    Attributes:
        prompt_tokens: of the document.
        max_tokens: of the answer.
    """

    prompt_tokens: int
    max_tokens: int


class TokenTime:
    """Milliseconds that a token takes: a moving average that returns to its lowest value so far.

    Whatever keeps the machine busy may be gone long before the next measurement: a slowdown that is not measured any
    more loses half of itself every 10 seconds.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._best_ms: float | None = None
        self._average_ms = 0.0
        self._measured_s = 0.0

    def observe(self, ms: float) -> None:
        """Take a measurement into the average."""
        known, now_s = self._now_ms(), self._clock()
        weight = _WEIGHT
        if known is None:
            weight = 1.0
        elif ms > known:  # the older the average, the less it says of a machine that has become slower
            weight = max(_WEIGHT, 1 - self._left(now_s))
        self._average_ms = (1 - weight) * (known or 0.0) + weight * ms
        self._measured_s = now_s
        self._best_ms = self._average_ms if self._best_ms is None else min(self._best_ms, self._average_ms)

    @property
    def ms(self) -> float | None:
        """The average as of now, or the lowest one where they differ by noise; None while nothing is known."""
        now = self._now_ms()
        return now if self.is_slowed else self._best_ms

    @property
    def is_slowed(self) -> bool:
        """Whether the average is above the lowest one by more than noise."""
        now = self._now_ms()
        return now is not None and self._best_ms is not None and now > _MARGIN * self._best_ms

    def _now_ms(self) -> float | None:
        if self._best_ms is None:
            return None
        return self._best_ms + (self._average_ms - self._best_ms) * self._left(self._clock())

    def _left(self, now_s: float) -> float:
        """What is left of a slowdown that has not been measured since."""
        return math.pow(0.5, (now_s - self._measured_s) / _HALF_LIFE_S)


class Budget:
    """Chooses the limits of requests.

    Args:
        most: never more than this.
        target_ms: what a suggestion may take; 0 for `most` at any speed, as tests and evaluations want it.
        clock: Seconds that never go back.
    """

    def __init__(self, most: Limits, target_ms: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._target_ms = target_ms
        self._prompt = TokenTime(clock)
        self._decode = TokenTime(clock)
        self._prompt_tokens = most.prompt_tokens

    def observe(self, counters: Counters) -> None:
        """Learn from what a request has cost."""
        least_prompt, least_answer = _WORTH_MEASURING
        n_prompt, n_answer = counters.evaluated_tokens, counters.decoded_tokens
        if n_prompt:
            prompt_ms, known_ms = counters.prompt_ms / n_prompt, self._prompt.ms
            # A token of a short prompt takes longer, so that can only show that the machine is faster than thought.
            if n_prompt >= least_prompt or (known_ms is not None and prompt_ms < known_ms):
                self._prompt.observe(prompt_ms)
        if n_answer >= least_answer:
            self._decode.observe(counters.decode_ms / n_answer)

    def limits(self) -> Limits:
        """What the next request may cost; everything while nothing has been measured."""
        if not self._target_ms:
            return self._most
        prompt_ms = self._prompt.ms
        # While the machine is slow, a smaller window would have to be read anew: with two busy programs on two cores
        # the third quartile of suggestions took 9.9 s where it shrank, 2.5 s where it stayed.
        if prompt_ms and not self._prompt.is_slowed:
            affordable = _COLD_FACTOR * self._target_ms / prompt_ms
            fitting = max((step for step in _STEPS if step <= affordable), default=_STEPS[0])
            self._prompt_tokens = min(self._most.prompt_tokens, fitting)
        max_tokens = self._most.max_tokens
        if decode_ms := self._decode.ms:
            max_tokens = min(max_tokens, max(_LEAST_TOKENS, int(self._target_ms / decode_ms)))
        return Limits(self._prompt_tokens, max_tokens)

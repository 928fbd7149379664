"""Chooses prompt and answer lengths for a target latency, from the measured speed of this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from nano_lsp.schema import Counters

_STEPS = (128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12_288, 16_384)
_MIN_TOKENS = 8  # of an answer; less is seldom a line
_COLD_FACTOR = 8  # a cold prompt may take this multiple of the target: it is rare, a keystroke adds a token or two
_SMALL_STEPS = (96, *_STEPS)  # tokens of a small window; fewer hold no function
_ASSUMED_PROMPT_MS = 12.0  # per token, until there is a measurement: 80 tokens/s
_WEIGHT = 0.2  # weight of the newest measurement in the moving average
_MIN_MEASURED = (32, 4)  # minimum number of tokens of a prompt and of an answer for a measurement
_MARGIN = 1.25  # a smaller slowdown is noise, which must not change prompt windows
_HALF_LIFE_S = 10.0  # of a slowdown without new measurements: a tenfold one is gone after 51 s


@dataclass(frozen=True)
class Limits:
    """Token limits of a request."""

    prompt_tokens: int
    max_tokens: int


class TokenTime:
    """Milliseconds per token: a moving average that decays to its lowest value so far.

    The cause of a slowdown may be gone long before the next measurement: without one, a slowdown halves every 10
    seconds. `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._best_ms: float | None = None
        self._average_ms = 0.0
        self._measured_s = 0.0

    def observe(self, ms: float) -> None:
        """Add a measurement to the average."""
        known, now_s = self._now_ms(), self._clock()
        weight = _WEIGHT
        if known is None:
            weight = 1.0
        elif ms > known:  # the older the average, the less it says about a machine that has become slower
            weight = max(_WEIGHT, 1 - self._remaining(now_s))
        self._average_ms = (1 - weight) * (known or 0.0) + weight * ms
        self._measured_s = now_s
        self._best_ms = self._average_ms if self._best_ms is None else min(self._best_ms, self._average_ms)

    @property
    def ms(self) -> float | None:
        """The current average, or the lowest one if they differ only by noise; None without measurements."""
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
        return self._best_ms + (self._average_ms - self._best_ms) * self._remaining(self._clock())

    def _remaining(self, now_s: float) -> float:
        """The remaining fraction of a slowdown since its last measurement."""
        return math.pow(0.5, (now_s - self._measured_s) / _HALF_LIFE_S)


class Budget:
    """Chooses the limits of requests.

    Args:
        max_limits: Upper bounds of the limits.
        target_ms: Target latency of a suggestion; 0 for `max_limits` at any speed, for tests and evaluations.
        first_ms: Target time to evaluate a prompt of which nothing is cached; 0 for no other limit than `max_limits`.
        clock: Monotonic clock in seconds.
    """

    def __init__(
        self,
        max_limits: Limits,
        target_ms: float,
        first_ms: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_limits = max_limits
        self._target_ms = target_ms
        self._first_ms = first_ms
        self._prompt = TokenTime(clock)
        self._decode = TokenTime(clock)
        self._prompt_tokens = max_limits.prompt_tokens

    def observe(self, counters: Counters) -> None:
        """Learn from the times of a request."""
        min_prompt, min_answer = _MIN_MEASURED
        n_prompt, n_answer = counters.evaluated_tokens, counters.decoded_tokens
        if n_prompt:
            prompt_ms, known_ms = counters.prompt_ms / n_prompt, self._prompt.ms
            # Short prompts take longer per token, so they can only show that the machine is faster than estimated.
            if n_prompt >= min_prompt or (known_ms is not None and prompt_ms < known_ms):
                self._prompt.observe(prompt_ms)
        if n_answer >= min_answer:
            self._decode.observe(counters.decode_ms / n_answer)

    def limits(self) -> Limits:
        """The limits of the next request; the upper bounds until there is a measurement."""
        if not self._target_ms:
            return self._max_limits
        prompt_ms = self._prompt.ms
        # During a slowdown the window stays, as a smaller one would have to be evaluated anew: with two busy programs
        # on two cores the third quartile of suggestions took 9.9 s with a smaller window, 2.5 s with the same one.
        if prompt_ms and not self._prompt.is_slowed:
            affordable = _COLD_FACTOR * self._target_ms / prompt_ms
            fitting = max((step for step in _STEPS if step <= affordable), default=_STEPS[0])
            self._prompt_tokens = min(self._max_limits.prompt_tokens, fitting)
        max_tokens = self._max_limits.max_tokens
        if decode_ms := self._decode.ms:
            max_tokens = min(max_tokens, max(_MIN_TOKENS, int(self._target_ms / decode_ms)))
        return Limits(self._prompt_tokens, max_tokens)

    def small_prompt_tokens(self) -> int:
        """Maximum number of prompt tokens to evaluate before a suggestion, where more of them are not cached."""
        if not self._target_ms or not self._first_ms:
            return self._max_limits.prompt_tokens
        affordable = self._first_ms / (self._prompt.ms or _ASSUMED_PROMPT_MS)
        return max((step for step in _SMALL_STEPS if step <= affordable), default=_SMALL_STEPS[0])

"""How much a request may cost on this machine: the measured speed decides, for a target latency."""

from __future__ import annotations

from dataclasses import dataclass

from nano_lsp.schema import Counters

_STEPS = (128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12_288, 16_384)
_LEAST_TOKENS = 8  # of an answer; less is seldom a line
_COLD_FACTOR = 8  # a cold prompt is rare, a keystroke adds a token or two: it may take so many times the target
_WEIGHT = 0.2  # of the newest measurement in the moving average
_WORTH_MEASURING = (32, 4)  # tokens of a prompt and of an answer
_MARGIN = 1.25  # a step up or down needs so much more of a difference, so that noise does not recut windows


@dataclass(frozen=True)
class Limits:
    """What a request may cost.

    Attributes:
        prompt_tokens: of the document.
        max_tokens: of the answer.
    """

    prompt_tokens: int
    max_tokens: int


class Budget:
    """Chooses the limits of requests.

    Args:
        most: never more than this.
        target_ms: what a suggestion may take; 0 for `most` at any speed, as tests and evaluations want it.
    """

    def __init__(self, most: Limits, target_ms: float) -> None:
        self._most = most
        self._target_ms = target_ms
        self._prompt_ms: float | None = None  # a token
        self._decode_ms: float | None = None
        self._prompt_tokens = most.prompt_tokens

    def observe(self, counters: Counters) -> None:
        """Learn from what a request has cost."""
        least_prompt, least_answer = _WORTH_MEASURING
        if counters.evaluated_tokens >= least_prompt:
            self._prompt_ms = _average(self._prompt_ms, counters.prompt_ms / counters.evaluated_tokens)
        if counters.generated_tokens >= least_answer:
            self._decode_ms = _average(self._decode_ms, counters.decode_ms / counters.generated_tokens)

    def limits(self) -> Limits:
        """What the next request may cost; everything while nothing has been measured."""
        if not self._target_ms:
            return self._most
        if self._prompt_ms:
            affordable = _COLD_FACTOR * self._target_ms / self._prompt_ms
            if not self._prompt_tokens / _MARGIN <= affordable < self._next_step() * _MARGIN:
                fitting = max((step for step in _STEPS if step <= affordable), default=_STEPS[0])
                self._prompt_tokens = min(self._most.prompt_tokens, fitting)
        max_tokens = self._most.max_tokens
        if self._decode_ms:
            max_tokens = min(max_tokens, max(_LEAST_TOKENS, int(self._target_ms / self._decode_ms)))
        return Limits(self._prompt_tokens, max_tokens)

    def _next_step(self) -> int:
        return next((step for step in _STEPS if step > self._prompt_tokens), self._prompt_tokens)


def _average(so_far: float | None, new: float) -> float:
    return new if so_far is None else (1 - _WEIGHT) * so_far + _WEIGHT * new

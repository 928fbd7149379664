"""The typing speed of the user, and the debounce that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

_PAUSE_S = 1.0  # longer gaps are pauses, not typing
_WEIGHT = 0.2  # of the newest gap in the mean
_SLACK = 1.3  # debounce, as a multiple of the mean gap


@dataclass
class TypingPace:
    """An exponential moving average of the gaps between keys.

    Attributes:
        gap_s: The average in seconds; 0 while nothing has been typed.
    """

    gap_s: float = 0.0
    _last_s: float = float("-inf")

    def observe(self, now_s: float) -> None:
        """Record that a key has been typed.

        Args:
            now_s: The time in seconds, by any monotonic clock.
        """
        gap = now_s - self._last_s
        self._last_s = now_s
        if 0 <= gap < _PAUSE_S:
            self.gap_s = gap if not self.gap_s else (1 - _WEIGHT) * self.gap_s + _WEIGHT * gap

    def wait_s(self, max_s: float) -> float:
        """The debounce in seconds: a little longer than the usual gap, or 0.

        It is 0 where the usual gap exceeds the maximum: the next key would come too late to be waited for.

        Args:
            max_s: Maximum debounce in seconds.
        """
        debounce_s = _SLACK * self.gap_s if self.gap_s else max_s
        return debounce_s if debounce_s <= max_s else 0.0

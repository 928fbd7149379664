"""How fast somebody types: how long to wait for the next key before the model is asked."""

from __future__ import annotations

from dataclasses import dataclass

_PAUSE_S = 1.0  # a longer gap is no typing
_WEIGHT = 0.2  # of the newest gap
_SLACK = 1.3


@dataclass
class TypingPace:
    """An exponential mean of the gaps between keys, in seconds.

    Attributes:
        gap_s: the mean; 0 while nothing has been typed.
    """

    gap_s: float = 0.0
    _last_s: float = float("-inf")

    def observe(self, now_s: float) -> None:
        """A key has been typed.

        Args:
            now_s: on any clock that does not go back.
        """
        gap = now_s - self._last_s
        self._last_s = now_s
        if 0 <= gap < _PAUSE_S:
            self.gap_s = gap if not self.gap_s else (1 - _WEIGHT) * self.gap_s + _WEIGHT * gap

    def wait_s(self, most_s: float) -> float:
        """How long to wait: a little more than the next key would take; nothing for who types slower than the limit.

        Args:
            most_s: the limit.
        """
        usual = _SLACK * self.gap_s if self.gap_s else most_s
        return usual if usual <= most_s else 0.0

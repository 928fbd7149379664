"""How likely a place is the next edit: from how it was found, and from what the model says of its text.

Logistic regression on sessions replayed from git histories (`nano-lsp eval --next-edit`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from nano_lsp.next_edit.places import Place

_ELSEWHERE_LINES = 200  # distance of another document, as a number of lines
MIN_LOG_ODDS = -4.0
"""Log-odds before the model is asked below which a place is not worth it."""
THRESHOLD = 0.0
"""Log-odds that an edit must have to be shown."""


def prior_log_odds(place: Place) -> float:
    """Log-odds that a place is the next edit, before the model has read it."""
    n_lines = _ELSEWHERE_LINES if place.n_lines is None else place.n_lines
    return (
        2.5 * place.similarity
        - 0.8 * math.log(place.n_left)
        - 0.5 * math.log1p(n_lines)
        + 2.0 * place.is_behind
        + 0.8 * math.log(place.n_made + 0.5)
    )


def log_odds(place: Place, gain: float) -> float:
    """Log-odds that a place is the next edit.

    Args:
        place: The place.
        gain: Log-probability of its new lines less that of its old ones, by the model that has read the edits.
    """
    return prior_log_odds(place) + 0.2 * gain


@dataclass(frozen=True)
class NextEdit:
    """A place that the model has read.

    Attributes:
        place: The lines, and what may take their place.
        gain: See `log_odds`.
    """

    place: Place
    gain: float

    @property
    def log_odds(self) -> float:
        """Log-odds that it is the next edit."""
        return log_odds(self.place, self.gain)

    @property
    def is_shown(self) -> bool:
        """Whether it is likely enough to be shown."""
        return self.log_odds >= THRESHOLD


def choose(places: Iterable[Place], gains: Iterable[float]) -> NextEdit | None:
    """The likeliest next edit, whether it is shown or not; None without places."""
    found = [NextEdit(place, gain) for place, gain in zip(places, gains, strict=True)]
    return max(found, key=lambda each: each.log_odds, default=None)

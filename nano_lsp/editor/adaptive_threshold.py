"""The adaptive threshold: hides automatic suggestions whose confidence is below the level that the user rarely keeps.

It never hides everything: it is off until enough suggestions have been kept, hides at most half, shows one in ten of
those below the threshold to learn from them, and gives older suggestions less weight.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nano_lsp.editor.statistics import Record

MIN_SHOWN = 200
MIN_KEPT = 20
"""Suggestions of a language, weighted by age, that are required before a threshold is learned from them."""
MAX_HIDDEN = 0.5
"""Maximum share of suggestions below the threshold, and of the newest `_WINDOW` suggestions that are hidden."""
SAMPLED = 0.1
"""Share of suggestions below the threshold that is shown nevertheless, to notice when the user's habits change."""
HALF_LIFE = 1000
"""Number of suggestions after which an older one counts half. In a simulation of 6,000 suggestions of which 3 % are
kept, mostly those of high confidence (as in tests/editor/test_adaptive_threshold.py), 500 hides 12 % and 1,000 hides
28 %, for 1 % of those kept. When the user then keeps 20 % at any confidence, the threshold falls to 0 within 500
suggestions; with 2,000, within 1,400."""
_MIN_KEPT_SHARE = 0.05  # suggestions may be hidden if a smaller share of them is kept,
_MAX_KEPT_RATIO = 0.5  # and that share is at most this fraction of the share kept of the others
_Z = 1.64  # confidence level of both: 95 %, one-sided
_STEPS = 20  # candidates for the threshold: the quantiles at 5 %, 10 %, …
_MAX_RECORDS = 5 * HALF_LIFE  # per language; older ones count less than 1/32
_RELEARN_AFTER = 50  # new records; learning from 5,000 takes 10 ms
_WINDOW = 20
_MAX_DECISIONS = 256


@dataclass(frozen=True)
class Threshold:
    """The threshold learned from the suggestions of one language.

    Attributes:
        value: Confidence below which suggestions are hidden, 0 to 1; 0 hides none.
        share: Share of suggestions below the threshold, 0 to 1.
        reason: Explanation of the value, shown to the user.
    """

    value: float
    share: float
    reason: str


@dataclass(frozen=True)
class Decision:
    """Whether to show a suggestion, and its weight in statistics (`Record.weight`)."""

    shown: bool
    threshold: float
    weight: float = 1.0


class AdaptiveThreshold:
    """Learns a threshold for each language and applies it. Use it on one thread.

    Args:
        records: Earlier records, oldest first.
        source: Source of randomness, which selects the samples to show below the threshold.

    Attributes:
        n_hidden: Number of suggestions hidden so far.
    """

    def __init__(self, records: Iterable[Record] = (), source: random.Random | None = None) -> None:
        self.n_hidden = 0
        self._source = source or random.Random()  # noqa: S311 - no secret
        self._records: defaultdict[str, deque[Record]] = defaultdict(lambda: deque(maxlen=_MAX_RECORDS))
        self._n_new: defaultdict[str, int] = defaultdict(int)
        self._learned: dict[str, Threshold] = {}
        self._newest: defaultdict[str, deque[bool]] = defaultdict(lambda: deque(maxlen=_WINDOW))
        self._decisions: OrderedDict[int, Decision] = OrderedDict()
        self.learn(records)

    def learn(self, records: Iterable[Record]) -> None:
        """Add new records. Those of explicitly requested suggestions are ignored."""
        for record in records:
            if not record.invoked:
                self._records[record.language].append(record)
                self._n_new[record.language] += 1

    def learned(self, language: str) -> Threshold:
        """The current threshold of a language."""
        if language not in self._learned or self._n_new[language] >= _RELEARN_AFTER:
            self._learned[language] = find_threshold(self._records[language])
            self._n_new[language] = 0
        return self._learned[language]

    def decide(self, language: str, suggestion_id: int, confidence: float) -> Decision:
        """Whether to show a suggestion; the decision for one suggestion never changes."""
        decision = self._decisions.get(suggestion_id)
        if decision is None:
            decision = self._decisions[suggestion_id] = self._decide(language, confidence)
            self.n_hidden += not decision.shown
            if len(self._decisions) > _MAX_DECISIONS:
                self._decisions.popitem(last=False)
        return decision

    def _decide(self, language: str, confidence: float) -> Decision:
        threshold, newest = self.learned(language).value, self._newest[language]
        decision = Decision(True, threshold)
        # Whether the window is full does not depend on the suggestion, so one shown for that reason has weight 1.
        if confidence < threshold and sum(newest) + 1 <= MAX_HIDDEN * _WINDOW:
            sampled = self._source.random() < SAMPLED
            decision = Decision(sampled, threshold, 1 / SAMPLED if sampled else 1.0)
        newest.append(not decision.shown)
        return decision


def find_threshold(records: Sequence[Record]) -> Threshold:
    """The confidence below which suggestions are rarely kept, and much more rarely than others.

    The records are those of automatic suggestions in one language, oldest first.
    It is the highest quantile, up to the median, below which at most 5 % were kept, and at most half of the share
    kept above, both by the upper limit of Wilson's interval (Wilson 1927). Suggestions sampled below the threshold
    are weighted by the inverse of their sampling probability, 10 (Horvitz and Thompson 1952).
    """
    age_weights = _weights_by_age(records)
    n_shown = sum(age_weights)
    n_kept = sum(share for share, record in zip(age_weights, records, strict=True) if record.kept)
    if not any(record.accepted for record in records):
        return Threshold(0.0, 0.0, "no suggestion has been accepted yet")
    if n_shown < MIN_SHOWN or n_kept < MIN_KEPT:
        counts = f"{n_shown:,.0f} were shown and {n_kept:,.0f} kept, older ones counting less"
        return Threshold(0.0, 0.0, f"{counts}; {MIN_SHOWN} and {MIN_KEPT} are required")
    rows = sorted(
        (record.confidence, share * record.weight, record.kept)
        for share, record in zip(age_weights, records, strict=True)
    )
    total = sum(weight for _, weight, _ in rows)
    total_kept = sum(weight for _, weight, kept in rows if kept)
    found, below, below_kept, squares, step = None, 0.0, 0.0, 0.0, 1
    for i, (confidence, weight, kept) in enumerate(rows):
        if below > MAX_HIDDEN * total:
            break
        if below * _STEPS >= step * total and confidence > rows[i - 1][0]:
            step = int(below * _STEPS / total) + 1
            share = _upper_limit(below_kept / below, below * below / squares)
            others = (total_kept - below_kept) / (total - below)
            if share < min(_MIN_KEPT_SHARE, _MAX_KEPT_RATIO * others):
                reason = f"{below / total:.0%} have a lower confidence, of which {below_kept / below:.1%} were kept"
                found = Threshold(confidence, below / total, f"{reason}; one in ten of these is shown")
        below, below_kept, squares = below + weight, below_kept + weight * kept, squares + weight * weight
    return found or Threshold(0.0, 0.0, "suggestions of low confidence are kept often enough")


def _weights_by_age(records: Sequence[Record]) -> list[float]:
    """The weight of each record, 0 to 1, by its age: the number of suggestions since, hidden ones included."""
    age_weights, age = [], 0.0
    for record in reversed(records):
        age_weights.append(0.5 ** (age / HALF_LIFE))
        age += record.weight
    return age_weights[::-1]


def _upper_limit(share: float, n: float) -> float:
    """Upper confidence limit of a share, by Wilson's interval; n is Kish's effective sample size for weights."""
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    return (share + _Z * _Z / (2 * n) + spread) / (1 + _Z * _Z / n)

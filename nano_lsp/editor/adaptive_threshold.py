"""The adaptive threshold: hides automatic suggestions that are less sure than those the user keeps.

It never goes silent: it is off until enough suggestions have been kept, hides at most half, shows one in ten of what
it would hide, learns from these, and forgets what is old.
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
"""Suggestions of a language, after forgetting, before a threshold is learned from them."""
MAX_HIDDEN = 0.5
"""Share of the suggestions that may lie below the threshold, and be hidden of the newest `_WINDOW`."""
SAMPLED = 0.1
"""Share of the suggestions below the threshold that is shown all the same, so that a change of habits is seen."""
HALF_LIFE = 1000
"""Suggestions after which an older one counts half. In a simulation like that of tests/editor/test_adaptive_threshold.py,
with 6,000 suggestions of which 3 % are kept, sure ones more often, 500 hides 12 % and 1,000 hides 28 %, for 1 % of
what is kept. When the user then keeps 20 % of all kinds alike, the threshold falls to 0 within 500 suggestions; with
2,000, within 1,400."""
_WORTH_SHOWING = 0.05  # share kept below which suggestions may be hidden
_CLEARLY_WORSE = 0.5  # and that share is at most so much of the share kept of the others
_Z = 1.64  # both with a certainty of 95 %, one-sided
_STEPS = 20  # the threshold lies at one of the quantiles at 5 %, 10 %, …
_MAX_RECORDS = 5 * HALF_LIFE  # of a language; older ones count less than 1/32
_RELEARN_AFTER = 50  # records; learning from 5,000 takes 10 ms
_WINDOW = 20
_MAX_DECISIONS = 256


@dataclass(frozen=True)
class Threshold:
    """What was learned from the suggestions of one language.

    Attributes:
        value: Confidence below which suggestions are hidden, 0 to 1; 0 hides none.
        share: Share of the suggestions that lie below it, 0 to 1.
        reason: Why it is what it is, for people.
    """

    value: float
    share: float
    reason: str


@dataclass(frozen=True)
class Decision:
    """Whether to show a suggestion.

    Attributes:
        shown: It is to be shown.
        threshold: The threshold in force, 0 to 1.
        weight: Number of suggestions that it stands for among those shown (`Record.weight`).
    """

    shown: bool
    threshold: float
    weight: float = 1.0


class AdaptiveThreshold:
    """Learns one threshold for each language, and decides by it. Use it on one thread.

    Args:
        records: What is known already, oldest first.
        source: Chooses the samples of what would be hidden.

    Attributes:
        n_hidden: Suggestions hidden so far.
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
        """Take over what became of suggestions. Those that the user asked for say nothing of automatic ones."""
        for record in records:
            if not record.invoked:
                self._records[record.language].append(record)
                self._n_new[record.language] += 1

    def learned(self, language: str) -> Threshold:
        """The threshold in force."""
        if language not in self._learned or self._n_new[language] >= _RELEARN_AFTER:
            self._learned[language] = find_threshold(self._records[language])
            self._n_new[language] = 0
        return self._learned[language]

    def decide(self, language: str, suggestion_id: int, confidence: float) -> Decision:
        """Whether to show a suggestion; the same answer whenever it is asked about the same one.

        Args:
            language: The document's language.
            suggestion_id: The suggestion's identity.
            confidence: The suggestion's confidence, 0 to 1.
        """
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
        # Whether the window is full does not depend on the suggestion: what it lets through stands for itself alone.
        if confidence < threshold and sum(newest) + 1 <= MAX_HIDDEN * _WINDOW:
            sampled = self._source.random() < SAMPLED
            decision = Decision(sampled, threshold, 1 / SAMPLED if sampled else 1.0)
        newest.append(not decision.shown)
        return decision


def find_threshold(records: Sequence[Record]) -> Threshold:
    """The confidence below which suggestions are hardly ever kept, and much more seldom than the others.

    It is the highest quantile, up to the median, below which at most 5 % were kept, and at most half of the share
    kept above, both by the upper limit of Wilson's interval (Wilson 1927). A sample of those that are hidden is
    weighted by the inverse of its probability, 10, so that hidden ones count (Horvitz and Thompson 1952).

    Args:
        records: Automatic suggestions of one language, oldest first.
    """
    faded = _fade(records)
    n_shown = sum(faded)
    n_kept = sum(share for share, record in zip(faded, records, strict=True) if record.kept)
    if not any(record.accepted for record in records):
        return Threshold(0.0, 0.0, "no suggestion has been accepted yet")
    if n_shown < MIN_SHOWN or n_kept < MIN_KEPT:
        known = f"{n_shown:,.0f} were shown and {n_kept:,.0f} kept, older ones counting less"
        return Threshold(0.0, 0.0, f"{known}; it takes {MIN_SHOWN} and {MIN_KEPT}")
    rows = sorted(
        (record.confidence, share * record.weight, record.kept) for share, record in zip(faded, records, strict=True)
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
            if share < min(_WORTH_SHOWING, _CLEARLY_WORSE * others):
                reason = f"{below / total:.0%} are less sure, of which {below_kept / below:.1%} were kept"
                found = Threshold(confidence, below / total, f"{reason}; one in ten of these is shown")
        below, below_kept, squares = below + weight, below_kept + weight * kept, squares + weight * weight
    return found or Threshold(0.0, 0.0, "unsure suggestions are kept often enough")


def _fade(records: Sequence[Record]) -> list[float]:
    """How much each record still counts, 0 to 1; its age is the number of suggestions since, hidden ones included."""
    faded, age = [], 0.0
    for record in reversed(records):
        faded.append(0.5 ** (age / HALF_LIFE))
        age += record.weight
    return faded[::-1]


def _upper_limit(share: float, n: float) -> float:
    """Upper limit of the share that n observations come from; n is Kish's effective number where weights differ."""
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    return (share + _Z * _Z / (2 * n) + spread) / (1 + _Z * _Z / n)

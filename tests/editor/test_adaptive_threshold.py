"""The adaptive threshold in simulations: users who keep a given share, dependent on confidence or not."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.editor.adaptive_threshold import (
    MAX_HIDDEN,
    MIN_KEPT,
    MIN_SHOWN,
    SAMPLED,
    AdaptiveThreshold,
    find_threshold,
)
from nano_lsp.editor.statistics import Record, Statistics

RATES = (0.0, 0.01, 0.03, 0.05, 0.08, 0.2)
Keeps = Callable[[float], float]
"""Maps a suggestion's confidence to the probability that the user keeps it."""


def record(confidence: float = 0.5, *, kept: bool = False, weight: float = 1.0, language: str = "python") -> Record:
    return Record("2026-01-31", language, 10, confidence, kept, kept, weight)


def independent(rate: float) -> Keeps:
    """Suggestions are kept at the same rate, whatever their confidence."""
    return lambda _confidence: rate


def by_confidence(rate: float) -> Keeps:
    """The rate is proportional to the eighth power of the confidence, with the given mean."""
    mean = sum(c**8 for c in confidences(4000, seed=0)) / 4000
    return lambda confidence: min(1.0, rate * confidence**8 / mean)


@functools.cache
def confidences(n: int, seed: int) -> Sequence[float]:
    """Realistic confidences: most are high, some are low."""
    source = random.Random(seed)  # noqa: S311 - repeatable, no secret
    return [source.betavariate(3, 1.5) for _ in range(n)]


@dataclass
class User:
    """A user whose editor is restarted now and then; statistics are stored in a file."""

    folder: Path
    seed: int = 1
    n: int = 0
    hidden: list[bool] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)

    def work(self, keeps: Keeps, n: int, *, restart_after: int = 700) -> None:
        """Receive n suggestions, shown or hidden."""
        source = random.Random(self.seed + self.n)  # noqa: S311 - repeatable, no secret
        statistics = Statistics(self.folder)
        for i, confidence in enumerate(confidences(n, self.seed + self.n)):
            if i % restart_after == 0:
                adaptive = AdaptiveThreshold(statistics.records(), source)
                unwritten: list[Record] = []
            self.n += 1
            decision = adaptive.decide("python", self.n, confidence)
            kept = source.random() < keeps(confidence)
            self.thresholds.append(decision.threshold)
            self.hidden.append(not decision.shown)
            self.kept.append(kept)
            if decision.shown:
                unwritten.append(record(confidence, kept=kept, weight=decision.weight))
                adaptive.learn(unwritten[-1:])
            if (i + 1) % restart_after == 0 or i == n - 1:
                statistics.add(unwritten)


Simulate = Callable[[Callable[[float], Keeps], float], User]


@pytest.fixture(scope="module")
def simulate(tmp_path_factory: pytest.TempPathFactory) -> Simulate:
    """A user after 6,000 suggestions, simulated once for each rate."""
    done: dict[tuple[object, float], User] = {}

    def run(keeps: Callable[[float], Keeps], rate: float) -> User:
        if (keeps, rate) not in done:
            done[keeps, rate] = user = User(tmp_path_factory.mktemp("user"))
            user.work(keeps(rate), 6000)
        return done[keeps, rate]

    return run


def hidden_share(hidden: Sequence[bool]) -> float:
    return sum(hidden) / len(hidden)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("keeps", [independent, by_confidence])
def test_at_least_half_of_the_suggestions_are_shown_at_any_rate(
    simulate: Simulate, rate: float, keeps: Callable[[float], Keeps]
) -> None:
    user = simulate(keeps, rate)
    for start in range(0, 6000, 100):
        assert hidden_share(user.hidden[start : start + 100]) <= 0.55
    assert hidden_share(user.hidden) <= MAX_HIDDEN
    if rate == 0:
        assert not any(user.hidden)
    kept_and_hidden = sum(kept and hidden for kept, hidden in zip(user.kept, user.hidden, strict=True))
    assert kept_and_hidden <= 0.05 * sum(user.kept)


@pytest.mark.parametrize("rate", RATES)
def test_nothing_is_hidden_if_the_rate_is_independent_of_confidence(simulate: Simulate, rate: float) -> None:
    user = simulate(independent, rate)
    assert hidden_share(user.hidden) < 0.02


@pytest.mark.parametrize("rate", [0.05, 0.08, 0.2])
def test_suggestions_of_low_confidence_are_hidden_if_they_are_rarely_kept(simulate: Simulate, rate: float) -> None:
    user = simulate(by_confidence, rate)
    assert hidden_share(user.hidden[3000:]) > 0.2
    confident = [hidden for hidden, c in zip(user.hidden, confidences(6000, user.seed), strict=True) if c > 0.8]
    assert not any(confident)


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.2])
def test_a_change_of_habits_is_noticed_from_samples_below_the_threshold(tmp_path: Path, rate: float) -> None:
    user = User(tmp_path)
    user.work(by_confidence(0.1), 5000)
    assert user.thresholds[-1] > 0.3
    user.work(independent(rate), 6000)
    assert user.thresholds[-1] == 0.0
    assert not any(user.hidden[-2000:])


def test_one_in_ten_below_the_threshold_is_shown_with_weight_10() -> None:
    known = [record(0.2) for _ in range(600)] + [record(0.9, kept=i % 2 == 0) for i in range(700)]
    random.Random(1).shuffle(known)  # noqa: S311 - repeatable, no secret
    adaptive = AdaptiveThreshold(known, random.Random(1))  # noqa: S311
    threshold = adaptive.learned("python")
    assert 0.2 < threshold.value <= 0.9
    assert "one in ten" in threshold.reason
    found = []
    for i in range(3000):
        if i % 2 == 0:
            found.append(adaptive.decide("python", 2 * i, 0.2))
        adaptive.decide("python", 2 * i + 1, 0.9)
    shown = [decision for decision in found if decision.shown]
    assert SAMPLED / 2 < len(shown) / len(found) < 2 * SAMPLED
    assert {decision.weight for decision in shown} == {10.0}
    assert adaptive.n_hidden == len(found) - len(shown)
    assert adaptive.learned("c").value == 0  # each language has its own threshold


def test_the_decision_for_a_suggestion_never_changes() -> None:
    known = [record(0.2) for _ in range(600)] + [record(0.9, kept=i % 2 == 0) for i in range(700)]
    random.Random(1).shuffle(known)  # noqa: S311 - repeatable, no secret
    adaptive = AdaptiveThreshold(known)
    first = [adaptive.decide("python", i, 0.2) for i in range(50)]
    assert [adaptive.decide("python", i, 0.2) for i in range(50)] == first


def test_half_of_a_series_of_low_confidence_is_shown() -> None:
    known = [record(0.2) for _ in range(600)] + [record(0.9, kept=i % 2 == 0) for i in range(700)]
    random.Random(1).shuffle(known)  # noqa: S311 - repeatable, no secret
    adaptive = AdaptiveThreshold(known, random.Random(2))  # noqa: S311
    shown = [adaptive.decide("python", i, 0.1).shown for i in range(200)]
    assert all(sum(shown[i : i + 20]) >= 10 for i in range(180))


def test_a_threshold_requires_enough_records_of_the_language() -> None:
    sure = [record(0.9, kept=True) for _ in range(MIN_KEPT)]
    unsure = [record(0.2) for _ in range(MIN_SHOWN)]
    assert "no suggestion has been accepted yet" in find_threshold(unsure * 5).reason
    assert "200 and 20 are required" in find_threshold(unsure + sure[:-1]).reason
    assert "200 and 20 are required" in find_threshold(sure + unsure[:-40]).reason
    assert find_threshold(unsure + sure * 11).value > 0.2
    adaptive = AdaptiveThreshold([record(0.9, kept=True, language="c") for _ in range(30)] + unsure * 2)
    assert adaptive.learned("python").value == 0


def test_records_without_acceptance_from_older_versions_hide_nothing() -> None:
    """They saw acceptance only if the editor reported it: 213 suggestions, none accepted, all later ones hidden."""
    assert find_threshold([record(i / 213) for i in range(213)]).value == 0
    few = [record(i / 300, kept=i in {250, 290}) for i in range(300)]
    assert find_threshold(few).value == 0


def test_explicitly_requested_suggestions_are_ignored() -> None:
    requested = [Record("2026-01-31", "python", 10, 0.5, True, True, 1.0, True) for _ in range(500)]
    assert "no suggestion has been accepted yet" in AdaptiveThreshold(requested).learned("python").reason


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from([1.0, 10.0])), max_size=400))
def test_at_most_half_of_the_suggestions_are_below_the_threshold(known: list[tuple[float, bool, float]]) -> None:
    records = [record(confidence, kept=kept, weight=weight) for confidence, kept, weight in known]
    threshold = find_threshold(records)
    assert 0 <= threshold.share <= MAX_HIDDEN
    if threshold.value:
        below = [found for found in records if found.confidence < threshold.value]
        assert sum(found.kept for found in below) <= 0.2 * len(below)

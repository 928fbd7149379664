"""The adaptive threshold, simulated: users who keep this much, of sure and unsure suggestions alike or not."""

from __future__ import annotations

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
"""From a suggestion's confidence to the probability that the user keeps it."""


def record(confidence: float = 0.5, *, kept: bool = False, weight: float = 1.0, language: str = "python") -> Record:
    return Record("2026-01-31", language, 10, confidence, kept, kept, weight)


def alike(rate: float) -> Keeps:
    """Sure and unsure suggestions are kept at the same rate."""
    return lambda _confidence: rate


def by_confidence(rate: float) -> Keeps:
    """So much is kept of all, and nearly all of that is sure: in proportion to the eighth power of the confidence."""
    mean = sum(c**8 for c in confidences(4000, seed=0)) / 4000
    return lambda confidence: min(1.0, rate * confidence**8 / mean)


def confidences(n: int, seed: int) -> list[float]:
    """Confidences as a model has them: most are high, some are low."""
    source = random.Random(seed)  # noqa: S311 - repeatable, no secret
    return [source.betavariate(3, 1.5) for _ in range(n)]


@dataclass
class User:
    """A user with an editor that is started anew every now and then; the statistics are a file."""

    folder: Path
    seed: int = 1
    n: int = 0
    hidden: list[bool] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)

    def work(self, keeps: Keeps, n: int, *, restart_after: int = 700) -> None:
        """See n suggestions, or have them hidden."""
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
    """A user after 6,000 suggestions, simulated once for each habit."""
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
@pytest.mark.parametrize("keeps", [alike, by_confidence])
def test_however_little_is_kept_at_least_half_is_shown_wherever_one_looks(
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
def test_where_confidence_says_nothing_nothing_is_hidden(simulate: Simulate, rate: float) -> None:
    user = simulate(alike, rate)
    assert hidden_share(user.hidden) < 0.02


@pytest.mark.parametrize("rate", [0.05, 0.08, 0.2])
def test_where_confidence_predicts_what_is_kept_unsure_suggestions_are_hidden(
    simulate: Simulate, rate: float
) -> None:
    user = simulate(by_confidence, rate)
    assert hidden_share(user.hidden[3000:]) > 0.2
    sure = [hidden for hidden, c in zip(user.hidden, confidences(6000, user.seed), strict=True) if c > 0.8]
    assert not any(sure)


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.2])
def test_a_change_of_habits_is_noticed_from_what_is_shown_all_the_same(tmp_path: Path, rate: float) -> None:
    user = User(tmp_path)
    user.work(by_confidence(0.1), 5000)
    assert user.thresholds[-1] > 0.3
    user.work(alike(rate), 6000)
    assert user.thresholds[-1] == 0.0
    assert not any(user.hidden[-2000:])


def test_one_in_ten_of_what_lies_below_is_shown_and_stands_for_ten() -> None:
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
    assert adaptive.learned("c").value == 0  # each language has its own


def test_a_suggestion_is_decided_about_once_however_often_it_comes() -> None:
    known = [record(0.2) for _ in range(600)] + [record(0.9, kept=i % 2 == 0) for i in range(700)]
    random.Random(1).shuffle(known)  # noqa: S311 - repeatable, no secret
    adaptive = AdaptiveThreshold(known)
    first = [adaptive.decide("python", i, 0.2) for i in range(50)]
    assert [adaptive.decide("python", i, 0.2) for i in range(50)] == first


def test_a_run_of_unsure_suggestions_is_shown_by_half() -> None:
    known = [record(0.2) for _ in range(600)] + [record(0.9, kept=i % 2 == 0) for i in range(700)]
    random.Random(1).shuffle(known)  # noqa: S311 - repeatable, no secret
    adaptive = AdaptiveThreshold(known, random.Random(2))  # noqa: S311
    shown = [adaptive.decide("python", i, 0.1).shown for i in range(200)]
    assert all(sum(shown[i : i + 20]) >= 10 for i in range(180))


def test_too_little_is_known_until_there_is_enough_of_the_language() -> None:
    sure = [record(0.9, kept=True) for _ in range(MIN_KEPT)]
    unsure = [record(0.2) for _ in range(MIN_SHOWN)]
    assert "no suggestion has been accepted yet" in find_threshold(unsure * 5).reason
    assert "it takes 200 and 20" in find_threshold(unsure + sure[:-1]).reason
    assert "it takes 200 and 20" in find_threshold(sure + unsure[:-40]).reason
    assert find_threshold(unsure + sure * 11).value > 0.2
    adaptive = AdaptiveThreshold([record(0.9, kept=True, language="c") for _ in range(30)] + unsure * 2)
    assert adaptive.learned("python").value == 0


def test_who_was_silenced_by_the_threshold_of_older_versions_is_not_any_more() -> None:
    """They saw acceptance only where an editor reported it: 213 suggestions, none accepted, then silence."""
    assert find_threshold([record(i / 213) for i in range(213)]).value == 0
    few = [record(i / 300, kept=i in {250, 290}) for i in range(300)]
    assert find_threshold(few).value == 0


def test_what_the_user_asked_for_says_nothing_of_automatic_suggestions() -> None:
    asked = [Record("2026-01-31", "python", 10, 0.5, True, True, 1.0, True) for _ in range(500)]
    assert "no suggestion has been accepted yet" in AdaptiveThreshold(asked).learned("python").reason


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from([1.0, 10.0])), max_size=400))
def test_never_more_than_half_lies_below(known: list[tuple[float, bool, float]]) -> None:
    records = [record(confidence, kept=kept, weight=weight) for confidence, kept, weight in known]
    threshold = find_threshold(records)
    assert 0 <= threshold.share <= MAX_HIDDEN
    if threshold.value:
        below = [found for found in records if found.confidence < threshold.value]
        assert sum(found.kept for found in below) <= 0.2 * len(below)

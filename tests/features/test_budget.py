"""The budget follows the machine's speed, and does not wobble."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.features.budget import Budget, Limits
from nano_lsp.schema import Counters

MOST = Limits(prompt_tokens=768, max_tokens=128)


def cost(prompt_ms: float, decode_ms: float) -> Counters:
    """Of a request on a machine that takes so long a token."""
    return Counters(evaluated_tokens=100, prompt_ms=100 * prompt_ms, generated_tokens=10, decode_ms=10 * decode_ms)


def test_everything_while_nothing_is_known_and_where_no_target_is_set() -> None:
    assert Budget(MOST, 1000).limits() == MOST
    fixed = Budget(MOST, 0)
    fixed.observe(cost(500, 5000))
    assert fixed.limits() == MOST


def test_a_slow_machine_reads_and_writes_less() -> None:
    budget = Budget(MOST, 2000)
    budget.observe(cost(50, 200))
    assert budget.limits() == Limits(prompt_tokens=256, max_tokens=10)
    budget = Budget(MOST, 2000)
    budget.observe(cost(5000, 5000))
    assert budget.limits() == Limits(prompt_tokens=128, max_tokens=8)


def test_requests_too_small_to_measure_teach_nothing() -> None:
    budget = Budget(MOST, 2000)
    budget.observe(Counters(evaluated_tokens=2, prompt_ms=1e6, generated_tokens=1, decode_ms=1e6))
    assert budget.limits() == MOST


def test_a_machine_that_was_busy_gets_its_budget_back() -> None:
    budget = Budget(MOST, 2000)
    budget.observe(cost(100, 300))
    assert budget.limits().prompt_tokens < 256
    for _ in range(40):
        budget.observe(cost(10, 30))
    assert budget.limits() == Limits(prompt_tokens=768, max_tokens=66)


@given(st.lists(st.floats(18, 22), min_size=2, max_size=50))
def test_noise_does_not_change_the_window(speeds: list[float]) -> None:
    budget = Budget(Limits(4096, 128), 2000)
    budget.observe(cost(20, 100))
    first = budget.limits().prompt_tokens
    for speed in speeds:
        budget.observe(cost(speed, 100))
        assert budget.limits().prompt_tokens == first


@given(st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.floats(1, 1e5))
def test_never_more_than_the_settings_allow(prompt_ms: float, decode_ms: float, target_ms: float) -> None:
    budget = Budget(MOST, target_ms)
    budget.observe(cost(prompt_ms, decode_ms))
    limits = budget.limits()
    assert 0 < limits.prompt_tokens <= MOST.prompt_tokens
    assert 0 < limits.max_tokens <= MOST.max_tokens

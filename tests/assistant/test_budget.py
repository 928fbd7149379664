"""The budget follows the machine's speed, and does not wobble."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.assistant.budget import Budget, Limits
from nano_lsp.schema import Counters

MOST = Limits(prompt_tokens=768, max_tokens=128)


def cost(prompt_ms: float, decode_ms: float) -> Counters:
    """Of a request on a machine that takes so long a token."""
    return Counters(evaluated_tokens=100, prompt_ms=100 * prompt_ms, decoded_tokens=10, decode_ms=10 * decode_ms)


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
    budget.observe(Counters(evaluated_tokens=2, prompt_ms=1e6, decoded_tokens=1, decode_ms=1e6))
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


@dataclass
class Session:
    """Somebody types: a prompt when the file is opened, then a suggestion every three seconds that reads a little."""

    prompt_ms: float = 12.0
    decode_ms: float = 70.0
    target_ms: float = 2000.0
    now_s: float = 1000.0
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.budget = Budget(MOST, self.target_ms, lambda: self.now_s)

    def suggest(self, n_prompt: int, slowness: float = 1.0) -> Limits:
        """The limits that the request had."""
        limits = self.budget.limits()
        # A short prompt costs more a token: a batch of one takes as long as a token of an answer.
        prompt_ms = slowness * max(n_prompt * self.prompt_ms, self.decode_ms)
        n_answer = min(limits.max_tokens, 12)
        cost = Counters(
            evaluated_tokens=n_prompt,
            prompt_ms=prompt_ms,
            decoded_tokens=n_answer,
            decode_ms=slowness * self.decode_ms * n_answer,
        )
        self.now_s += (cost.prompt_ms + cost.decode_ms) / 1e3
        self.budget.observe(cost)
        return limits

    def type(self, seconds: float, slowness: float = 1.0, n_prompt: int = 6) -> list[Limits]:
        """The limits of each suggestion."""
        until, limits = self.now_s + seconds, []
        while self.now_s < until:
            limits.append(self.suggest(n_prompt, slowness))
            self.now_s += 3.0
        return limits


def test_a_busy_minute_is_over_within_a_minute() -> None:
    """Also where nobody opens anything: warm typing never reads as much as is worth measuring."""
    session = Session()
    session.suggest(700)
    before = session.type(60)[-1]
    assert before == Limits(768, 28)
    busy = session.type(60, slowness=10, n_prompt=60)
    assert busy[-1] == Limits(768, 8)  # another window would have to be read anew
    assert session.type(60)[-1] == before


@given(st.floats(2, 60), st.floats(20, 400), st.floats(500, 5000), st.floats(1, 10), st.booleans())
def test_limits_come_back_at_any_speed(
    prompt_ms: float, decode_ms: float, target_ms: float, slowness: float, types_on: bool
) -> None:
    session = Session(prompt_ms, decode_ms, target_ms)
    session.suggest(700)
    before = session.type(30)[-1]
    session.type(60, slowness, n_prompt=100)
    if types_on:
        session.type(60)
    else:
        session.now_s += 60
    assert session.budget.limits() == before


def test_a_machine_that_was_busy_from_the_start_is_found_faster() -> None:
    """Nothing better is known then; short prompts show it."""
    session = Session()
    session.suggest(700, slowness=10)
    assert session.budget.limits() == Limits(128, 8)
    assert session.type(60)[-1].prompt_tokens == 768


def test_a_slow_minute_is_not_forgotten_while_it_lasts() -> None:
    session = Session()
    session.suggest(700)
    assert all(limits.max_tokens <= 12 for limits in session.type(300, slowness=10)[4:])

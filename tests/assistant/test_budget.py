"""The budget follows the machine's speed, and ignores noise."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.assistant.budget import Budget, Limits
from nano_lsp.schema import Counters

MAX_LIMITS = Limits(prompt_tokens=768, max_tokens=128)


def cost(prompt_ms: float, decode_ms: float) -> Counters:
    """Counters of a request on a machine that takes these times per token."""
    return Counters(evaluated_tokens=100, prompt_ms=100 * prompt_ms, decoded_tokens=10, decode_ms=10 * decode_ms)


def test_without_measurements_or_a_target_the_upper_bounds_apply() -> None:
    assert Budget(MAX_LIMITS, 1000).limits() == MAX_LIMITS
    fixed = Budget(MAX_LIMITS, 0)
    fixed.observe(cost(500, 5000))
    assert fixed.limits() == MAX_LIMITS


def test_a_slow_machine_gets_shorter_prompts_and_answers() -> None:
    budget = Budget(MAX_LIMITS, 2000)
    budget.observe(cost(50, 200))
    assert budget.limits() == Limits(prompt_tokens=256, max_tokens=10)
    budget = Budget(MAX_LIMITS, 2000)
    budget.observe(cost(5000, 5000))
    assert budget.limits() == Limits(prompt_tokens=128, max_tokens=8)


def test_requests_too_small_to_measure_are_ignored() -> None:
    budget = Budget(MAX_LIMITS, 2000)
    budget.observe(Counters(evaluated_tokens=2, prompt_ms=1e6, decoded_tokens=1, decode_ms=1e6))
    assert budget.limits() == MAX_LIMITS


def test_limits_return_after_the_machine_was_busy() -> None:
    budget = Budget(MAX_LIMITS, 2000)
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
    budget = Budget(MAX_LIMITS, target_ms)
    budget.observe(cost(prompt_ms, decode_ms))
    limits = budget.limits()
    assert 0 < limits.prompt_tokens <= MAX_LIMITS.prompt_tokens
    assert 0 < limits.max_tokens <= MAX_LIMITS.max_tokens


@dataclass
class Session:
    """A user types: a long prompt when the file is opened, then a short one for a suggestion every three seconds."""

    prompt_ms: float = 12.0
    decode_ms: float = 70.0
    target_ms: float = 2000.0
    now_s: float = 1000.0
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.budget = Budget(MAX_LIMITS, self.target_ms, clock=lambda: self.now_s)

    def suggest(self, n_prompt: int, slowness: float = 1.0) -> Limits:
        """Make one request; returns its limits."""
        limits = self.budget.limits()
        # A short prompt takes longer per token: a batch of one takes as long as a token of an answer.
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
        """Request suggestions for some time; returns the limits of each."""
        until, limits = self.now_s + seconds, []
        while self.now_s < until:
            limits.append(self.suggest(n_prompt, slowness))
            self.now_s += 3.0
        return limits


def test_limits_return_within_a_minute_of_a_slowdown() -> None:
    """Also if no file is opened meanwhile: the prompts of warm typing are too short to be measured."""
    session = Session()
    session.suggest(700)
    before = session.type(60)[-1]
    assert before == Limits(768, 28)
    busy = session.type(60, slowness=10, n_prompt=60)
    assert busy[-1] == Limits(768, 8)  # another window would have to be evaluated anew
    assert session.type(60)[-1] == before


@given(st.floats(2, 60), st.floats(20, 400), st.floats(500, 5000), st.floats(1, 10), st.booleans())
def test_limits_return_at_any_speed(
    prompt_ms: float, decode_ms: float, target_ms: float, slowness: float, keeps_typing: bool
) -> None:
    session = Session(prompt_ms, decode_ms, target_ms)
    session.suggest(700)
    before = session.type(30)[-1]
    session.type(60, slowness, n_prompt=100)
    if keeps_typing:
        session.type(60)
    else:
        session.now_s += 60
    assert session.budget.limits() == before


def test_a_slowdown_from_the_start_is_noticed_once_it_ends() -> None:
    """No faster measurement is known; short prompts provide one."""
    session = Session()
    session.suggest(700, slowness=10)
    assert session.budget.limits() == Limits(128, 8)
    assert session.type(60)[-1].prompt_tokens == 768


def test_a_slowdown_is_not_forgotten_while_it_lasts() -> None:
    session = Session()
    session.suggest(700)
    assert all(limits.max_tokens <= 12 for limits in session.type(300, slowness=10)[4:])

"""N-gram lookup, and how many tokens to propose."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.inference.speculative import MAX_SPECULATIVE_TOKENS, NgramIndex, SpeculationPolicy


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 8))
def test_a_proposal_is_what_followed_an_earlier_occurrence(tokens: list[int], limit: int) -> None:
    ngram, proposed = NgramIndex(tokens).propose(limit)
    assert len(proposed) <= limit
    if ngram:
        places = [i for i in range(ngram, len(tokens)) if tokens[i - ngram : i] == tokens[-ngram:]]
        assert any(tokens[i : i + limit] == proposed for i in places)
    else:
        assert proposed == []


def test_a_given_text_is_searched_as_well() -> None:
    index = NgramIndex([1, 2, 3, 4, 5], [9, 9, 1, 2])
    assert index.propose(3) == (2, [3, 4, 5])


def policy(costs: dict[int, float], accepted: list[bool]) -> SpeculationPolicy:
    made = SpeculationPolicy()
    for n, cost in costs.items():
        made.measured_batch(n, cost)
    for one in accepted:
        made.measured_acceptance(4, one)
    return made


def test_nothing_is_proposed_before_a_single_token_was_measured() -> None:
    assert SpeculationPolicy().choose_length(4) == 0
    assert policy({1: 10.0}, []).choose_length(0) == 0


def test_speculation_where_batches_are_cheap_and_tokens_accepted() -> None:
    flat = {n: 100.0 + n for n in range(1, MAX_SPECULATIVE_TOKENS + 2)}
    assert policy(flat, [True] * 30).choose_length(4) == MAX_SPECULATIVE_TOKENS
    assert policy(flat, [False] * 30).choose_length(4) == 0


def test_no_speculation_where_a_batch_costs_as_much_as_its_tokens() -> None:
    linear = {n: 35.0 * n for n in range(1, MAX_SPECULATIVE_TOKENS + 2)}
    assert policy(linear, [True] * 5).choose_length(4) == 0


def test_an_unmeasured_batch_is_taken_from_the_slope_of_the_prompt() -> None:
    made = policy({1: 100.0}, [True] * 20)
    made.measured_prompt(32, 32 * 1.0)
    assert made.choose_length(4) > 0
    made.measured_prompt(32, 32 * 500.0)
    assert made.choose_length(4) == 0

"""N-gram drafts and the decision to send them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.inference.speculative import MAX_SPECULATIVE_TOKENS, SpeculationPolicy, NgramIndex


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 8))
def test_a_proposal_is_what_followed_an_earlier_occurrence(tokens: list[int], limit: int) -> None:
    ngram, draft = NgramIndex(tokens).propose(limit)
    assert len(draft) <= limit
    if ngram:
        places = [i for i in range(ngram, len(tokens)) if tokens[i - ngram : i] == tokens[-ngram:]]
        assert any(tokens[i : i + limit] == draft for i in places)
    else:
        assert draft == []


def test_a_given_text_is_searched_as_well() -> None:
    index = NgramIndex([1, 2, 3, 4, 5], [9, 9, 1, 2])
    assert index.propose(3) == (2, [3, 4, 5])


def policy(costs: dict[int, float], hits: list[bool]) -> SpeculationPolicy:
    made = SpeculationPolicy()
    for n, cost in costs.items():
        made.measured_batch(n, cost)
    for hit in hits:
        made.measured_hit(4, hit)
    return made


def test_nothing_is_drafted_before_a_single_token_was_measured() -> None:
    assert SpeculationPolicy().n_tokens(4) == 0
    assert policy({1: 10.0}, []).n_tokens(0) == 0


def test_drafts_where_batches_are_cheap_and_guesses_good() -> None:
    flat = {n: 100.0 + n for n in range(1, MAX_SPECULATIVE_TOKENS + 2)}
    assert policy(flat, [True] * 30).n_tokens(4) == MAX_SPECULATIVE_TOKENS
    assert policy(flat, [False] * 30).n_tokens(4) == 0


def test_no_drafts_where_a_batch_costs_as_much_as_its_tokens() -> None:
    linear = {n: 35.0 * n for n in range(1, MAX_SPECULATIVE_TOKENS + 2)}
    assert policy(linear, [True] * 5).n_tokens(4) == 0


def test_an_unmeasured_batch_is_taken_from_the_slope_of_the_prompt() -> None:
    made = policy({1: 100.0}, [True] * 20)
    made.measured_prompt(32, 32 * 1.0)
    assert made.n_tokens(4) > 0
    made.measured_prompt(32, 32 * 500.0)
    assert made.n_tokens(4) == 0

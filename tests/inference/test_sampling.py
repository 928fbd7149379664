"""The choice of a token from logits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.errors import ConfigError
from nano_lsp.inference.sampling import Logits, Sampler, keep_probable, logprob, penalize
from nano_lsp.schema import SamplingParams

rows = st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=30).map(lambda x: np.array(x, np.float32))
params = st.builds(
    SamplingParams,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_k=st.integers(0, 40),
    top_p=st.floats(0.05, 1.0),
    min_p=st.floats(0.0, 0.9),
    repeat_penalty=st.floats(1.0, 2.0),
    seed=st.integers(0, 1000),
)


@given(rows)
def test_greedy_takes_the_first_of_the_highest(logits: Logits) -> None:
    assert Sampler(SamplingParams()).choose(logits, ()) == int(np.flatnonzero(logits == logits.max())[0])


@given(rows, params)
def test_the_choice_is_always_one_of_those_that_the_filters_leave(logits: Logits, settings: SamplingParams) -> None:
    choice = Sampler(settings).choose(logits, [0])
    penalized = penalize(logits, [0], settings.repeat_penalty)
    kept, _ = keep_probable(penalized, settings)
    assert choice in (kept if settings.temperature else [int(penalized.argmax())])
    if settings.top_k:
        assert len(kept) <= settings.top_k


@given(rows, params)
def test_a_seed_fixes_the_choices(logits: Logits, settings: SamplingParams) -> None:
    one, two = Sampler(settings), Sampler(settings)
    assert [one.choose(logits, ()) for _ in range(5)] == [two.choose(logits, ()) for _ in range(5)]


@given(rows, params, st.data())
def test_what_is_ruled_out_is_never_chosen(logits: Logits, settings: SamplingParams, data: st.DataObject) -> None:
    banned = data.draw(st.sets(st.integers(0, len(logits) - 1)))
    logits[list(banned)] = -np.inf
    choice = Sampler(settings).choose(logits, ())
    assert choice not in banned
    assert (choice is None) == (len(banned) == len(logits))


def test_temperature_one_follows_the_probabilities() -> None:
    p = np.array([0.6, 0.3, 0.1])
    sampler = Sampler(SamplingParams(temperature=1.0, seed=7))
    drawn = [sampler.choose(np.log(p).astype(np.float32), ()) for _ in range(4000)]
    shares = np.bincount(np.array(drawn), minlength=3) / 4000
    assert np.abs(shares - p).max() < 0.03


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05])).astype(np.float32)
    assert list(keep_probable(logits, SamplingParams(top_p=0.6))[0]) == [0, 1]
    assert list(keep_probable(logits, SamplingParams(min_p=0.25))[0]) == [0, 1, 2]
    assert list(keep_probable(logits, SamplingParams(top_k=3))[0]) == [0, 1, 2]


def test_the_penalty_lowers_recent_tokens_whatever_their_sign() -> None:
    out = penalize(np.array([2.0, -2.0, 1.0], np.float32), [0, 1], 2.0)
    assert out.tolist() == [1.0, -4.0, 1.0]


@given(rows)
def test_log_probabilities_sum_to_one(logits: Logits) -> None:
    assert sum(math.exp(logprob(logits, i)) for i in range(len(logits))) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    "bad",
    [
        SamplingParams(temperature=-1),
        SamplingParams(temperature=math.nan),
        SamplingParams(top_p=1.5),
        SamplingParams(min_p=-0.1),
        SamplingParams(top_k=-1),
        SamplingParams(repeat_penalty=0),
        SamplingParams(seed=-5),
    ],
)
def test_settings_without_a_meaning_are_refused(bad: SamplingParams) -> None:
    with pytest.raises(ConfigError) as caught:
        Sampler(bad)
    assert caught.value.remedy

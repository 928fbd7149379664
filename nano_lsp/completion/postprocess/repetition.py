"""Whether a suggestion goes in circles."""

from __future__ import annotations

from collections.abc import Sequence

from nano_lsp.completion.postprocess.candidate import Candidate, Truncation

_MIN_TOKENS = 12
_TIMES = 3


def stop_repetition(candidate: Candidate) -> Truncation | None:
    """Truncation after the first round where the last tokens are one run of tokens, three times over or more."""
    ids = [token.id for token in candidate.tokens]
    period = shortest_period(ids)
    if period is None:
        return None
    n_repeated, n_rounds = period
    first_round = len(ids) - n_repeated * (n_rounds - 1)
    return Truncation(candidate.token_ends[first_round - 1])


def shortest_period(ids: Sequence[int]) -> tuple[int, int] | None:
    """Length of the run that the end of a sequence repeats, and how often; None where it is less than three times.

    The failure function of Knuth, Morris and Pratt (1977) on the reversed sequence: a beginning of length n whose
    longest border has length b has period n - b.
    """
    backwards = list(reversed(ids))
    border = [0] * len(backwards)
    best: tuple[int, int] | None = None
    b = 0
    for i in range(1, len(backwards)):
        while b and backwards[i] != backwards[b]:
            b = border[b - 1]
        b += backwards[i] == backwards[b]
        border[i] = b
        length = i + 1
        period = length - b
        if b and length % period == 0 and length // period >= _TIMES and length >= _MIN_TOKENS:
            best = period, length // period
    return best

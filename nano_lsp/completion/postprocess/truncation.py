"""Steps that can end a generation early: each looks at the text after every token, and once more when it is finished.

Markup, the suffix, repetition, a maximum number of lines, and tokens of low probability.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from nano_lsp.code.cursor_context import LITERAL_KINDS
from nano_lsp.completion.postprocess.candidate import Candidate, Truncation

_CONTROL_TOKEN = re.compile(r"<\|[a-z_]+\|>|<(?:PRE|SUF|MID|EOT)>|</?s>")
_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)
_PROSE = re.compile(
    r"^(?:Here(?:'s| is| are)|This (?:code|function|will|is)|In this|Note that|Sure|Explanation|"
    r"The (?:code|function|above|following)|I(?:'m| am| have|'ve) )\b.*",
    re.MULTILINE,
)
_SUFFIX_LINES = 8  # lines of the suffix that are compared, blank ones not counted
_MIN_REPEATED_TOKENS = 12
_MIN_ROUNDS = 3
_N_DOUBTFUL = 3  # with two, 49.2 instead of 50.6 % of the characters are saved (docs/quality.md)


def stop_at_markup(candidate: Candidate) -> Truncation | None:
    """End before Markdown fences, prose and control tokens, which instruct models write around code."""
    in_literal = candidate.cursor.kind in LITERAL_KINDS
    patterns = (_CONTROL_TOKEN,) if in_literal else (_CONTROL_TOKEN, _FENCE, _PROSE)
    ends = [found.start() for pattern in patterns if (found := pattern.search(candidate.text))]
    return Truncation(min(ends)) if ends else None


def stop_at_suffix(candidate: Candidate) -> Truncation | None:
    """End before a line that repeats the suffix's next line, or before two in a row that repeat later ones."""
    expected = _without_blank_lines(candidate.cursor.suffix.split("\n")[1:])[:_SUFFIX_LINES]
    if not expected:
        return None
    lines = candidate.text.split("\n")
    if not candidate.finished:
        del lines[-1]  # it may still grow
    own_line = not candidate.cursor.typed.strip()
    if own_line and lines:
        lines[0] = candidate.cursor.typed + lines[0]
    offset = 0
    for i, line in enumerate(lines):
        if line.strip() and (i or own_line):
            following = _without_blank_lines(lines[i : i + 4])[:2]
            # A line before the suffix's first one is new, even if both are repeated further down: `return a`, `}`.
            is_last = following[1:] == expected[:1]
            further_down = not is_last and following in [list(pair) for pair in pairwise(expected[1:])]
            if line.rstrip() == expected[0] or further_down:
                return Truncation(max(0, offset - 1))  # with the line break before it
        offset += len(line) + 1 - (len(candidate.cursor.typed) if own_line and i == 0 else 0)
    return None


def _without_blank_lines(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines if line.strip()]


def stop_repetition(candidate: Candidate) -> Truncation | None:
    """End after the first round where the last tokens repeat one sequence three times or more."""
    ids = [token.id for token in candidate.tokens]
    period = shortest_period(ids)
    if period is None:
        return None
    n_repeated, n_rounds = period
    first_round = len(ids) - n_repeated * (n_rounds - 1)
    return Truncation(candidate.token_ends[first_round - 1])


def shortest_period(ids: Sequence[int]) -> tuple[int, int] | None:
    """Length of the sequence that the end of `ids` repeats, and its number of repetitions; None for less than three.

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
        if b and length % period == 0 and length // period >= _MIN_ROUNDS and length >= _MIN_REPEATED_TOKENS:
            best = period, length // period
    return best


def limit_lines(candidate: Candidate, *, max_lines: int) -> Truncation | None:
    """End after a maximum number of lines; 0 for no limit."""
    end = -1
    for _ in range(max_lines):
        end = candidate.text.find("\n", end + 1)
        if end < 0:
            return None
    return Truncation(end) if max_lines else None


def stop_at_improbable_token(candidate: Candidate, *, min_token_probability: float) -> Truncation | None:
    """End at a word boundary before the first token whose probability is below a minimum, 0 to 1.

    Also before the one with which the joint probability of the text is below that of three such tokens.
    """
    end = len(candidate.text)
    limit, total = math.log(max(min_token_probability, 1e-9)), 0.0
    for i, token in enumerate(candidate.tokens):
        total += token.logprob
        if token.logprob < limit or total < _N_DOUBTFUL * limit:
            end = _word_boundary(candidate.text, candidate.token_ends[i - 1] if i else 0)
            break
    if end < len(candidate.text) and not re.search(r"[\w)\]}]", candidate.text[:end]):
        return Truncation(0)  # only the beginning of a comment, a string or a call
    if not candidate.n_tokens_within(end):
        return Truncation(0)
    return Truncation(end) if end < len(candidate.text) else None


def _word_boundary(text: str, end: int) -> int:
    """The last offset at or before this one that is not within a word."""
    while end and (end < len(text) and text[end - 1].isalnum() and text[end].isalnum()):
        end -= 1
    return end

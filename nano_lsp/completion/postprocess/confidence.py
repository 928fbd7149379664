"""Whether the model is sure enough of what it says."""

from __future__ import annotations

import math
import re

from nano_lsp.completion.postprocess.candidate import Candidate, Truncation


def cut_unsure(candidate: Candidate, *, min_token_probability: float) -> Truncation | None:
    """Truncation before the first token that is too improbable, at a word's end.

    Args:
        candidate: the suggestion.
        min_token_probability: probability that a token must have, 0 to 1.
    """
    end = len(candidate.text)
    for i, token in enumerate(candidate.tokens):
        if token.logprob < math.log(max(min_token_probability, 1e-9)):
            end = _snap(candidate.text, candidate.token_ends[i - 1] if i else 0)
            break
    if end < len(candidate.text) and not re.search(r"[\w)\]}]", candidate.text[:end]):
        return Truncation(0)  # what begins a comment, a string or a call, and nothing in it
    if not candidate.n_tokens_within(end):
        return Truncation(0)
    return Truncation(end) if end < len(candidate.text) else None


def _snap(text: str, end: int) -> int:
    """The last offset at or before this one that is not within a word."""
    while end and (end < len(text) and text[end - 1].isalnum() and text[end].isalnum()):
        end -= 1
    return end

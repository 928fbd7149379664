"""Whether the model is sure enough of what it says."""

from __future__ import annotations

import math
import re

from nano_lsp.completion.postprocess.candidate import Cut, Draft


def cut_unsure(draft: Draft, *, least_token: float) -> Cut | None:
    """Cut before the first token that is too improbable, at a word's end.

    Args:
        draft: the suggestion.
        least_token: probability that a token must have, 0 to 1.
    """
    end = len(draft.text)
    for i, token in enumerate(draft.tokens):
        if token.logprob < math.log(max(least_token, 1e-9)):
            end = _snap(draft.text, draft.token_ends[i - 1] if i else 0)
            break
    if end < len(draft.text) and not re.search(r"[\w)\]}]", draft.text[:end]):
        return Cut(0)  # what begins a comment, a string or a call, and nothing in it
    if not draft.n_tokens_within(end):
        return Cut(0)
    return Cut(end) if end < len(draft.text) else None


def _snap(text: str, end: int) -> int:
    """The last offset at or before this one that is not within a word."""
    while end and (end < len(text) and text[end - 1].isalnum() and text[end].isalnum()):
        end -= 1
    return end

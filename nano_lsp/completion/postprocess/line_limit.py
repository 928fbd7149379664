"""Whether a suggestion of a single statement, or of so many lines, has ended."""

from __future__ import annotations

from nano_lsp.completion.postprocess.candidate import Cut, Draft
from nano_lsp.completion.postprocess.syntax_guard import is_open


def end_line(draft: Draft) -> Cut | None:
    """Cut at the first line break outside brackets and strings, where one statement is enough."""
    if draft.site.multi_line:
        return None
    end = draft.text.find("\n")
    while end >= 0:
        if not is_open(draft.site.typed + draft.text[:end]):
            return Cut(end)
        end = draft.text.find("\n", end + 1)
    return None


def keep_lines(draft: Draft, *, most: int) -> Cut | None:
    """Cut before the line that is one too many.

    Args:
        draft: the suggestion.
        most: lines that it may have; 0 for any number.
    """
    end = -1
    for _ in range(most):
        end = draft.text.find("\n", end + 1)
        if end < 0:
            return None
    return Cut(end) if most else None

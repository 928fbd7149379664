"""Whether a suggestion of a single statement, or of so many lines, has ended."""

from __future__ import annotations

from nano_lsp.completion.postprocess.candidate import Candidate, Truncation
from nano_lsp.completion.postprocess.syntax_guard import is_open


def end_line(candidate: Candidate) -> Truncation | None:
    """Truncation at the first line break outside brackets and strings, where one statement is enough."""
    if candidate.cursor.multi_line:
        return None
    end = candidate.text.find("\n")
    while end >= 0:
        if not is_open(candidate.cursor.typed + candidate.text[:end]):
            return Truncation(end)
        end = candidate.text.find("\n", end + 1)
    return None


def limit_lines(candidate: Candidate, *, most: int) -> Truncation | None:
    """Truncation before the line that is one too many.

    Args:
        candidate: the suggestion.
        most: lines that it may have; 0 for any number.
    """
    end = -1
    for _ in range(most):
        end = candidate.text.find("\n", end + 1)
        if end < 0:
            return None
    return Truncation(end) if most else None

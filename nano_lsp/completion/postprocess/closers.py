"""Brackets and quotes that the rest of the cursor's line already holds."""

from __future__ import annotations

from nano_lsp.completion.postprocess.candidate import Candidate, Truncation
from nano_lsp.completion.postprocess.syntax_guard import SyntaxGuard, overlaps


def drop_closers(candidate: Candidate, guard: SyntaxGuard) -> Truncation | None:
    """Drop an end of the suggestion that the rest of the line repeats, unless the document needs both.

    Args:
        candidate: the suggestion.
        guard: tells whether the document needs them.
    """
    if not candidate.finished:
        return None
    text = candidate.text[: candidate.trim(len(candidate.text))]
    cursor = candidate.cursor

    def badness(end: int) -> tuple[int, int]:
        return guard.badness(text[:end]), _unmatched(cursor.typed + text[:end] + cursor.rest)

    shorter = (len(text) - n for n in overlaps(text, cursor.rest.rstrip()))
    end = next((end for end in shorter if badness(end) <= badness(len(text))), None)
    return None if end is None else Truncation(end)


def _unmatched(line: str) -> int:
    """How many brackets and quotes of a line have no partner, roughly: strings are not looked into."""
    depth = sum((char in "([{") - (char in ")]}") for char in line)
    return abs(depth) + line.count('"') % 2 + line.count("'") % 2

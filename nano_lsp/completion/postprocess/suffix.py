"""Whether a suggestion has met the code behind the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from nano_lsp.completion.postprocess.candidate import Candidate, Truncation

_LINES_AHEAD = 8


def stop_at_suffix(candidate: Candidate) -> Truncation | None:
    """Truncation before a line that is the suffix's next one, or before two in a row that stand a little further down."""
    expected = _lines(candidate.cursor.suffix.split("\n")[1:])[:_LINES_AHEAD]
    if not expected:
        return None
    lines = candidate.text.split("\n")
    if not candidate.finished:
        del lines[-1]  # it may still grow
    own_line = not candidate.cursor.typed.strip()
    if own_line and lines:
        lines[0] = candidate.cursor.typed + lines[0]
    at = 0
    for i, line in enumerate(lines):
        if line.strip() and (i or own_line):
            following = _lines(lines[i : i + 4])[:2]
            further_down = following in [list(pair) for pair in pairwise(expected[1:])]
            if line.rstrip() == expected[0] or further_down:
                return Truncation(max(0, at - 1))  # with the line break before it
        at += len(line) + 1 - (len(candidate.cursor.typed) if own_line and i == 0 else 0)
    return None


def _lines(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines if line.strip()]

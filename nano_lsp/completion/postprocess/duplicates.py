"""Whether a suggestion only says again what stands above or below."""

from __future__ import annotations

from nano_lsp.completion.postprocess.candidate import Candidate, Truncation

_MIN_CHARS = 8


def drop_duplicates(candidate: Candidate) -> Truncation | None:
    """Drop a suggestion whose first line, put in place, is the line above, or whose only line is the one below."""
    if not candidate.finished:
        return None
    first, *others = candidate.text.rstrip().split("\n")
    line = (candidate.cursor.typed + first).strip()
    if len(line) < _MIN_CHARS:
        return None
    above = next((text for text in reversed(candidate.cursor.prefix.split("\n")[-8:-1]) if text.strip()), "")
    below = next((text for text in candidate.cursor.suffix.split("\n")[1:8] if text.strip()), "")
    repeats = line == above.strip() or (line == below.strip() and not others)
    return Truncation(0) if repeats else None

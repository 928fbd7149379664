"""Stubs: what a model writes when it leaves the work to the reader."""

from __future__ import annotations

import re

from nano_lsp.completion.postprocess.candidate import Candidate, Truncation

_STUB = re.compile(
    r"\s*((#|//).*\b(your|the) (code|implementation|solution|logic)\b.*|(#|//)\s*TODO\b.*|pass|\.\.\.)\s*", re.I
)


def refuse_stubs(candidate: Candidate) -> Truncation | None:
    """Drop a suggestion that is nothing but a comment that says where code should go, `pass` or `...`."""
    lines = [line for line in candidate.text.split("\n") if line.strip()]
    if not candidate.finished or candidate.cursor.typed.strip() or not lines or not all(map(_STUB.fullmatch, lines)):
        return None
    return Truncation(0, resample_from=0)

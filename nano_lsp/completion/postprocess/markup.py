"""Markdown fences, prose and control tokens: what an instruct model writes around code, and no editor wants."""

from __future__ import annotations

import re

from nano_lsp.code.cursor_context import CursorKind
from nano_lsp.completion.postprocess.candidate import Candidate, Truncation

_CONTROL = re.compile(r"<\|[a-z_]+\|>|<(?:PRE|SUF|MID|EOT)>|</?s>")
_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)
_PROSE = re.compile(
    r"^(?:Here(?:'s| is| are)|This (?:code|function|will|is)|In this|Note that|Sure|Explanation|"
    r"The (?:code|function|above|following)|I(?:'m| am| have|'ve) )\b.*",
    re.MULTILINE,
)
_LITERALS = {CursorKind.COMMENT, CursorKind.STRING, CursorKind.DOCSTRING}


def cut_markup(candidate: Candidate) -> Truncation | None:
    """Truncation where something begins that is not code."""
    patterns = (_CONTROL,) if candidate.cursor.kind in _LITERALS else (_CONTROL, _FENCE, _PROSE)
    ends = [found.start() for pattern in patterns if (found := pattern.search(candidate.text))]
    return Truncation(min(ends)) if ends else None

"""Markdown fences, prose and control tokens: what an instruct model writes around code, and no editor wants."""

from __future__ import annotations

import re

from nano_lsp.code.cursor_context import CursorKind
from nano_lsp.completion.postprocess.candidate import Cut, Draft

_CONTROL = re.compile(r"<\|[a-z_]+\|>|<(?:PRE|SUF|MID|EOT)>|</?s>")
_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)
_PROSE = re.compile(
    r"^(?:Here(?:'s| is| are)|This (?:code|function|will|is)|In this|Note that|Sure|Explanation|"
    r"The (?:code|function|above|following)|I(?:'m| am| have|'ve) )\b.*",
    re.MULTILINE,
)
_LITERALS = {CursorKind.COMMENT, CursorKind.STRING, CursorKind.DOCSTRING}


def cut_markup(draft: Draft) -> Cut | None:
    """Cut where something begins that is not code."""
    patterns = (_CONTROL,) if draft.site.kind in _LITERALS else (_CONTROL, _FENCE, _PROSE)
    ends = [found.start() for pattern in patterns if (found := pattern.search(draft.text))]
    return Cut(min(ends)) if ends else None

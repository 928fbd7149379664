"""Stubs: what a model writes when it leaves the work to the reader."""

from __future__ import annotations

import re

from nano_lsp.completion.postprocess.candidate import Cut, Draft

_STUB = re.compile(
    r"\s*((#|//).*\b(your|the) (code|implementation|solution|logic)\b.*|(#|//)\s*TODO\b.*|pass|\.\.\.)\s*", re.I
)


def refuse_stubs(draft: Draft) -> Cut | None:
    """Drop a suggestion that is nothing but a comment that says where code should go, `pass` or `...`."""
    lines = [line for line in draft.text.split("\n") if line.strip()]
    if not draft.finished or draft.site.typed.strip() or not lines or not all(map(_STUB.fullmatch, lines)):
        return None
    return Cut(0, retry=0)

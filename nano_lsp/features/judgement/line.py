"""Whether a suggestion of a single statement has ended."""

from __future__ import annotations

from nano_lsp.features.judgement.draft import Cut, Draft
from nano_lsp.features.judgement.syntax_guard import is_open


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

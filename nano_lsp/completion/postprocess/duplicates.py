"""Whether a suggestion only says again what stands above or below."""

from __future__ import annotations

from nano_lsp.completion.postprocess.candidate import Cut, Draft

_MIN_CHARS = 8


def drop_duplicates(draft: Draft) -> Cut | None:
    """Drop a suggestion whose first line, put in place, is the line above, or whose only line is the one below."""
    if not draft.finished:
        return None
    first, *others = draft.text.rstrip().split("\n")
    line = (draft.site.typed + first).strip()
    if len(line) < _MIN_CHARS:
        return None
    above = next((text for text in reversed(draft.site.prefix.split("\n")[-8:-1]) if text.strip()), "")
    below = next((text for text in draft.site.suffix.split("\n")[1:8] if text.strip()), "")
    repeats = line == above.strip() or (line == below.strip() and not others)
    return Cut(0) if repeats else None

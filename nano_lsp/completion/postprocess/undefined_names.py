"""Whether the document reads names, with the suggestion in it, that nothing defines."""

from __future__ import annotations

import re

from nano_lsp.code.undefined_names import undefined_names
from nano_lsp.completion.postprocess.candidate import Cut, Draft


def miss_names(draft: Draft) -> Cut | None:
    """Ask for another try where names stay undefined around the cursor: read by the suggestion, or left to it."""
    tree = draft.site.tree
    if not draft.finished or tree is None or not draft.text.strip():
        return None
    filled = tree.edited(draft.document)
    missed = undefined_names(filled, draft.site.offset) if filled else frozenset()
    if not missed:
        return None
    read = [found.start() for name in missed for found in re.finditer(rf"\b{re.escape(name)}\b", draft.text)]
    return Cut(len(draft.text), retry=min(read, default=draft.least_sure))

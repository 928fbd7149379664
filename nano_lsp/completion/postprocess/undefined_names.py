"""Whether the document reads names, with the suggestion in it, that nothing defines."""

from __future__ import annotations

import re

from nano_lsp.code.undefined_names import undefined_names
from nano_lsp.completion.postprocess.candidate import Candidate, Truncation


def reject_undefined_names(candidate: Candidate) -> Truncation | None:
    """Ask for another try where names stay undefined around the cursor: read by the suggestion, or left to it."""
    tree = candidate.cursor.tree
    if not candidate.finished or tree is None or not candidate.text.strip():
        return None
    filled = tree.edited(candidate.document)
    missed = undefined_names(filled, candidate.cursor.offset) if filled else frozenset()
    if not missed:
        return None
    read = [found.start() for name in missed for found in re.finditer(rf"\b{re.escape(name)}\b", candidate.text)]
    return Truncation(len(candidate.text), resample_from=min(read, default=candidate.least_sure))

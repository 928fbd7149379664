"""The few places that the model is to read, after the checks that need no model."""

from __future__ import annotations

from collections.abc import Sequence

from nano_lsp.next_edit.evidence import is_hopeless, prior_log_odds
from nano_lsp.next_edit.history import Edit
from nano_lsp.next_edit.place import Place
from nano_lsp.next_edit.places import find_places
from nano_lsp.next_edit.renames import Source

MAX_CANDIDATES = 3


def find_candidates(edits: Sequence[Edit], sources: Sequence[Source]) -> list[Place]:
    """The likeliest places of the next edit, the best first, at most three.

    Their new lines differ in more than blanks, and the document with them parses no worse.

    Args:
        edits: The edits of the session, the newest first.
        sources: The documents to search, with the texts that the edits are in.
    """
    by_name = {source.name: source for source in sources}
    found: list[Place] = []
    for place in sorted(find_places(edits, sources), key=prior_log_odds, reverse=True):
        if len(found) == MAX_CANDIDATES or is_hopeless(place):
            break
        if "".join(place.old.split()) != "".join(place.new.split()) and _parses(place, by_name[place.document]):
            found.append(place)
    return found


def _parses(place: Place, source: Source) -> bool:
    """Whether the document has no more syntax errors with the new lines.

    Python's own parser is stricter, but takes 0.5 s for 10,000 lines, during which no key is answered.
    """
    after = source.tree.edited(place.apply(source.text)) if source.tree else None
    return source.tree is None or after is None or after.n_errors() <= source.tree.n_errors()

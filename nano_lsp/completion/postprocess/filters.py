"""Steps that check the finished text: repeated closers, duplicated lines, stubs and undefined names."""

from __future__ import annotations

import re

from nano_lsp.code.cursor_context import LITERAL_KINDS, TextAfterCursor
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.undefined_names import undefined_names
from nano_lsp.completion.postprocess.candidate import Candidate, Truncation
from nano_lsp.completion.postprocess.syntax_guard import SyntaxGuard, overlaps

_MIN_DUPLICATE_CHARS = 8
_STUB = re.compile(
    r"\s*((#|//|--).*\b(your|the) (code|implementation|solution|logic)\b.*|(#|//|--)\s*TODO\b.*|pass|\.\.\.)\s*", re.I
)
_EMPTY_COMMENT = re.compile(r"(?:(?:^|\n)\s*(?:/\*+|\*+|//+!?|#+!?|--+)[ \t]*)+\Z")


def drop_repeated_closers(candidate: Candidate, guard: SyntaxGuard) -> Truncation | None:
    """Drop brackets and quotes that the rest of the cursor's line already has, unless the document needs both."""
    if not candidate.finished:
        return None
    text = candidate.text[: candidate.trim(len(candidate.text))]
    cursor = candidate.cursor

    def severity(end: int) -> tuple[int, int]:
        return guard.severity(text[:end]), _n_unmatched(cursor.typed + text[:end] + cursor.rest)

    shorter = (len(text) - n for n in overlaps(text, cursor.rest.rstrip()))
    end = next((end for end in shorter if severity(end) <= severity(len(text))), None)
    return None if end is None else Truncation(end)


def _n_unmatched(line: str) -> int:
    """Approximate number of unmatched brackets and quotes in a line; those within strings are counted as well."""
    depth = sum((char in "([{") - (char in ")]}") for char in line)
    return abs(depth) + line.count('"') % 2 + line.count("'") % 2


def drop_duplicates(candidate: Candidate) -> Truncation | None:
    """Drop a text whose first line, once inserted, repeats the line above, or whose only line the one below."""
    if not candidate.finished:
        return None
    first, *others = candidate.text.rstrip().split("\n")
    line = (candidate.cursor.typed + first).strip()
    if len(line) < _MIN_DUPLICATE_CHARS:
        return None
    above = next((text for text in reversed(candidate.cursor.prefix.split("\n")[-8:-1]) if text.strip()), "")
    below = next((text for text in candidate.cursor.suffix.split("\n")[1:8] if text.strip()), "")
    is_duplicate = line == above.strip() or (line == below.strip() and not others)
    return Truncation(0) if is_duplicate else None


def reject_stubs(candidate: Candidate) -> Truncation | None:
    """Resample a text that consists only of `pass`, `...` or comments that say where code should go.

    A text also ends before a comment in its last lines that has no words yet.
    """
    empty = _EMPTY_COMMENT.search(candidate.text) if candidate.finished else None
    at_end = candidate.cursor.text_after_cursor is TextAfterCursor.EMPTY  # else code would follow in its place
    if empty and at_end and candidate.cursor.kind not in LITERAL_KINDS:
        return Truncation(empty.start())
    lines = [line for line in candidate.text.split("\n") if line.strip()]
    if not candidate.finished or candidate.cursor.typed.strip() or not lines or not all(map(_STUB.fullmatch, lines)):
        return None
    return Truncation(0, resample_from=0)


def reject_undefined_names(candidate: Candidate) -> Truncation | None:
    """Resample where names around the cursor are undefined: read by the text, or expected to be defined by it."""
    tree = candidate.cursor.tree
    if not candidate.finished or tree is None or tree.language is not PYTHON or not candidate.text.strip():
        return None
    completed = tree.edited(candidate.document)
    undefined = undefined_names(completed, candidate.cursor.offset) if completed else frozenset()
    if not undefined:
        return None
    uses = [found.start() for name in undefined for found in re.finditer(rf"\b{re.escape(name)}\b", candidate.text)]
    return Truncation(len(candidate.text), resample_from=min(uses, default=candidate.least_probable_offset))

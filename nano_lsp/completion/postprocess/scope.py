"""Whether a suggestion has left the function or block that it is to write."""

from __future__ import annotations

import re

from nano_lsp.code.cursor_context import CursorContext
from nano_lsp.code.document import indent_of
from nano_lsp.completion.postprocess.candidate import Candidate, Truncation

_GOES_ON = re.compile(r"\s*([)\]}]|(else|elif|except|finally|catch|end|case|default)\b)")
_FUNCTION = re.compile(r"\s*(async\s+)?(def|function|func|fn)\b")
_CLASS = re.compile(r"\s*(class|struct|impl|interface)\b")
_LINES_ABOVE = 2000


def stop_at_scope_end(candidate: Candidate, *, automatic: bool) -> Truncation | None:
    """Truncation before a line that stands further left than what is being written.

    A block that the cursor's line opens ends where the indentation of that line comes back, but for an `else` or `}`.

    Args:
        candidate: the suggestion.
        automatic: write the block that the cursor is in; otherwise, all of the function.
    """
    typed = candidate.cursor.typed
    first, *others = candidate.text.split("\n")
    base = indent_of(typed + first) if (typed + first).strip() else None
    least = None if automatic or typed.strip() else _body_indent(candidate.cursor)
    at, opened = len(first) + 1, False
    for i, line in enumerate(others):
        if line.strip():
            indent = indent_of(line)
            base = indent if base is None else base
            whole = i < len(others) - 1 or candidate.finished
            closes = indent == base and opened and typed.strip() and whole and not _GOES_ON.match(line)
            if indent < (base if least is None else min(base, least)) or closes:
                return Truncation(at - 1)
            opened = opened or indent > base
        at += len(line) + 1
    return None


def _body_indent(cursor: CursorContext) -> int:
    """The indentation of the body of the outermost function around the cursor within its class; 0 outside."""
    least: int | None = None
    body = 0
    for line in reversed(cursor.prefix.split("\n")[-_LINES_ABOVE:-1]):
        if not line.strip():
            continue
        indent = indent_of(line)
        if least is None or indent < least:
            if _CLASS.match(line):
                return body or indent + 1
            if _FUNCTION.match(line):
                body = indent + 1 if least is None else least
            least = indent
    return body

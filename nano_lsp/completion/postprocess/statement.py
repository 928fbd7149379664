"""Ends an automatic suggestion after one statement, after the lines that are probable, and before documentation.

Where code follows in the block, and where the model is in doubt, the first statement is what people accept.
"""

from __future__ import annotations

import math
import re
from itertools import accumulate

from nano_lsp.code.cursor_context import LITERAL_KINDS, CursorContext, CursorKind
from nano_lsp.code.document import indent_of
from nano_lsp.code.lexis import Blocks
from nano_lsp.completion.postprocess.candidate import Candidate, Truncation
from nano_lsp.completion.postprocess.scope import continues_block, lines_inside
from nano_lsp.completion.postprocess.syntax_guard import SyntaxGuard

_CHARS_NEAR = 4096  # before and after the cursor, that are searched for the next line with text
_BEGINS_BLOCK = re.compile(r"\s*\{")  # on a line of its own
_NOT_YET = re.compile(r"\s*(@|#!?\[)")  # decorators, attributes and annotations belong to the next line
_DOCUMENTATION = re.compile(r"^[ \t]*(?:/\*\*(?!/)|//[/!](?!/)|---(?!-))", re.MULTILINE)
_WORD = re.compile(r"\s*\w+\Z")


def stop_after_statement(candidate: Candidate, guard: SyntaxGuard, *, automatic: bool) -> Truncation | None:
    """End an automatic suggestion after one statement, except where its block is empty or ends below the cursor.

    A suggestion within a line ends at its first line break outside brackets and strings, even before the body of a
    block that it begins.
    """
    if not automatic:
        return None
    if not candidate.cursor.multi_line:
        return _within_line(candidate)
    indent = _indent(candidate)
    return _before_next(candidate, indent, guard) if _code_follows(candidate.cursor, indent) else None


def _within_line(candidate: Candidate) -> Truncation | None:
    """The first line break outside brackets and strings."""
    end = candidate.text.find("\n")
    while end >= 0:
        if not candidate.cursor.language.lexis.is_open(candidate.cursor.typed + candidate.text[:end]):
            return Truncation(end)
        end = candidate.text.find("\n", end + 1)
    return None


def _indent(candidate: Candidate) -> int:
    """Indentation of the statement that a text at the start of a line begins."""
    lines = (candidate.cursor.typed + candidate.text).split("\n")
    return next((indent_of(line) for line in lines if line.strip()), 0)


def _code_follows(cursor: CursorContext, indent: int) -> bool:
    """Whether the next line below the cursor belongs to the block of a statement with an indentation."""
    if cursor.kind is not CursorKind.STATEMENT_START:
        return False
    lines = cursor.suffix[:_CHARS_NEAR].split("\n")[1:]
    below = next((line for line in lines if line.strip()), "")
    return bool(below) and indent_of(below) >= indent and not continues_block(below, cursor.language)


def _before_next(candidate: Candidate, indent: int, guard: SyntaxGuard) -> Truncation | None:
    """The line break before the second line that begins a statement at an indentation."""
    inside, offset, begun = lines_inside(candidate), 0, False
    for line in candidate.text.split("\n"):
        is_growing = offset + len(line) == len(candidate.text) and not candidate.finished
        if not line.strip() or (is_growing and _WORD.match(line)):
            pass
        elif not begun:
            begun = not _NOT_YET.match(line)
        elif (
            indent_of(line) <= indent
            and offset not in inside
            and not continues_block(line, candidate.cursor.language)
            and not _BEGINS_BLOCK.match(line)
            and guard.severity(candidate.text[: offset - 1]) <= 2
        ):
            return Truncation(candidate.trim(offset - 1))
        offset += len(line) + 1
    return None


def stop_before_documentation(candidate: Candidate, *, automatic: bool) -> Truncation | None:
    """End an automatic suggestion before a documentation comment, unasked for; resample where it begins with one."""
    cursor = candidate.cursor
    if not automatic or cursor.kind in LITERAL_KINDS or cursor.language.lexis.blocks is Blocks.INDENTATION:
        return None
    above = cursor.prefix[-_CHARS_NEAR:].rstrip().rpartition("\n")[2]
    if not cursor.typed.strip() and _DOCUMENTATION.match(above):
        return None  # the comment is being written
    inside = lines_inside(candidate)
    for found in _DOCUMENTATION.finditer(candidate.text):
        if found.start() in inside or (not found.start() and cursor.typed.strip()):
            continue
        begins = not candidate.text[: found.start()].strip()
        return Truncation(0, resample_from=0) if begins else Truncation(found.start() - 1)
    return None


def stop_at_improbable_line(candidate: Candidate, guard: SyntaxGuard, *, min_probability: float) -> Truncation | None:
    """End after the last line up to which the whole text is probable enough, if the document parses there.

    The first line is always probable enough. A block that the text begins may be closed there. Where the document
    does not parse after any of these lines, the text ends after the first one below them where it does.
    """
    text, tokens = candidate.text, candidate.tokens
    if "\n" not in text.rstrip() or not min_probability:
        return None
    sums = accumulate(token.logprob for token in tokens)
    doubtful = next((i for i, total in enumerate(sums) if total < math.log(min_probability)), None)
    lines = [found.start() for found in re.finditer(r"(?<=\S)[ \t]*\n", text)]
    ends = [*lines, len(text)] if candidate.finished else lines
    if doubtful is None or not ends:
        return None
    limit = max(ends[0], candidate.token_ends[doubtful - 1] if doubtful else 0)
    likely = [end for end in ends if end <= limit]
    for end in reversed(likely):
        closing = guard.closing(text[:end])
        if closing is not None:
            return Truncation(end, closing=closing) if end < len(text) or closing else None
    whole = next((end for end in ends[len(likely) :] if guard.severity(text[:end]) <= 2), len(text))
    return Truncation(whole) if whole < len(text) else None

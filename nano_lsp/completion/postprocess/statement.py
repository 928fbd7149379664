"""Ends an automatic suggestion after one statement, where more would stand before code that is already there."""

from __future__ import annotations

import re

from nano_lsp.code.cursor_context import CursorContext, CursorKind
from nano_lsp.code.document import indent_of
from nano_lsp.completion.postprocess.candidate import Candidate, Truncation
from nano_lsp.completion.postprocess.scope import continues_block, lines_inside
from nano_lsp.completion.postprocess.syntax_guard import SyntaxGuard

_CHARS_BELOW = 4096  # of the suffix, that are searched for the next line
_BEGINS_BLOCK = re.compile(r"\s*\{")  # on a line of its own
_NOT_YET = re.compile(r"\s*(@|#!?\[)")  # decorators, attributes and annotations belong to the next line
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
    lines = cursor.suffix[:_CHARS_BELOW].split("\n")[1:]
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

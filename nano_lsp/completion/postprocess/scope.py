"""Ends a suggestion with the scope that it is written in: by indentation, and by what closes blocks.

Indentation tells where a block ends in all code that people indent. In languages whose blocks end with braces or
words, these end it as well, and lines that stand to the left without ending it are known: labels, preprocessor
directives, and the inside of strings.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from nano_lsp.code.cursor_context import LITERAL_KINDS, CursorContext
from nano_lsp.code.document import indent_of
from nano_lsp.code.languages import PYTHON, Language
from nano_lsp.code.lexis import Blocks
from nano_lsp.code.queries import captures_around
from nano_lsp.code.syntax_tree import ancestors
from nano_lsp.completion.postprocess.candidate import Candidate, Truncation
from nano_lsp.completion.postprocess.syntax_guard import SyntaxGuard
from nano_lsp.lines import line_start

_CONTINUES_BLOCK = re.compile(r"\s*([)\]}]|(else|elif|except|finally|catch|end|case|default)\b)")
_FUNCTION = re.compile(r"\s*(async\s+)?(def|function|func|fn)\b")
_CLASS = re.compile(r"\s*(class|struct|impl|interface)\b")
_DIRECTIVE = re.compile(
    r"\s*#\s*(if|ifdef|ifndef|elif|else|endif|define|undef|include|pragma|error|region|endregion)\b"
)
_CLOSERS = re.compile(r"[\s)\]};,]*")
_LINES_ABOVE = 2000  # lines above the cursor that are searched for the header of its function


def stop_at_scope_end(candidate: Candidate, guard: SyntaxGuard, *, automatic: bool) -> Truncation | None:
    """End before a line that is indented less than the function being written; automatically, than the block.

    A block that the cursor's line opens ends where the indentation of that line returns, except for an `else` or `}`.
    A line that closes the block belongs to the suggestion if the document needs it.
    """
    cursor = candidate.cursor
    if cursor.language.lexis.blocks is Blocks.INDENTATION or cursor.kind in LITERAL_KINDS:
        end = _scope_end(candidate, automatic=automatic)
        return None if end is None else Truncation(end)
    end = _scope_end(candidate, automatic=automatic, depths=_depths(candidate), inside=lines_inside(candidate))
    if end is None:
        return None
    line, is_whole = _line_below(candidate, end)
    if not _may_be_closer(line, cursor.language, is_whole=is_whole):
        return Truncation(end)
    if not is_whole:
        return None  # until it is known
    closed = end + 1 + len(line.rstrip())
    end = closed if _is_needed(candidate.cut(end), candidate.text[:closed], guard) else end
    return Truncation(end) if end < len(candidate.text) else None


def _scope_end(
    candidate: Candidate,
    *,
    automatic: bool,
    depths: Sequence[int] = (),
    inside: Collection[int] = (),
) -> int | None:
    """The offset in the text of the line break before the first line outside of the scope; None for none.

    Args:
        candidate: The candidate.
        automatic: Whether the scope is the block around the cursor, rather than the function.
        depths: For each line, the number of blocks that are open behind it, from the cursor's block on; empty where
            indentation alone tells.
        inside: Offsets of lines that begin within a string or a comment.
    """
    typed, language = candidate.cursor.typed, candidate.cursor.language
    first, *others = candidate.text.split("\n")
    base = indent_of(typed + first) if (typed + first).strip() else None
    min_indent = None if automatic or typed.strip() else _body_indent(candidate.cursor)
    if min_indent is None and depths and depths[0] < 0 and others:
        return len(first)  # it closes the block itself
    offset, opened = len(first) + 1, False
    for i, line in enumerate(others):
        if line.strip() and offset not in inside and not (depths and _DIRECTIVE.match(line)):
            indent = indent_of(line)
            base = indent if base is None else base
            whole = i < len(others) - 1 or candidate.finished
            closes = indent == base and opened and typed.strip() and whole and not continues_block(line, language)
            if indent < (base if min_indent is None else min(base, min_indent)) or closes:
                return offset - 1
            if min_indent is None and depths and depths[i + 1] < 0 and whole:
                return offset - 1
            opened = opened or indent > base
        offset += len(line) + 1
    return None


def continues_block(line: str, language: Language) -> bool:
    """Whether a line closes a block, or begins its next part, such as an `else`."""
    words = language.lexis.words
    first = re.match(r"\s*(\w+)", line)
    return bool(_CONTINUES_BLOCK.match(line)) or bool(first and first[1] in words.middles | words.closers)


def _depths(candidate: Candidate) -> list[int]:
    """For each line of a text, the number of blocks that are open behind it, from the cursor's block on."""
    lexis, text = candidate.cursor.language.lexis, candidate.text
    depth = max(0, lexis.block_depth(candidate.cursor.typed))
    depths = [depth] * (text.count("\n") + 1)
    for at, change in lexis.block_changes(text):
        line = text.count("\n", 0, at)
        depth += change
        depths[line:] = [depth] * (len(depths) - line)
    return depths


def lines_inside(candidate: Candidate) -> frozenset[int]:
    """Offsets of the lines that begin within a string or a comment."""
    literals = candidate.cursor.language.lexis.literals(candidate.text)
    return frozenset(token.start + found.end() for token in literals for found in re.finditer("\n", token.text))


def _line_below(candidate: Candidate, at: int) -> tuple[str, bool]:
    """The line of the text after a line break, and whether it is whole; empty if there is no line break."""
    text = candidate.text
    if text[at : at + 1] != "\n":
        return "", True
    end = text.find("\n", at + 1)
    return text[at + 1 : end if end >= 0 else len(text)], end >= 0 or candidate.finished


def _may_be_closer(line: str, language: Language, *, is_whole: bool) -> bool:
    """Whether a line only closes blocks; for one that still grows, whether it may become such a line."""
    code, words = line.strip(), language.lexis.words.closers
    if not code or _CLOSERS.fullmatch(code):
        return bool(code) or not is_whole
    return code.strip(" \t);,") in words or (not is_whole and any(word.startswith(code) for word in words))


def _is_needed(candidate: Candidate, closed: str, guard: SyntaxGuard) -> bool:
    """Whether a document needs the line that closes a block after a text, according to its syntax errors.

    Where several blocks are open, their number may stay the same; then the blocks of the whole document are counted.
    """
    without, n_errors = guard.n_errors(candidate.text), guard.n_errors(closed)
    if n_errors != without or not n_errors:
        return n_errors < without
    return candidate.cursor.language.lexis.block_depth(candidate.document) > 0


def _body_indent(cursor: CursorContext) -> int:
    """The indentation of the body of the outermost function around the cursor within its class; 0 outside."""
    around = _function_start(cursor) if cursor.language is not PYTHON and cursor.tree else None
    if around is not None:
        return indent_of(cursor.text[line_start(cursor.text, around) :]) + 1
    min_indent: int | None = None
    body = 0
    for line in reversed(cursor.prefix.split("\n")[-_LINES_ABOVE:-1]):
        if not line.strip():
            continue
        indent = indent_of(line)
        if min_indent is None or indent < min_indent:
            if _CLASS.match(line):
                return body or indent + 1
            if _FUNCTION.match(line):
                body = indent + 1 if min_indent is None else min_indent
            min_indent = indent
    return body


def _function_start(cursor: CursorContext) -> int | None:
    """Where the outermost function around the cursor within its class begins, according to the syntax tree."""
    tree, start = cursor.tree, None
    if tree is None or not cursor.offset:
        return None
    at = tree.byte_offset(cursor.offset)
    definitions = captures_around(tree, "definitions", at - 1, at)
    for node in ancestors(tree.node_at(cursor.offset - 1)):
        what = definitions.get(node.id)
        if what == "class":
            break
        if what == "function":
            start = tree.offset(node.start_byte)
    return start

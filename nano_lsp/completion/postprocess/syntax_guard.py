"""Checks that the document still parses with the text inserted; if not, cuts the text back to where it did.

The document is broken if it has more ERROR or MISSING nodes than before. A document that Python can compile must also
stay compilable: tree-sitter's grammar accepts empty blocks and arbitrary indentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from nano_lsp.code.cursor_context import CursorContext, TextAfterCursor
from nano_lsp.code.document import indent_of
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.lexis import Blocks
from nano_lsp.code.syntax_tree import is_python
from nano_lsp.completion.postprocess.candidate import Candidate, Truncation
from nano_lsp.lines import line_start

_MAX_COMPILED_CHARS = 200_000  # 20 ms
_MAX_TRIALS = 24  # ends of lines that are parsed, and as many ends of tokens
_IF = re.compile(r"^\s*#\s*if", re.MULTILINE)
_END_IF = re.compile(r"^\s*#\s*endif", re.MULTILINE)
_TAILS = (";", " x;", " x", " x: x", " : x;", "()", " {}")
"""What may complete a statement that continues in the next line: none of its lines is broken before."""
_HERE_DOCUMENT = re.compile(r"<<[-~]?(['\"]?)(\w+)\1")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_WORD = "\0"  # stands for the word that ends a block, which the document tells
_CLOSING = re.compile(r"[)\]}'\"`;:,]+")


class SyntaxGuard:
    """Checks the syntax of the candidates of one request, if the cursor has a syntax tree, and caches the results."""

    def __init__(self, cursor: CursorContext) -> None:
        self._cursor = cursor
        self._known: dict[str, int] = {}
        self._counts: dict[str, int] = {}  # of syntax errors: a text is asked for again with each token after it
        self._good_end = 0
        self._checked_end = 0

    def __call__(self, candidate: Candidate) -> Truncation | None:
        """The truncation to the last offset where the document was not broken; see `Step`."""
        if self._cursor.tree is None:
            return None
        if (end := self._joint(candidate)) is not None:
            return Truncation(end)
        return self._check_finished(candidate) if candidate.finished else self._check_lines(candidate)

    def severity(self, text: str) -> int:
        """How broken the document is with a text inserted.

        0: It compiles, or its language is not compiled. 1: No more errors than without the text typed in the
        cursor's line. 2: No more errors than before, with half a statement before the cursor. 3: More errors.
        """
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self._measure(text)
        return known

    def n_errors(self, text: str) -> int:
        """Number of syntax errors of the document with a text inserted; 0 without a syntax tree."""
        count = self._counts.get(text)
        if count is None:
            count = self._counts[text] = self._n_errors(self._cursor.prefix + text + self._cursor.suffix)
        return count

    def closing(self, text: str) -> str | None:
        """What closes the blocks that a text begins and leaves open, so that the document is not broken.

        Empty where it is not broken as it is; None where there is no such text.
        """
        if self.severity(text) <= 2:
            return ""
        lexis, lines = self._cursor.language.lexis, self._cursor.typed + text
        openers = lexis.open_blocks(lines) if lexis.blocks is not Blocks.INDENTATION else []
        if not openers or self._cursor.text_after_cursor is not TextAfterCursor.EMPTY:
            return None
        closing, below = "", len(lines)
        for opener in reversed(openers):
            start = line_start(lines, opener.start)
            if start < below:
                closing += "\n" + lines[start : start + indent_of(lines[start:])]
            closing, below = closing + _CLOSERS.get(opener.text, _WORD), start
        words = sorted(lexis.words.closers) if _WORD in closing else [""]
        ends = (";", "") if ")" in closing and ";\n" in self._cursor.prefix else ("", ";")
        closings = (closing.replace(_WORD, word) + end for word in words for end in ends)
        return next((closing for closing in closings if self.severity(text + closing) <= 2), None)

    def _measure(self, text: str) -> int:
        document, n_errors = self._cursor.prefix + text + self._cursor.suffix, self.n_errors(text)
        if n_errors > max(self._n_errors_before, self._n_errors_without_typed):
            return 3
        if n_errors > self._n_errors_without_typed:
            return 2
        if self._cursor.language is not PYTHON or self._compiles(document) or self._opens_block(text):
            return 0
        return 3 if self._compiles_without_typed else 1

    def _opens_block(self, text: str) -> bool:
        """Whether the cursor's line becomes the header of a block, whose body is written next."""
        cursor, header = self._cursor, text.rstrip()
        if cursor.multi_line or cursor.text_after_cursor is not TextAfterCursor.EMPTY or not header.endswith(":"):
            return False
        return self._compiles(f"{cursor.prefix}{header} pass{cursor.suffix}")

    def _check_lines(self, candidate: Candidate) -> Truncation | None:
        """While the text grows: check each line once it is complete."""
        end = candidate.text.rfind("\n")
        if end <= self._checked_end:
            return None
        self._checked_end = end
        is_broken = self._are_broken(candidate.text[:end])
        if is_broken:
            return Truncation(self._good_end, resample_from=self._good_end)
        if is_broken is not None:
            self._good_end = end
        return None

    def _are_broken(self, text: str) -> bool | None:
        """Whether lines are broken, whatever the next one is; None where only the finished text can tell."""
        lines, lexis = f"{self._cursor.typed}{text}\n", self._cursor.language.lexis
        if lexis.is_open(lines):
            return None
        if lexis.blocks is Blocks.INDENTATION:
            above = self._cursor.prefix[: len(self._cursor.prefix) - len(self._cursor.typed)]
            return None if self._n_errors(above) else self._n_errors(above + lines) > 0
        # The code above ends within blocks, which the code below closes.
        if lexis.block_depth(lines) > 0 or len(_IF.findall(lines)) > len(_END_IF.findall(lines)):
            return None
        is_broken = self.severity(text) > 2
        return None if is_broken and self._continues(text) else is_broken

    def _joint(self, candidate: Candidate) -> int | None:
        """The first end of a line whose open brackets and blocks the code below closes; None for none.

        The code below is then the rest of what the line begins, such as the body of its `if`: the document had syntax
        errors and has none with the line.
        """
        lexis, text = self._cursor.language.lexis, candidate.text
        if lexis.blocks is Blocks.INDENTATION or not self._n_errors_before:
            return None
        for found in re.finditer("\n", text):
            lines = self._cursor.typed + text[: found.start()] + "\n"
            is_open = lexis.is_open(lines) or lexis.block_depth(lines) > 0
            if is_open and text[: found.start()].strip() and not self.n_errors(text[: found.start()]):
                return found.start()
        return None

    def _continues(self, text: str) -> bool:
        """Whether a text is the beginning of a statement that the next line may complete."""
        ends = [f"\n{found[2]}" for found in _HERE_DOCUMENT.finditer(text)][-1:]
        return any(self.severity(text + tail) <= 2 for tail in (*_TAILS, *ends))

    def _check_finished(self, candidate: Candidate) -> Truncation | None:
        """The end with the lowest severity; of equal ones the first of `_ends`."""
        if not candidate.text.strip():
            return None
        within_line = self._cursor.text_after_cursor is not TextAfterCursor.EMPTY
        ends = [
            candidate.trim(end) for end in _ends(candidate, nearest_line=within_line) if candidate.text[:end].strip()
        ]
        severity = {}
        for end in ends:
            severity[end] = self.severity(candidate.text[:end])
            if not severity[end]:
                break
        best = min(ends, key=lambda end: severity.get(end, 9))
        if severity[best] > 2:
            return self._closed(candidate) or Truncation(0, resample_from=candidate.least_probable_offset)
        return Truncation(best) if best < candidate.trim(len(candidate.text)) else None

    def _closed(self, candidate: Candidate) -> Truncation | None:
        """The last end of a line where the blocks that the text begins can be closed; None for none."""
        for found in reversed(list(re.finditer(r"(?<=\S)[ \t]*(?:\n|\Z)", candidate.text))[-_MAX_TRIALS:]):
            closing = self.closing(candidate.text[: found.start()])
            if closing:
                return Truncation(found.start(), closing=closing)
        return None

    @cached_property
    def _n_errors_before(self) -> int:
        return self._cursor.tree.n_errors() if self._cursor.tree else 0

    @cached_property
    def _without_typed(self) -> str:
        """The document without the text typed in the cursor's line."""
        cursor = self._cursor
        return cursor.text[: cursor.offset - len(cursor.typed)] + cursor.suffix

    @cached_property
    def _n_errors_without_typed(self) -> int:
        return min(self._n_errors(self._without_typed), self._n_errors_before)

    @cached_property
    def _compiles_without_typed(self) -> bool:
        return self._cursor.language is PYTHON and (
            self._compiles(self._without_typed) or self._compiles(self._cursor.text)
        )

    @staticmethod
    def _compiles(document: str) -> bool:
        return len(document) <= _MAX_COMPILED_CHARS and is_python(document)

    def _n_errors(self, document: str) -> int:
        tree = self._cursor.tree.edited(document) if self._cursor.tree else None
        return tree.n_errors() if tree else 0


def _ends(candidate: Candidate, *, nearest_line: bool) -> list[int]:
    """Offsets where a text may end, in order of preference.

    The whole text, then ends of lines, then ends of tokens, longest first; with `nearest_line`, ends of lines from
    the first on, so that a completion within a line stays in it.
    """
    text = candidate.text[: candidate.trim(len(candidate.text))]
    lines = [len(text), *(i for i in range(len(text) - 1, 0, -1) if text[i] == "\n")]
    if nearest_line:
        lines.reverse()
    rest = candidate.cursor.rest.rstrip()
    lines = [shorter for end in lines for shorter in (end, *(end - n for n in overlaps(text[:end], rest)))]
    last_line = text.rfind("\n") + 1
    within = [end for end in candidate.token_ends if last_line < end < len(text)]
    return [*lines[:_MAX_TRIALS], *within[: -_MAX_TRIALS - 1 : -1]]


def overlaps(text: str, rest: str) -> Iterator[int]:
    """Lengths of the text's ends that repeat the rest of the line, or its brackets and quotes; longest first."""
    for n in range(min(len(text), len(rest)), 0, -1):
        if text.endswith(rest[:n]) and (n == len(rest) or not _CLOSING.sub("", rest[:n])):
            yield n

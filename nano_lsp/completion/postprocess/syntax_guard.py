"""Whether the document still parses with the suggestion in it; if not, back to where it did.

Broken are more ERROR or MISSING nodes than the document had anyway. A document that Python itself can compile must
stay so, too: the grammar of tree-sitter lets pass empty blocks and lines indented at will.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from nano_lsp.code.cursor_context import CursorContext, TextAfterCursor
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import is_python
from nano_lsp.completion.postprocess.candidate import Candidate, Truncation

_MAX_COMPILED_CHARS = 200_000  # 20 ms
_MAX_TRIALS = 24
_CLOSING = re.compile(r"[)\]}'\"`;:,]+")


class SyntaxGuard:
    """Checks the drafts of one request; remembers what it has parsed.

    Args:
        cursor: where the suggestion goes; one without a tree is not checked.
    """

    def __init__(self, cursor: CursorContext) -> None:
        self._site = cursor
        self._known: dict[str, int] = {}
        self._good_end = 0
        self._checked_end = 0

    def __call__(self, candidate: Candidate) -> Truncation | None:
        """Truncation back to the last place where the document was whole; see `Step`."""
        if self._site.tree is None:
            return None
        return self._judge_whole(candidate) if candidate.finished else self._judge_lines(candidate)

    def badness(self, text: str) -> int:
        """How broken the document is with this text in it.

        0: Python compiles it, or there is nothing to compile. 1: no worse than without what has been typed in the
        cursor's line. 2: no worse than it stands, half a statement before the cursor included. 3: worse.
        """
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self._measure(text)
        return known

    def _measure(self, text: str) -> int:
        document = self._site.prefix + text + self._site.suffix
        n_errors = self._n_errors(document)
        if n_errors > max(self._n_errors_before, self._n_errors_elsewhere):
            return 3
        if n_errors > self._n_errors_elsewhere:
            return 2
        if self._site.language is not PYTHON or self._compiles(document) or self._opens_block(text):
            return 0
        return 3 if self._compiles_elsewhere else 1

    def _opens_block(self, text: str) -> bool:
        """Whether the line that is being typed becomes the head of a block, whose body is written next."""
        cursor, head = self._site, text.rstrip()
        if cursor.multi_line or cursor.text_after_cursor is not TextAfterCursor.EMPTY or not head.endswith(":"):
            return False
        return self._compiles(f"{cursor.prefix}{head} pass{cursor.suffix}")

    def _judge_lines(self, candidate: Candidate) -> Truncation | None:
        """While it is being written: look at each line once it is complete, without what follows the cursor."""
        end = candidate.text.rfind("\n")
        if end <= self._checked_end:
            return None
        self._checked_end = end
        above = self._site.prefix[: len(self._site.prefix) - len(self._site.typed)]
        lines = self._site.typed + candidate.text[:end] + "\n"
        if is_open(lines) or self._n_errors(above):
            return None  # whether it fits shows at the end
        if self._n_errors(above + lines):
            return Truncation(self._good_end, resample_from=self._good_end)
        self._good_end = end
        return None

    def _judge_whole(self, candidate: Candidate) -> Truncation | None:
        """The end that leaves the document least broken; of equal ones the first of `_ends`."""
        if not candidate.text.strip():
            return None
        within_line = self._site.text_after_cursor is not TextAfterCursor.EMPTY
        ends = [
            candidate.trim(end) for end in _ends(candidate, nearest_line=within_line) if candidate.text[:end].strip()
        ]
        badness = {}
        for end in ends:
            badness[end] = self.badness(candidate.text[:end])
            if not badness[end]:
                break
        best = min(ends, key=lambda end: badness.get(end, 9))
        if badness[best] > 2:
            return Truncation(0, resample_from=candidate.least_sure)
        return Truncation(best) if best < candidate.trim(len(candidate.text)) else None

    @cached_property
    def _n_errors_before(self) -> int:
        return self._site.tree.n_errors() if self._site.tree else 0

    @cached_property
    def _elsewhere(self) -> str:
        """The document without what has been typed in the cursor's line."""
        cursor = self._site
        return cursor.text[: cursor.offset - len(cursor.typed)] + cursor.suffix

    @cached_property
    def _n_errors_elsewhere(self) -> int:
        return min(self._n_errors(self._elsewhere), self._n_errors_before)

    @cached_property
    def _compiles_elsewhere(self) -> bool:
        return self._site.language is PYTHON and (self._compiles(self._elsewhere) or self._compiles(self._site.text))

    @staticmethod
    def _compiles(document: str) -> bool:
        return len(document) <= _MAX_COMPILED_CHARS and is_python(document)

    def _n_errors(self, document: str) -> int:
        tree = self._site.tree.edited(document) if self._site.tree else None
        return tree.n_errors() if tree else 0


def is_open(code: str) -> bool:
    """Whether a bracket or a string of several lines is still open at the end of code, looked at from its start."""
    depth, i, quote = 0, 0, ""
    while i < len(code):
        if quote:
            if code[i] == "\\":
                i += 1
            elif code.startswith(quote, i):
                i += len(quote) - 1
                quote = ""
            elif len(quote) == 1 and code[i] == "\n":
                quote = ""
        elif code[i] in "\"'":
            quote = code[i] * 3 if code.startswith(code[i] * 3, i) else code[i]
            i += len(quote) - 1
        elif code[i] == "#":
            i = code.find("\n", i)
            if i < 0:
                break
        else:
            depth += (code[i] in "([{") - (code[i] in ")]}")
        i += 1
    return depth > 0 or len(quote) == 3


def _ends(candidate: Candidate, *, nearest_line: bool) -> list[int]:
    """Where a suggestion may end, in the order of preference.

    All of it, then ends of its lines, then ends of tokens, longest first; where code follows in the cursor's line,
    ends of lines from the first on, so that what is to be one line stays one.
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
    """Lengths of ends of a text that repeat the rest of the line, or brackets and quotes of it; longest first."""
    for n in range(min(len(text), len(rest)), 0, -1):
        if text.endswith(rest[:n]) and (n == len(rest) or not _CLOSING.sub("", rest[:n])):
            yield n

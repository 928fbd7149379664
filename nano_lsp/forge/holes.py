"""Holes in code: what a case asks the model to write, by kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from nano_lsp.code.document import indent_of
from nano_lsp.code.languages import Language
from nano_lsp.code.queries import captures_around
from nano_lsp.code.syntax_tree import SyntaxTree, ancestors
from nano_lsp.lines import line_end, line_start

SYNTAX_KINDS = frozenset({"syntax", "nothing"})
"""Kinds of holes that need a syntax tree."""
_TRIES = 12
_MAX_CLIMB = 4  # levels of the tree from a token to the node that is masked
_TOKEN = re.compile(r"\w+|[^\w\s]")
_WORD = re.compile(r"[^\W\d]\w{3,}")


@dataclass(frozen=True)
class Hole:
    """A part of a text that is missing. Offsets are in code points.

    Attributes:
        start: Where the cursor is.
        end: End of the part to write.
        suffix_at: Beginning of the text after the cursor; later than `end` where more than the answer is missing.
    """

    start: int
    end: int
    suffix_at: int


class HoleFinder:
    r"""Finds holes in one text.

    Args:
        text: Text with `\n` line ends.
        language: Its language.
        tree: Its syntax tree; None if the language has no grammar.
        max_lines: Maximum number of lines of a hole.
        source: Random numbers.
    """

    def __init__(
        self, text: str, language: Language, tree: SyntaxTree | None, max_lines: int, source: Random
    ) -> None:
        self._text = text
        self._tree = tree
        self._max_lines = max_lines
        self._random = source
        at, self._lines = 0, list[tuple[int, int]]()
        for line in text.split("\n"):
            code = line.strip()
            if len(code) > 2 and not code.startswith((language.comment, "/*", "*")):
                self._lines.append((at + indent_of(line), at + len(line.rstrip())))
            at += len(line) + 1

    @property
    def n_lines(self) -> int:
        """Number of lines of code."""
        return len(self._lines)

    def find(self, kind: str) -> Hole | None:
        """A random hole of a kind (`nano_lsp.forge.recipe.Kind`); None if some tries find none."""
        finders: dict[str, Callable[[int, int], Hole | None]] = {
            "syntax": self._syntax,
            "line": self._line,
            "lines": self._whole_lines,
            "word": self._word,
            "editing": self._editing,
            "nothing": self._nothing,
        }
        for _ in range(_TRIES if self._lines else 0):
            start, end = self._random.choice(self._lines)
            hole = None if self._in_prose(start) else finders[kind](start, end)
            if hole:
                return hole
        return None

    def _syntax(self, start: int, end: int) -> Hole | None:
        """A node around a token (AST-FIM, Gong et al. 2025, arXiv 2506.00204)."""
        if self._tree is None:
            return None
        token = self._random.choice(list(_TOKEN.finditer(self._text, start, end)))
        node = self._tree.node_at(token.start())
        for _ in range(self._random.randrange(_MAX_CLIMB)):
            parent = node.parent
            if parent is None or parent.end_point[0] - parent.start_point[0] >= self._max_lines:
                break
            node = parent
        first, last = self._tree.offset(node.start_byte), self._tree.offset(node.end_byte)
        last = first + len(self._text[first:last].rstrip())
        n_lines = self._text.count("\n", first, last) + 1
        if node.parent is None or node.has_error or last - first < 2 or n_lines > self._max_lines:
            return None
        return Hole(first, last, last)

    def _line(self, start: int, end: int) -> Hole | None:
        at = start
        if self._random.random() < 0.7:  # else the whole line
            tokens = list(_TOKEN.finditer(self._text, start, end))
            at = self._random.choice([*(t.start() for t in tokens), *(t.end() for t in tokens[:-1])])
        return Hole(at, end, end)

    def _whole_lines(self, start: int, end: int) -> Hole | None:
        """Lines of a block: as long as they are not indented less than the first one."""
        wanted, indent, last = (
            self._random.randint(2, self._max_lines) - 1,
            start - line_start(self._text, start),
            end,
        )
        while wanted and last < len(self._text):
            following = self._text[last + 1 : line_end(self._text, last + 1)]
            if not following.strip() or indent_of(following) < indent:
                break
            last, wanted = last + 1 + len(following), wanted - 1
        last = start + len(self._text[start:last].rstrip())
        return Hole(start, last, last) if last > end else None

    def _word(self, start: int, end: int) -> Hole | None:
        words = list(_WORD.finditer(self._text, start, end))
        if not words:
            return None
        word = self._random.choice(words)
        return Hole(self._random.randrange(word.start() + 1, word.end()), end, end)

    def _editing(self, start: int, end: int) -> Hole | None:
        """The rest of a line in code that is still being written: the rest of the block or of the file is missing."""
        hole = self._line(start, end)
        if self._random.random() < 1 / 3:
            rest = max(self._text.rfind("\n"), end)
        else:
            indent, rest, at = start - line_start(self._text, start), end, line_end(self._text, end)
            while (following := line_end(self._text, at + 1)) < len(self._text):
                line, at = self._text[at + 1 : following], following
                if line.strip() and indent_of(line) < indent:
                    break
                rest = at if line.strip() else rest  # blank lines after the block stay
        return Hole(hole.start, hole.end, rest) if hole and rest > end + 1 else None

    def _nothing(self, _start: int, end: int) -> Hole | None:
        """The end of a line that also ends a statement."""
        if self._tree is None:
            return None
        blocks = captures_around(self._tree, "blocks", self._tree.byte_offset(end - 1), self._tree.byte_offset(end))
        for node in ancestors(self._tree.node_at(end - 1)):
            if self._tree.offset(node.end_byte) != end or node.has_error:
                return None
            if node.parent is not None and (node.parent.parent is None or node.parent.id in blocks):
                return Hole(end, end, end)
        return None

    def _in_prose(self, at: int) -> bool:
        """Whether a line begins in a comment or in a string of several lines."""
        if self._tree is None:
            return False
        start = self._tree.byte_offset(at)
        literals = captures_around(self._tree, "literals", start, start + 1)
        return any(
            literals.get(node.id) == "comment"
            or (literals.get(node.id) == "string" and node.start_point[0] != node.end_point[0])
            for node in ancestors(self._tree.node_at(at))
        )

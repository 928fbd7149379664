"""Syntax trees with incremental parsing, and their syntax errors.

A change is found by comparing the texts: the text before and after it is equal, so one edit describes it, and
tree-sitter parses again only the nodes that the edit touches (Wagner 1998, "Practical Algorithms for Incremental
Software Development Environments", as tree-sitter implements it).
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import AnyStr

from tree_sitter import Language as Grammar
from tree_sitter import Node, Parser, Range, Tree

from nano_lsp.code.languages import Language

DECORATED = "decorated_definition"  # node type of a definition with its decorators in the Python grammar
_LONE_RETURN = re.compile(r"\r(?!\n)")
MAX_BYTES = 1 << 20
"""Larger texts are not parsed: they are not written by hand."""
MAX_LINE_BYTES = 100_000
"""Texts with a longer line are not parsed: minified code of 1 MB takes 0.2 s (JavaScript) to 4 s (Go) a key."""


class SyntaxTree:
    """A text and its syntax tree. Immutable: `edited` returns a new one.

    Attributes:
        text: The whole text.
        language: Language of the tree.
        part: Start and end of the part of the text that is in that language, in code points; None for all of it.
        root: Root of the tree; offsets of nodes count from the beginning of the text.
    """

    def __init__(self, text: str, data: bytes, tree: Tree, language: Language, part: tuple[int, int] | None) -> None:
        self.text = text
        self.language = language
        self.part = part
        self.root = tree.root_node
        self._data = data
        self._tree = tree

    @classmethod
    def parse(cls, text: str, language: Language, part: tuple[int, int] | None = None) -> SyntaxTree | None:
        """Parse a text or a part of it; None if there is no grammar, or the text or a line of it is too large."""
        data = _as_parsed(text)
        grammar = language.grammar
        if grammar is None or _is_too_large(data):
            return None
        return cls(text, data, _parser(grammar, text, data, part).parse(data), language, part)

    def edited(self, text: str) -> SyntaxTree | None:
        """Parse another text incrementally, only where it differs; None if it is too large.

        Where only a part is parsed, the change is in it; where the text below the part changes as well, the part
        extends to the end.
        """
        if text == self.text:
            return self
        data = _as_parsed(text)
        grammar = self.language.grammar
        if grammar is None or _is_too_large(data):
            return None
        old = self._data
        start = n_common(old, data)
        while start and data[start - 1 : start] >= b"\x80":  # not within a character
            start -= 1
        end = n_common(old[start:][::-1], data[start:][::-1])
        old_end, new_end = len(old) - end, len(data) - end
        tree = self._tree.copy()
        tree.edit(start, old_end, new_end, _point(old, start), _point(old, old_end), _point(data, new_end))
        part = None
        if self.part:
            same_below = text.endswith(self.text[self.part[1] :])
            part = self.part[0], len(text) - (len(self.text) - self.part[1] if same_below else 0)
        return SyntaxTree(text, data, _parser(grammar, text, data, part).parse(data, tree), self.language, part)

    def byte_offset(self, offset: int) -> int:
        """Convert an offset in code points to an offset in the encoded text."""
        return offset if len(self._data) == len(self.text) else len(encode(self.text[:offset]))

    def offset(self, byte_offset: int) -> int:
        """Convert an offset in the encoded text to an offset in code points."""
        if len(self._data) == len(self.text):
            return byte_offset
        while self._data[byte_offset : byte_offset + 1] and self._data[byte_offset] & 0xC0 == 0x80:
            byte_offset -= 1  # within a lone surrogate, whose bytes are errors of their own
        return len(self._data[:byte_offset].decode("utf-8", "surrogatepass"))

    def node_at(self, offset: int) -> Node:
        """Return the smallest node around the code point at an offset."""
        at = self.byte_offset(offset)
        return self.root.descendant_for_byte_range(at, min(at + 1, len(self._data))) or self.root

    def text_of(self, node: Node) -> str:
        """Return the text of a node."""
        return self._data[node.start_byte : node.end_byte].decode("utf-8", "surrogatepass")

    def n_errors(self) -> int:
        """Return the number of ERROR and MISSING nodes of the tree."""
        return sum(1 for _ in self.errors())

    def errors(self) -> Iterator[Node]:
        """Yield the ERROR and MISSING nodes; only subtrees that contain one are visited."""
        stack = [self.root]
        while stack:
            node = stack.pop()
            if node.is_error or node.is_missing:
                yield node
            if node.has_error:
                stack.extend(node.children)


def _parser(grammar: Grammar, text: str, data: bytes, part: tuple[int, int] | None) -> Parser:
    if part is None:
        return Parser(grammar)
    start, end = (len(encode(text[:offset])) for offset in part)
    return Parser(grammar, included_ranges=[Range(_point(data, start), _point(data, end), start, end)])


def encode(text: str) -> bytes:
    """Encode as UTF-8; a lone surrogate, which editors may send, becomes three bytes that no grammar accepts."""
    return text.encode("utf-8", "surrogatepass")


def _as_parsed(text: str) -> bytes:
    r"""The text as passed to the grammars, which unlike Python do not accept a lone `\r` as a line end."""
    return encode(_LONE_RETURN.sub("\n", text) if "\r" in text else text)


def _is_too_large(data: bytes) -> bool:
    is_long = len(data) > MAX_LINE_BYTES and max(map(len, data.split(b"\n"))) > MAX_LINE_BYTES
    return is_long or len(data) > MAX_BYTES


def is_python(text: str) -> bool:
    """Whether the running Python's own parser accepts a text; it is stricter than the grammar."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def n_common(a: AnyStr, b: AnyStr) -> int:
    """Return the length of the longest common prefix, by binary search: comparing slices costs almost nothing."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while low + 1 < high:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


def common_ends(a: str, b: str) -> tuple[int, int]:
    """Return the lengths of the beginning and of the end that two texts have in common, without overlap."""
    start = n_common(a, b)
    limit = min(len(a), len(b)) - start
    return start, n_common(a[len(a) - limit :][::-1], b[len(b) - limit :][::-1])


def breaks_parse(before: SyntaxTree, after: SyntaxTree) -> bool:
    """Whether an edit adds syntax errors: more ERROR or MISSING nodes, or Python no longer parses the text."""
    if after.n_errors() > before.n_errors():
        return True
    return before.language.name == "python" and is_python(before.text) and not is_python(after.text)


def ancestors(node: Node | None) -> Iterator[Node]:
    """Yield a node and its ancestors, innermost first."""
    while node is not None:
        yield node
        node = node.parent


def undecorated(node: Node) -> Node | None:
    """Return the definition within its decorators; a node without decorators itself."""
    return node.child_by_field_name("definition") if node.type == DECORATED else node


def statements_of(block: Node) -> list[Node]:
    """Return the statements of a block or a module, without comments."""
    return [child for child in block.named_children if child.type != "comment"]


def first_child(node: Node | None) -> Node | None:
    """Return the first named child; None if there is none."""
    return next(iter(node.named_children), None) if node is not None else None


def _point(data: bytes, at: int) -> tuple[int, int]:
    return (data.count(b"\n", 0, at), at - data.rfind(b"\n", 0, at) - 1)

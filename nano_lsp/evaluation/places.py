"""Places in a source file where a cursor point may be: each kind has those that a person could complete from.

Comments and strings of several lines are none, and so are operators and words within strings, in every language but
Python, whose places are those of earlier versions: figures stay comparable.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from tree_sitter import Node

from nano_lsp.code.definition_nodes import find_definition_nodes
from nano_lsp.code.languages import PYTHON, Language
from nano_lsp.code.queries import find_matches
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.lines import line_end, line_start

KINDS = ("line start", "after operator", "mid-word", "empty body")
"""The kinds of points: the hole is the rest of the line, or the statements of a short function."""
_MAX_BODY_LINES = 6
_MAX_BROKEN = 0.1  # share of the lines that may have syntax errors: macros break a third of the files in C
_MIN_LINE_CHARS = 8
_OPERATOR = re.compile(
    r"[=(,+\-*/<>:\[{.&|!?%]\s?"
    r"|\b(?:return|if|elsif|elseif|while|until|in|and|or|not|new|await|case|throw|else|local) "
)
_PYTHON_OPERATOR = re.compile(r"[=(,+\-*/<>:\[{.]\s?|\b(?:in|if|or|and|not|return) ")
_WORD = re.compile(r"[^\W\d]\w{4,}")
_CODE, _COMMENT, _STRING = range(3)
_PAINT = {"code": _CODE, "comment": _COMMENT, "string": _STRING}

Span = tuple[int, int]
"""Start and end offset of a hole, in code points."""


@dataclass(frozen=True)
class Places:
    """The places of a file.

    Attributes:
        text: Text of the file.
        operator: Expression for what an operand follows.
        prose: Numbers of the lines that are no code, from 1 on.
        bodies: Bodies of short functions.
        literals: For each code point whether it belongs to code, a comment or a string; empty if all count as code.
    """

    text: str
    operator: re.Pattern[str]
    prose: Set[int]
    bodies: tuple[Span, ...]
    literals: bytes = field(default=b"", repr=False)

    def of_kind(self, kind: str) -> list[Span]:
        """The holes of a kind, in the order of the file."""
        if kind == "empty body":
            return list(self.bodies)
        found: list[Span] = []
        at = 0
        for number, line in enumerate(self.text.split("\n"), 1):
            start, end = at, at + len(line)
            at = end + 1
            if number in self.prose or len(line.strip()) < _MIN_LINE_CHARS:
                continue
            if kind == "line start":
                found.append((start + len(line) - len(line.lstrip()), end))
            elif kind == "after operator":
                operators = (m for m in self.operator.finditer(line) if 4 < m.end() < len(line) - 3)
                found += [
                    (start + m.end(), end) for m in operators if self._is_operand(start + m.start(), start + m.end())
                ]
            else:
                words = (m for m in _WORD.finditer(line) if not self._literal(start + m.start()))
                found += [(start + m.start() + len(m[0]) // 2, end) for m in words]
        return found

    def _is_operand(self, operator: int, end: int) -> bool:
        """Whether an operator is code, and what comes after it is code or a string."""
        return not self._literal(operator) and not self._literal(end - 1) and self._literal(end) != _COMMENT

    def _literal(self, offset: int) -> int:
        return self.literals[offset] if self.literals else _CODE


def find_places(text: str, language: Language) -> Places | None:
    """The places of a file; None if Python does not parse it, or if the grammar of another language fails on much.

    Lines with syntax errors are no places: macros of C, or what is newer than the grammar.
    """
    if language is PYTHON:
        return _python_places(text)
    tree = SyntaxTree.parse(text, language)
    if tree is None:
        return None
    literals, prose = bytearray(len(text)), {line for error in tree.errors() for line in _lines(error)}
    if len(prose) > _MAX_BROKEN * text.count("\n"):
        return None
    for match in find_matches(tree, "literals"):  # outer nodes before inner ones: code in a string is code
        for name, nodes in match.items():
            for node in nodes:
                start, end = tree.offset(node.start_byte), tree.offset(node.end_byte)
                literals[start:end] = bytes([_PAINT[name]]) * (end - start)
                lines = _lines(node)
                is_whole = name == "comment" and not text[line_start(text, start) : start].strip()
                if is_whole or (name != "code" and len(lines) > 1):
                    prose.update(lines)
    painted = bytes(literals)
    return Places(text, _OPERATOR, prose, tuple(_bodies(tree, painted)), painted)


def _bodies(tree: SyntaxTree, literals: bytes) -> Iterator[Span]:
    """The statements of short functions, where they have lines of their own."""
    text = tree.text
    blocks = {node.id for match in find_matches(tree, "blocks") for nodes in match.values() for node in nodes}
    for definition in find_definition_nodes(tree):
        body = definition.body
        if definition.kind != "function" or body is None or body.id not in blocks:
            continue
        inner = [node for child in body.named_children for node in _without_list(child)]
        statements = [node for node in inner if literals[tree.offset(node.start_byte)] != _COMMENT]
        if not statements or definition.node.has_error or not _is_short(definition.node, statements):
            continue
        start, last = tree.offset(statements[0].start_byte), tree.offset(statements[-1].end_byte)
        end = line_end(text, last)
        rest = last + len(text[last:end]) - len(text[last:end].lstrip(" \t;"))
        if not text[line_start(text, start) : start].strip() and (rest == end or literals[rest] == _COMMENT):
            yield start, end


def _without_list(node: Node) -> list[Node]:
    """The statements in the node that Go's grammar has around those of a block."""
    return node.named_children if node.type == "statement_list" else [node]


def _lines(node: Node) -> range:
    """Numbers of the lines of a node, from 1 on."""
    return range(node.start_point.row + 1, node.end_point.row + 2)


def _is_short(definition: Node, statements: list[Node]) -> bool:
    first, last = statements[0].start_point.row, statements[-1].end_point.row
    return first > definition.start_point.row and last - first < _MAX_BODY_LINES


def _python_places(text: str) -> Places | None:
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    lines = text.split("\n")
    comments = {number for number, line in enumerate(lines, 1) if line.lstrip().startswith("#")}
    strings = {
        number
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if node.end_lineno != node.lineno
    }
    return Places(text, _PYTHON_OPERATOR, comments | strings, tuple(_python_bodies(module, lines)))


def _python_bodies(module: ast.Module, lines: list[str]) -> Iterator[Span]:
    """The bodies of short functions, without their docstrings."""
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            is_below = body and body[0].lineno > node.lineno
            if is_below and (body[-1].end_lineno or 0) - body[0].lineno < _MAX_BODY_LINES:
                line = lines[body[0].lineno - 1]
                start = starts[body[0].lineno - 1] + len(line) - len(line.lstrip())
                yield start, starts[body[-1].end_lineno or 0] - 1

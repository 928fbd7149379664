"""Finds the comment that documents a definition, among licences, notes, and comments for tools."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from functools import cached_property

from tree_sitter import Node

from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.lines import split_lines

_LICENCE = re.compile(
    r"copyright\s*(?:\(c\)|\xa9|\d{4})|SPDX-License-Identifier|licen[cs]ed under|all rights reserved|@licen[cs]e",
    re.IGNORECASE,
)


class DocumentingComments:
    """The comments of a file.

    Args:
        tree: The syntax tree.
        nodes: What its queries for documentation capture, by capture and the node's id; see `query_definitions`.
    """

    def __init__(self, tree: SyntaxTree, nodes: Mapping[str, Mapping[int, Node]]) -> None:
        self._tree, self._nodes = tree, nodes

    @cached_property
    def _comments(self) -> dict[int, Node]:
        """The comments that have their lines to themselves, by the number of the last line."""
        lines = [line.encode("utf-8", "surrogatepass") for line in split_lines(self._tree.text)]
        return {
            _last_row(node): node
            for node in self._nodes["comment"].values()
            if not lines[node.start_point.row][: node.start_point.column].strip()
            and (not node.end_point.column or not lines[node.end_point.row][node.end_point.column :].strip())
        }

    @cached_property
    def _documenting(self) -> list[Node]:
        """The comments that may document code, in order."""
        return sorted(self._nodes["documentation"].values(), key=lambda node: node.start_byte)

    def of(self, first: Node, name: Node, start: int) -> tuple[tuple[int, int] | None, int]:
        """The range of the comment that documents a definition, None for none, and where one would be inserted.

        Args:
            first: The node that the definition begins with.
            name: Its name; a comment may also stand between the two.
            start: Offset of its beginning, comments in the same line included.
        """
        above: list[Node] = []
        before = first.prev_sibling
        while (
            before is not None
            and before.end_point.row == first.start_point.row
            and before.id in self._nodes["comment"]
        ):
            above.insert(0, before)
            before = before.prev_sibling
        row = (above or [first])[0].start_point.row - 1
        while row in self._comments:
            above.insert(0, self._comments[row])
            row = above[0].start_point.row - 1
        insert_at = start
        for node in reversed(above):
            if node.end_point.row != first.start_point.row and node.id not in self._nodes["directive"]:
                break
            insert_at = self._tree.offset(node.start_byte)
        ends = (
            bisect_left(self._documenting, at, key=lambda node: node.start_byte)
            for at in (first.start_byte, name.start_byte)
        )
        inside = self._documenting[slice(*ends)]
        found = self._group(above) or self._group(inside)
        if not found:
            return None, insert_at
        begin, end = self._tree.offset(found[0].start_byte), self._tree.offset(found[-1].end_byte)
        end = begin + len(self._tree.text[begin:end].rstrip("\r\n"))
        if _LICENCE.search(self._tree.text, begin, end):
            return None, insert_at
        return (begin, end), insert_at

    def _group(self, comments: list[Node]) -> list[Node]:
        """The last comment of several that documents code: a block, or lines without another comment between them."""
        found: list[Node] = []
        is_open = False
        for node in comments:
            is_line = self._tree.text_of(node)[1:2] != "*"
            if node.id in self._nodes["directive"]:
                is_open = False
            elif node.id in self._nodes["documentation"]:
                found = [*found, node] if is_open and is_line else [node]
                is_open = is_line
            elif is_open and node.id in self._nodes["documentation_continued"]:
                found.append(node)
            else:
                is_open = False
        return found


def _last_row(node: Node) -> int:
    """The number of a comment's last line; Rust's grammar counts the line break to it."""
    row, column = node.end_point
    return row if column else row - 1

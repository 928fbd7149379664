"""Queries of the languages: files of `queries/`, compiled at first use.

`definitions` finds functions, classes and other named things (`nano_lsp.code.definition_nodes`), `literals` comments,
strings and the code within strings, `blocks` blocks of statements, `imports` imports
(`nano_lsp.code.file_outline`). How to write those of a new language: docs/reference/languages.md.
"""

from __future__ import annotations

import functools
from pathlib import Path

from tree_sitter import Node, Query, QueryCursor

from nano_lsp.code.languages import Language
from nano_lsp.code.syntax_tree import SyntaxTree

FOLDER = Path(__file__).with_name("queries")
Match = dict[str, list[Node]]
"""The nodes of a match, by the name of their capture."""


@functools.cache
def query_text(language: Language, kind: str) -> str:
    """The text of a language's queries of a kind; empty if it has none."""
    files = (FOLDER / folder / f"{kind}.scm" for folder in language.queries)
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.exists())


@functools.cache
def find_query(language: Language, kind: str) -> Query | None:
    """The compiled queries of a kind; None if the language has none."""
    text, grammar = query_text(language, kind), language.grammar
    return Query(grammar, text) if text and grammar else None


def find_matches(
    tree: SyntaxTree,
    kind: str,
    node: Node | None = None,
    max_depth: int | None = None,
    within: tuple[int, int] | None = None,
) -> list[Match]:
    """The matches of a language's queries within a node, in order.

    Args:
        tree: The syntax tree.
        kind: Kind of the queries.
        node: Node to search; None for the whole tree.
        max_depth: Maximum depth below the node at which a match begins; None for no limit.
        within: Range of bytes that the matches overlap; None for all.
    """
    query = find_query(tree.language, kind)
    if query is None:
        return []
    cursor = QueryCursor(query)
    if max_depth is not None:
        cursor.set_max_start_depth(max_depth)
    if within is not None:
        cursor.set_byte_range(*within)
    return [match for _, match in cursor.matches(node or tree.root)]


def captures_around(tree: SyntaxTree, kind: str, start: int, end: int) -> dict[int, str]:
    """The names of the captures that overlap a range of bytes, by the id of their node."""
    query = find_query(tree.language, kind)
    if query is None:
        return {}
    cursor = QueryCursor(query)
    cursor.set_byte_range(start, max(end, start + 1))
    return {node.id: name for name, nodes in cursor.captures(tree.root).items() for node in nodes}

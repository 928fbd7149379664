"""Functions, classes and other named things of a file in any language, as nodes of its syntax tree.

They come from the queries `definitions`: each match captures the whole definition as `function`, `class`, `value`
or `group`, and parts of it as `name`, `parameters`, `result`, `body` and `class_name`. A group is code around
definitions that is none itself, such as `#ifdef`. A `wrapper` is around a definition and belongs to it, such as
decorators and `export`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from tree_sitter import Node

from nano_lsp.code.queries import Match, find_matches
from nano_lsp.code.syntax_tree import SyntaxTree

_KINDS = ("function", "class", "group", "value")
"""The first of them that a node is captured as decides."""
_PARTS = ("name", "parameters", "result", "body", "class_name")


@dataclass(frozen=True)
class DefinitionNodes:
    """A definition.

    Attributes:
        kind: `function`, `class`, `value` or `group`.
        node: The definition without what wraps it.
        whole: The definition with its decorators or `export`.
        name: Its name; None for a group, and for a namespace without one.
        parameters: Parameters of a function; None without a list of them.
        result: Type of a function's result; None without one.
        body: Body of a function or class, members of a class; None without one.
        class_name: Name of the class of a method that is written outside of it, as in Go.
    """

    kind: str
    node: Node
    whole: Node
    name: Node | None = None
    parameters: Node | None = None
    result: Node | None = None
    body: Node | None = None
    class_name: Node | None = None


def find_definition_nodes(
    tree: SyntaxTree,
    node: Node | None = None,
    max_depth: int | None = None,
    within: tuple[int, int] | None = None,
) -> list[DefinitionNodes]:
    """Find the definitions within a node, nested ones included, in the order of their starts.

    Args:
        tree: The syntax tree.
        node: Node to search; None for the whole tree.
        max_depth: Maximum depth below the node at which a definition begins; None for no limit.
        within: Range of bytes that the definitions overlap; None for all.
    """
    wrappers: set[int] = set()
    found: dict[int, tuple[str, Node, Match]] = {}
    for match in find_matches(tree, "definitions", node, max_depth, within):
        wrappers.update(each.id for each in match.get("wrapper", ()))
        kind = next((kind for kind in _KINDS if kind in match), None)
        if kind is None:
            continue
        whole = match[kind][0]
        known, _, parts = found.get(whole.id, (kind, whole, cast("Match", {})))
        first = min(kind, known, key=_KINDS.index)
        found[whole.id] = first, whole, {**match, **parts} if first == known else {**parts, **match}
    ordered = sorted(found.values(), key=lambda each: (each[1].start_byte, -each[1].end_byte))
    return [_definition(kind, whole, parts, wrappers) for kind, whole, parts in ordered]


def _definition(kind: str, node: Node, parts: Match, wrappers: set[int]) -> DefinitionNodes:
    whole = node
    while whole.parent is not None and whole.parent.id in wrappers:
        whole = whole.parent
    found = {part: parts[part][0] for part in _PARTS if part in parts}
    return DefinitionNodes(kind, node, whole, **found)

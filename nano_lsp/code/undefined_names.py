"""Undefined names, read but bound nowhere: a sign that a completion does not fit its surroundings.

An approximation, for Python only: a name bound anywhere in the document counts as bound, so that scopes need not be
resolved and false positives are rare.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator

from tree_sitter import Node

from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree, ancestors

_BUILTINS = frozenset(dir(builtins)) | {"__file__", "__name__", "__doc__", "__path__", "__class__", "self", "cls"}
# Type of the parent node and field of an identifier that is bound there.
_BINDINGS = {
    ("function_definition", "name"),
    ("class_definition", "name"),
    ("keyword_argument", "name"),  # bound elsewhere, but not read
    ("attribute", "attribute"),  # the same
    ("default_parameter", "name"),
    ("typed_default_parameter", "name"),
    ("named_expression", "name"),
    ("aliased_import", "alias"),
    ("assignment", "left"),
    ("for_statement", "left"),
    ("for_in_clause", "left"),
}
_BINDING_PARENTS = {
    "parameters",
    "lambda_parameters",
    "typed_parameter",
    "list_splat_pattern",
    "splat_pattern",
    "dictionary_splat_pattern",
    "pattern_list",
    "tuple_pattern",
    "list_pattern",
    "as_pattern_target",
    "dotted_name",
    "global_statement",
    "nonlocal_statement",
    "case_pattern",
    "keyword_pattern",
    "type_parameter",
}


def undefined_names(tree: SyntaxTree, offset: int) -> frozenset[str]:
    """Find names that are read in the top-level Python statement at an offset and bound nowhere in the document."""
    statements = tree.root.named_children
    if tree.language is not PYTHON or any(n.type == "wildcard_import" for s in statements for n in s.named_children):
        return frozenset()
    bound = {tree.text_of(node) for node in _identifiers(tree.root) if _is_binding(node)}
    outer = next((node for node in ancestors(tree.node_at(offset)) if node.parent == tree.root), tree.root)
    read = {tree.text_of(node) for node in _identifiers(outer) if not _is_binding(node)}
    return frozenset(read - bound - _BUILTINS)


def _identifiers(node: Node) -> Iterator[Node]:
    stack = [node]
    while stack:
        current = stack.pop()
        if current.type == "identifier":
            yield current
        else:
            stack.extend(current.named_children)


def _is_binding(node: Node) -> bool:
    parent = node.parent
    if parent is None:
        return False
    if parent.type in _BINDING_PARENTS:
        return True
    field = next((f for kind, f in _BINDINGS if kind == parent.type and parent.child_by_field_name(f) == node), None)
    return field is not None

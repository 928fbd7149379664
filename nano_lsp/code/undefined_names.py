"""Undefined names, read but bound nowhere: a sign that a completion does not fit its surroundings.

An approximation, for Python only: a name bound anywhere in the document counts as bound, so that scopes need not be
resolved and false positives are rare.
"""

from __future__ import annotations

import builtins
import re
from functools import cache

from tree_sitter import Query, QueryCursor

from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree, ancestors

_BUILTINS = frozenset(dir(builtins)) | {"__file__", "__name__", "__doc__", "__path__", "__class__", "self", "cls"}
_NAMES = """
(module (import_from_statement (wildcard_import) @wildcard))
(identifier) @name
[
  (function_definition name: (identifier) @bound)
  (class_definition name: (identifier) @bound)
  (keyword_argument name: (identifier) @bound)  ; bound elsewhere, but not read
  (keyword_pattern (identifier) @bound)  ; the same
  (attribute attribute: (identifier) @bound)  ; the same
  (parameters (identifier) @bound)
  (lambda_parameters (identifier) @bound)
  (typed_parameter (identifier) @bound)
  (default_parameter name: (identifier) @bound)
  (typed_default_parameter name: (identifier) @bound)
  (named_expression name: (identifier) @bound)
  (assignment left: (identifier) @bound)
  (for_statement left: (identifier) @bound)
  (for_in_clause left: (identifier) @bound)
  (as_pattern_target (identifier) @bound)
  (as_pattern_target (tuple (identifier) @bound))
  (case_pattern (as_pattern (identifier) @bound))
  (list_splat_pattern (identifier) @bound)
  (splat_pattern (identifier) @bound)
  (dictionary_splat_pattern (identifier) @bound)
  (pattern_list (identifier) @bound)
  (tuple_pattern (identifier) @bound)
  (list_pattern (identifier) @bound)
  (aliased_import alias: (identifier) @bound)
  (dotted_name (identifier) @bound)  ; of an import, or a pattern
  (global_statement (identifier) @bound)
  (nonlocal_statement (identifier) @bound)
  (function_definition type_parameters: (type_parameter (type
    [(identifier) @bound (splat_type (identifier) @bound) (constrained_type . (type (identifier) @bound))])))
  (class_definition type_parameters: (type_parameter (type
    [(identifier) @bound (splat_type (identifier) @bound) (constrained_type . (type (identifier) @bound))])))
  (type_alias_statement left: (type
    [(identifier) @bound (generic_type (identifier) @bound (type_parameter (type (identifier) @bound)))]))
]
"""


def undefined_names(tree: SyntaxTree, offset: int) -> frozenset[str]:
    """Find names read in the top-level Python statement at an offset, in code points, and bound nowhere."""
    if tree.language is not PYTHON:
        return frozenset()
    found = QueryCursor(_query()).captures(tree.root)
    if "wildcard" in found:
        return frozenset()
    bound = set(found.get("bound", ()))
    outer = next((node for node in ancestors(tree.node_at(offset)) if node.parent == tree.root), tree.root)
    inside = [node for node in found.get("name", ()) if outer.start_byte <= node.start_byte < outer.end_byte]
    read = {tree.text_of(node) for node in inside if node not in bound}
    unbound = read - {tree.text_of(node) for node in bound} - _BUILTINS
    if unbound and tree.part:  # the rest of the text may bind them
        unbound -= set(re.findall(r"\w+", tree.text[: tree.part[0]] + tree.text[tree.part[1] :]))
    return frozenset(unbound)


@cache  # compiling it takes 15 ms
def _query() -> Query:
    assert PYTHON.grammar is not None  # noqa: S101 - tree-sitter-python is required
    query: Query = Query(PYTHON.grammar, _NAMES)
    return query

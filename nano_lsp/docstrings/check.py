"""Verifies generated docstrings independently, with tree-sitter and docstring-parser."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from itertools import zip_longest

import docstring_parser
from docstring_parser.common import DocstringParam, DocstringRaises, DocstringReturns
from tree_sitter import Node

from nano_lsp.code.definitions import Definition, DefinitionKind, definition_at, find_definitions
from nano_lsp.code.syntax_tree import SyntaxTree, breaks_parse
from nano_lsp.docstrings.layout import Style
from nano_lsp.docstrings.literal import Literal

_PARSERS = {
    Style.GOOGLE: docstring_parser.DocstringStyle.GOOGLE,
    Style.NUMPY: docstring_parser.DocstringStyle.NUMPYDOC,
    Style.SPHINX: docstring_parser.DocstringStyle.REST,
    Style.EPYTEXT: docstring_parser.DocstringStyle.EPYDOC,
}


def edit_error(before: SyntaxTree, after: SyntaxTree, definition: Definition) -> str:
    """Why the insertion or change of a docstring is not acceptable; empty if it is."""
    if breaks_parse(before, after):
        return "it breaks the code"
    written = definition_at(after, definition.start)  # the docstring is inserted after it
    if (written.name, written.start) != (definition.name, definition.start) or written.docstring is None:
        return "it is not recognized as a docstring"
    return "" if has_same_code(before, after, definition, written) else "it changes the code"


def has_same_code(before: SyntaxTree, after: SyntaxTree, old: Definition, new: Definition) -> bool:
    """Whether two documents differ only in the docstring or documentation comment of one definition."""
    skipped = [[each.docstring] if each.docstring else [] for each in (old, new)]
    return list(_code(before, *skipped[0])) == list(_code(after, *skipped[1]))


def content_error(after: SyntaxTree, definition: Definition, style: Style) -> str:
    """Why a docstring that is completely generated is not acceptable; empty if it is."""
    written = definition_at(after, definition.start)
    literal = Literal.read(after.text[slice(*written.docstring)]) if written.docstring else None
    if literal is None:
        return "it is not recognized as a docstring"
    if any(line.strip() and not line.startswith(written.indent) for line in literal.value.split("\n")[1:]):
        return "its indentation is wrong"
    try:
        parsed = docstring_parser.parse(literal.value, _PARSERS[style])
    except docstring_parser.ParseError:
        return "it cannot be parsed"
    if not (parsed.short_description or "").strip():
        return "it has no summary"
    if definition.kind is not DefinitionKind.FUNCTION:
        return ""
    named = [entry.arg_name.lstrip("*\\") for entry in parsed.meta if isinstance(entry, DocstringParam)]
    results = {entry.is_generator for entry in parsed.meta if isinstance(entry, DocstringReturns)}
    raised = {str(entry.type_name) for entry in parsed.meta if isinstance(entry, DocstringRaises)}
    errors = {
        "its parameters are not those of the function": named != [p.name for p in definition.parameters],
        "it is wrong about the return value": (False in results) != definition.returns,
        "it is wrong about yielded values": (True in results) != definition.yields,
        "its exceptions are not those of the function": raised != set(definition.raises),
    }
    return next((reason for reason, applies in errors.items() if applies), "")


def same_code(before: SyntaxTree, after: SyntaxTree) -> bool:
    """Whether two documents differ only in docstrings and white space."""
    tokens = [
        _code(tree, *(found.docstring for found in find_definitions(tree) if found.docstring))
        for tree in (before, after)
    ]
    return all(one == other for one, other in zip_longest(*tokens))


def _code(tree: SyntaxTree, *docstrings: tuple[int, int]) -> Iterator[str]:
    """The tokens of a document, except those of some docstrings and continuations of lines."""
    skipped = sorted((tree.byte_offset(start), tree.byte_offset(end)) for start, end in docstrings)
    starts = [start for start, _ in skipped]
    stack: list[Node] = [tree.root]
    while stack:
        node = stack.pop()
        if node.child_count:
            stack.extend(reversed(node.children))
            continue
        i = bisect(starts, node.start_byte) - 1
        if i >= 0 and node.start_byte < skipped[i][1]:
            continue
        text = tree.text_of(node)
        if text.strip() and node.type != "line_continuation":
            yield text

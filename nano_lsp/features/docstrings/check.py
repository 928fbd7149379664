"""Whether a docstring may be offered: an independent look, by tree-sitter and docstring-parser."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import docstring_parser
from docstring_parser.common import DocstringParam, DocstringRaises, DocstringReturns
from tree_sitter import Node

from nano_lsp.context.definitions import Definition, DefinitionKind, definition_at, find_definitions
from nano_lsp.context.syntax import SyntaxTree, breaks_parse
from nano_lsp.features.docstrings.layout import Style

_PARSERS = {
    Style.GOOGLE: docstring_parser.DocstringStyle.GOOGLE,
    Style.NUMPY: docstring_parser.DocstringStyle.NUMPYDOC,
    Style.SPHINX: docstring_parser.DocstringStyle.REST,
}


def find_fault(before: SyntaxTree, after: SyntaxTree, definition: Definition, style: Style, kept: set[str]) -> str:
    """What is wrong with a document that was given a docstring; empty for nothing.

    Args:
        before: the document without it.
        after: the document with it.
        definition: in the document before, that it was written for.
        style: of the docstring.
        kept: exceptions that it may name though the code does not raise them itself.
    """
    if breaks_parse(before, after):
        return "it breaks the code"
    written = definition_at(after, definition.start)  # what is written begins behind that
    if (written.name, written.start) != (definition.name, definition.start) or written.docstring is None:
        return "it is no docstring"
    old = [definition.docstring] if definition.docstring else []
    if list(_code(before, *old)) != list(_code(after, written.docstring)):
        return "it changes the code"
    start, end = written.docstring
    literal = after.text[start:end]
    lines = literal.split("\n")
    if any(line.strip() and not line.startswith(written.indent) for line in lines[1:]):
        return "its indentation is wrong"
    if not literal.lstrip("rRuU").startswith('"""'):
        return "its quotes are wrong"
    return _find_untrue(literal, definition, style, kept)


def same_code(before: SyntaxTree, after: SyntaxTree) -> bool:
    """Whether two documents differ in nothing but their docstrings and blanks."""
    tokens = [
        _code(tree, *(found.docstring for found in find_definitions(tree) if found.docstring))
        for tree in (before, after)
    ]
    return all(one == other for one, other in zip_longest(*tokens))


def _find_untrue(literal: str, definition: Definition, style: Style, kept: set[str]) -> str:
    text = literal[literal.index('"""') + 3 : -3]
    try:
        parsed = docstring_parser.parse(text, _PARSERS[style])
    except docstring_parser.ParseError:
        return "it cannot be parsed"
    if not (parsed.short_description or "").strip():
        return "it has no summary"
    if definition.kind is not DefinitionKind.FUNCTION:
        return ""
    named = [entry.arg_name.lstrip("*\\") for entry in parsed.meta if isinstance(entry, DocstringParam)]
    results = {entry.is_generator for entry in parsed.meta if isinstance(entry, DocstringReturns)}
    raised = {str(entry.type_name) for entry in parsed.meta if isinstance(entry, DocstringRaises)}
    untrue = {
        "its parameters are not the function's": named != [p.name for p in definition.parameters],
        "it is wrong about what is returned": (False in results) != definition.returns,
        "it is wrong about what is yielded": (True in results) != definition.yields,
        "its exceptions are others": not set(definition.raises) <= raised <= {*definition.raises, *kept},
    }
    return next((reason for reason, holds in untrue.items() if holds), "")


def _code(tree: SyntaxTree, *docstrings: tuple[int, int]) -> Iterator[str]:
    """The tokens of a document but those of some docstrings."""
    skipped = {(tree.byte_offset(start), tree.byte_offset(end)) for start, end in docstrings}
    stack: list[Node] = [tree.root]
    while stack:
        node = stack.pop()
        if (node.start_byte, node.end_byte) in skipped:
            continue
        if node.child_count:
            stack.extend(reversed(node.children))
        else:
            text = tree.text_of(node)
            if text.strip():
                yield text

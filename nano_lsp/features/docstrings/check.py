"""Whether a docstring may be offered: an independent look, by tree-sitter and docstring-parser."""

from __future__ import annotations

from collections.abc import Iterator

import docstring_parser
from docstring_parser.common import DocstringParam, DocstringRaises, DocstringReturns
from tree_sitter import Node

from nano_lsp.context.definitions import Definition, DefinitionKind, definition_at
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
    if list(_code(before, definition.docstring)) != list(_code(after, written.docstring)):
        return "it changes the code"
    start, end = written.docstring
    literal = after.text[start:end]
    lines = literal.split("\n")
    if any(line.strip() and not line.startswith(written.indent) for line in lines[1:]):
        return "its indentation is wrong"
    if not literal.lstrip("rRuU").startswith('"""'):
        return "its quotes are wrong"
    return _find_untrue(literal, definition, style, kept)


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


def _code(tree: SyntaxTree, docstring: tuple[int, int] | None) -> Iterator[str]:
    """The tokens of a document but a docstring's."""
    skipped = tuple(map(tree.byte_offset, docstring)) if docstring else (-1, -1)
    stack: list[Node] = [tree.root]
    while stack:
        node = stack.pop()
        if (node.start_byte, node.end_byte) == skipped:
            continue
        if node.child_count:
            stack.extend(reversed(node.children))
        else:
            text = tree.text_of(node)
            if text.strip():
                yield text

"""Functions and classes of a file: those of Python by `python_definitions`, all others by `query_definitions`."""

from __future__ import annotations

from collections.abc import Iterator

from nano_lsp.code import python_definitions, query_definitions
from nano_lsp.code.definition import Definition, DefinitionKind, Parameter
from nano_lsp.code.languages import PYTHON, Language
from nano_lsp.code.queries import query_text
from nano_lsp.code.syntax_tree import SyntaxTree

__all__ = [
    "Definition",
    "DefinitionKind",
    "Parameter",
    "definition_at",
    "find_definitions",
    "has_documentation",
    "is_sound",
    "undocumented",
]


def has_documentation(language: Language) -> bool:
    """Whether a language has docstrings, or a convention for comments that document code, and its parser is known."""
    return language is PYTHON or bool(query_text(language, "documentation"))


def find_definitions(tree: SyntaxTree) -> Iterator[Definition]:
    """Yield the functions and classes of a file in order, nested ones included, and the module of Python first."""
    yield from (python_definitions if tree.language is PYTHON else query_definitions).find_definitions(tree)


def definition_at(tree: SyntaxTree, offset: int) -> Definition:
    """Return the innermost function or class around an offset, or the module outside of all.

    An offset in the first line of a definition, before its code, counts as inside, and so does one in its comment.
    """
    if tree.language is PYTHON:
        return python_definitions.definition_at(tree, offset)
    return query_definitions.definition_at(tree, offset)


def is_sound(tree: SyntaxTree, definition: Definition) -> bool:
    """Whether a definition has no syntax error that an edit could rest on; in Python, nor the code around it."""
    if tree.language is PYTHON:
        return python_definitions.is_sound(tree, definition)
    return query_definitions.is_sound(definition)


def undocumented(tree: SyntaxTree) -> Iterator[Definition]:
    """Yield the public definitions that need documentation and have none, in source order."""
    yield from (python_definitions if tree.language is PYTHON else query_definitions).undocumented(tree)

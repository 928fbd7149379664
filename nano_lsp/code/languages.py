"""Table of the supported languages: each row adds one.

A language without a tree-sitter grammar is completed by text and indentation alone.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from pathlib import PurePath

from tree_sitter import Language as Grammar


@dataclass(frozen=True)
class NodeTypes:
    """Node types of a grammar that completion uses.

    Attributes:
        functions: Definitions whose body can be left out of a prompt.
        classes: Definitions whose members are listed.
        decorated: Nodes that wrap a definition with its decorators.
        bodies: Blocks of statements.
        strings: String literals.
        comments: Comments.
    """

    functions: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    decorated: frozenset[str] = frozenset()
    bodies: frozenset[str] = frozenset()
    strings: frozenset[str] = frozenset()
    comments: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Language:
    """A programming language.

    Attributes:
        name: LSP language id (`languageId`).
        suffixes: File name suffixes.
        comment: Start of a comment that extends to the end of the line.
        grammar_module: Package with the tree-sitter grammar; empty if there is none.
        node_types: Node types of that grammar.
    """

    name: str
    suffixes: tuple[str, ...] = ()
    comment: str = "#"
    grammar_module: str = ""
    node_types: NodeTypes = NodeTypes()

    @property
    def grammar(self) -> Grammar | None:
        """The tree-sitter grammar, loaded at first use; None if there is none."""
        return _load_grammar(self.grammar_module) if self.grammar_module else None


PLAIN = Language("plaintext", (".txt",))
PYTHON = Language(
    "python",
    (".py", ".pyi", ".pyw"),
    "#",
    "tree_sitter_python",
    NodeTypes(
        functions=frozenset({"function_definition"}),
        classes=frozenset({"class_definition"}),
        decorated=frozenset({"decorated_definition"}),
        bodies=frozenset({"block"}),
        strings=frozenset({"string", "string_content", "string_start", "string_end"}),
        comments=frozenset({"comment"}),
    ),
)
LANGUAGES = (
    PYTHON,
    Language("javascript", (".js", ".mjs", ".cjs", ".jsx"), "//"),
    Language("typescript", (".ts", ".mts", ".cts", ".tsx"), "//"),
    Language("c", (".c", ".h"), "//"),
    Language("cpp", (".cc", ".cpp", ".cxx", ".hpp", ".hh"), "//"),
    Language("csharp", (".cs",), "//"),
    Language("go", (".go",), "//"),
    Language("java", (".java",), "//"),
    Language("kotlin", (".kt", ".kts"), "//"),
    Language("rust", (".rs",), "//"),
    Language("swift", (".swift",), "//"),
    Language("lua", (".lua",), "--"),
    Language("sql", (".sql",), "--"),
    Language("ruby", (".rb",)),
    Language("shellscript", (".sh", ".bash", ".zsh")),
    Language("yaml", (".yaml", ".yml")),
    Language("toml", (".toml",)),
    PLAIN,
)


def language_of(file_name: str, language_id: str = "") -> Language:
    """Return the language of a document: by its LSP language id, else by the file name, else plain text."""
    named = next((language for language in LANGUAGES if language.name == language_id), None)
    suffix = PurePath(file_name).suffix.lower()
    return named or next((language for language in LANGUAGES if suffix in language.suffixes), PLAIN)


def is_stub(file_name: str) -> bool:
    """Whether a file is a type stub of another module; docstrings belong in that module."""
    return PurePath(file_name).suffix.lower() == ".pyi"


@functools.cache
def _load_grammar(module: str) -> Grammar:
    return Grammar(importlib.import_module(module).language())

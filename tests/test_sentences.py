"""Docstrings, messages, settings and help are plain sentences that make sense alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import docstring_parser
import pytest

from nano_lsp.settings import ALL_SETTINGS
from tests.test_docs import COMMANDS

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "nano_lsp").rglob("*.py"), *(ROOT / "jupyter_ext/nano_lsp_jupyter").rglob("*.py")])
_VAGUE = re.compile(r"\b(?:who asks|so many|is told|(?<!there )is no(?! longer)(?= ))\b", re.IGNORECASE)
_INCOMPLETE = re.compile(r"(?:of|that|to|from|in)\b", re.IGNORECASE)
"""An entry that begins like this lacks the noun that it qualifies: an IDE shows one entry alone."""


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The lines and texts of all strings, with the fixed parts of f-strings joined."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "…".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())


def entries(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names and texts of the entries of all docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found = docstring_parser.parse(ast.get_docstring(node) or "", docstring_parser.DocstringStyle.GOOGLE)
            for entry in (*found.params, *found.raises, *found.many_returns):
                yield ".".join(entry.args), entry.description or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_docstrings_and_messages_are_plain(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [(line, text) for line, text in strings(tree) if _VAGUE.search(text)] == []
    assert [(name, text) for name, text in entries(tree) if _INCOMPLETE.match(text)] == []


@pytest.mark.parametrize("name", ALL_SETTINGS)
def test_a_setting_is_described_in_whole_sentences(name: str) -> None:
    assert re.fullmatch(r"[A-Z]\w*(?: \S+){4,}\.", ALL_SETTINGS[name].description)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_is_sentences(name: str) -> None:
    command = COMMANDS[name]
    for text in (command.help, *(param.help for param in command.params)):
        assert re.fullmatch(r"`?[A-Z`].*[.:)`]", text.strip(), re.DOTALL), text
        assert not _VAGUE.search(text)

"""What the assistant does, from Python: `nano_lsp.complete`, `explain`, `docstring`, `ask`.

The first call loads the model, or finds the engine that has it; it stays until the process ends.
"""

from __future__ import annotations

import ast

from nano_lsp.api.assistants import find_assistant
from nano_lsp.chat import Ask, Explain
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.code.definitions import Definition, DefinitionKind, find_definitions
from nano_lsp.code.document import apply_edits
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.live_source import find_source
from nano_lsp.code.notebook import as_python
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.completion.completer import Complete
from nano_lsp.docstrings import WriteDocstrings
from nano_lsp.errors import ConfigError, DocumentError

STYLES = ("auto", "google", "numpy", "sphinx")


def complete(
    prefix: str, suffix: str = "", *, language: str = "python", context: str = "", model: str | None = None
) -> str:
    """What goes on from code, up to where it ought to end.

    Args:
        prefix: code before the cursor.
        suffix: code behind it.
        language: as editors call it.
        context: code from elsewhere that it may use.
        model: name or file; the user's settings where None.

    Raises:
        NanoError: the model cannot be loaded, or fails.
    """
    task = CompletionInput("", prefix + suffix, len(prefix), language, context)
    return find_assistant(model).run(Complete(task)).text


def explain(code: object, *, language: str = "python", model: str | None = None) -> str:
    """What code does, in Markdown.

    Args:
        code: a text, or a function or a class, whose source is found.
        language: of a text.
        model: name or file; the user's settings where None.

    Raises:
        DocumentError: there is no source.
        NanoError: the model cannot be loaded, or fails.
    """
    job = Explain(_as_text(code), language)
    return find_assistant(model).run(job)


def docstring(code: object, *, style: str = "auto", model: str | None = None) -> str:
    """A function's or a class's docstring, new or brought up to date; empty where the model has none that holds.

    Args:
        code: a function or a class, whose source is found, or its source.
        style: `google`, `numpy`, `sphinx`, or `auto` for that of the docstring that is there.
        model: name or file; the user's settings where None.

    Raises:
        ConfigError: there is no such style.
        DocumentError: there is no source, or no function and no class in it.
        NanoError: the model cannot be loaded, or fails.
    """
    text = _as_text(code)
    job = docstring_job(text, style)
    found = find_assistant(model).run(job)
    return read_docstring(apply_edits(text, [each.edit for each in found]))


def ask(
    question: str, *, think: bool = False, code: bool = False, max_tokens: int = 512, model: str | None = None
) -> str:
    """The answer to a question.

    Args:
        question: of the user.
        think: think step by step.
        code: answer with code only.
        max_tokens: at most so many tokens.
        model: name or file; the user's settings where None.

    Raises:
        NanoError: the model cannot be loaded, or fails.
    """
    if not question.strip():
        raise DocumentError("The question is empty.", 'For example: nano_lsp.ask("What is a monad?")')
    return find_assistant(model).run(Ask(question, code, think, max_tokens)).text


def docstring_job(text: str, style: str) -> WriteDocstrings:
    """The job that writes the docstring of the first function or class of a text."""
    if style not in STYLES:
        raise ConfigError(f"There is no style {style!r}.", f"Choose one of: {', '.join(STYLES)}.")
    first = _first_definition(text)
    source = as_python(text)  # what only IPython understands in a cell is a comment there, and no place moves
    return WriteDocstrings(source, first.start, first.name, style)


def read_docstring(text: str) -> str:
    """The docstring of the first function or class of a text; empty for none."""
    place = _first_definition(text).docstring
    if place is None:
        return ""
    return ast.get_docstring(ast.Module([ast.parse(text[slice(*place)].strip()).body[0]], [])) or ""


def _first_definition(text: str) -> Definition:
    tree = SyntaxTree.parse(text, PYTHON)
    found = find_definitions(tree) if tree else iter(())
    first = next((each for each in found if each.kind is not DefinitionKind.MODULE), None)
    if first is None:
        raise DocumentError("There is no function and no class in this code.", "Give one, or its source.")
    return first


def _as_text(code: object) -> str:
    text = code if isinstance(code, str) else find_source(code)
    if not text.strip():
        raise DocumentError("The code is empty.", "Give a function, a class, or a text.")
    return text

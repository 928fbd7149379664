"""The Python API: `nano_lsp.complete`, `explain`, `docstring`, `ask`, `run_task`.

The first call loads the model, or connects to the engine that has loaded it; it stays loaded until the process ends.
"""

from __future__ import annotations

import ast
import asyncio
import atexit
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, overload

from nano_lsp.chat import Ask, Explain
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.code.definitions import Definition, DefinitionKind, find_definitions
from nano_lsp.code.document import apply_edits
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.live_source import find_source
from nano_lsp.code.notebook import as_python
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.completion.completer import Complete
from nano_lsp.config import find_folders, load_settings
from nano_lsp.docstrings import WriteDocstrings
from nano_lsp.engine.connect import Assistant, open_assistant
from nano_lsp.errors import ConfigError, DocumentError, SchemaError, TaskError
from nano_lsp.tasks import MAX_TOKENS, Answer, OutputSpec, Task, spec_of_type, with_field_name

STYLES = ("auto", "google", "numpy", "sphinx")
T = TypeVar("T")
_LOCK = threading.Lock()
_ASSISTANTS: dict[str, Assistant] = {}  # by model


def complete(
    prefix: str, suffix: str = "", *, language: str = "python", context: str = "", model: str | None = None
) -> str:
    """Complete code at a cursor; the result ends where a suggestion in an editor would.

    Args:
        prefix: Code before the cursor.
        suffix: Code after the cursor.
        language: Language identifier as in LSP.
        context: Related code from other files.
        model: Name or file of the model; None for that of the user's settings.

    Raises:
        NanoError: The model cannot be loaded, or inference failed.
    """
    task = CompletionInput("", prefix + suffix, len(prefix), language, context)
    return find_assistant(model).run(Complete(task)).text


def explain(code: object, *, language: str = "python", model: str | None = None) -> str:
    """Explain in Markdown what code does.

    Args:
        code: A text, or a function or class, whose source is found.
        language: Language identifier of the text, as in LSP.
        model: Name or file of the model; None for that of the user's settings.

    Raises:
        DocumentError: There is no source.
        NanoError: The model cannot be loaded, or inference failed.
    """
    job = Explain(_source_of(code), language)  # checks the input before the model is loaded
    return find_assistant(model).run(job)


def docstring(code: object, *, style: str = "auto", model: str | None = None) -> str:
    """Write the docstring of a function or class, or update it; empty if the model gave no valid one.

    Args:
        code: A function or class, whose source is found, or its source.
        style: `google`, `numpy`, `sphinx`, or `auto` for the style of the existing docstring.
        model: Name or file of the model; None for that of the user's settings.

    Raises:
        ConfigError: The style is not known.
        DocumentError: There is no source, or no function and no class in it.
        NanoError: The model cannot be loaded, or inference failed.
    """
    text = _source_of(code)
    job = docstring_job(text, style)
    found = find_assistant(model).run(job)
    return read_docstring(apply_edits(text, [each.edit for each in found]))


def ask(
    question: str, *, think: bool = False, code: bool = False, max_tokens: int = 512, model: str | None = None
) -> str:
    """Answer a question.

    Args:
        question: The question.
        think: Think step by step.
        code: Answer with code only.
        max_tokens: Maximum number of tokens of the answer.
        model: Name or file of the model; None for that of the user's settings.

    Raises:
        DocumentError: The question is empty.
        NanoError: The model cannot be loaded, or inference failed.
    """
    if not question.strip():
        raise DocumentError("The question is empty.", 'For example: nano_lsp.ask("What is a monad?")')
    return find_assistant(model).run(Ask(question, code, think, max_tokens)).text


@dataclass(frozen=True)
class TaskResult(Generic[T]):
    """The value of a task, with its probabilities and its reasoning.

    Attributes:
        value: Value of the requested type.
        probabilities: Probability of each choice, by its text; empty for a result without choices.
        reasoning: Reasoning before the answer; empty without `think`.
        warnings: Sentences for the user, for instance that the answer was truncated.
    """

    value: T
    probabilities: Mapping[str, float]
    reasoning: str
    warnings: tuple[str, ...]


@overload
def run_task(
    prompt: str,
    data: object = ...,
    result: type[T] = ...,
    *,
    choices: Sequence[str] = ...,
    think: bool = ...,
    max_tokens: int = ...,
    deadline_ms: float | None = ...,
    full: Literal[False] = ...,
    model: str | None = ...,
    assistant: Assistant | None = ...,
) -> T: ...
@overload
def run_task(
    prompt: str,
    data: object = ...,
    result: Any = ...,  # noqa: ANN401 - any annotation
    *,
    choices: Sequence[str] = ...,
    think: bool = ...,
    max_tokens: int = ...,
    deadline_ms: float | None = ...,
    full: bool = ...,
    model: str | None = ...,
    assistant: Assistant | None = ...,
) -> Any: ...  # noqa: ANN401
def run_task(
    prompt: str,
    data: object = "",
    result: Any = str,
    *,
    choices: Sequence[str] = (),
    think: bool = False,
    max_tokens: int = MAX_TOKENS,
    deadline_ms: float | None = None,
    full: bool = False,
    model: str | None = None,
    assistant: Assistant | None = None,
) -> Any:
    """Run a prompt on data and return a value of a Python type (structured output).

    Args:
        prompt: The instruction.
        data: Input data: text, or any value that JSON can represent.
        result: Type of the value: str, bool, int, float, Literal, an Enum, list, tuple, dict, a dataclass, a
            TypedDict, a msgspec Struct, a pydantic type, or a JSON schema as a dict.
        choices: Texts to classify into, instead of a type.
        think: Reason step by step before the answer; the reasoning is hidden.
        max_tokens: Maximum number of tokens of the answer.
        deadline_ms: Wall-clock limit, excluding the time to load the model.
        full: Return a `TaskResult`, with the probabilities of the choices and the reasoning.
        model: Name or file of the model; None for that of the user's settings.
        assistant: A loaded model to use instead.

    Raises:
        SchemaError: The type has no JSON representation, or none that a grammar can enforce.
        AnswerCutError: The answer is incomplete at the token limit.
        TaskTimeoutError: The deadline has passed.
        NanoError: The model cannot be loaded, or inference failed.
    """
    spec, task = _prepare(prompt, data, result, choices, think=think, max_tokens=max_tokens, deadline_ms=deadline_ms)
    found = _convert(spec, (assistant or find_assistant(model)).run(task))
    return found if full else found.value


async def run_task_async(
    prompt: str,
    data: object = "",
    result: Any = str,  # noqa: ANN401 - any annotation
    *,
    choices: Sequence[str] = (),
    think: bool = False,
    max_tokens: int = MAX_TOKENS,
    deadline_ms: float | None = None,
    full: bool = False,
    model: str | None = None,
    assistant: Assistant | None = None,
) -> Any:  # noqa: ANN401
    """Run `run_task` on an event loop; cancelling the asyncio task cancels inference."""
    spec, task = _prepare(prompt, data, result, choices, think=think, max_tokens=max_tokens, deadline_ms=deadline_ms)
    opened = await asyncio.to_thread(find_assistant, model) if assistant is None else assistant
    found = _convert(spec, await opened.run_async(task))
    return found if full else found.value


def find_assistant(model: str | None = None) -> Assistant:
    """The assistant that this process shares for a model; the first call opens it and waits for that.

    Args:
        model: Name or file of the model; None for that of the user's settings.

    Raises:
        NanoError: The model cannot be loaded, or the engine cannot be reached.
    """
    settings = load_settings(model=model)
    with _LOCK:
        if settings.model not in _ASSISTANTS:
            if not _ASSISTANTS:
                atexit.register(close_assistants)
            _ASSISTANTS[settings.model] = open_assistant(settings, find_folders(), "script", lambda *_, **__: None)
        return _ASSISTANTS[settings.model]


def opened_assistants() -> dict[str, Assistant]:
    """The open assistants of this process, by model."""
    return dict(_ASSISTANTS)


def close_assistants() -> None:
    """Close all assistants of this process."""
    with _LOCK:
        while _ASSISTANTS:
            _ASSISTANTS.popitem()[1].close()


def docstring_job(text: str, style: str) -> WriteDocstrings:
    """The job that writes the docstring of the first function or class of a text."""
    if style not in STYLES:
        raise ConfigError(f"There is no style {style!r}.", f"Choose one of: {', '.join(STYLES)}.")
    first = _first_definition(text)
    source = as_python(text)  # IPython syntax becomes comments of the same length: offsets stay valid
    return WriteDocstrings(source, first.start, first.name, style)


def read_docstring(text: str) -> str:
    """The docstring of the first function or class of a text; empty for none."""
    span = _first_definition(text).docstring
    if span is None:
        return ""
    return ast.get_docstring(ast.Module([ast.parse(text[slice(*span)].strip()).body[0]], [])) or ""


def _first_definition(text: str) -> Definition:
    tree = SyntaxTree.parse(text, PYTHON)
    found = find_definitions(tree) if tree else iter(())
    first = next((each for each in found if each.kind is not DefinitionKind.MODULE), None)
    if first is None:
        raise DocumentError("There is no function and no class in this code.", "Give one, or its source.")
    return first


def _source_of(code: object) -> str:
    text = code if isinstance(code, str) else find_source(code)
    if not text.strip():
        raise DocumentError("The code is empty.", "Give a function, a class, or a text.")
    return text


def _prepare(
    prompt: str,
    data: object,
    result: Any,  # noqa: ANN401
    choices: Sequence[str],
    *,
    think: bool,
    max_tokens: int,
    deadline_ms: float | None,
) -> tuple[OutputSpec, Task]:
    """The task, validated before a model is loaded."""
    spec = OutputSpec(None, tuple(choices), str) if choices else spec_of_type(result)
    try:
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TaskError(f"The data is neither text nor valid JSON: {error}.", "Convert it to text first.") from error
    try:
        schema = json.dumps(spec.schema, ensure_ascii=False) if spec.schema is not None else ""
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(f"The JSON schema is not valid JSON: {error}.", "Correct it.") from error
    task = Task(
        prompt=prompt,
        data=text,
        choices=spec.choices,
        schema=schema,
        think=think,
        max_tokens=max_tokens,
        deadline_ms=deadline_ms,
    )
    try:
        task.check()
    except SchemaError as error:
        raise with_field_name(result, error) from error
    return spec, task


def _convert(spec: OutputSpec, answer: Answer) -> TaskResult[Any]:
    try:
        value = spec.convert(answer.value)
    except Exception as error:  # the type's own validation, as of pydantic or in `__post_init__`
        raise TaskError(
            f"The type rejects the answer: {error}", "State its rules in the prompt, or in the schema."
        ) from error
    return TaskResult(value, answer.probabilities, answer.reasoning, answer.warnings)

"""Tasks from Python: `nano_lsp.run_task`. The first call loads the model, which stays until the process ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, overload

from nano_lsp.api.assistants import find_assistant
from nano_lsp.assistant.job import Assistant
from nano_lsp.errors import SchemaError, TaskError
from nano_lsp.tasks import MAX_TOKENS, Answer, OutputSpec, Task, in_words_of, shape_of

T = TypeVar("T")


@dataclass(frozen=True)
class TaskResult(Generic[T]):
    """A value, and how it came about.

    Attributes:
        value: of the type asked for.
        probabilities: of each choice, by its text; empty where the result is no choice.
        reasoning: what the model thought first; empty without `think`.
        warnings: sentences for the user, such as that an answer was cut.
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
    result: Any = ...,  # noqa: ANN401 - whatever stands in annotations
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
    """Have the model do something, and get a value of a type.

    Args:
        prompt: what to do.
        data: what to do it with: text, or anything that JSON can hold.
        result: type of the value: str, bool, int, float, Literal, an Enum, list, tuple, dict, a dataclass, a
            TypedDict, a pydantic model, or a JSON schema as a dict.
        choices: the value is one of these texts; instead of a type.
        think: reason step by step first, hidden.
        max_tokens: of the answer.
        deadline_ms: wall-clock limit, without loading the model.
        full: return a `TaskResult`, which has the probabilities of choices and the reasoning as well.
        model: name or file; the user's settings where None.
        assistant: a loaded model to use instead.

    Raises:
        SchemaError: the type has no JSON, or none that a grammar can keep.
        AnswerCutError: the answer is not whole at the token limit.
        TaskTimeoutError: the time ran out.
        NanoError: the model cannot be loaded, or fails.
    """
    spec, task = _prepare(prompt, data, result, choices, think=think, max_tokens=max_tokens, deadline_ms=deadline_ms)
    kernel = assistant or find_assistant(model)
    found = _finish(spec, kernel.run(task))
    return found if full else found.value


async def run_task_async(
    prompt: str,
    data: object = "",
    result: Any = str,  # noqa: ANN401 - whatever stands in annotations
    *,
    choices: Sequence[str] = (),
    think: bool = False,
    max_tokens: int = MAX_TOKENS,
    deadline_ms: float | None = None,
    full: bool = False,
    model: str | None = None,
    assistant: Assistant | None = None,
) -> Any:  # noqa: ANN401
    """As `run_task`, for an event loop; cancelling the task calls the model off."""
    spec, task = _prepare(prompt, data, result, choices, think=think, max_tokens=max_tokens, deadline_ms=deadline_ms)
    kernel = await asyncio.to_thread(find_assistant, model) if assistant is None else assistant
    found = _finish(spec, await kernel.run_async(task))
    return found if full else found.value


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
    """The task, checked before a model is loaded."""
    spec = OutputSpec(None, tuple(choices), str) if choices else shape_of(result)
    try:
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        schema = json.dumps(spec.schema, ensure_ascii=False) if spec.schema is not None else ""
    except (TypeError, ValueError, RecursionError) as error:
        raise TaskError(f"The data is no text and no JSON: {error}.", "Turn it into text yourself.") from error
    task = Task(prompt, text, spec.choices, schema, think, max_tokens, deadline_ms=deadline_ms)
    try:
        task.check()
    except SchemaError as error:
        raise in_words_of(result, error) from error
    return spec, task


def _finish(spec: OutputSpec, answer: Answer) -> TaskResult[Any]:
    try:
        value = spec.convert(answer.value)
    except (TypeError, ValueError) as error:  # what the type checks itself, as a pydantic validator
        raise TaskError(
            f"The type refuses the answer: {error}", "Say in the prompt, or in the schema, what it demands."
        ) from error
    return TaskResult(value, answer.probabilities, answer.reasoning, answer.warnings)

"""A task: a prompt and data in; text, a choice, or a JSON value out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.prompts import Message, build_chat_prompt
from nano_lsp.errors import AnswerCutError, DocumentError, TaskTimeoutError
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import Completion, Counters, FinishReason, GenerateParams, Priority, SamplingParams
from nano_lsp.tasks.classification import (
    DIRECT_WEIGHT,
    TEMPERATURE,
    THINK_TEMPERATURE,
    check_choices,
    choice_instruction,
    quote,
    softmax,
)
from nano_lsp.tasks.partial_json import close_json
from nano_lsp.tasks.reasoning import BEGIN, CONCLUDE, worked_examples
from nano_lsp.tasks.schema_grammar import compile_schema, deduplicate_items, gbnf_literal, validation_error

MAX_TOKENS = 512
"""Default maximum number of tokens of an answer."""
_SEQUENCE = "task"
_CHOICE_TOKENS = 256  # a choice is generated completely; a longer one is refused


@dataclass(frozen=True)
class Answer:
    """The result of a task.

    Attributes:
        value: The text, the choice, or the JSON value.
        probabilities: Calibrated probability of each choice; empty without choices.
        reasoning: Reasoning before the answer; empty without `think`.
        truncated: Whether the answer ended at the token limit; incomplete parts of a JSON value are then removed, and
            its last string may be truncated.
        warnings: Sentences for the user.
        counters: Tokens and times of all requests.
    """

    value: Any
    probabilities: Mapping[str, float] = field(default_factory=dict)
    reasoning: str = ""
    truncated: bool = False
    warnings: tuple[str, ...] = ()
    counters: Counters = field(default_factory=Counters)


@dataclass(frozen=True)
class Task(Job[Answer]):
    """An instruction with the form of its result: choices, JSON of a schema, or text. Plain values only.

    Attributes:
        prompt: The instruction.
        data: Input data; empty for none.
        choices: Choices of a classification; empty for none.
        schema: JSON schema of the answer, as JSON; empty for none.
        think: Reason step by step before the answer; the reasoning is hidden.
        max_tokens: Maximum number of tokens of the answer.
        reasoning_tokens: Maximum number of tokens of the reasoning.
        deadline_ms: Wall-clock limit of the whole task, from its first request on; None for none.
        sampling: Sampling parameters.
    """

    prompt: str
    data: str = ""
    choices: tuple[str, ...] = ()
    schema: str = ""
    think: bool = False
    max_tokens: int = MAX_TOKENS
    reasoning_tokens: int = 256
    deadline_ms: float | None = None
    sampling: SamplingParams = field(default_factory=SamplingParams)

    def check(self) -> str:
        """Validate the task without a model, and return the grammar of the answer; empty for none.

        Raises:
            DocumentError: The prompt is empty.
            SchemaError: The choices or the schema cannot be used.
        """
        if not self.prompt.strip():
            raise DocumentError("The prompt is empty.", "Write an instruction.")
        if self.choices:
            check_choices(self.choices)
        return compile_schema(json.loads(self.schema)) if self.schema else ""

    async def run(self, context: FeatureContext) -> Answer:
        """The answer.

        Raises:
            DocumentError: The prompt is empty.
            SchemaError: The choices or the schema cannot be used.
            AnswerCutError: The answer is incomplete at the token limit.
            TaskTimeoutError: The deadline has passed.
        """
        grammar = self.check()
        return await _TaskRun(self, context, grammar).run()


class _TaskRun:
    """A running task."""

    def __init__(self, task: Task, context: FeatureContext, grammar: str) -> None:
        self._task, self._context, self._grammar = task, context, grammar
        self._tokenizer = context.tokenizer
        self._started = time.monotonic()
        self._counters = Counters()
        self._warnings: list[str] = []
        self._truncated = False
        self._reasoning = ""

    async def run(self) -> Answer:
        task, prompt = self._task, self._prompt()
        if task.choices:
            answer = await self._choose(prompt)
        else:
            if task.think:
                prompt = await self._reason(prompt)
                prompt += self._tokenizer.tokenize(":\n\n")
            answer = Answer(self._read(await self._generate(prompt, task.max_tokens, grammar=self._grammar or None)))
        return replace(
            answer,
            reasoning=self._reasoning,
            truncated=self._truncated,
            warnings=tuple(self._warnings),
            counters=self._counters,
        )

    def _prompt(self) -> list[int]:
        task = self._task
        parts = [task.prompt, task.data]
        if task.choices:
            parts.append(choice_instruction(task.choices))
        if task.schema:
            parts.append(f"Answer with JSON of this schema and nothing else: {task.schema}")
        turns = [*worked_examples()] if task.think and task.choices else []
        turns.append(Message("user", "\n\n".join(filter(None, parts))))
        return build_chat_prompt(self._tokenizer, turns, think=task.think)

    async def _reason(self, prompt: list[int]) -> list[int]:
        """The prompt with the model's reasoning, up to the words that introduce the answer."""
        prompt = prompt + self._tokenizer.tokenize(BEGIN)
        thought = await self._generate(prompt, self._task.reasoning_tokens, stop=(f"\n\n{CONCLUDE}",))
        self._reasoning = thought.text.strip()
        return prompt + self._tokenizer.tokenize(f"{thought.text.rstrip()}\n\n{CONCLUDE}")

    async def _choose(self, prompt: list[int]) -> Answer:
        choices = self._task.choices
        if self._task.think:
            # The direct answer comes first: the reasoning then continues from the same prompt.
            direct = await self._score(prompt, f'{CONCLUDE} "')
            reasoned = await self._score((await self._reason(prompt)), ' "')
            pooled = [DIRECT_WEIGHT * first + second for first, second in zip(direct, reasoned, strict=True)]
            found = softmax(pooled, THINK_TEMPERATURE)
        else:
            found = softmax((await self._score(prompt, '"')), TEMPERATURE)
        best = max(range(len(found)), key=found.__getitem__)
        return Answer(choices[best], dict(zip(choices, found, strict=True)))

    async def _score(self, prompt: list[int], opening: str) -> list[float]:
        """Log-probability of each choice after a prompt and an opening that ends in the choice's opening quote."""
        prompt = prompt + self._tokenizer.tokenize(opening)
        scores = []
        for choice in self._task.choices:
            rest = quote(choice)[1:]
            completion = await self._generate(prompt, _CHOICE_TOKENS, grammar=f"root ::= {gbnf_literal(rest)}")
            if completion.text != rest:
                raise AnswerCutError(f"The choice {choice!r} is too long.", "Give choices of a few words.")
            scores.append(sum(token.logprob for token in completion.tokens))
        return scores

    def _read(self, completion: Completion) -> Any:  # noqa: ANN401 - any JSON
        """The value of an answer."""
        text, truncated = completion.text.strip(), completion.finish_reason is FinishReason.LENGTH
        if not self._task.schema:
            if truncated:
                self._warn_truncated(completion)
            return text
        complete = [text] if not truncated or text.endswith(('"', "]", "}")) else []
        schema = json.loads(self._task.schema)
        for closed in [*complete, *close_json(text)]:
            try:
                value = deduplicate_items(json.loads(closed), schema)
            except ValueError:
                continue
            if not validation_error(value, schema):
                if closed != text:
                    self._warn_truncated(completion)
                return value
        raise AnswerCutError(
            f"The answer is incomplete after {len(completion.tokens)} tokens.",
            "Raise max_tokens (or n_ctx), or limit the schema with maxLength and maxItems.",
        )

    def _warn_truncated(self, completion: Completion) -> None:
        self._truncated = True
        self._warnings.append(f"The answer was truncated at {len(completion.tokens)} tokens.")

    async def _generate(
        self, prompt: list[int], max_tokens: int, grammar: str | None = None, stop: tuple[str, ...] = ()
    ) -> Completion:
        limit = self._task.deadline_ms
        remaining_ms = None if limit is None else limit - (time.monotonic() - self._started) * 1e3
        if remaining_ms is not None and remaining_ms <= 0:
            raise _timeout(limit)
        params = GenerateParams(
            max_tokens=max_tokens,
            deadline_ms=remaining_ms,
            sampling=self._task.sampling,
            grammar=grammar,
            stop=stop,
            draft=False,  # reproducible: speculation depends on timing, and other batch sizes round differently
        )
        request = GenerationRequest(tuple(prompt), params, Priority.CHAT, sequence=_SEQUENCE)
        completion = await self._context.generate(request)
        self._counters += completion.counters
        self._warnings += [warning for warning in completion.warnings if warning not in self._warnings]
        if completion.finish_reason is FinishReason.DEADLINE:
            raise _timeout(limit)
        return completion


def _timeout(limit_ms: float | None) -> TaskTimeoutError:
    return TaskTimeoutError(f"There was no result within {limit_ms:,.0f} ms.", "Allow more time, or ask for less.")

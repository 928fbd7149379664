"""A task: a prompt and data in, a value of a given form out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.prompts import Message, build_chat_prompt
from nano_lsp.errors import AnswerCutError, DocumentError, TaskTimeoutError
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import Completion, Counters, FinishReason, GenerateParams, Priority, SamplingParams
from nano_lsp.tasks.classification import (
    AT_ONCE_WEIGHT,
    TEMPERATURE,
    THINK_TEMPERATURE,
    ask_for,
    check_choices,
    probabilities,
    quote,
)
from nano_lsp.tasks.partial_json import close_json
from nano_lsp.tasks.reasoning import BEGIN, CONCLUDE, worked_examples
from nano_lsp.tasks.schema_grammar import compile_schema, gbnf_literal, validation_error, without_repetitions

MAX_TOKENS = 512
"""Of an answer, unless said otherwise."""
_SEQUENCE = "task"
_CHOICE_TOKENS = 256  # a choice is said whole; a longer one is refused


@dataclass(frozen=True)
class Answer:
    """What a task resulted in.

    Attributes:
        value: the text, the choice, or the JSON value.
        probabilities: of each choice, calibrated; empty where there are none.
        reasoning: what the model thought first; empty without `think`.
        cut: it ended at the token limit; of a JSON value, what was not whole is left out or ends there.
        warnings: sentences for the user.
        counters: what it cost.
    """

    value: Any
    probabilities: Mapping[str, float] = field(default_factory=dict)
    reasoning: str = ""
    cut: bool = False
    warnings: tuple[str, ...] = ()
    counters: Counters = field(default_factory=Counters)


@dataclass(frozen=True)
class Task(Job[Answer]):
    """What to ask, and the form of the result: choices, JSON of a schema, or text. Plain values only.

    Attributes:
        prompt: what to do.
        data: what to do it with; empty for nothing.
        choices: the answer is one of these; empty for none.
        schema: JSON schema of the answer, as JSON; empty for none.
        think: reason first; what is said then is hidden.
        max_tokens: of the answer.
        reasoning_tokens: of the reasoning.
        deadline_ms: wall-clock limit of the whole task, from its first request on; None for none.
        sampling: how tokens are chosen.
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
    result: ClassVar[Any] = Answer

    def check(self) -> str:
        """Refuse what makes no sense before a model is loaded; the grammar of the answer, empty for none.

        Raises:
            DocumentError: there is no prompt.
            SchemaError: the choices or the schema cannot be used.
        """
        if not self.prompt.strip():
            raise DocumentError("The prompt is empty.", "Say what is to be done.")
        if self.choices:
            check_choices(self.choices)
        return compile_schema(json.loads(self.schema)) if self.schema else ""

    async def run(self, context: FeatureContext) -> Answer:
        """The answer.

        Raises:
            DocumentError: there is no prompt.
            SchemaError: the choices or the schema cannot be used.
            AnswerCutError: the answer is not whole at the token limit.
            TaskTimeoutError: the time ran out.
        """
        grammar = self.check()
        return await _Run(self, context, grammar).run()


class _Run:
    """A task at work."""

    def __init__(self, task: Task, context: FeatureContext, grammar: str) -> None:
        self._task, self._context, self._grammar = task, context, grammar
        self._tokenizer = context.tokenizer
        self._started = time.monotonic()
        self._counters = Counters()
        self._warnings: list[str] = []
        self._cut = False
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
            cut=self._cut,
            warnings=tuple(self._warnings),
            counters=self._counters,
        )

    def _prompt(self) -> list[int]:
        task = self._task
        parts = [task.prompt, task.data]
        if task.choices:
            parts.append(ask_for(task.choices))
        if task.schema:
            parts.append(f"Answer with JSON of this schema and nothing else: {task.schema}")
        turns = [*worked_examples()] if task.think and task.choices else []
        turns.append(Message("user", "\n\n".join(filter(None, parts))))
        return build_chat_prompt(self._tokenizer.spec, self._tokenizer, turns, think=task.think)

    async def _reason(self, prompt: list[int]) -> list[int]:
        """The prompt and a reasoning, up to where its conclusion is to be said."""
        prompt = prompt + self._tokenizer.tokenize(BEGIN)
        thought = await self._generate(prompt, self._task.reasoning_tokens, stop=(f"\n\n{CONCLUDE}",))
        self._reasoning = thought.text.strip()
        return prompt + self._tokenizer.tokenize(f"{thought.text.rstrip()}\n\n{CONCLUDE}")

    async def _choose(self, prompt: list[int]) -> Answer:
        choices = self._task.choices
        if self._task.think:
            # At once comes first: the reasoning then goes on from the same prompt.
            at_once = await self._score(prompt, f'{CONCLUDE} "')
            reasoned = await self._score((await self._reason(prompt)), ' "')
            weighed = [AT_ONCE_WEIGHT * first + second for first, second in zip(at_once, reasoned, strict=True)]
            found = probabilities(weighed, THINK_TEMPERATURE)
        else:
            found = probabilities((await self._score(prompt, '"')), TEMPERATURE)
        best = max(range(len(found)), key=found.__getitem__)
        return Answer(choices[best], dict(zip(choices, found, strict=True)))

    async def _score(self, prompt: list[int], opening: str) -> list[float]:
        """Log-probability of each choice behind a prompt and what ends in its opening quote."""
        prompt = prompt + self._tokenizer.tokenize(opening)
        scores = []
        for choice in self._task.choices:
            rest = quote(choice)[1:]
            said = await self._generate(prompt, _CHOICE_TOKENS, grammar=f"root ::= {gbnf_literal(rest)}")
            if said.text != rest:
                raise AnswerCutError(f"The choice {choice!r} is too long.", "Give choices of a few words.")
            scores.append(sum(token.logprob for token in said.tokens))
        return scores

    def _read(self, said: Completion) -> Any:  # noqa: ANN401 - any JSON
        """The value of an answer."""
        text, cut = said.text.strip(), said.finish_reason is FinishReason.LENGTH
        if not self._task.schema:
            if cut:
                self._tell_cut(said)
            return text
        whole = [text] if not cut or text.endswith(('"', "]", "}")) else []
        schema = json.loads(self._task.schema)
        for closed in [*whole, *close_json(text)]:
            try:
                value = without_repetitions(json.loads(closed), schema)
            except ValueError:
                continue
            if not validation_error(value, schema):
                if closed != text:
                    self._tell_cut(said)
                return value
        raise AnswerCutError(
            f"The answer was not whole after {len(said.tokens)} tokens.",
            "Raise max_tokens (or n_ctx), or bound the schema with maxLength and maxItems.",
        )

    def _tell_cut(self, said: Completion) -> None:
        self._cut = True
        self._warnings.append(f"The answer was cut at {len(said.tokens)} tokens.")

    async def _generate(
        self, prompt: list[int], max_tokens: int, grammar: str | None = None, stop: tuple[str, ...] = ()
    ) -> Completion:
        limit = self._task.deadline_ms
        left = None if limit is None else limit - (time.monotonic() - self._started) * 1e3
        if left is not None and left <= 0:
            raise _timeout(limit)
        params = GenerateParams(
            max_tokens=max_tokens,
            deadline_ms=left,
            sampling=self._task.sampling,
            grammar=grammar,
            stop=stop,
            draft=False,  # drafts run where they pay on this day: batches of another size round differently
        )
        request = GenerationRequest(tuple(prompt), params, Priority.CHAT, sequence=_SEQUENCE)
        said = await self._context.generate(request)
        self._counters += said.counters
        self._warnings += [warning for warning in said.warnings if warning not in self._warnings]
        if said.finish_reason is FinishReason.DEADLINE:
            raise _timeout(limit)
        return said


def _timeout(limit_ms: float | None) -> TaskTimeoutError:
    return TaskTimeoutError(f"There was no result within {limit_ms:,.0f} ms.", "Allow more time, or ask for less.")

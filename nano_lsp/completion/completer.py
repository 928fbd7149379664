"""Completes code at a cursor: the request to the model, and what is shown of its answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, ClassVar

from nano_lsp.assistant.budget import Limits
from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.prompts import build_fim_prompt, cut_code
from nano_lsp.code.cursor_context import CompletionInput, CursorContext, TextAfterCursor
from nano_lsp.code.window import cut_window
from nano_lsp.completion.postprocess import PostprocessOptions, Postprocessor
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import Completion, GenerateParams, Priority, SamplingParams, Token

_SPARE_TOKENS = 8  # control tokens of the prompt
_TRIES_PER_ALTERNATIVE = 2
_SURE = math.log(0.9)
_GREEDY = SamplingParams()
_REQUESTED = PostprocessOptions()


@dataclass(frozen=True)
class Complete(Job[Completion]):
    """Complete code at a cursor.

    Attributes:
        task: The code and the cursor.
        postprocess: How strict to be with what the model offers.
        sampling: How tokens are chosen.
        draft: Allow speculative tokens from n-grams where they pay.
        prefetch: Work for a future that may come; whatever is asked for now goes first.
    """

    task: CompletionInput
    postprocess: PostprocessOptions = _REQUESTED
    sampling: SamplingParams = _GREEDY
    draft: bool = True
    prefetch: bool = False
    result: ClassVar[Any] = Completion

    @property
    def document(self) -> str:
        """The document to complete."""
        return self.task.name

    async def run(self, context: FeatureContext) -> Completion:
        """The completion as it is shown."""
        limits = _limits(self.postprocess, context)
        request, cursor = _prepare(self.task, context, limits, self.postprocess, prefetch=self.prefetch)
        request = replace(request, params=replace(request.params, sampling=self.sampling, draft=self.draft))
        return await _postprocessed(request, cursor, self.postprocess, context)


@dataclass(frozen=True)
class Alternatives(Job[list[Completion]]):
    """Up to n different completions at a cursor, the model's own choice first; listeners receive that one's text.

    The others leave it where the model was unsure, in its first line rather than later. They go on from the first
    one's KV sequence, so they evaluate no more of the prompt.

    Attributes:
        task: The code and the cursor.
        n: Maximum number of completions.
        postprocess: How strict to be with what the model offers.
        sampling: How tokens are chosen.
    """

    task: CompletionInput
    n: int = 3
    postprocess: PostprocessOptions = _REQUESTED
    sampling: SamplingParams = _GREEDY
    result: ClassVar[Any] = list[Completion]

    @property
    def document(self) -> str:
        """The document to complete."""
        return self.task.name

    async def run(self, context: FeatureContext) -> list[Completion]:
        """The completions as they are shown."""
        request, cursor = _prepare(self.task, context, _limits(self.postprocess, context), self.postprocess)
        request = replace(request, params=replace(request.params, sampling=self.sampling))
        first = await _postprocessed(request, cursor, self.postprocess, context)
        found = [first]
        for i in _forks(first.tokens)[: _TRIES_PER_ALTERNATIVE * (self.n - 1)]:
            if len(found) == self.n:
                break
            params = replace(
                request.params, begin=first.tokens[:i], avoid=frozenset({first.tokens[i].id}), min_tokens=i + 1
            )
            other = replace(request, params=params, sequence=f"{request.document}#{len(found)}", on_text=None)
            completion = await _postprocessed(other, cursor, self.postprocess, context)
            if completion.text.strip() and completion.text not in {known.text for known in found}:
                found.append(completion)
        return found


@dataclass(frozen=True)
class Infill(Job[Completion]):
    """Complete code between a prefix and a suffix, for clients that cut their documents themselves.

    Attributes:
        prefix: Code before the cursor.
        suffix: Code after it.
        context: Code from elsewhere.
        max_tokens: Maximum number of tokens; 0 only reads the prompt.
        deadline_ms: Deadline of the answer; None for none.
        sampling: How tokens are chosen.
    """

    prefix: str
    suffix: str
    context: str = ""
    max_tokens: int = 128
    deadline_ms: float | None = None
    sampling: SamplingParams = _GREEDY
    result: ClassVar[Any] = Completion

    async def run(self, context: FeatureContext) -> Completion:
        """The completion, postprocessed as one that was requested."""
        task = CompletionInput("", self.prefix + self.suffix, len(self.prefix), context=self.context)
        limits = replace(context.state.max_limits, max_tokens=self.max_tokens)
        request, cursor = _prepare(task, context, limits, _REQUESTED)
        params = replace(request.params, sampling=self.sampling, deadline_ms=self.deadline_ms)
        return await _postprocessed(replace(request, params=params), cursor, _REQUESTED, context)


def _limits(options: PostprocessOptions, context: FeatureContext) -> Limits:
    return context.state.budget.limits() if options.automatic else context.state.max_limits


def _prepare(
    task: CompletionInput,
    context: FeatureContext,
    limits: Limits,
    options: PostprocessOptions,
    *,
    prefetch: bool = False,
) -> tuple[GenerationRequest, CursorContext]:
    """The request for a completion, and where it goes."""
    state, tokenizer, spec = context.state, context.tokenizer, context.tokenizer.spec
    document = state.documents.update(task.name, task.text, task.language)
    cursor = document.cursor(task.offset)
    if state.workspace:
        imported_tokens = min(state.max_imported_tokens, limits.prompt_tokens // 3)
        document.look_up_imports(state.workspace, imported_tokens, context.count_tokens)
    room = min(limits.prompt_tokens, spec.n_ctx - limits.max_tokens - _SPARE_TOKENS)
    more_code = cut_code(task.context, tokenizer, limits.prompt_tokens // 2) + document.imported
    room -= context.count_tokens(more_code)
    window = cut_window(
        task.text, task.offset, max(16, room), context.count_tokens, tree=document.tree, anchor=document.anchor
    )
    if not prefetch:
        document.anchor = window.anchor
    # At the end of a line a completion ends with the line break that stands behind the cursor.
    at_end = cursor.text_after_cursor is TextAfterCursor.EMPTY
    suffix = window.suffix.lstrip(" \t").removeprefix("\r").removeprefix("\n") if at_end else window.suffix
    prompt = build_fim_prompt(spec, tokenizer, window.prefix, suffix, order=context.fim_order, context=more_code)
    request = GenerationRequest(
        prompt=tuple(prompt),
        params=GenerateParams(
            max_tokens=limits.max_tokens,
            min_tokens=0 if options.automatic else 1,  # a requested completion is not empty
            heal=spec.fim is None or context.fim_order == "spm_tail",  # elsewhere the cursor's word is not last
        ),
        priority=Priority.PREFETCH if prefetch else Priority.COMPLETION,
        document=task.name,
        sequence=f"{task.name}#prefetch" if prefetch else task.name,
        on_text=context.listener.on_text,
        on_progress=context.listener.on_progress,
    )
    return request, cursor


async def _postprocessed(
    request: GenerationRequest, cursor: CursorContext, options: PostprocessOptions, context: FeatureContext
) -> Completion:
    postprocessor, on_text = Postprocessor(cursor, options), request.on_text
    shown = on_text and (lambda text: on_text(postprocessor.stable_prefix(text)))
    completion = await context.generate(replace(request, hook=postprocessor.hook, on_text=shown))
    candidate = postprocessor.finish(completion.text, completion.tokens)
    return replace(completion, text=candidate.text, tokens=tuple(candidate.tokens))


def _forks(tokens: Sequence[Token]) -> list[int]:
    """Places where another token may lead to something else as good, best first."""
    line = list(accumulate((b"\n" in token.piece for token in tokens), initial=0))
    unsure = {i: token.logprob < _SURE for i, token in enumerate(tokens)}
    return sorted(unsure, key=lambda i: (not unsure[i], line[i], tokens[i].logprob))

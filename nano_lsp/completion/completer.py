"""Completes code at a cursor: builds the request to the model and postprocesses the result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from nano_lsp.assistant.budget import Limits
from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.prompts import build_fim_prompt, cut_code
from nano_lsp.code.cursor_context import CompletionInput, TextAfterCursor
from nano_lsp.code.window import cut_window
from nano_lsp.completion.postprocess import PostprocessOptions, Postprocessor
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import Completion, GenerateParams, Priority, SamplingParams, Token

_SPARE_TOKENS = 8  # reserved for control tokens of the prompt
_TRIES_PER_ALTERNATIVE = 2
_CONFIDENT = math.log(0.9)
# Of 25 suggestions from small windows, those above keep 79 % of the characters saved with 59 % of those shown.
_MIN_SMALL_CONFIDENCE = 0.8
_GREEDY = SamplingParams()
_REQUESTED = PostprocessOptions()


@dataclass(frozen=True)
class Complete(Job[Completion]):
    """Complete code at a cursor.

    Attributes:
        completion_input: The code and the cursor.
        postprocess: Options of postprocessing.
        sampling: Parameters of sampling.
        speculative: Allow speculative tokens from n-grams where they pay.
        prefetch: Compute in advance; requests that a user waits for take precedence.
    """

    completion_input: CompletionInput
    postprocess: PostprocessOptions = _REQUESTED
    sampling: SamplingParams = _GREEDY
    speculative: bool = True
    prefetch: bool = False

    @property
    def document(self) -> str:
        """The document to complete."""
        return self.completion_input.name

    async def run(self, context: FeatureContext) -> Completion:
        """The postprocessed completion."""
        limits = _limits(self.postprocess, context)
        request, processor = prepare_request(
            self.completion_input, context, limits, self.postprocess, prefetch=self.prefetch
        )
        small = None
        if self.postprocess.automatic and not self.prefetch:
            n_missing = context.n_missing(request)
            small = _prepare_small(self.completion_input, context, request, self.postprocess, n_missing=n_missing)
        if small:
            context.read_ahead(_prompt_only(request, "window"))
            request, processor = small
        request = replace(request, params=replace(request.params, sampling=self.sampling, draft=self.speculative))
        completion = processor.finish(await context.generate(request))
        if not small:
            return completion
        is_sure = completion.confidence >= _MIN_SMALL_CONFIDENCE
        return replace(completion, text=completion.text if is_sure else "", provisional=True)


@dataclass(frozen=True)
class ReadAhead(Job[None]):
    """Evaluate the prompts of an automatic suggestion in the background, before it is requested.

    First that of the small window, so that a key that is typed soon gets a suggestion at once, then that of the whole
    one. The job does not wait for them.

    Attributes:
        completion_input: The code and the cursor.
    """

    completion_input: CompletionInput

    @property
    def document(self) -> str:
        """The document to read."""
        return self.completion_input.name

    async def run(self, context: FeatureContext) -> None:
        """Hand the prompts to the model."""
        limits, options = context.state.budget.limits(), PostprocessOptions(automatic=True)
        request, _ = prepare_request(self.completion_input, context, limits, options)
        n_missing = context.n_missing(request)
        small = _prepare_small(self.completion_input, context, request, options, n_missing=n_missing)
        if small:
            context.read_ahead(_prompt_only(small[0], "small"))
        if n_missing > 1:
            context.read_ahead(_prompt_only(request, "window"))


def _prepare_small(
    completion_input: CompletionInput,
    context: FeatureContext,
    request: GenerationRequest,
    options: PostprocessOptions,
    *,
    n_missing: int,
) -> tuple[GenerationRequest, Postprocessor] | None:
    """The request with a small window; None where evaluating the rest of the whole one takes less than twice as long.

    None also for other orders than `spm_tail`: typing changes the middle of their prompts, which would be read again.

    Args:
        completion_input: The code and the cursor.
        context: The model and the state kept for the client.
        request: The request with the whole window.
        options: Options of postprocessing.
        n_missing: Number of tokens of its prompt that are not evaluated.
    """
    n_small = context.state.budget.small_prompt_tokens()
    if context.fim_order != "spm_tail" or n_missing <= 2 * n_small:
        return None
    limits = Limits(n_small, request.params.max_tokens)
    small, processor = prepare_request(completion_input, context, limits, options, small=True)
    return replace(small, on_text=None), processor  # its text is shown only if the whole of it is probable enough


def _prompt_only(request: GenerationRequest, window: str) -> GenerationRequest:
    """A request that evaluates the prompt of another one in the background.

    It has a KV sequence of the document, and takes the place of a queued one for another cursor or document.
    """
    return replace(
        request,
        params=replace(request.params, max_tokens=0),
        priority=Priority.PREFETCH,
        document=f"#{window}",
        sequence=f"{request.document}#{window}",
        hook=None,
        on_text=None,
        on_progress=None,
    )


@dataclass(frozen=True)
class Alternatives(Job[list[Completion]]):
    """Up to n different completions at a cursor, the regular one first; listeners receive the text of that one.

    The others differ from it from a token of low probability on, in its first line rather than later. They reuse the
    KV cache of the first, so the prompt is evaluated once.

    Attributes:
        completion_input: The code and the cursor.
        n: Maximum number of completions.
        postprocess: Options of postprocessing.
        sampling: Parameters of sampling.
    """

    completion_input: CompletionInput
    n: int = 3
    postprocess: PostprocessOptions = _REQUESTED
    sampling: SamplingParams = _GREEDY

    @property
    def document(self) -> str:
        """The document to complete."""
        return self.completion_input.name

    async def run(self, context: FeatureContext) -> list[Completion]:
        """The postprocessed completions."""
        limits = _limits(self.postprocess, context)
        request, processor = prepare_request(self.completion_input, context, limits, self.postprocess)
        request = replace(request, params=replace(request.params, sampling=self.sampling))
        first = processor.finish(await context.generate(request))
        found = [first]
        for i in _branch_points(first.tokens)[: _TRIES_PER_ALTERNATIVE * (self.n - 1)]:
            if len(found) == self.n:
                break
            params = replace(
                request.params, begin=first.tokens[:i], avoid=frozenset({first.tokens[i].id}), min_tokens=i + 1
            )
            processor = Postprocessor(processor.cursor, self.postprocess)
            sequence = f"{request.document}#{len(found)}"
            other = replace(request, params=params, sequence=sequence, hook=processor.hook, on_text=None)
            completion = processor.finish(await context.generate(other))
            if completion.text.strip() and completion.text not in {known.text for known in found}:
                found.append(completion)
        return found


@dataclass(frozen=True)
class Infill(Job[Completion]):
    """Complete code between a prefix and a suffix, for clients that choose the part of the document themselves.

    Attributes:
        prefix: Code before the cursor.
        suffix: Code after the cursor.
        context: Code from other files.
        max_tokens: Maximum number of tokens; 0 only evaluates the prompt.
        deadline_ms: Deadline of the completion in milliseconds; None for none.
        sampling: Parameters of sampling.
    """

    prefix: str
    suffix: str
    context: str = ""
    max_tokens: int = 128
    deadline_ms: float | None = None
    sampling: SamplingParams = _GREEDY

    async def run(self, context: FeatureContext) -> Completion:
        """The completion, postprocessed like one that a user requested."""
        completion_input = CompletionInput("", self.prefix + self.suffix, len(self.prefix), context=self.context)
        limits = replace(context.state.max_limits, max_tokens=self.max_tokens)
        request, processor = prepare_request(completion_input, context, limits, _REQUESTED)
        params = replace(request.params, sampling=self.sampling, deadline_ms=self.deadline_ms)
        return processor.finish(await context.generate(replace(request, params=params)))


def _limits(options: PostprocessOptions, context: FeatureContext) -> Limits:
    return context.state.budget.limits() if options.automatic else context.state.max_limits


def prepare_request(
    completion_input: CompletionInput,
    context: FeatureContext,
    limits: Limits,
    options: PostprocessOptions,
    *,
    prefetch: bool = False,
    small: bool = False,
) -> tuple[GenerationRequest, Postprocessor]:
    """The request for a completion, and the postprocessor that its hook belongs to.

    Args:
        completion_input: The code and the cursor.
        context: The model and the state kept for the client.
        limits: Limits of the prompt and of the answer.
        options: Options of postprocessing.
        prefetch: Whether the completion is computed in advance.
        small: Whether the prompt has a small window instead, without imported signatures: for a suggestion before the
            whole window is evaluated. It is cut apart from the whole one, and has a KV sequence of its own.
    """
    state, tokenizer, spec = context.state, context.tokenizer, context.tokenizer.spec
    offset = completion_input.offset
    document = state.documents.update(completion_input.name, completion_input.text, completion_input.language, offset)
    cursor = document.cursor(offset)
    imported = ""
    if state.workspace and not small:
        imported_tokens = min(state.max_imported_tokens, limits.prompt_tokens // 3)
        document.look_up_imports(state.workspace, imported_tokens, context.count_tokens)
        imported = document.imported
    room = min(limits.prompt_tokens, spec.n_ctx - limits.max_tokens - _SPARE_TOKENS)
    more_code = cut_code(completion_input.context, tokenizer, limits.prompt_tokens // 2) + imported
    room -= context.count_tokens(more_code)
    window = cut_window(
        completion_input.text,
        offset,
        max(16, room),
        context.count_tokens,
        tree=document.tree,
        anchor=document.small_anchor if small else document.anchor,
    )
    if small:
        document.small_anchor = window.anchor
    elif not prefetch:
        document.anchor = window.anchor
    # At the end of a line, the completion ends with the line break after the cursor, so the suffix begins below it.
    at_end = cursor.text_after_cursor is TextAfterCursor.EMPTY
    suffix = window.suffix.lstrip(" \t").removeprefix("\r").removeprefix("\n") if at_end else window.suffix
    prompt = build_fim_prompt(tokenizer, window.prefix, suffix, order=context.fim_order, context=more_code)
    processor, listener = Postprocessor(cursor, options), context.listener
    request = GenerationRequest(
        prompt=tuple(prompt),
        params=GenerateParams(
            max_tokens=limits.max_tokens,
            min_tokens=0 if options.automatic else 1,  # a requested completion is not empty
            # In other orders of the prompt, the cursor's word is not at its end.
            heal=spec.fim is None or context.fim_order == "spm_tail",
        ),
        priority=Priority.PREFETCH if prefetch else Priority.COMPLETION,
        document=completion_input.name,
        sequence=completion_input.name + ("#prefetch" if prefetch else "#small" if small else ""),
        adapter=context.find_adapter(),
        hook=processor.hook,
        on_text=lambda text: listener.on_text(processor.stable_prefix(text)),
        on_progress=listener.on_progress,
    )
    return request, processor


def _branch_points(tokens: Sequence[Token]) -> list[int]:
    """Indices of tokens where an alternative may branch off, best first: improbable ones, in the first line."""
    line = list(accumulate((b"\n" in token.piece for token in tokens), initial=0))
    improbable = {i: token.logprob < _CONFIDENT for i, token in enumerate(tokens)}
    return sorted(improbable, key=lambda i: (not improbable[i], line[i], tokens[i].logprob))

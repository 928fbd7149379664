"""Builds requests to the model that several features share: chat, and infilling of code."""

from __future__ import annotations

from nano_lsp.assistant.context import NULL_LISTENER, FeatureContext, ProgressListener
from nano_lsp.assistant.prompts import Message, build_chat_prompt, build_fim_prompt
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import GenerateParams, Priority, SamplingParams


def build_chat_request(
    question: str,
    context: FeatureContext,
    *,
    max_tokens: int,
    code: bool = False,
    think: bool = False,
    sampling: SamplingParams = SamplingParams(),  # noqa: B008 - frozen
    grammar: str | None = None,
    speculative: bool = True,
    listener: ProgressListener = NULL_LISTENER,
) -> GenerationRequest:
    """The request that answers a question.

    `speculative` allows speculative tokens from n-grams where measurements show a gain; with real weights they may
    change the choice between two equally probable tokens.
    """
    tokenizer = context.tokenizer
    prompt = build_chat_prompt(tokenizer, [Message("user", question)], code=code, think=think)
    return GenerationRequest(
        prompt=tuple(prompt),
        params=GenerateParams(max_tokens=max_tokens, sampling=sampling, grammar=grammar, draft=speculative),
        priority=Priority.CHAT,
        sequence="chat",
        on_text=listener.on_text,
        on_progress=listener.on_progress,
    )


def build_infill_request(
    context: FeatureContext,
    prefix: str,
    suffix: str,
    *,
    max_tokens: int,
    stop: tuple[str, ...],
    sequence: str,
    min_tokens: int = 0,
) -> GenerationRequest:
    """The request for the code between a prefix and a suffix, for features other than completion."""
    prompt = build_fim_prompt(context.tokenizer, prefix, suffix, order=context.fim_order)
    params = GenerateParams(max_tokens=max_tokens, min_tokens=min_tokens, stop=stop, heal=True, draft=False)
    return GenerationRequest(tuple(prompt), params, Priority.CHAT, sequence=sequence)

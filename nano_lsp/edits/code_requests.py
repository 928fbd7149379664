"""Requests whose answer is code."""

from __future__ import annotations

from dataclasses import replace

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.fences import fenced
from nano_lsp.assistant.requests import build_chat_request
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import SamplingParams

MAX_CODE_TOKENS = 1024
_AGAIN = SamplingParams(temperature=0.5, seed=1)


def code_request(
    context: FeatureContext, task: str, code: str, language: str, extra_tokens: int = 128
) -> GenerationRequest:
    """The request whose answer is code, at most twice as long as the code of the task and some tokens longer."""
    size = len(context.tokenizer.tokenize(code))
    return build_chat_request(
        f"{task}\n\n{fenced(code, language)}",
        context,
        code=True,
        max_tokens=min(2 * size + extra_tokens, context.tokenizer.spec.n_ctx - size - 256),
    )


def ask_again(request: GenerationRequest) -> GenerationRequest:
    """The same request with random sampling, for another answer."""
    return replace(request, params=replace(request.params, sampling=_AGAIN))

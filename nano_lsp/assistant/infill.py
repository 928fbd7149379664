"""Fills code in at one place: requests of features that know what is to stand there."""

from __future__ import annotations

from nano_lsp.inference.backend import Vocabulary
from nano_lsp.inference.request import Request
from nano_lsp.assistant.prompts import build_fim_prompt
from nano_lsp.schema import GenerateParams, Priority


def build_infill_request(
    vocabulary: Vocabulary,
    order: str,
    prefix: str,
    suffix: str,
    *,
    max_tokens: int,
    stop: tuple[str, ...],
    sequence: str,
    min_tokens: int = 0,
) -> Request:
    """The request for what stands between a prefix and a suffix.

    Args:
        vocabulary: the model.
        order: how its prompts are laid out.
        prefix: code before.
        suffix: code behind.
        max_tokens: at most so many tokens.
        stop: texts that end it.
        sequence: key of the KV sequence to continue.
        min_tokens: no end before so many.
    """
    prompt = build_fim_prompt(vocabulary.spec, vocabulary, prefix, suffix, order=order)
    params = GenerateParams(max_tokens=max_tokens, min_tokens=min_tokens, stop=stop, heal=True, draft=False)
    return Request(tuple(prompt), params, Priority.CHAT, sequence=sequence)

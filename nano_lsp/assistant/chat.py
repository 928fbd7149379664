"""Answers questions."""

from __future__ import annotations

from nano_lsp.inference.backend import Vocabulary
from nano_lsp.inference.request import Request
from nano_lsp.assistant.listener import NOBODY, Watcher
from nano_lsp.assistant.prompts import Message, build_chat_prompt
from nano_lsp.schema import GenerateParams, Priority, SamplingParams


def build_request(
    question: str,
    vocabulary: Vocabulary,
    *,
    code: bool,
    think: bool,
    max_tokens: int,
    sampling: SamplingParams,
    grammar: str | None = None,
    draft: bool = True,
    watcher: Watcher = NOBODY,
) -> Request:
    """The request that answers a question.

    Args:
        question: of the user.
        vocabulary: the model, for its tokens and its chat template.
        code: answer with code only.
        think: think step by step.
        max_tokens: at most so many tokens.
        sampling: how tokens are chosen.
        grammar: GBNF that the answer must follow.
        draft: let n-gram drafts run where they pay; that is measured, and with real weights a draft may tip a
            choice between two equally good tokens.
        watcher: is told of progress.
    """
    prompt = build_chat_prompt(vocabulary.spec, vocabulary, [Message("user", question)], code=code, think=think)
    return Request(
        prompt=tuple(prompt),
        params=GenerateParams(max_tokens=max_tokens, sampling=sampling, grammar=grammar, draft=draft),
        priority=Priority.CHAT,
        sequence="chat",
        on_text=watcher.on_text,
        on_progress=watcher.on_progress,
    )

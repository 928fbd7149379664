"""Completes code at a cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nano_lsp.context.window import cut_window
from nano_lsp.engine.backend import Backend
from nano_lsp.engine.worker import Request
from nano_lsp.features.postprocess import clean, find_end
from nano_lsp.features.prompts import build_fim_prompt
from nano_lsp.schema import Completion, GenerateParams, Hook, Priority, SamplingParams, Token, Verdict

_SPARE_TOKENS = 8  # control tokens of the prompt


@dataclass(frozen=True)
class CompletionTask:
    """Code to complete.

    Attributes:
        name: of the document, for the KV cache.
        text: of the document.
        offset: of the cursor, in code points.
    """

    name: str
    text: str
    offset: int


def build_request(
    task: CompletionTask,
    backend: Backend,
    *,
    fim_order: str,
    prompt_tokens: int,
    max_tokens: int,
    sampling: SamplingParams,
    draft: bool = True,
    on_text: Callable[[str], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Request:
    """The request that completes a task.

    Args:
        task: what to complete.
        backend: the model, for its tokens.
        fim_order: how the prompt is laid out.
        prompt_tokens: at most so many tokens of the document.
        max_tokens: at most so many tokens of completion.
        sampling: how tokens are chosen.
        draft: let n-gram drafts run where they pay.
        on_text: is told the text so far, cut where it ought to end.
        on_progress: is told prompt tokens done and in all.
    """
    room = min(prompt_tokens, backend.spec.n_ctx - max_tokens - _SPARE_TOKENS)
    window = cut_window(task.text, task.offset, max(16, room), lambda text: len(backend.tokenize(text)))
    prompt = build_fim_prompt(backend.spec, backend, window.prefix, window.suffix, fim_order)
    in_line = bool(window.suffix.split("\n", 1)[0].strip())
    return Request(
        prompt=tuple(prompt),
        params=GenerateParams(
            max_tokens=max_tokens,
            stop=("\n",) if in_line else ("\n\n\n",),
            sampling=sampling,
            heal=backend.spec.fim is None or fim_order == "spm_tail",  # elsewhere the cursor's word is not last
            draft=draft,
        ),
        priority=Priority.COMPLETION,
        document=task.name,
        hook=_end_hook(window.prefix, window.suffix),
        on_text=on_text and (lambda text: on_text(clean(text, window.prefix, window.suffix))),
        on_progress=on_progress,
    )


def finish(task: CompletionTask, completion: Completion) -> Completion:
    """The completion as it is shown."""
    return replace(completion, text=clean(completion.text, task.text[: task.offset], task.text[task.offset :]))


def _end_hook(prefix: str, suffix: str) -> Hook:
    """Stops a generation as soon as its text ought to have ended."""

    def hook(text: str, _tokens: Sequence[Token]) -> Verdict | None:
        return Verdict(stop=True) if find_end(text, prefix, suffix) is not None else None

    return hook

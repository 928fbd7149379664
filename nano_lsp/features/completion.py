"""Completes code at a cursor: what to ask of the worker, and what to show of its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from nano_lsp.context.cursor import LineRest
from nano_lsp.context.open_documents import OpenDocuments
from nano_lsp.context.window import cut_window
from nano_lsp.engine.backend import Backend
from nano_lsp.engine.worker import Request
from nano_lsp.features.judgement import Judge, Judgement
from nano_lsp.features.prompts import build_fim_prompt
from nano_lsp.schema import Completion, GenerateParams, Priority, SamplingParams

_SPARE_TOKENS = 8  # control tokens of the prompt


@dataclass(frozen=True)
class CompletionTask:
    """Code to complete.

    Attributes:
        name: of the document: its suffix tells the language, and the KV cache knows it by it.
        text: of the document.
        offset: of the cursor, in code points.
    """

    name: str
    text: str
    offset: int


@dataclass(frozen=True)
class CompletionOptions:
    """How to complete.

    Attributes:
        prompt_tokens: at most so many tokens of the document.
        max_tokens: at most so many tokens of completion.
        judgement: how strict to be with what the model offers.
        sampling: how tokens are chosen.
        draft: let n-gram drafts run where they pay.
    """

    prompt_tokens: int = 768
    max_tokens: int = 128
    judgement: Judgement = field(default_factory=Judgement)
    sampling: SamplingParams = field(default_factory=SamplingParams)
    draft: bool = True


@dataclass(frozen=True)
class Job:
    """A completion to be: the request for the worker, and what finishes its answer.

    Attributes:
        request: for the worker.
        finish: turns the worker's answer into what is shown.
    """

    request: Request
    finish: Callable[[Completion], Completion]


class Completer:
    """Builds the requests of completions; remembers the documents between them.

    Args:
        backend: the model, for its tokens.
        fim_order: how its prompts are laid out.
    """

    def __init__(self, backend: Backend, fim_order: str) -> None:
        self._backend = backend
        self._fim_order = fim_order
        self._documents = OpenDocuments()

    def plan(
        self,
        task: CompletionTask,
        options: CompletionOptions,
        on_text: Callable[[str], None] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Job:
        """What completes a task.

        Args:
            task: what to complete.
            options: how.
            on_text: is told the text so far.
            on_progress: is told prompt tokens done and in all.
        """
        spec = self._backend.spec
        document = self._documents.update(task.name, task.text)
        site = document.site(task.offset)
        room = min(options.prompt_tokens, spec.n_ctx - options.max_tokens - _SPARE_TOKENS)
        window = cut_window(
            task.text, task.offset, max(16, room), self._count_tokens, tree=document.tree, anchor=document.anchor
        )
        document.anchor = window.anchor
        # At the end of a line a completion ends with the line break that stands behind the cursor.
        at_end = site.line_rest is LineRest.EMPTY
        suffix = window.suffix.lstrip(" \t").removeprefix("\r").removeprefix("\n") if at_end else window.suffix
        prompt = build_fim_prompt(spec, self._backend, window.prefix, suffix, self._fim_order)
        judge = Judge(site, options.judgement)
        request = Request(
            prompt=tuple(prompt),
            params=GenerateParams(
                max_tokens=options.max_tokens,
                min_tokens=0 if options.judgement.modest else 1,  # who asks wants an answer
                sampling=options.sampling,
                heal=spec.fim is None or self._fim_order == "spm_tail",  # elsewhere the cursor's word is not last
                draft=options.draft,
            ),
            priority=Priority.COMPLETION,
            document=task.name,
            hook=judge.hook,
            on_text=on_text and (lambda text: on_text(judge.settled(text))),
            on_progress=on_progress,
        )

        def finish(completion: Completion) -> Completion:
            return replace(completion, text=judge.finish(completion.text, completion.tokens))

        return Job(request, finish)

    def _count_tokens(self, text: str) -> int:
        return len(self._backend.tokenize(text))

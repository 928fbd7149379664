"""Completes code at a cursor: what to ask of the worker, and what to show of its answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from nano_lsp.code.cursor_context import CompletionTask, LineRest, Site
from nano_lsp.code.open_documents import OpenDocument, OpenDocuments
from nano_lsp.code.window import cut_window
from nano_lsp.code.workspace import Workspace
from nano_lsp.inference.backend import Vocabulary
from nano_lsp.inference.request import Request
from nano_lsp.completion.postprocess import Judge, Judgement
from nano_lsp.assistant.listener import NOBODY, Plan, Watcher
from nano_lsp.assistant.prompts import build_fim_prompt, cut_code
from nano_lsp.schema import Completion, GenerateParams, Priority, SamplingParams, Token

_SPARE_TOKENS = 8  # control tokens of the prompt
_TRIES_PER_ALTERNATIVE = 2
_SURE = math.log(0.9)


@dataclass(frozen=True)
class CompletionOptions:
    """How to complete.

    Attributes:
        prompt_tokens: at most so many tokens of code.
        imported_tokens: of these, at most so many of signatures that the document imports from its workspace.
        max_tokens: at most so many tokens of completion.
        judgement: how strict to be with what the model offers.
        sampling: how tokens are chosen.
        draft: let n-gram drafts run where they pay.
        watcher: is told of progress.
        ahead: this is work for a future that may come; whatever is asked for now goes first.
        deadline_ms: of the answer; None for none.
    """

    prompt_tokens: int = 768
    imported_tokens: int = 256
    max_tokens: int = 128
    judgement: Judgement = field(default_factory=Judgement)
    sampling: SamplingParams = field(default_factory=SamplingParams)
    draft: bool = True
    watcher: Watcher = NOBODY
    ahead: bool = False
    deadline_ms: float | None = None


class Completer:
    """Builds the requests of completions; remembers the documents between them.

    Args:
        vocabulary: the model, for its tokens.
        fim_order: how its prompts are laid out.

    Attributes:
        workspace: where documents import from; None for nowhere.
    """

    def __init__(self, vocabulary: Vocabulary, fim_order: str) -> None:
        self._vocabulary = vocabulary
        self._fim_order = fim_order
        self._documents = OpenDocuments()
        self.workspace: Workspace | None = None

    def close(self, name: str) -> None:
        """Forget a document."""
        self._documents.close(name)

    def complete(self, task: CompletionTask, options: CompletionOptions) -> Plan[Completion]:
        """What completes a task; the result is what is shown."""
        document, site = self._look_at(task)
        return (yield from self._judged(self._request(task, options, document, site), site, options))

    def alternatives(self, task: CompletionTask, options: CompletionOptions, n: int) -> Plan[list[Completion]]:
        """Up to n completions of a task, no two alike, the model's own choice first.

        The others leave it where the model was unsure, in its first line rather than later. They go on from the first
        one's KV sequence, so they evaluate no more of the prompt.
        """
        document, site = self._look_at(task)
        request = self._request(task, options, document, site)
        first = yield from self._judged(request, site, options)
        found = [first]
        for i in _forks(first.tokens)[: _TRIES_PER_ALTERNATIVE * (n - 1)]:
            if len(found) == n:
                break
            params = replace(
                request.params, begin=first.tokens[:i], avoid=frozenset({first.tokens[i].id}), min_tokens=i + 1
            )
            other = replace(request, params=params, sequence=f"{request.document}#{len(found)}", on_text=None)
            completion = yield from self._judged(other, site, options)
            if completion.text.strip() and completion.text not in {known.text for known in found}:
                found.append(completion)
        return found

    def _judged(self, request: Request, site: Site, options: CompletionOptions) -> Plan[Completion]:
        judge, on_text = Judge(site, options.judgement), request.on_text
        watched = on_text and (lambda text: on_text(judge.settled(text)))
        completion = yield replace(request, hook=judge.hook, on_text=watched)
        draft = judge.finish(completion.text, completion.tokens)
        return replace(completion, text=draft.text, tokens=tuple(draft.tokens))

    def _look_at(self, task: CompletionTask) -> tuple[OpenDocument, Site]:
        document = self._documents.update(task.name, task.text, task.language)
        return document, document.site(task.offset)

    def _request(
        self, task: CompletionTask, options: CompletionOptions, document: OpenDocument, site: Site
    ) -> Request:
        spec = self._vocabulary.spec
        if self.workspace:
            document.look_up_imports(self.workspace, options.imported_tokens, self._count_tokens)
        room = min(options.prompt_tokens, spec.n_ctx - options.max_tokens - _SPARE_TOKENS)
        context = cut_code(task.context, self._vocabulary, options.prompt_tokens // 2) + document.imported
        room -= self._count_tokens(context)
        window = cut_window(
            task.text, task.offset, max(16, room), self._count_tokens, tree=document.tree, anchor=document.anchor
        )
        if not options.ahead:
            document.anchor = window.anchor
        # At the end of a line a completion ends with the line break that stands behind the cursor.
        at_end = site.line_rest is LineRest.EMPTY
        suffix = window.suffix.lstrip(" \t").removeprefix("\r").removeprefix("\n") if at_end else window.suffix
        prompt = build_fim_prompt(
            spec, self._vocabulary, window.prefix, suffix, order=self._fim_order, context=context
        )
        return Request(
            prompt=tuple(prompt),
            params=GenerateParams(
                max_tokens=options.max_tokens,
                min_tokens=0 if options.judgement.modest else 1,  # who asks wants an answer
                sampling=options.sampling,
                heal=spec.fim is None or self._fim_order == "spm_tail",  # elsewhere the cursor's word is not last
                draft=options.draft,
                deadline_ms=options.deadline_ms,
            ),
            priority=Priority.WARM_UP if options.ahead else Priority.COMPLETION,
            document=task.name,
            sequence=f"{task.name}#ahead" if options.ahead else task.name,
            on_text=options.watcher.on_text,
            on_progress=options.watcher.on_progress,
        )

    def _count_tokens(self, text: str) -> int:
        return len(self._vocabulary.tokenize(text))


def _forks(tokens: Sequence[Token]) -> list[int]:
    """Places where another token may lead to something else as good, best first."""
    line = list(accumulate((b"\n" in token.piece for token in tokens), initial=0))
    unsure = {i: token.logprob < _SURE for i, token in enumerate(tokens)}
    return sorted(unsure, key=lambda i: (not unsure[i], line[i], tokens[i].logprob))

"""What a client's jobs are planned with: the features, what they remember of its documents, and its limits."""

from __future__ import annotations

from nano_lsp.config import Settings
from nano_lsp.inference.backend import Vocabulary
from nano_lsp.assistant.budget import Budget, Limits
from nano_lsp.completion.completer import Completer, CompletionOptions
from nano_lsp.docstrings import DocstringWriter
from nano_lsp.completion.postprocess import Judgement
from nano_lsp.assistant.listener import NOBODY, Watcher
from nano_lsp.edits.rewrite import Rewriter
from nano_lsp.schema import SamplingParams


class Desk:
    """Plans the jobs of one client of a model.

    Args:
        vocabulary: of the model.
        fim_order: how its prompts are laid out.
        settings: of the client.

    Attributes:
        vocabulary: of the model.
        completer: plans completions.
        docstrings: plans docstrings.
        rewriter: plans rewritings.
        budget: learns how fast this machine is.
    """

    def __init__(self, vocabulary: Vocabulary, fim_order: str, settings: Settings) -> None:
        self.vocabulary = vocabulary
        self.completer = Completer(vocabulary, fim_order)
        self.docstrings = DocstringWriter(vocabulary, fim_order)
        self.rewriter = Rewriter(vocabulary, fim_order)
        self._most = Limits(settings.prompt_tokens, settings.max_tokens)
        self._imported_tokens = settings.imported_tokens
        self.budget = Budget(self._most, settings.latency_ms)

    def options(
        self,
        judgement: Judgement,
        *,
        sampling: SamplingParams = SamplingParams(),  # noqa: B008 - frozen
        draft: bool = True,
        watcher: Watcher = NOBODY,
        ahead: bool = False,
    ) -> CompletionOptions:
        """How to complete, with the limits of the settings; see `CompletionOptions`."""
        limits = self.budget.limits() if judgement.modest else self._most
        return CompletionOptions(
            prompt_tokens=limits.prompt_tokens,
            imported_tokens=min(self._imported_tokens, limits.prompt_tokens // 3),
            max_tokens=limits.max_tokens,
            judgement=judgement,
            sampling=sampling,
            draft=draft,
            watcher=watcher,
            ahead=ahead,
        )

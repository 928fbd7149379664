"""The context that features run in: the model, the state kept for a client, and the progress listener."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median

from nano_lsp.assistant.budget import Budget, Limits
from nano_lsp.code.open_documents import OpenDocuments
from nano_lsp.code.workspace import Workspace
from nano_lsp.inference.backend import Tokenizer
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.models.adapter_file import AdapterFile
from nano_lsp.schema import Completion, Counters
from nano_lsp.settings import Settings

_MAX_MEASURED = 256  # requests that the median time is taken over


class ProgressListener:
    """Receives progress, on another thread than its own. Override the methods of interest."""

    def on_progress(self, done: int, total: int) -> None:
        """Receive the number of prompt tokens that are evaluated, and their total."""

    def on_text(self, text: str) -> None:
        """Receive the whole text so far."""

    def on_part(self, done: int, total: int) -> None:
        """Receive the number of parts of the result that are done, and their total."""


NULL_LISTENER = ProgressListener()
"""Ignores everything."""


class ClientState:
    """State kept between jobs for a client, and for each folder of its workspace.

    It is a cache: losing it costs only time.

    Attributes:
        documents: Syntax trees and prompt windows of its documents.
        workspace: Index of the files that its documents import from; None for none.
        budget: Limits for automatic requests, from the measured speed of this machine.
        max_limits: Limits for explicit requests.
        max_imported_tokens: Maximum number of prompt tokens for signatures imported from the workspace.
        adapter: The setting `adapter`.
    """

    def __init__(self, settings: Settings) -> None:
        self.documents = OpenDocuments()
        self.workspace: Workspace | None = None
        self.max_limits = Limits(settings.prompt_tokens, settings.max_tokens)
        self.max_imported_tokens = settings.imported_tokens
        self.adapter = settings.adapter
        self.budget = Budget(self.max_limits, settings.latency_ms, settings.first_suggestion_ms)


class UsageStats:
    """What requests have cost."""

    def __init__(self) -> None:
        self.totals = Counters()
        self._ttft_ms: deque[float] = deque(maxlen=_MAX_MEASURED)

    def record(self, counters: Counters) -> None:
        """Add a request."""
        self.totals += counters
        if counters.ttft_ms:  # a job that only reads ahead has no token
            self._ttft_ms.append(counters.ttft_ms)

    @property
    def ttft_ms_p50(self) -> float:
        """Median time to the first token of the newest requests, in milliseconds; 0 where there was none."""
        return median(self._ttft_ms) if self._ttft_ms else 0.0


@dataclass(frozen=True, kw_only=True)
class FeatureContext:
    """The context of one job.

    Attributes:
        tokenizer: The model's tokenizer, with its special tokens.
        fim_order: Order of prefix and suffix in its fill-in-the-middle prompts.
        state: State kept for the client.
        generate: Sends a request to the model; cancelling the asyncio task cancels the request.
        listener: Receives progress.
        find_adapter: Returns the adapter that requests to infill code use, and no others; None for none. Raises a
            NanoError where the settings name one that cannot be used.
        n_missing: Returns the number of tokens of a request's prompt that the model would have to evaluate.
        read_ahead: Has the model evaluate a request's prompt when it has nothing else to do; does not wait.
        usage: What the job has cost so far.
    """

    tokenizer: Tokenizer
    fim_order: str
    state: ClientState
    generate: Callable[[GenerationRequest], Awaitable[Completion]]
    listener: ProgressListener = NULL_LISTENER
    find_adapter: Callable[[], AdapterFile | None] = lambda: None
    n_missing: Callable[[GenerationRequest], int] = lambda _request: 0
    read_ahead: Callable[[GenerationRequest], None] = lambda _request: None
    usage: UsageStats = field(default_factory=UsageStats)

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a text."""
        return len(self.tokenizer.tokenize(text))

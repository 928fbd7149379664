"""`GenerationRequest`, the input of a generation, and waiting for its result."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import TypeVar

from nano_lsp.models.adapter_file import AdapterFile
from nano_lsp.schema import GenerateParams, Hook, Priority

_POLL_S = 0.2  # waiting without a limit cannot be interrupted on Windows
T = TypeVar("T")


@dataclass(frozen=True)
class GenerationRequest:
    """A prompt to continue, with its limits, priority and callbacks.

    Attributes:
        prompt: Token ids of the prompt.
        params: Limits, sampling and grammar.
        priority: Scheduling priority.
        client: Name of the client; the engine is shared fairly between clients, and their documents are distinct.
        document: Document of the request; a newer request with the same priority supersedes it. Empty for neither.
        sequence: Name of the client's KV sequence to continue; the document's if empty.
        adapter: Adapter to evaluate it with; None for the model alone.
        hook: Called after each token, on the worker's thread; may roll back or stop.
        on_text: Receives the whole text so far after each token, on the worker's thread.
        on_progress: Receives the evaluated and the total number of prompt tokens, on the worker's thread.
    """

    prompt: tuple[int, ...]
    params: GenerateParams = field(default_factory=GenerateParams)
    priority: Priority = Priority.COMPLETION
    client: str = ""
    document: str = ""
    sequence: str = ""
    adapter: AdapterFile | None = None
    hook: Hook | None = None
    on_text: Callable[[str], None] | None = None
    on_progress: Callable[[int, int], None] | None = None

    @property
    def key(self) -> str:
        """Key of the KV sequence."""
        name = self.sequence or self.document
        return f"{self.client}\0{name}" if self.client else name

    def supersedes(self, other: GenerationRequest) -> bool:
        """Whether this request, the newer one, replaces the other."""
        mine, others = (self.client, self.priority, self.document), (other.client, other.priority, other.document)
        return bool(self.document) and mine == others


def wait_for(future: Future[T]) -> T:
    """Wait for the result of a future; an interruption, as with Ctrl-C, cancels it."""
    try:
        while not future.done():
            wait([future], _POLL_S)
        return future.result()
    except BaseException:
        future.cancel()
        raise

"""What a caller asks of a model, and what a model is to a caller."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from nano_lsp.inference.backend import Tokenizer
from nano_lsp.schema import Completion, Counters, GenerateParams, Hook, Notice, Priority

_POLL_S = 0.2  # waiting without a limit cannot be interrupted on Windows
T = TypeVar("T")


@dataclass(frozen=True)
class GenerationRequest:
    """What a caller wants generated.

    Attributes:
        prompt: token ids.
        params: what to generate and when to stop.
        priority: how urgent it is.
        client: whose it is; clients share the engine fairly, and not their documents.
        document: what it is about; a newer request of the same priority replaces it. Empty for neither.
        sequence: of the client, to continue in the KV cache; the document's where empty.
        hook: asked after each token, on the worker's thread.
        on_text: is told the whole text so far after each token, on the worker's thread.
        on_progress: is told prompt tokens done and in all, on the worker's thread.
    """

    prompt: tuple[int, ...]
    params: GenerateParams = field(default_factory=GenerateParams)
    priority: Priority = Priority.COMPLETION
    client: str = ""
    document: str = ""
    sequence: str = ""
    hook: Hook | None = None
    on_text: Callable[[str], None] | None = None
    on_progress: Callable[[int, int], None] | None = None

    @property
    def key(self) -> str:
        """Key of its KV sequence."""
        name = self.sequence or self.document
        return f"{self.client}\0{name}" if self.client else name

    def same_work(self, other: GenerationRequest) -> bool:
        """Whether the newer of the two takes the older one's place."""
        mine, others = (self.client, self.priority, self.document), (other.client, other.priority, other.document)
        return bool(self.document) and mine == others


class ServedModel(Protocol):
    """A model that answers requests: one of this process, or another one's (`remote`)."""

    @property
    def tokenizer(self) -> Tokenizer:
        """What prompts are built with."""
        ...

    @property
    def fim_order(self) -> str:
        """How its prompts are laid out."""
        ...

    @property
    def notice(self) -> Notice:
        """What people should know of how it runs."""
        ...

    @property
    def totals(self) -> Counters:
        """What all requests have cost."""
        ...

    def submit(self, request: GenerationRequest) -> Future[Completion]:
        """Begin to answer a request; cancelling the future calls it off, at any time before it is answered."""
        ...

    def close(self) -> None:
        """Answer everything still open with `EngineClosedError`, and free what there is to free."""
        ...


def wait_for(future: Future[T]) -> T:
    """Wait for the result of a future; leaving early, as with Ctrl-C, cancels it."""
    try:
        while not future.done():
            wait([future], _POLL_S)
        return future.result()
    except BaseException:
        future.cancel()
        raise

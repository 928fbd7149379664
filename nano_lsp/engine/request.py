"""What a caller asks of a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nano_lsp.schema import GenerateParams, Hook, Priority


@dataclass(frozen=True)
class Request:
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

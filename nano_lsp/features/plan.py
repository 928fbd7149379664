"""A plan: what a feature asks of the model, one request after the other.

It is a generator: it yields a request, is sent the answer, and returns its result in the end. So the same rules serve
who waits for the model and who must not, as an editor's server.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol, TypeAlias, TypeVar

from nano_lsp.engine.worker import Request
from nano_lsp.schema import Completion

T = TypeVar("T")
Plan: TypeAlias = Generator[Request, Completion, T]


class Watcher(Protocol):
    """Who is told of the progress of a request; on the worker's thread."""

    def on_progress(self, done: int, total: int) -> None:
        """So many tokens of the prompt are evaluated."""

    def on_text(self, text: str) -> None:
        """The whole text so far."""

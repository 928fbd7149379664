"""A plan: what a feature asks of the model, one request after the other.

It is a generator: it yields a request, is sent the answer, and returns its result in the end. So the same rules serve
who waits for the model and who must not, as an editor's server.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, wait
from typing import TypeAlias, TypeVar

from nano_lsp.inference.request import Request
from nano_lsp.schema import Completion

_POLL_S = 0.2  # waiting without a limit cannot be interrupted on Windows
T = TypeVar("T")
Plan: TypeAlias = Generator[Request, Completion, T]


class Watcher:
    """Who is told of progress, on another thread than their own. Override what is of interest."""

    def on_progress(self, done: int, total: int) -> None:
        """So many tokens of the prompt are evaluated."""

    def on_text(self, text: str) -> None:
        """The whole text so far."""

    def on_part(self, done: int, total: int) -> None:
        """So many of the parts of a result are done."""


NOBODY = Watcher()
"""Watches nothing."""


def wait_for(future: Future[T]) -> T:
    """The result of a future; leaving early, as with Ctrl-C, cancels it."""
    try:
        while not future.done():
            wait([future], _POLL_S)
        return future.result()
    except BaseException:
        future.cancel()
        raise

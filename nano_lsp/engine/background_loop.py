"""One event loop a process, on a thread of its own, for callers that cannot await."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

_LOCK = threading.Lock()
_LOOPS: dict[int, asyncio.AbstractEventLoop] = {}  # by process id: a forked process has no such thread
T = TypeVar("T")


def submit(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a coroutine on the background loop; cancelling the future cancels it."""
    return asyncio.run_coroutine_threadsafe(work, background_loop())


def background_loop() -> asyncio.AbstractEventLoop:
    """The background loop of this process, started if it does not run yet."""
    with _LOCK:
        loop = _LOOPS.get(os.getpid())
        if loop is None:
            loop = _LOOPS[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="nano-lsp-background", daemon=True).start()
        return loop

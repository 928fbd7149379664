"""Runs jobs on other threads than the shell's, which shows their progress and can be interrupted at any time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from nano_lsp.api import find_assistant
from nano_lsp.assistant.context import ProgressListener
from nano_lsp.assistant.job import Job, LoadModel
from nano_lsp.config import find_folders
from nano_lsp.engine import background_loop
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.engine.launcher import ask_engine
from nano_lsp.errors import NanoError
from nano_lsp.ipython.streaming_display import StreamingDisplay

_POLL_S = 0.1
T = TypeVar("T")


class _LatestProgress(ProgressListener):
    """The latest progress of a job."""

    def __init__(self) -> None:
        self.text = ""
        self.note = "Reading …"

    def on_text(self, text: str) -> None:
        """Keep the whole text so far."""
        self.text = text

    def on_progress(self, done: int, total: int) -> None:
        """Keep the number of evaluated prompt tokens, and of all."""
        self.note = f"Reading {done:,} of {total:,} tokens …"

    def on_part(self, done: int, total: int) -> None:
        """Keep the number of parts of the result that are done, and of all."""
        self.note = f"Writing part {done + 1} of {total} …"


class JobRunner:
    """Runs the jobs of one shell.

    Attributes:
        model: Name or path of the model; None for the one in the user's settings.
    """

    def __init__(self) -> None:
        self.model: str | None = None
        self._opening = ThreadPoolExecutor(1, "nano-lsp-open")

    def run(
        self,
        job: Job[T],
        display: StreamingDisplay,
        read: Callable[[str], str] | None = None,
        model: str | None = None,
    ) -> T:
        """Run a job and wait for its result; an exception such as Ctrl-C cancels it.

        Args:
            job: The job to run.
            display: Display of the progress.
            read: Extracts the part to show from the text so far; None shows no text.
            model: Name or path of the model; None for this object's.

        Raises:
            NanoError: The model cannot be loaded, or inference failed.
        """
        opening = self._opening.submit(find_assistant, model or self.model)
        assistant = _wait(opening, lambda: display.note("Loading the model …"))
        progress = _LatestProgress()
        running = background_loop.submit(assistant.run_async(job, progress))

        def show() -> None:
            if progress.text and read is not None:
                text = read(progress.text)
                if text and text != display.text:
                    display.show(text)
            else:
                display.note(progress.note)

        return _wait(running, show)

    def switch_model(self, model: str, display: StreamingDisplay) -> None:
        """Load another model and use it from now on.

        Raises:
            NanoError: The model cannot be loaded; the previous one stays in use.
        """
        self.run(LoadModel(), display, model=model)
        self.model = model

    def engine_status(self) -> dict[str, Any] | None:
        """The status of the shared engine; None if it is not running."""
        request = background_loop.submit(ask_engine(find_endpoint(find_folders()), "GET", "status"))
        try:
            return _wait(request, lambda: None)
        except NanoError:
            return None

    def close(self) -> None:
        """Stop opening assistants."""
        self._opening.shutdown(wait=False)


def _wait(future: Future[T], meanwhile: Callable[[], None]) -> T:
    try:
        while True:
            try:
                return future.result(_POLL_S)
            except FutureTimeoutError:
                if future.done():  # the job's own error: since Python 3.11, both are the same class
                    return future.result()
                meanwhile()
    except BaseException:
        future.cancel()
        raise

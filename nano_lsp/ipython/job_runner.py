"""Carries out jobs beside the shell's thread, so that it can show what comes and can be interrupted at any time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from nano_lsp.api.assistants import find_assistant
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


class _News(ProgressListener):
    """The newest of what a job has told."""

    def __init__(self) -> None:
        self.text = ""
        self.note = "Reading …"

    def on_text(self, text: str) -> None:
        """The whole text so far."""
        self.text = text

    def on_progress(self, done: int, total: int) -> None:
        """So many tokens of the prompt are evaluated."""
        self.note = f"Reading {done:,} of {total:,} tokens …"

    def on_part(self, done: int, total: int) -> None:
        """So many of the parts are done."""
        self.note = f"Writing part {done + 1} of {total} …"


class JobRunner:
    """Carries out jobs of one shell.

    Attributes:
        model: that they are for; None for the user's settings.
    """

    def __init__(self) -> None:
        self.model: str | None = None
        self._opening = ThreadPoolExecutor(1, "nano-lsp-open")

    def run(
        self,
        job: Job[T],
        showing: StreamingDisplay,
        read: Callable[[str], str] | None = None,
        model: str | None = None,
    ) -> T:
        """The result of a job; leaving early, as with Ctrl-C, calls it off.

        Args:
            job: to carry out.
            showing: where progress is shown.
            read: makes of the text so far what is shown of it; None where no text is shown.
            model: that it is for; that of this object where None.

        Raises:
            NanoError: the model cannot be loaded, or fails.
        """
        opening = self._opening.submit(find_assistant, model or self.model)
        assistant = _wait(opening, lambda: showing.note("Loading the model …"))
        news = _News()
        running = background_loop.submit(assistant.run_async(job, news))

        def show() -> None:
            if news.text and read is not None:
                text = read(news.text)
                if text and text != showing.text:
                    showing.show(text)
            else:
                showing.note(news.note)

        return _wait(running, show)

    def use(self, model: str, showing: StreamingDisplay) -> None:
        """Take another model from now on, once it is loaded.

        Raises:
            NanoError: it cannot be loaded; the one before stays.
        """
        self.run(LoadModel(), showing, model=model)
        self.model = model

    def engine_status(self) -> dict[str, Any] | None:
        """What the shared engine says of itself; None where it does not run. None is started."""
        asking = background_loop.submit(ask_engine(find_endpoint(find_folders()), "GET", "status"))
        try:
            return _wait(asking, lambda: None)
        except NanoError:
            return None

    def close(self) -> None:
        """Call off what is open."""
        self._opening.shutdown(wait=False)


def _wait(future: Future[T], meanwhile: Callable[[], None]) -> T:
    try:
        while True:
            try:
                return future.result(_POLL_S)
            except FutureTimeoutError:
                if future.done():  # the job's own, on Pythons where that is the same error
                    return future.result()
                meanwhile()
    except BaseException:
        future.cancel()
        raise

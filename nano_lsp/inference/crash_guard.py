"""Detects that an earlier engine crashed between loading a model and its first completion.

The self-test's tiny model does not run all the code that a real one does. So until a model has completed a request,
Python's faulthandler writes a stack trace to a file if this process crashes. The next process that finds such a trace
counts it in the self-test's outcome. A process that is killed, by a user or for lack of memory, leaves none.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import sys
from pathlib import Path
from typing import TextIO

from nano_lsp.atomic_files import is_leftover
from nano_lsp.inference.selftest import Outcome, SelfTest

logger = logging.getLogger(__name__)


class CrashGuard:
    """Records crashes of this process from before a model is loaded until its first completion.

    Without effect where faulthandler is enabled already (`PYTHONFAULTHANDLER=1`, pytest): there is one per process.

    Args:
        selftest: Self-test whose outcome counts the crashes.
        folder: Folder for stack traces; created when needed.
    """

    def __init__(self, selftest: SelfTest, folder: Path) -> None:
        self._selftest = selftest
        self._folder = folder
        self._trace: TextIO | None = None

    def begin(self) -> Outcome:
        """Count the crashes of earlier processes, then enable faulthandler; the outcome after that."""
        outcome = self._selftest.run()
        for path in self._folder.glob("*.txt"):
            crashed = self._count(path)
            outcome = crashed or outcome
        if not faulthandler.is_enabled() and outcome.layout:
            with contextlib.suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                name = f"{self._selftest.key[:16]}-{outcome.mode}-{os.getpid()}.txt"
                self._trace = (self._folder / name).open("w", encoding="utf-8")
                faulthandler.enable(self._trace)
        return outcome

    def end(self, *, answered: bool) -> None:
        """Disable faulthandler and delete the trace; `answered` if the model has completed a request."""
        if self._trace is None:
            return
        trace, self._trace = self._trace, None
        # Later crashes are still traced in the log of the engine, which is its standard error.
        faulthandler.disable()
        if sys.__stderr__ is not None:
            with contextlib.suppress(OSError, ValueError):
                faulthandler.enable(sys.__stderr__)
        with contextlib.suppress(OSError):
            trace.close()
            Path(trace.name).unlink()
        if answered:
            self._selftest.record_answer()

    def _count(self, path: Path) -> Outcome | None:
        """Count a trace and delete it; the new outcome, or None for a trace that does not count."""
        key, _, rest = path.stem.partition("-")
        mode, _, pid = rest.rpartition("-")
        with contextlib.suppress(OSError, ValueError):
            text = path.read_text(encoding="utf-8", errors="replace")
            if not text and not is_leftover(path, int(pid)):
                return None  # of a running process, before its first completion
            path.unlink()
            if text and (key, mode) == (self._selftest.key[:16], self._selftest.run().mode):
                logger.error("An engine crashed before its first completion:\n%s", text)
                first = text.split("\n", 1)[0]
                return self._selftest.record_crash(first.partition(": ")[2] or first)
        return None

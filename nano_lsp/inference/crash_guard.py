"""Notices that an engine before this one died by a signal between loading a model and its first answer.

The self-test's tiny model does not run everything that a real one does. So until a model has answered, Python's
faulthandler writes a trace to a file if this process dies of a fault. A process that finds such a trace counts it in
the self-test's outcome. A process that is killed, by a user or for want of memory, leaves none.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import sys
from pathlib import Path
from typing import TextIO

import psutil

from nano_lsp.inference.selftest import Outcome, SelfTest

logger = logging.getLogger(__name__)


class CrashGuard:
    """Watches one process from before a model is loaded until its first answer.

    It does nothing where faulthandler is in use already (`PYTHONFAULTHANDLER=1`, pytest): there is one per process.

    Args:
        selftest: The self-test whose outcome crashes are counted in.
        folder: Folder for traces; made where it is missing.
    """

    def __init__(self, selftest: SelfTest, folder: Path) -> None:
        self._selftest = selftest
        self._folder = folder
        self._trace: TextIO | None = None

    def begin(self) -> Outcome:
        """Count what earlier processes have left and begin to watch; the outcome after that."""
        outcome = self._selftest.run()
        for path in self._folder.glob("*.txt"):
            crashed = self._count(path)
            outcome = crashed or outcome
        if not faulthandler.is_enabled() and outcome.layout:
            with contextlib.suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                name = f"{self._selftest.key[:16]}-{outcome.layout.value}-{os.getpid()}.txt"
                self._trace = (self._folder / name).open("w", encoding="utf-8")
                faulthandler.enable(self._trace)
        return outcome

    def end(self, *, answered: bool) -> None:
        """Stop watching: the model has answered, or is not there any more."""
        if self._trace is None:
            return
        trace, self._trace = self._trace, None
        # Later faults still belong into the log of the engine, which is its standard error.
        faulthandler.disable()
        if sys.__stderr__ is not None:
            with contextlib.suppress(OSError, ValueError):
                faulthandler.enable(sys.__stderr__)
        trace.close()
        Path(trace.name).unlink(missing_ok=True)
        if answered:
            self._selftest.record_answer()

    def _count(self, path: Path) -> Outcome | None:
        """The outcome after a trace has been counted; None for one that does not count."""
        key, _, rest = path.stem.partition("-")
        layout, _, pid = rest.rpartition("-")
        with contextlib.suppress(OSError, ValueError):
            text = path.read_text(encoding="utf-8", errors="replace")
            if not text and psutil.pid_exists(int(pid)):
                return None  # another process, between loading and answering
            path.unlink()
            current = self._selftest.run().layout
            if text and current and (key, layout) == (self._selftest.key[:16], current.value):
                logger.error("An engine died before its first answer:\n%s", text)
                first = text.split("\n", 1)[0]
                return self._selftest.record_crash(first.partition(": ")[2] or first)
        return None

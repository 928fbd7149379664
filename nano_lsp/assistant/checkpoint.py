"""Saves the model's answers of an unfinished run on disk, readable by the user only, so that it can be resumed."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from nano_lsp.lines import split_at_newlines


class Checkpoint:
    """Answers by step.

    Args:
        path: Path of the file, a line of JSON for each step with its answer; None for memory only. It contains parts
            of documents: only the user can read it, and `forget` removes it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        content = ""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            content = path.read_text(encoding="utf-8") if path else ""
        for line in split_at_newlines(content):
            with contextlib.suppress(ValueError, TypeError):  # incomplete: the process was killed
                step, answer = json.loads(line)
                self._known[step] = answer

    def __contains__(self, step: str) -> bool:
        """Whether a step has been done."""
        return step in self._known

    def get(self, step: str) -> Any:  # noqa: ANN401 - any JSON
        """The answer of a step; None if not known yet."""
        return self._known.get(step)

    def add(self, step: str, answer: Any) -> None:  # noqa: ANN401
        """Save an answer, any JSON; if it cannot be written, it is kept in memory."""
        self._known[step] = answer
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8") as stream:
                # The line break comes first, as a killed process may have left an incomplete line.
                stream.write("\n" + json.dumps([step, answer]))

    def forget(self) -> None:
        """Remove the file."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

"""Saves the answers of an unfinished summary on disk, readable by the user only, so that it can be resumed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from nano_lsp.lines import split_at_newlines


class SummaryCheckpoint:
    """Answers of the model by step.

    Args:
        path: Path of the file; None for memory only. It contains parts of the document: only the user can read it,
            and `forget` removes it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        try:
            for line in split_at_newlines(path.read_text(encoding="utf-8")) if path else ():
                step, value = json.loads(line)
                self._known[step] = value
        except (OSError, ValueError, TypeError):
            pass  # there is no file, or its last line is incomplete

    def get(self, step: str) -> Any:  # noqa: ANN401 - any JSON
        """The answer of a step; None if not known yet."""
        return self._known.get(step)

    def add(self, step: str, value: Any) -> None:  # noqa: ANN401
        """Save an answer; if it cannot be written, it is kept in memory."""
        self._known[step] = value
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8") as stream:
                stream.write(json.dumps([step, value]) + "\n")
        except OSError:
            return

    def forget(self) -> None:
        """Remove the file."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

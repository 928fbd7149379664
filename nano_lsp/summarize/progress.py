"""How far a summary has come, on disk, for the user alone: a run that was stopped goes on there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from nano_lsp.lines import split_at_newlines


class Progress:
    """Answers of the model by the step they belong to.

    Args:
        path: of the file; None keeps nothing on disk. It holds parts of the document: it is the user's alone, and
            `forget` removes it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        try:
            for line in split_at_newlines(path.read_text(encoding="utf-8")) if path else ():
                step, value = json.loads(line)
                self._known[step] = value
        except (OSError, ValueError, TypeError):
            pass  # there is none, or its last line was cut off

    def get(self, step: str) -> Any:  # noqa: ANN401 - any JSON
        """The answer to a step; None where there is none yet."""
        return self._known.get(step)

    def add(self, step: str, value: Any) -> None:  # noqa: ANN401
        """Keep an answer; where the disk refuses, it lives until the end of the run."""
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
        """Remove what is on disk."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

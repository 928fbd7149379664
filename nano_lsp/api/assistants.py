"""The assistants of a Python process, one a model: opened for the first who asks, let go of when the process ends."""

from __future__ import annotations

import atexit
import threading

from nano_lsp.assistant.job import Assistant
from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.connect import open_assistant

_LOCK = threading.Lock()
_ASSISTANTS: dict[str, Assistant] = {}  # by model


def find_assistant(model: str | None = None) -> Assistant:
    """The assistant of this process for a model; waits while it is opened.

    Args:
        model: name or file; the user's settings where None.

    Raises:
        NanoError: the model cannot be loaded, or the engine cannot be reached.
    """
    settings = load_settings(model=model)
    with _LOCK:
        if settings.model not in _ASSISTANTS:
            if not _ASSISTANTS:
                atexit.register(close_assistants)
            _ASSISTANTS[settings.model] = open_assistant(settings, find_folders(), "script", lambda *_, **__: None)
        return _ASSISTANTS[settings.model]


def opened_assistants() -> dict[str, Assistant]:
    """Those that are open, by model."""
    return dict(_ASSISTANTS)


def close_assistants() -> None:
    """Let go of all of them."""
    with _LOCK:
        while _ASSISTANTS:
            _ASSISTANTS.popitem()[1].close()

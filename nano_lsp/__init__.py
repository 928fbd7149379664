"""NEURO-NANO in the editor: an offline coding assistant on one small model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nano_lsp.api import TaskResult, ask, complete, docstring, explain, run_task, run_task_async

from nano_lsp.version import __version__

__all__ = [
    "TaskResult",
    "__version__",
    "ask",
    "complete",
    "docstring",
    "explain",
    "run_task",
    "run_task_async",
]


def __getattr__(name: str) -> object:
    """Import the functions of `nano_lsp.api` at their first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.api"), name)


def load_ipython_extension(shell: Any) -> None:  # noqa: ANN401 - IPython is not always there
    """Register the magics `%nano` and `%%nano`: called by `%load_ext nano_lsp`."""
    from nano_lsp.ipython import load  # noqa: PLC0415 - scripts need no IPython

    load(shell)


def unload_ipython_extension(shell: Any) -> None:  # noqa: ANN401 - IPython is not always there
    """Remove the magics: called by `%unload_ext nano_lsp`."""
    from nano_lsp.ipython import unload  # noqa: PLC0415 - scripts need no IPython

    unload(shell)

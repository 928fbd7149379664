"""NEURO-NANO in the editor: an offline coding assistant on one small model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nano_lsp.adapters.run_task import TaskResult, run_task, run_task_async

from nano_lsp.version import __version__

__all__ = ["TaskResult", "__version__", "run_task", "run_task_async"]


def __getattr__(name: str) -> object:
    """What scripts use is imported when they do."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nano_lsp.adapters import run_task as tasks  # noqa: PLC0415

    return getattr(tasks, name)

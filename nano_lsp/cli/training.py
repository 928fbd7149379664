"""Training on a user's machine: what it shows, and when it pauses."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from nano_lsp.cli.terminal import duration, file_progress, resumable, stderr
from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.endpoint import EngineEndpoint, find_endpoint
from nano_lsp.engine.launcher import ask_engine
from nano_lsp.errors import EngineError
from nano_lsp.forge.training import ADAPTER, Budget, History, Plan, TrainingListener, TrainingRun
from nano_lsp.forge.training_data import read_data
from nano_lsp.inference.hardware import on_battery
from nano_lsp.models.adapters import shipped_adapter
from nano_lsp.models.store import ModelStore

_LINES = 20  # of progress, where there is no terminal
_IN_USE_S = 15.0  # since the last request: who types pauses for seconds
_CHECK_S = 2.0


def run_training(
    data: Path, output: Path, *, minutes: float | None, steps: int | None, seed: int, pauses: bool
) -> dict[str, Any]:
    """Train on a data set or go on with it, behind all other programs; return the content of `training.json`.

    Args:
        data: Folder that `forge data` has written.
        output: Folder for checkpoints and the adapter.
        minutes: Maximum time; None for no limit.
        steps: Number of steps; None for as many as the time allows, or one pass over the cases.
        seed: Seed of all random choices.
        pauses: Whether to pause on battery and while an editor uses the model.

    Raises:
        NanoError: Training cannot begin or go on.
        CancelledError: The user has pressed Ctrl-C.
    """
    cases, folders = read_data(data), find_folders()
    with file_progress() as show_file:
        base = ModelStore(folders).find(cases.model, show_file)
    lower_priority()
    with resumable(output), training_display() as display:
        curve = TrainingRun(
            cases,
            base,
            output,
            Budget(minutes, steps, seed),
            listener=display,
            start=shipped_adapter(cases.model),
            pause_reason=PauseReason(find_endpoint(folders)) if pauses else str,
            n_threads=load_settings(os.environ).n_threads,
        ).train()
    stderr.print(f"Adapter: {output / ADAPTER}", markup=False)
    return curve


@contextmanager
def training_display() -> Iterator[TrainingListener]:
    """Show the progress: a bar on a terminal, otherwise a line for each twentieth of the steps."""
    about = TextColumn("{task.fields[about]}", markup=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(20), MofNCompleteColumn(), about)
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        yield _TrainingDisplay(bar)


class _TrainingDisplay(TrainingListener):
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, about="")
        self._status = ""

    def on_status(self, status: str) -> None:
        """Show what is being done, or why training pauses."""
        self._bar.update(self._task, description=status or "training")
        if status and status != self._status and not stderr.is_terminal:
            stderr.print(status, markup=False)
        self._status = status

    def on_plan(self, plan: Plan) -> None:
        """Print what is going to be done, and what it takes."""
        machine = plan.machine
        done = f", {plan.n_done:,} of them done" if plan.n_done else ""
        stderr.print(
            f"{plan.n_steps:,} steps ({plan.n_passes:.2g} passes over the cases){done}: about "
            f"{duration(plan.seconds)}, {machine.memory_bytes >> 20:,} MiB of memory, "
            f"{machine.disk_bytes / 1e6:,.0f} MB of disk; {machine.n_threads} threads, {machine.precision}.",
            markup=False,
        )
        self._bar.update(self._task, total=plan.n_steps, completed=plan.n_done)

    def on_step(self, history: History, tokens_per_s: float, seconds_left: float) -> None:
        """Show losses, speed and the time that is left."""
        heldout = f", held-out {history.heldout_loss[-1]:.3f}" if history.heldout_loss else ""
        loss, left = history.loss[-1], duration(seconds_left)
        about = f"loss {loss:.3f}{heldout}, {tokens_per_s:,.0f} tokens/s, {left} left"
        self._bar.update(self._task, completed=history.step, about=about)
        is_due = history.step * _LINES // history.n_steps > (history.step - 1) * _LINES // history.n_steps
        if is_due and not stderr.is_terminal:
            stderr.print(f"step {history.step:,} of {history.n_steps:,}: {about}", markup=False)


class PauseReason:
    """Whether training has to pause: this machine runs on battery, or an editor uses the model.

    Args:
        endpoint: Where the shared engine is; it is not started.
    """

    def __init__(self, endpoint: EngineEndpoint) -> None:
        self._endpoint = endpoint
        self._checked = -_CHECK_S
        self._reason = ""

    def __call__(self) -> str:
        """The reason; empty if there is none."""
        if time.monotonic() - self._checked >= _CHECK_S:
            self._reason = "on battery" if on_battery() else "an editor uses the model" * self._is_in_use()
            self._checked = time.monotonic()
        return self._reason

    def _is_in_use(self) -> bool:
        try:
            status = asyncio.run(ask_engine(self._endpoint, "GET", "status"))
        except EngineError:  # none runs
            return False
        return any(model["n_jobs"] or model["idle_s"] < _IN_USE_S for model in status["models"])


def lower_priority() -> None:
    """Let all other programs compute first."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.IDLE_PRIORITY_CLASS)
    else:
        os.nice(19)

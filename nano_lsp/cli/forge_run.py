"""`nano-lsp forge run`: one run from the code of a workspace to its adapter."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import typer
from rich.console import Console

from nano_lsp.cli import training
from nano_lsp.cli.adapter import use
from nano_lsp.cli.forge_data import data_maker
from nano_lsp.cli.forge_eval import HTML, judge
from nano_lsp.cli.terminal import duration, file_progress, resumable, stderr, stdout
from nano_lsp.config import find_folders, load_settings, with_absolute_paths
from nano_lsp.forge.adapter_evaluation import VERDICTS
from nano_lsp.forge.dataset import locked_folder
from nano_lsp.forge.recipe import load_recipe
from nano_lsp.forge.workspace_run import MAX_PROBLEMS, STAGES, Plan, WorkspaceRun, adapter_name, stage_line
from nano_lsp.inference.hardware import find_memory
from nano_lsp.models.store import ModelStore
from nano_lsp.shell import command_line

_RECIPE = "workspace"


def run_workspace(
    folder: Path,
    *,
    model: str | None,
    minutes: float,
    exclude: Sequence[str],
    output: Path | None,
    dry_run: bool,
    until_input_ends: bool,
) -> None:
    """Make the data, train, judge, and install an adapter that gains; go on where an earlier run was ended.

    Args:
        folder: Folder of the workspace.
        model: Name or path of the model; None for that of suggestions.
        minutes: Maximum time of training.
        exclude: Patterns of files that are left out.
        output: Folder for everything that is written; None for the workspace's own.
        dry_run: Whether only to say what would be done.
        until_input_ends: Whether the end of the standard input is the same as Ctrl-C.

    Raises:
        NanoError: Something is missing, or a stage has failed.
        CancelledError: The user has pressed Ctrl-C.
        Exit: The adapter does not gain; the exit code is 1.
    """
    settings, folders = with_absolute_paths(load_settings(model=model)), find_folders()
    workspace = folder.resolve()
    output = output.expanduser().absolute() if output else folders.forge / adapter_name(workspace, settings.model)
    run = WorkspaceRun(workspace, output, settings.model, minutes, load_recipe(_RECIPE), tuple(exclude))
    if until_input_ends:
        _interrupt_when_input_ends()
    with resumable(output), nullcontext() if dry_run else run.locked(folders.cache):
        with file_progress() as show:
            base = ModelStore(folders).find(run.model, show)
        plan = run.plan(base, settings.n_threads)
        _show(run, plan, stdout if dry_run else stderr)
        if not dry_run:
            with locked_folder(output):
                _go_through(run, plan)


def _go_through(run: WorkspaceRun, plan: Plan) -> None:
    """Do all stages; those that are finished take no time.

    Raises:
        Exit: The adapter does not gain.
    """
    training.lower_priority()
    run.begin(plan)
    stderr.print(stage_line(0), markup=False)
    if not plan.has_data:
        with data_maker(run.model, run.data) as make:
            make(run.recipe, [], run.data, survey=plan.survey)
    stderr.print(stage_line(1), markup=False)
    curve = training.run_training(run.data, run.training, minutes=run.minutes, steps=None, seed=0, pauses=True)
    stderr.print(stage_line(2), markup=False)
    evaluation = judge(run.data, run.adapter, run.evaluation, model=run.model, limit=MAX_PROBLEMS)
    stderr.print(stage_line(3), markup=False)
    losses = curve["heldout_loss"]
    loss = f"; held-out loss {losses[0]:.3f} before, {losses[-1]:.3f} after" if losses else ""
    stdout.print(
        f"{run.model} was trained on {curve['tokens']:,} tokens, for {duration(curve['seconds'])}{loss}.",
        markup=False,
    )
    stdout.print(f"{VERDICTS[evaluation['taken']]} {evaluation['reason']}", markup=False)
    if evaluation["taken"]:
        use(str(run.adapter), run.workspace, adapter_name(run.workspace, run.model))
    else:
        command = command_line("nano-lsp", "adapter", "use", str(run.adapter), "--workspace", str(run.workspace))
        stdout.print(f"It is not installed. To install it anyway: {command}", markup=False)
    run.finish(plan)
    stdout.print(f"Report: {run.evaluation / HTML}", markup=False)
    if not evaluation["taken"]:
        raise typer.Exit(1)


def _show(run: WorkspaceRun, plan: Plan, console: Console) -> None:
    """Say what the run will do, what it takes, and where it writes."""
    lines = [f"Workspace {run.workspace}: {plan.found}; {plan.n_heldout:,} held-out cases to judge the adapter on."]
    if plan.left_out:
        lines.append("Left out: " + ", ".join(f"{reason}: {n:,}" for reason, n in plan.left_out.items()) + ".")
    if plan.machine:
        lines.append(
            f"Training of {run.model}: at most {duration(60 * run.minutes)}, estimated {duration(plan.seconds)}; "
            f"about {plan.machine.memory_bytes >> 20:,} MiB of memory ({find_memory()}) and "
            f"{plan.machine.disk_bytes / 1e6:,.0f} MB of disk ({plan.free_bytes / 1e6:,.0f} MB are free)."
        )
    if plan.keeps:
        lines.append(f"An earlier run is here; this one goes on with {STAGES[plan.stage]}.")
    lines.append(f"Everything is written to {run.folder}. It has code of the workspace in it: do not publish it.")
    for line in lines:
        console.print(line, markup=False)


def _interrupt_when_input_ends() -> None:
    """Let the end of the standard input have the effect of Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts this may ignore it
    descriptor = sys.stdin.fileno()

    def wait() -> None:
        while os.read(descriptor, 1024):  # not the stream, whose lock would be held when the program ends
            pass
        if sys.platform == "win32":
            _thread.interrupt_main()
        else:  # wakes the main thread, too, where it waits
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=wait, name="nano-lsp-input", daemon=True).start()

"""What commands share: consoles, progress bars, streamed output, common options, opening the assistant."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from nano_lsp.assistant.context import NULL_LISTENER, ProgressListener
from nano_lsp.assistant.job import Job
from nano_lsp.cli.output import print_data
from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.connect import Assistant
from nano_lsp.engine.connect import open_assistant as open_engine
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.errors import CancelledError, ConfigError, EngineGoneError, LibraryError
from nano_lsp.inference.backend import Backend
from nano_lsp.inference.selftest import MAX_CRASHES, build_command
from nano_lsp.models.store import FileProgress
from nano_lsp.schema import Completion
from nano_lsp.settings import CONFIG_SETTINGS, MINUTES, Settings, are_minutes

T = TypeVar("T")
if re.fullmatch("1?[0-9]", os.environ.get("COLUMNS", "")):  # as some editors set it: rich would print blank lines
    del os.environ["COLUMNS"]
stdout = Console(highlight=False, soft_wrap=True)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)

Model = Annotated[str | None, typer.Option(help=CONFIG_SETTINGS["model"].description)]
Adapter = Annotated[str | None, typer.Option(help=CONFIG_SETTINGS["adapter"].description)]
Context = Annotated[int | None, typer.Option("--n-ctx", help=CONFIG_SETTINGS["n_ctx"].description)]
Threads = Annotated[int | None, typer.Option("--threads", help=CONFIG_SETTINGS["n_threads"].description)]
WorkspaceRoot = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        help="Workspace folder: signatures that the code imports from its files are added to the prompt.",
        file_okay=False,
        exists=True,
    ),
]


def _check_temperature(value: float) -> float:
    if not 0 <= value < math.inf:
        raise typer.BadParameter("Give a number from 0 on.")
    return value


Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        help="Sampling temperature; 0 always takes the most probable token.",
        callback=_check_temperature,
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the random numbers for sampling.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer and its counters as JSON.")]


def check_minutes(minutes: float | None) -> float | None:
    """Check the option `--minutes` and return it.

    Raises:
        ConfigError: It is not a number of minutes.
    """
    if minutes is None or are_minutes(minutes):
        return minutes
    raise ConfigError(f"--minutes is {minutes:g}.", f"Give {MINUTES}.")


def model_settings(model: Model, n_ctx: Context, threads: Threads, adapter: Adapter = None) -> dict[str, Any]:
    """The settings for the model options of a command; None for options that are not given."""
    return {"model": model, "adapter": adapter, "n_ctx": n_ctx, "n_threads": threads}


@contextmanager
def file_progress() -> Iterator[FileProgress]:
    """Show progress on files: a bar on a terminal, otherwise a line for each tenth."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    )
    tasks: dict[str, TaskID] = {}
    tenths: dict[str, int] = {}

    def show(what: str, done: int, total: int) -> None:
        if stderr.is_terminal:
            if what not in tasks:
                for task in tasks.values():
                    bar.update(task, visible=False)
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)
        elif what not in {"loading", "verifying"} and done * 10 // max(total, 1) > tenths.get(what, 0):
            tenths[what] = done * 10 // total
            stderr.print(f"{what}: {tenths[what] * 10} % of {total / 1e6:,.0f} MB")

    with bar:
        yield show


@contextmanager
def row_progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show progress on items, such as rows: a bar on a terminal, otherwise a line for each tenth.

    Args:
        what: Plural noun of the items.
        total: Number of items.

    Yields:
        A function to call after each item.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)
    task = bar.add_task(what, total=total)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        bar.advance(task)
        if not stderr.is_terminal and done * 10 // total > (done - 1) * 10 // total:
            stderr.print(f"{what}: {done:,} of {total:,}")

    with bar:
        yield advance


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Say after Ctrl-C that the same command continues.

    Args:
        folder: Folder of what is finished.

    Raises:
        CancelledError: Ctrl-C was pressed.
    """
    try:
        yield
    except KeyboardInterrupt:
        stderr.print(f"{folder} has what was finished; run the same command again to continue.", markup=False)
        raise CancelledError("Interrupted.") from None


def duration(seconds: float) -> str:
    """A time in words: `3 h 10 min`, `12 min`, `40 s`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min"


class StreamPrinter(ProgressListener):
    """Prints an answer as it is generated, and before that a line with the progress on the prompt.

    Printed text is never taken back, even where the final text turns out shorter.

    Args:
        show_text: Whether to print the text; otherwise only progress and warnings.
        before: Text to print before the answer.
        as_data: Whether the text is for programs, such as code: it is printed in UTF-8 in every locale.
    """

    def __init__(self, *, show_text: bool = True, before: str = "", as_data: bool = False) -> None:
        self._show_text = show_text
        self._print: Callable[[str], None] = print_data if as_data else _print_text
        self._before = before
        self._printed = ""
        self._begun = False

    def on_progress(self, done: int, total: int) -> None:
        """Print the number of evaluated prompt tokens, and of all."""
        if stderr.is_terminal and not self._begun:
            stderr.print(f"reading {done:,} of {total:,} tokens …", end="\r")

    def on_text(self, text: str) -> None:
        """Print the new part of the text."""
        self._begin()
        if self._show_text and text.startswith(self._printed):
            self._print(text[len(self._printed) :])
            self._printed = text

    def finish(self, completion: Completion) -> None:
        """Print the rest of the text, and the warnings."""
        self._begin()
        if self._show_text:
            self._print(completion.text[len(self._printed) :] + "\n")
        for warning in completion.warnings:
            stderr.print(f"[yellow]Warning:[/] {warning}")

    def _begin(self) -> None:
        """Clear the progress line, once."""
        if self._begun:
            return
        self._begun = True
        if stderr.is_terminal:
            stderr.print(" " * 40, end="\r")
        if self._before:
            self._print(self._before)


def _print_text(text: str) -> None:
    """Print human-readable text to standard output without buffering."""
    sys.stdout.write(text)
    sys.stdout.flush()


@contextmanager
def open_assistant(**overrides: object) -> Iterator[Assistant]:
    """Open the assistant with the user's settings and a command's options; show progress while the model is loaded.

    Args:
        overrides: Settings from the command's options; None for options that are not given.
    """
    settings, folders = load_settings(os.environ, **overrides), find_folders()
    with file_progress() as show:
        assistant = open_engine(settings, folders, "command", show)
    with closing(assistant):
        show_notice(assistant)
        yield assistant


@contextmanager
def open_local_assistant(
    wrap: Callable[[Backend], Backend] | None = None, **overrides: object
) -> Iterator[tuple[LocalAssistant, Settings]]:
    """Open the assistant with the model in this process, for commands that wrap its backend.

    Args:
        wrap: Returns a backend that wraps the model's.
        overrides: Settings from the command's options; None for options that are not given.
    """
    settings, folders = load_settings(os.environ, **overrides), find_folders()
    with file_progress() as show:
        model = LoadedModel.load(settings, folders, show, wrap=wrap)
    with LocalAssistant(model, settings, folders) as assistant:
        show_notice(assistant)
        yield assistant, settings


def run_with_retries(assistant: Assistant, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
    """Run a job, again if the engine crashes: after two crashes it uses its safer mode.

    Raises:
        LibraryError: The engine has crashed in the safer mode, too.
        NanoError: The job failed.
    """
    for _ in range(MAX_CRASHES + 1):
        try:
            return assistant.run(job, listener)
        except EngineGoneError as error:
            stderr.print(f"[yellow]{error}[/]")
    raise LibraryError(
        "The engine has crashed three times in a row, the last time in its safer mode.",
        f"Build llama.cpp for this machine: {build_command()}",
    )


def show_notice(assistant: Assistant) -> None:
    """Print a new notice about how the model runs."""
    if assistant.notice.is_new:
        stderr.print(f"[yellow]Notice:[/] {escape(assistant.notice.text)}")


def as_json(completion: Completion) -> dict[str, object]:
    """An answer with its counters, as JSON."""
    counters = completion.counters
    return {
        "text": completion.text,
        "finish_reason": completion.finish_reason.value,
        "counters": {
            "prompt_tokens": counters.prompt_tokens,
            "cached_tokens": counters.cached_tokens,
            "evaluated_tokens": counters.evaluated_tokens,
            "generated_tokens": counters.generated_tokens,
            "drafted_tokens": counters.drafted_tokens,
            "accepted_tokens": counters.accepted_tokens,
            "ttft_ms": round(counters.ttft_ms, 1),
            "prompt_tokens_per_s": round(counters.prompt_tokens_per_s, 1),
            "decode_tokens_per_s": round(counters.decode_tokens_per_s, 1),
        },
        "tokens": [
            {"text": t.piece.decode("utf-8", "replace"), "logprob": round(t.logprob, 4)} for t in completion.tokens
        ],
        "warnings": list(completion.warnings),
    }

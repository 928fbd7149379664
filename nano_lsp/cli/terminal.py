"""What commands share in talking to a terminal: consoles, progress, streamed text, options."""

from __future__ import annotations

import os
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
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from nano_lsp.assistant.context import NULL_LISTENER, ProgressListener
from nano_lsp.assistant.job import Assistant, Job
from nano_lsp.cli.output import print_data
from nano_lsp.config import Settings, find_folders, load_settings
from nano_lsp.engine.connect import open_assistant as open_engine
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.errors import EngineGoneError, LibraryError
from nano_lsp.inference.backend import Backend
from nano_lsp.inference.selftest import MAX_CRASHES, build_command
from nano_lsp.models.store import Progress as StoreProgress
from nano_lsp.schema import Completion

T = TypeVar("T")
stdout = Console(highlight=False, soft_wrap=True)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)

Model = Annotated[str | None, typer.Option(help="A name from `nano-lsp model list`, or the path of a GGUF file.")]
Adapter = Annotated[Path | None, typer.Option(help="LoRA adapter (GGUF) to lay over the model.")]
Context = Annotated[int | None, typer.Option("--n-ctx", help="Context in tokens, up to 32768.")]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        help="Number of threads; 0 takes the usable physical cores, and fewer while other programs compute.",
    ),
]
WorkspaceRoot = Annotated[
    Path | None,
    typer.Option(
        "--workspace", help="Folder whose Python files the code imports from.", file_okay=False, exists=True
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the answer and its counters as JSON.")]


def model_settings(model: Model, adapter: Adapter, n_ctx: Context, threads: Threads) -> dict[str, Any]:
    """The settings that the options of a model stand for; None for those not given."""
    return {"model": model, "adapter": str(adapter) if adapter else None, "n_ctx": n_ctx, "n_threads": threads}


@contextmanager
def file_progress() -> Iterator[StoreProgress]:
    """Shows how far work on a file has come: a bar on a terminal, a line per tenth elsewhere."""
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


class Stream(ProgressListener):
    """Prints an answer while it grows, and a line on the prompt's progress before that.

    What was printed stays, even where the finished text turns out shorter.

    Args:
        show_text: print the text; otherwise only progress and warnings.
        before: what the text goes on from, printed before it.
        as_data: The text is for programs, as code is: it is printed in UTF-8 whatever the locale is.
    """

    def __init__(self, *, show_text: bool = True, before: str = "", as_data: bool = False) -> None:
        self._show_text = show_text
        self._print: Callable[[str], None] = print_data if as_data else _print_text
        self._before = before
        self._printed = ""
        self._begun = False

    def on_progress(self, done: int, total: int) -> None:
        """So many tokens of the prompt are evaluated."""
        if stderr.is_terminal and not self._begun:
            stderr.print(f"reading {done:,} of {total:,} tokens …", end="\r")

    def on_text(self, text: str) -> None:
        """The whole text so far."""
        self._begin()
        if self._show_text and text.startswith(self._printed):
            self._print(text[len(self._printed) :])
            self._printed = text

    def finish(self, completion: Completion) -> None:
        """Print what is still missing of the text, and the warnings."""
        self._begin()
        if self._show_text:
            self._print(completion.text[len(self._printed) :] + "\n")
        for warning in completion.warnings:
            stderr.print(f"[yellow]Warning:[/] {warning}")

    def _begin(self) -> None:
        """Clear the line of progress, once."""
        if self._begun:
            return
        self._begun = True
        if stderr.is_terminal:
            stderr.print(" " * 40, end="\r")
        if self._before:
            self._print(self._before)


def _print_text(text: str) -> None:
    """Write what people read to standard output, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


@contextmanager
def open_assistant(**overrides: object) -> Iterator[Assistant]:
    """The assistant with a user's settings and a command's options; shows progress while its model is loaded.

    Args:
        overrides: settings that the command's options give; None for those not given.
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
    """The same with a model in this process, whatever the settings say: for commands that wrap its backend.

    Args:
        wrap: puts another backend around the model's.
        overrides: settings that the command's options give; None for those not given.
    """
    settings, folders = load_settings(os.environ, **overrides), find_folders()
    with file_progress() as show:
        model = LoadedModel.load(settings, folders, show, wrap=wrap)
    with LocalAssistant(model, settings, folders) as assistant:
        show_notice(assistant)
        yield assistant, settings


def persist(assistant: Assistant, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
    """The result of a job, asked for again if the engine dies: after two deaths it takes a safer mode by itself.

    Raises:
        LibraryError: The engine has died in that mode, too.
        NanoError: The job failed.
    """
    for _ in range(MAX_CRASHES + 1):
        try:
            return assistant.run(job, listener)
        except EngineGoneError as error:
            stderr.print(f"[yellow]{error}[/]")
    raise LibraryError(
        "The engine has died three times in a row, the last time in its safer mode.",
        f"Build llama.cpp for this machine: {build_command()}",
    )


def show_notice(assistant: Assistant) -> None:
    """Print what people should know of how the model runs, where it has come up just now."""
    if assistant.notice.is_new:
        stderr.print(f"[yellow]Notice:[/] {escape(assistant.notice.text)}")


def as_json(completion: Completion) -> dict[str, object]:
    """An answer with its counters, for machines."""
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

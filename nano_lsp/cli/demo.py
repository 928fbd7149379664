"""`nano-lsp demo`: the model completes three places in this project's own code."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.markup import escape

from nano_lsp.cli.terminal import Model, StreamPrinter, file_progress, open_assistant, run_with_retries, stdout
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.connect import Assistant
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.engine.launcher import ask_engine
from nano_lsp.errors import ModelMissingError, NanoError
from nano_lsp.inference import hardware
from nano_lsp.models.store import ModelStore
from nano_lsp.offline import watch_network
from nano_lsp.schema import Completion, Counters
from nano_lsp.settings import SHARED

_MIN_MEASURED = 64  # tokens of all prompts: of a few, the time is mostly that of a batch
_LINES_SHOWN = 5
EXAMPLES = "Example:\n\n`nano-lsp demo`"


@dataclass(frozen=True)
class Snippet:
    """A piece of this project's code with a part removed that the model is to write.

    Attributes:
        title: Title to print.
        text: The code without the removed part.
        offset: Offset of the cursor, where the removed part was.
    """

    title: str
    text: str
    offset: int


def demo(
    model: Model = None,
    no_drafts: Annotated[
        bool, typer.Option("--no-drafts", help="Do not repeat the completions with speculative decoding.")
    ] = False,
) -> None:
    """Complete three places in this project's own code, and print speed and memory; downloads a missing model first.

    The model runs in the shared engine, whatever the settings say, as llama.cpp may crash if built for another CPU.
    """
    connections = watch_network()
    pulled = _pull_if_missing(model)
    before = len(connections)
    name = load_settings(model=model).model
    with open_assistant(engine=SHARED, model=model) as assistant:
        stdout.print(f"[bold]{name}[/] on {hardware.cpu_name()}, {hardware.usable_cores()} cores\n")
        plain = Counters()
        for snippet in snippets():
            plain += _show(assistant, snippet).counters
        drafted = Counters()
        if not no_drafts:
            for snippet in snippets():
                drafted += assistant.run(Complete(_completion_input(snippet))).counters
        engine = asyncio.run(ask_engine(find_endpoint(find_folders()), "GET", "status"))
    prompt = f"prompt {plain.prompt_tokens_per_s:.1f} tokens/s"
    if plain.evaluated_tokens < _MIN_MEASURED:
        prompt = "prompts mostly known from an earlier run"
    stdout.print(f"[bold]Speed[/]: {prompt}, decoding {plain.decode_tokens_per_s:.1f} tokens/s")
    if not no_drafts:
        stdout.print(
            f"With speculative decoding (n-grams): {drafted.decode_tokens_per_s:.1f} tokens/s "
            f"({drafted.accepted_tokens} of {drafted.drafted_tokens} speculative tokens were accepted)"
        )
    account = next(loaded["memory"] for loaded in engine["models"] if loaded["name"] == name)
    stdout.print(
        f"[bold]Memory[/]: peak {engine['peak_rss_bytes'] / 2**20:,.0f} MiB in the engine's process; "
        f"weights {account['weights_bytes'] / 2**20:,.0f}, KV cache {account['kv_cache_bytes'] / 2**20:,.0f}, "
        f"compute {account['compute_bytes'] / 2**20:,.0f}"
    )
    if assistant.notice.text:
        stdout.print(f"[bold yellow]Notice[/]: {escape(assistant.notice.text)}")
    used = [*connections[before:], *engine["network"]]
    when = " after the model was downloaded" if pulled else ""
    if used:
        stdout.print(f"[bold red]Network[/]: used{when}: {', '.join(used)}")
        raise typer.Exit(1)
    stdout.print(f"[bold]Network[/]: not used{when}; no connection was opened and no name looked up.")
    stdout.print(
        f"The engine keeps the model loaded for {load_settings().unload_minutes:g} minutes after the last request; "
        "`nano-lsp engine stop` stops it now."
    )


def snippets() -> list[Snippet]:
    """Three places in this project, without the code that follows the cursor there."""
    return [
        _cut("a property like the one above it", Counters, "        return self.decoded_tokens", "\n    def __add__"),
        _cut("a method of the base of all errors", NanoError, "        return f", None),
        _cut(
            "an error like the one above it",
            ModelStore._check,  # noqa: SLF001 - its source is shown
            '            raise ChecksumError(\n                f"{path.name} has the',
            None,
        ),
    ]


def _cut(title: str, thing: type | Callable[..., object], cut: str, until: str | None) -> Snippet:
    """A snippet of the source of a class or function, without the part from one text up to another."""
    source = inspect.getsource(thing)
    start = source.index(cut)
    end = len(source) if until is None else source.index(until, start)
    cursor = start + len(cut) - len(cut.lstrip())
    return Snippet(title, f"{source[:cursor]}\n{source[end:]}", cursor)


def _completion_input(snippet: Snippet) -> CompletionInput:
    return CompletionInput(snippet.title, snippet.text, snippet.offset)


def _show(assistant: Assistant, snippet: Snippet) -> Completion:
    """Complete a snippet and stream the completion to the terminal."""
    *above, line = snippet.text[: snippet.offset].split("\n")
    stdout.print(f"[cyan]# {snippet.title}[/]")
    stdout.print("\n".join(above[-_LINES_SHOWN:]), style="dim", markup=False)
    printer = StreamPrinter(before=line)
    completion = run_with_retries(assistant, Complete(_completion_input(snippet), speculative=False), printer)
    printer.finish(completion)
    print()
    return completion


def _pull_if_missing(model: str | None) -> bool:
    store = ModelStore(find_folders())
    name = load_settings(model=model).model
    with file_progress() as show:
        try:
            store.find(name, show)
        except ModelMissingError:
            stdout.print(f"Downloading the model {name} once ({store.entries[name].size_bytes / 1e6:,.0f} MB).")
            store.pull(name, on_progress=show)
            return True
    return False

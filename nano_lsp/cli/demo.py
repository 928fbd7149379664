"""`nano-lsp demo`: the model completes code of this project, before the user's eyes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.markup import escape

from nano_lsp.assistant.job import Assistant
from nano_lsp.cli.terminal import Model, Stream, file_progress, open_assistant, persist, stdout
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.config import SHARED, find_folders, load_settings
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.engine.launcher import ask_engine
from nano_lsp.engine.network_watch import watch_network
from nano_lsp.errors import ModelMissingError, NanoError
from nano_lsp.inference import hardware
from nano_lsp.models.store import ModelStore
from nano_lsp.schema import Completion, Counters

_LINES_SHOWN = 5
EXAMPLES = "Example:\n\n`nano-lsp demo`"


@dataclass(frozen=True)
class Snippet:
    """A function of this project whose body the model is to write.

    Attributes:
        title: for the user.
        text: of the file, without the body.
        offset: of the cursor, where the body was.
    """

    title: str
    text: str
    offset: int


def demo(
    model: Model = None,
    no_drafts: Annotated[bool, typer.Option("--no-drafts", help="Do not repeat the tasks with drafts.")] = False,
) -> None:
    """Complete three real snippets of this project's own code; fetch the model first where it is missing.

    The model runs in the shared engine, whatever the settings say: llama.cpp may die where it was not built.
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
                drafted += assistant.run(Complete(_task(snippet))).counters
        engine = asyncio.run(ask_engine(find_endpoint(find_folders()), "GET", "status"))
    stdout.print(
        f"[bold]Speed[/]: prompt {plain.prompt_tokens_per_s:.1f} tokens/s, "
        f"decoding {plain.decode_tokens_per_s:.1f} tokens/s"
    )
    if not no_drafts:
        stdout.print(
            f"The same with n-gram drafts: {drafted.decode_tokens_per_s:.1f} tokens/s "
            f"({drafted.accepted_tokens} of {drafted.drafted_tokens} draft tokens were right)"
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
    where = " after the model was fetched" if pulled else ""
    if used:
        stdout.print(f"[bold red]Network[/]: used{where}: {', '.join(used)}")
        raise typer.Exit(1)
    stdout.print(f"[bold]Network[/]: not used{where}; no connection was opened and no name looked up.")
    stdout.print(
        f"The engine stays loaded for {load_settings().unload_minutes:g} minutes for whoever asks next; "
        "`nano-lsp engine stop` ends it now."
    )


def snippets() -> list[Snippet]:
    """Three places in this project, what follows the cursor there taken out."""
    return [
        _cut("a property like the one above it", Counters, "        return self.decoded_tokens", "\n    def __add__"),
        _cut("a method of the base of all errors", NanoError, "        return f", None),
        _cut(
            "an error like the one above it",
            ModelStore._check,
            '            raise ChecksumError(\n                f"{path.name} has the',
            None,
        ),
    ]


def _cut(title: str, thing: type | Callable[..., object], cut: str, until: str | None) -> Snippet:
    """A snippet of the source of a class or function: what stands between two texts is taken out."""
    source = inspect.getsource(thing)
    start = source.index(cut)
    end = len(source) if until is None else source.index(until, start)
    cursor = start + len(cut) - len(cut.lstrip())
    return Snippet(title, f"{source[:cursor]}\n{source[end:]}", cursor)


def _task(snippet: Snippet) -> CompletionInput:
    return CompletionInput(snippet.title, snippet.text, snippet.offset)


def _show(assistant: Assistant, snippet: Snippet) -> Completion:
    """Complete a snippet before the user's eyes."""
    *above, line = snippet.text[: snippet.offset].split("\n")
    stdout.print(f"[cyan]# {snippet.title}[/]")
    stdout.print("\n".join(above[-_LINES_SHOWN:]), style="dim", markup=False)
    stream = Stream(before=line)
    completion = persist(assistant, Complete(_task(snippet), draft=False), stream)
    stream.finish(completion)
    print()
    return completion


def _pull_if_missing(model: str | None) -> bool:
    store = ModelStore.open(find_folders())
    name = load_settings(model=model).model
    with file_progress() as show:
        try:
            store.find(name, show)
        except ModelMissingError:
            stdout.print(f"Fetching the model {name} ({store.entries[name].size_bytes / 1e6:,.0f} MB), once.")
            store.pull(name, on_progress=show)
            return True
    return False

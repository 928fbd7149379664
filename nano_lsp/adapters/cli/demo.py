"""`nano-lsp demo`: the model completes code of this project, before the user's eyes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.markup import escape

from nano_lsp.adapters.cli.terminal import Model, Stream, file_progress, open_assistant, stdout
from nano_lsp.config import find_folders, load_settings
from nano_lsp.context import document
from nano_lsp.engine import hardware, sampling
from nano_lsp.engine.model_store import ModelStore
from nano_lsp.errors import ModelMissingError
from nano_lsp.features.assistant import Assistant
from nano_lsp.features.completion import CompletionTask
from nano_lsp.schema import Completion, Counters

EXAMPLES = "Example:\n\n`nano-lsp demo`"


@dataclass(frozen=True)
class Snippet:
    """A function of this project whose body the model is to write.

    Attributes:
        title: for the user.
        text: of the file, without the body.
        offset: of the cursor, where the body was.
        head: the line before it.
    """

    title: str
    text: str
    offset: int
    head: str


def demo(
    model: Model = None,
    no_drafts: Annotated[bool, typer.Option("--no-drafts", help="Do not repeat the tasks with drafts.")] = False,
) -> None:
    """Complete three real snippets of this project's own code; fetch the model first where it is missing."""
    connections = watch_network()
    pulled = _pull_if_missing(model)
    before = len(connections)
    with open_assistant(model=model) as (assistant, settings):
        stdout.print(f"[bold]{settings.model}[/] on {hardware.cpu_name()}, {hardware.usable_cores()} cores\n")
        plain = Counters()
        for snippet in snippets():
            plain += _show(assistant, snippet).counters
        drafted = Counters()
        if not no_drafts:
            for snippet in snippets():
                drafted += assistant.complete(_task(snippet), draft=True).counters
        account = assistant.backend.memory()
    stdout.print(
        f"[bold]Speed[/]: prompt {plain.prompt_tokens_per_s:.1f} tokens/s, "
        f"decoding {plain.decode_tokens_per_s:.1f} tokens/s"
    )
    if not no_drafts:
        stdout.print(
            f"The same with n-gram drafts: {drafted.decode_tokens_per_s:.1f} tokens/s "
            f"({drafted.accepted_tokens} of {drafted.drafted_tokens} draft tokens were right)"
        )
    stdout.print(
        f"[bold]Memory[/]: peak {hardware.peak_rss_bytes() / 2**20:,.0f} MiB; "
        f"weights {account.weights_bytes / 2**20:,.0f}, KV cache {account.kv_cache_bytes / 2**20:,.0f}, "
        f"compute {account.compute_bytes / 2**20:,.0f}"
    )
    used = connections[before:]
    where = " after the model was fetched" if pulled else ""
    if used:
        stdout.print(f"[bold red]Network[/]: used{where}: {', '.join(used)}")
        raise typer.Exit(1)
    stdout.print(f"[bold]Network[/]: not used{where}; no connection was opened and no name looked up.")


def snippets() -> list[Snippet]:
    """Three functions of this project, their bodies taken out."""
    return [
        _cut("read a position in a file", document.offset_at, "    if not 1 <= column"),
        _cut("name the files that hold secrets", document.is_secret, "        return any("),
        _cut("turn logits into probabilities", sampling.softmax, "    p: Logits"),
    ]


def watch_network() -> list[str]:
    """A list that grows by each connection this process opens and each name it looks up, from now on."""
    seen: list[str] = []

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event in {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}:
            seen.append(f"{event} {arguments[1] if event == 'socket.connect' else arguments[0]}")

    sys.addaudithook(audit)
    return seen


def _cut(title: str, function: Callable[..., object], first_line: str) -> Snippet:
    """A snippet of a function's module: from a line of its body on, up to the end of the function, is taken out."""
    module = inspect.getsource(sys.modules[function.__module__])
    source = inspect.getsource(function)
    start = module.index(source)
    cut = start + source.index(first_line)
    indent = len(first_line) - len(first_line.lstrip())
    text = module[: cut + indent] + "\n" + module[start + len(source) :]
    head = module[:cut].rstrip("\n").rsplit("\n", 3)
    return Snippet(title, text, cut + indent, "\n".join(head[1:]))


def _task(snippet: Snippet) -> CompletionTask:
    return CompletionTask(snippet.title, snippet.text, snippet.offset)


def _show(assistant: Assistant, snippet: Snippet) -> Completion:
    stdout.print(f"[cyan]# {snippet.title}[/]")
    stdout.print(f"[dim]{escape(snippet.head)}[/]")
    line = snippet.text[: snippet.offset].rsplit("\n", 1)[-1]
    sys.stdout.write(line)
    stream = Stream()
    completion = assistant.complete(_task(snippet), draft=False, watcher=stream)
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

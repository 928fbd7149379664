"""`nano-lsp demo`: the model completes code of this project, before the user's eyes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from nano_lsp.adapters.cli.terminal import Model, Stream, file_progress, open_local_assistant, stdout
from nano_lsp.config import find_folders, load_settings
from nano_lsp.context.cursor import CompletionTask
from nano_lsp.engine import hardware
from nano_lsp.engine.model_store import ModelStore
from nano_lsp.errors import ModelMissingError, NanoError
from nano_lsp.features.assistant import LocalAssistant
from nano_lsp.features.jobs import Complete
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
    """Complete three real snippets of this project's own code; fetch the model first where it is missing."""
    connections = watch_network()
    pulled = _pull_if_missing(model)
    before = len(connections)
    with open_local_assistant(model=model) as (assistant, loaded, settings):
        stdout.print(f"[bold]{settings.model}[/] on {hardware.cpu_name()}, {hardware.usable_cores()} cores\n")
        plain = Counters()
        for snippet in snippets():
            plain += _show(assistant, snippet).counters
        drafted = Counters()
        if not no_drafts:
            for snippet in snippets():
                drafted += assistant.carry_out(Complete(_task(snippet))).counters
        account = loaded.memory
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
    """Three places in this project, what follows the cursor there taken out."""
    return [
        _cut(
            "a property like the one above it", Counters, "        return self.generated_tokens", "\n    def __add__"
        ),
        _cut("a method of the base of all errors", NanoError, "        return f", None),
        _cut(
            "an error like the one above it",
            ModelStore._check,
            '            raise ChecksumError(\n                f"{path.name} has the',
            None,
        ),
    ]


def watch_network() -> list[str]:
    """A list that grows by each connection this process opens and each name it looks up, from now on."""
    seen: list[str] = []

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event in {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}:
            seen.append(f"{event} {arguments[1] if event == 'socket.connect' else arguments[0]}")

    sys.addaudithook(audit)
    return seen


def _cut(title: str, thing: type | Callable[..., object], cut: str, until: str | None) -> Snippet:
    """A snippet of the source of a class or function: what stands between two texts is taken out."""
    source = inspect.getsource(thing)
    start = source.index(cut)
    end = len(source) if until is None else source.index(until, start)
    cursor = start + len(cut) - len(cut.lstrip())
    return Snippet(title, f"{source[:cursor]}\n{source[end:]}", cursor)


def _task(snippet: Snippet) -> CompletionTask:
    return CompletionTask(snippet.title, snippet.text, snippet.offset)


def _show(assistant: LocalAssistant, snippet: Snippet) -> Completion:
    """Complete a snippet before the user's eyes."""
    *above, line = snippet.text[: snippet.offset].split("\n")
    stdout.print(f"[cyan]# {snippet.title}[/]")
    stdout.print("\n".join(above[-_LINES_SHOWN:]), style="dim", markup=False)
    stream = Stream(before=line)
    completion = assistant.carry_out(Complete(_task(snippet), draft=False), stream)
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

"""`nano-lsp model`: manages the model files in the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from nano_lsp.cli.output import print_data, print_json
from nano_lsp.cli.terminal import file_progress, stdout
from nano_lsp.config import find_folders, machine_folders
from nano_lsp.models.architecture import Architecture, describe, differences
from nano_lsp.models.gguf import read_header
from nano_lsp.models.store import ModelStore, StoredModel

app = typer.Typer(
    no_args_is_help=True,
    help="Manage model files: download, import, inspect, verify, remove.",
    epilog="Start with `nano-lsp model pull nano`.",
)
Name = Annotated[str, typer.Argument(help="Name of a model from `nano-lsp model list`.")]


Shared = Annotated[
    bool, typer.Option("--shared", help="Use the store for all users of this machine, as its administrator.")
]


def _store(*, shared: bool = False) -> ModelStore:
    folders = find_folders()
    if not shared:
        return ModelStore(folders)
    os.umask(0o022)  # the administrator's own may keep the users out
    models = folders.shared_models or machine_folders().models
    return ModelStore(replace(folders, models=models, shared_models=None))


@app.command("list", epilog="Example: `nano-lsp model list --json`")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False) -> None:
    """List all known models and whether they are on this machine."""
    if as_json:
        print_json([_as_json(status) for status in _store().statuses()])
        return
    table = Table(box=None, pad_edge=False)
    for title in ("name", "size", "here", "license", "description"):
        table.add_column(title)
    for status in _store().statuses():
        entry = status.entry
        here = "yes" if status.present else "no"
        if status.partial_bytes:
            here = f"{status.partial_bytes * 100 // entry.size_bytes} %"
        size = f"{entry.size_bytes / 1e6:,.0f} MB"
        table.add_row(entry.name, size, here, escape(entry.license), escape(entry.description))
    stdout.print(table)


@app.command(
    epilog="Examples:\n\n`nano-lsp model pull nano`\n\n`nano-lsp model pull nano --from /media/usb/nano.gguf`"
    "\n\n`sudo nano-lsp model pull nano --shared`"
)
def pull(
    name: Name = "nano",
    from_file: Annotated[
        Path | None, typer.Option("--from", help="Copy the model from this file instead of downloading it.")
    ] = None,
    shared: Shared = False,
) -> None:
    """Download a model and verify it; continues an interrupted download."""
    with file_progress() as show:
        path = _store(shared=shared).pull(name, from_file, show)
    stdout.print(escape(f"{name} is installed and verified: {path}"))


@app.command("import", epilog="Example:\n\n`nano-lsp model import ~/Downloads/my-model.gguf --name mine`")
def import_model(
    file: Annotated[Path, typer.Argument(help="The GGUF file to import.")],
    name: Annotated[
        str | None, typer.Option(help="Name for the model; not needed for the files of known models.")
    ] = None,
) -> None:
    """Import a model: copy its GGUF file into the store."""
    with file_progress() as show:
        path = _store().import_file(file, name, show)
    stdout.print(escape(f"Imported: {path}"))


@app.command(epilog="Examples:\n\n`nano-lsp model inspect nano`\n\n`nano-lsp model inspect my.gguf --json`")
def inspect(
    model: Annotated[str, typer.Argument(help="Name of a model, or path of a GGUF file.")] = "nano",
    as_json: Annotated[bool, typer.Option("--json", help="Print the architecture as JSON.")] = False,
) -> None:
    """Show a model's architecture, and how it differs from the NEURO-NANO specification."""
    store = _store()
    path = store.path(model) if model in store.entries else store.find(model)
    if model in store.entries and not path.is_file():
        store.find(model)  # raises an error with the remedy
    architecture = describe(read_header(path))
    different = list(differences(architecture))
    if as_json:
        print_json({**asdict(architecture), "differences": different})
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in _rows(architecture):
        table.add_row(*row)
    stdout.print(table)
    stdout.print(
        "\nDiffers from the NEURO-NANO specification:" if different else "\nMatches the NEURO-NANO specification."
    )
    for line in different:
        stdout.print(f"  - {line}")


@app.command(epilog="Example: `nano-lsp model verify nano`")
def verify(name: Name = "nano", shared: Shared = False) -> None:
    """Verify the size and SHA-256 of a model file."""
    with file_progress() as show:
        _store(shared=shared).verify(name, show)
    stdout.print(f"{name} is verified.")


@app.command(epilog="Example: `nano-lsp model remove pico --yes`")
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    shared: Shared = False,
) -> None:
    """Delete a model file from the store."""
    store = _store(shared=shared)
    if not yes:
        typer.confirm(f"Delete {store.path(name)}?", abort=True)
    store.remove(name)
    stdout.print(f"{name} is deleted.")


@app.command("path")
def show_path(name: Name = "nano") -> None:
    """Print the path of a model's file, whether it exists or not."""
    print_data(os.fsencode(_store().path(name)) + b"\n")


def _as_json(status: StoredModel) -> dict[str, object]:
    """The status of a model as JSON; sizes in bytes."""
    entry = status.entry
    return {
        "name": entry.name,
        "size_bytes": entry.size_bytes,
        "here": status.present,
        "partial_bytes": status.partial_bytes,
        "license": entry.license,
        "description": entry.description,
        "path": str(status.path),
    }


def _rows(model: Architecture) -> Iterator[tuple[str, str]]:
    """The rows of the architecture table: title and value."""
    kv_1k = model.kv_bytes_per_token * 1000
    yield "architecture", f"{model.family}, decoder only"
    yield "parameters", f"{model.parameters / 1e9:.2f} billion ({model.stored_parameters / 1e9:.2f} billion stored)"
    yield "layers", str(model.layers)
    yield (
        "attention heads",
        f"{model.query_heads} query, {model.kv_heads} key/value ({model.query_heads / model.kv_heads:g}:1)",
    )
    yield (
        "KV cache",
        f"{kv_1k / 1e6:.1f} MB per 1,000 tokens (f16), {model.kv_saving:.0%} less than full multi-head attention",
    )
    yield "feed-forward", "SwiGLU" if model.swiglu else "not gated"
    yield "RoPE base", f"{model.rope_base:,.0f}"
    yield "context", f"{model.context:,} tokens"
    yield "vocabulary", f"{model.vocabulary:,} tokens"
    yield "quantization", model.quantization
    for name, types in model.tensor_classes.items():
        yield f"  {name}", ", ".join(f"{kind} {size / 1e6:,.1f} MB" for kind, size in sorted(types.items()))
    yield "file", f"{model.file_bytes:,} bytes"

"""`nano-lsp adapter`: manages adapters, and chooses those that suggestions are made with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from nano_lsp.cli.output import print_json
from nano_lsp.cli.terminal import stderr, stdout
from nano_lsp.config import find_folders, is_path, load_settings
from nano_lsp.errors import AdapterError, NanoError
from nano_lsp.models.adapter_file import BASE_KEY, DATA_CARD_KEY, RECIPE_KEY, TRAINING_KEY, check_adapter
from nano_lsp.models.adapters import AUTO, EVERYBODY, NONE, AdapterStore, InstalledAdapter, find_base
from nano_lsp.models.gguf import GgufHeader, read_header

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Manage LoRA adapters: list, show, choose for a workspace or for everybody, remove.",
    epilog="Start with `nano-lsp adapter use FILE.gguf --workspace .`.",
)
Name = Annotated[str, typer.Argument(help="Name of an adapter from `nano-lsp adapter list`.")]
_MAX_DEPTH = 64  # of brackets, those in texts included
_PARTS = {"recipe": RECIPE_KEY, "data_card": DATA_CARD_KEY, "training": TRAINING_KEY}


def _store() -> AdapterStore:
    return AdapterStore(find_folders().adapters)


@app.command("list", epilog="Example: `nano-lsp adapter list --json`")
def list_adapters(as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False) -> None:
    """List the installed adapters, and the workspaces that use them."""
    entries = _store().entries()
    if as_json:
        print_json([_as_json(entry) for entry in entries])
        return
    for entry in entries:  # no table: it would cut paths
        size = f"{entry.path.stat().st_size / 1e6:,.1f} MB" if entry.path.is_file() else "its file is missing"
        stdout.print(escape(f"{_printable(entry.name)}: {size}, {_used_by(entry.workspaces)}"))
    if not entries:
        stderr.print("No adapter is installed; `nano-lsp adapter use FILE.gguf` installs one.")


@app.command(epilog="Examples:\n\n`nano-lsp adapter show mine`\n\n`nano-lsp adapter show ./lora.gguf --json`")
def show(
    name: Annotated[str, typer.Argument(help="Name of an adapter, or path of a GGUF file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print all that is known as JSON.")] = False,
) -> None:
    """Show what an adapter was trained on, and how."""
    path = (check_adapter(Path(name).expanduser()) if is_path(name) else _store().find(name)).path
    header = read_header(path)
    facts = _facts(path, header)
    if as_json:
        print_json(facts)
        return
    for title, text in _rows(facts):
        stdout.print(escape(_printable(f"{title}: {text}")))


@app.command(
    epilog="Examples:\n\n`nano-lsp adapter use lora.gguf --workspace .`\n\n`nano-lsp adapter use mine`\n\n"
    "`nano-lsp adapter use none --workspace .`"
)
def use(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PATH",
            help="Name of an installed adapter, or path of a GGUF file, which is installed. `none` for no adapter "
            "there, `auto` to take back the choices.",
        ),
    ],
    workspace: Annotated[
        Path | None,
        typer.Option(help="Folder that the choice is for; everybody if not given.", file_okay=False, exists=True),
    ] = None,
    as_name: Annotated[
        str, typer.Option("--name", help="Name for a file that is installed; that of the file if not given.")
    ] = "",
) -> None:
    """Choose the adapter for suggestions in a workspace, or in all of them; a file is installed first.

    The choices for other models stay.
    """
    store = _store()
    chosen = store.install(Path(name).expanduser(), as_name) if is_path(name) else name
    others = store.choose(chosen, workspace)
    where = _printable(str(workspace.resolve())) if workspace else "all workspaces without a choice of their own"
    if chosen == NONE:
        stdout.print(escape(f"Suggestions use no adapter in {where}."))
    elif chosen == AUTO:
        stdout.print(escape(f"The choice for {where} is taken back."))
    else:
        stdout.print(escape(f"Suggestions use {_printable(chosen)} in {where}, from the next one on."))
        if others:
            kept = ", ".join(map(_printable, others))
            stdout.print(escape(f"For models that it was not made for: {kept}, as before."))
        _warn_if_unused(chosen)


@app.command()
def remove(
    name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False
) -> None:
    """Delete an adapter; workspaces that use it go on without one."""
    store = _store()
    path = next((entry.path for entry in store.entries() if entry.name == name), None)
    if path and not yes:
        typer.confirm(f"Delete {path}?", abort=True)
    used_by = store.remove(name)
    stdout.print(escape(f"{_printable(name)} is deleted."))
    if used_by:
        stdout.print(escape(f"It was {_used_by(used_by)}. Suggestions there use the next choice around it, or none."))


def _warn_if_unused(name: str) -> None:
    """Say why the model and the setting of this user leave the adapter out."""
    folders = find_folders()
    try:
        settings = load_settings()
        if settings.adapter != AUTO:
            stderr.print(escape(f"The setting adapter is {settings.adapter!r}: only `auto` follows this choice."))
        AdapterStore(folders.adapters).find(name, find_base(settings.model, folders))
    except AdapterError as error:
        stderr.print(escape(f"{error.message} It is left out as long as this model is used."))
    except NanoError:
        pass  # the model is not on this machine, or the settings are not valid: other commands report that


def _facts(path: Path, header: GgufHeader) -> dict[str, Any]:
    """What is known of an adapter file, as JSON; parts that other software does not write are None."""
    lora = next(tensor for tensor in header.tensors if tensor.name.endswith(".lora_b"))
    return {
        "path": os.fspath(path),
        "file_bytes": header.file_bytes,
        "architecture": header.metadata.get("general.architecture"),
        "rank": lora.shape[0],
        "alpha": header.metadata.get("adapter.lora.alpha"),
        "weights": sum(tensor.name.endswith(".lora_b") for tensor in header.tensors),
        "base_sha256": header.metadata.get(BASE_KEY),
        **{name: _json_or_text(header.metadata.get(key)) for name, key in _PARTS.items()},
    }


def _json_or_text(value: object) -> Any:  # noqa: ANN401 - whatever the file has
    """A value of the file, decoded if it is JSON that is not nested beyond reason."""
    if not isinstance(value, str):
        return value
    depths = accumulate((character in "[{") - (character in "]}") for character in value)
    try:
        return json.loads(value) if max(depths, default=0) <= _MAX_DEPTH else value
    except ValueError:
        return value


def _rows(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Titles and values."""
    yield "file", f"{facts['path']}, {facts['file_bytes']:,} bytes"
    yield "architecture", str(facts["architecture"])
    yield "LoRA", f"rank {facts['rank']}, alpha {facts['alpha']}, {facts['weights']} weights"
    yield "base", f"the model file with the SHA-256 {facts['base_sha256']}" if facts["base_sha256"] else "not stated"
    for name in _PARTS:
        title = name.replace("_", " ")
        if facts[name] is None:
            yield title, "not stated: the file was made by other software"
        else:
            yield from _flatten(title, facts[name])


def _flatten(title: str, value: object) -> Iterator[tuple[str, str]]:
    """A value of JSON as rows: nested objects have titles of several words."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flatten(f"{title}, {str(key).replace('_', ' ')}", item)
    elif isinstance(value, list):
        yield title, ", ".join(item if isinstance(item, str) else json.dumps(item) for item in value) or "none"
    elif isinstance(value, bool):
        yield title, "yes" if value else "no"
    elif isinstance(value, int):
        yield title, f"{value:,}"
    else:
        yield title, str(value)


def _as_json(entry: InstalledAdapter) -> dict[str, object]:
    """An adapter of the list as JSON; everybody is an empty text."""
    return {"name": entry.name, "path": os.fspath(entry.path), "workspaces": list(entry.workspaces)}


def _used_by(workspaces: tuple[str, ...]) -> str:
    places = [_printable(folder) for folder in workspaces if folder != EVERYBODY]
    places += ["all other workspaces"] * (EVERYBODY in workspaces)
    return f"used in {', '.join(places)}" if places else "not used"


def _printable(text: str) -> str:
    """A text without undecodable bytes and control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)

"""`nano-lsp doctor`: what works, what does not, and what to do about it."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from enum import Enum
from importlib.metadata import version
from typing import Annotated

import typer
from rich.markup import escape

from nano_lsp import __version__
from nano_lsp.adapters.cli.terminal import Model, file_progress, stdout
from nano_lsp.config import Settings, find_folders, load_settings
from nano_lsp.context.cursor import CompletionTask
from nano_lsp.engine import hardware
from nano_lsp.engine.model_store import ModelStore
from nano_lsp.errors import NanoError
from nano_lsp.features.assistant import LocalAssistant
from nano_lsp.features.jobs import Complete
from nano_lsp.features.model import Model as LoadedModel

EXAMPLES = """Examples:

`nano-lsp doctor`

`nano-lsp doctor --no-load --json`
"""

_MEMORY_NEEDED_BYTES = 1_250 << 20


class Level(str, Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        level: how bad it is.
        title: what was looked at.
        detail: what was found.
        remedy: what to do about it; empty where nothing need be done.
    """

    level: Level
    title: str
    detail: str
    remedy: str = ""


def doctor(
    model: Model = None,
    no_load: Annotated[bool, typer.Option("--no-load", help="Do not load the model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at CPU, memory, disk, settings and model, and say what to do about each problem."""
    findings = []
    signs = {Level.OK: "[green]ok  [/]", Level.WARNING: "[yellow]warn[/]", Level.PROBLEM: "[bold red]FAIL[/]"}
    for finding in examine(model, load=not no_load):
        findings.append(finding)
        if not as_json:
            stdout.print(f"{signs[finding.level]} {finding.title}: {escape(finding.detail)}")
            if finding.remedy:
                stdout.print(f"     {escape(finding.remedy)}")
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    raise typer.Exit(int(any(finding.level is Level.PROBLEM for finding in findings)))


def examine(model: str | None, *, load: bool) -> Iterator[Finding]:
    """Look at everything; each finding as soon as it is known."""
    yield Finding(
        Level.OK,
        "versions",
        f"nano-lsp {__version__}, llama-cpp-python {version('llama-cpp-python')}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
    )
    yield from examine_cpu()
    try:
        settings = load_settings(model=model)
    except NanoError as error:
        yield Finding(Level.PROBLEM, "settings", error.message, error.remedy)
        return
    yield examine_settings(settings)
    yield examine_memory(hardware.available_memory_bytes())
    yield from examine_store(settings)
    if load:
        yield from examine_model(settings)


def examine_cpu() -> Iterator[Finding]:
    """Features and cores."""
    found = hardware.cpu_features()
    listed = ", ".join(sorted(found)) or "unknown"
    if platform.machine().lower() in {"x86_64", "amd64"} and found and "avx2" not in found:
        yield Finding(
            Level.WARNING,
            "CPU",
            f"{hardware.cpu_name()} ({listed})",
            "Without AVX2 answers take several times as long.",
        )
    else:
        yield Finding(Level.OK, "CPU", f"{hardware.cpu_name()} ({listed})")
    cores, logical = hardware.usable_cores(), os.cpu_count() or 1
    detail = f"{cores} physical usable, of {logical} logical in the machine"
    if cores == 1 and logical > 1:
        yield Finding(
            Level.WARNING, "cores", detail, "Allow the process more CPUs: its affinity or its cgroup limits it."
        )
    else:
        yield Finding(Level.OK, "cores", detail)


def examine_settings(settings: Settings) -> Finding:
    """What differs from the defaults."""
    changed = [
        f"{field.name} = {getattr(settings, field.name)!r}"
        for field in fields(Settings)
        if getattr(settings, field.name) != field.default
    ]
    return Finding(Level.OK, "settings", ", ".join(changed) or f"all defaults (from {find_folders().config})")


def examine_memory(available_bytes: int) -> Finding:
    """Whether the model fits."""
    detail = f"{available_bytes / 2**20:,.0f} MiB available, nano takes up to {_MEMORY_NEEDED_BYTES >> 20:,}"
    if available_bytes < _MEMORY_NEEDED_BYTES:
        return Finding(
            Level.WARNING,
            "memory",
            detail,
            "Close other programs, lower n_ctx, set kv_type to q8_0, or use the model pico.",
        )
    return Finding(Level.OK, "memory", detail)


def examine_store(settings: Settings) -> Iterator[Finding]:
    """Disk space and the model's file."""
    folders = find_folders()
    folder = folders.models
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    try:
        store = ModelStore.open(folders)
        entry = store.entries.get(settings.model)
        missing = entry is not None and not store.path(settings.model).is_file()
        if entry and missing and free < entry.size_bytes:
            yield Finding(
                Level.PROBLEM,
                "disk",
                f"{free / 1e6:,.0f} MB free in {folders.models}, {entry.name} needs {entry.size_bytes / 1e6:,.0f}",
                "Free some space, or set NANO_LSP_HOME to a folder on another disk.",
            )
        else:
            yield Finding(Level.OK, "disk", f"{free / 1e6:,.0f} MB free in {folders.models}")
        with file_progress() as show:
            path = store.find(settings.model, show)
    except NanoError as error:
        yield Finding(Level.PROBLEM, "model", error.message, error.remedy)
        return
    checked = "verified" if entry else "not in the manifest, so not verified"
    yield Finding(Level.OK, "model", f"{settings.model}, {checked}: {path}")


def examine_model(settings: Settings) -> Iterator[Finding]:
    """Load the model, let it work, and give the account of its memory."""
    try:
        with file_progress() as show:
            loaded = LoadedModel.load(settings, find_folders(), show)
        with LocalAssistant(loaded, settings, find_folders()) as assistant:
            done = assistant.carry_out(Complete(CompletionTask("doctor", "def add(a, b):\n    return a", 27)))
            account, context = loaded.memory, loaded.vocabulary.spec.n_ctx
    except NanoError as error:
        yield Finding(Level.PROBLEM, "inference", error.message, error.remedy)
        return
    yield Finding(
        Level.OK,
        "inference",
        f"`return a` goes on with {done.text!r}, {done.counters.decode_tokens_per_s:.0f} tokens/s",
    )
    peak = hardware.peak_rss_bytes()
    parts = {
        "weights": account.weights_bytes,
        f"KV cache ({context:,} tokens)": account.kv_cache_bytes,
        "compute": account.compute_bytes,
    }
    listed = ", ".join(f"{name} {size / 2**20:,.0f}" for name, size in parts.items())
    rest = peak - sum(parts.values())
    yield Finding(
        Level.OK,
        "memory account (MiB)",
        f"{listed}, vocabulary, libraries and load {rest / 2**20:,.0f}; peak {peak / 2**20:,.0f}",
    )

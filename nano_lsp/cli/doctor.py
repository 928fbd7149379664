"""`nano-lsp doctor`: what works, what does not, and what to do about it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import platform
import shutil
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, fields
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from nano_lsp.cli.output import print_json
from nano_lsp.cli.terminal import Model, file_progress, open_assistant, persist, stdout
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.config import SHARED, Settings, find_folders, load_settings, with_absolute_paths
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.engine.launcher import ask_engine
from nano_lsp.errors import LibraryError, NanoError
from nano_lsp.inference import hardware
from nano_lsp.inference.loading import check_memory, needed_bytes
from nano_lsp.inference.selftest import Outcome, SelfTest, build_command, compiled_features, require_layout
from nano_lsp.models.gguf import read_header
from nano_lsp.models.store import ModelStore
from nano_lsp.version import __version__

EXAMPLES = """Examples:

`nano-lsp doctor`

`nano-lsp doctor --no-load --json`
"""

_NANO_MIB = 1_210
_SAFER_MODE_COST = "It costs about a quarter of the speed of answers."  # docs/how-to/troubleshooting.md has figures


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
        exit_code: What a problem makes the command exit with.
    """

    level: Level
    title: str
    detail: str
    remedy: str = ""
    exit_code: int = 1


def doctor(
    model: Model = None,
    no_load: Annotated[bool, typer.Option("--no-load", help="Do not load the model.")] = False,
    retest: Annotated[
        bool, typer.Option("--retest", help="Repeat the self-test of llama.cpp, and forget earlier crashes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at CPU, memory, disk, settings and model, and say what to do about each problem.

    Exit code 1: there is a problem. Exit code 3: the installed build of llama.cpp does not work on this CPU.
    """
    findings = []
    signs = {Level.OK: "[green]ok  [/]", Level.WARNING: "[yellow]warn[/]", Level.PROBLEM: "[bold red]FAIL[/]"}
    for finding in examine(model, load=not no_load, retest=retest):
        findings.append(finding)
        if not as_json:
            stdout.print(f"{signs[finding.level]} {finding.title}: {escape(finding.detail)}")
            if finding.remedy:
                stdout.print(f"     {escape(finding.remedy)}")
    if as_json:
        shown = [{name: value for name, value in asdict(one).items() if name != "exit_code"} for one in findings]
        print_json(shown)
    raise typer.Exit(max((one.exit_code for one in findings if one.level is Level.PROBLEM), default=0))


def examine(model: str | None, *, load: bool, retest: bool = False) -> Iterator[Finding]:
    """Look at everything; each finding as soon as it is known.

    Args:
        model: The model's name or path; None for the one in the settings.
        load: Have the model loaded and let it work.
        retest: Repeat the self-test of llama.cpp.
    """
    yield Finding(
        Level.OK,
        "versions",
        f"nano-lsp {__version__}, llama-cpp-python {version('llama-cpp-python')}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
    )
    yield from examine_cpu()
    works = yield from examine_library(again=retest)
    try:
        settings = load_settings(model=model)
    except NanoError as error:
        yield Finding(Level.PROBLEM, "settings", error.message, error.remedy)
        return
    yield examine_settings(settings)
    path = yield from examine_store(settings)
    memory = examine_memory(settings, path)
    yield memory
    if load and works and path and memory.level is not Level.PROBLEM:
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


def examine_library(*, again: bool) -> Generator[Finding, None, bool]:
    """What llama.cpp was compiled with beside what the CPU has; returns whether it works."""
    try:
        outcome = SelfTest(find_folders().cache).run(again=again)
    except NanoError as error:
        yield Finding(Level.PROBLEM, "llama.cpp", error.message, error.remedy, _exit_code(error))
        return False
    if outcome.system_info:
        yield _examine_build(outcome)
    try:
        require_layout(outcome)
    except LibraryError as error:
        yield Finding(Level.PROBLEM, "self-test", error.message, error.remedy, _exit_code(error))
        return False
    if outcome.notice:
        yield Finding(Level.WARNING, "self-test", f"{outcome.notice} {_SAFER_MODE_COST}", _build_advice())
    else:
        yield Finding(Level.OK, "self-test", "llama.cpp computes what it should on this CPU, in its fast mode")
    return True


def _exit_code(error: NanoError) -> int:
    return error.exit_code if isinstance(error, LibraryError) else 1


def _examine_build(outcome: Outcome) -> Finding:
    compiled, has = compiled_features(outcome.system_info), hardware.cpu_features()
    lacking = ", ".join(sorted(has - compiled))
    detail = f"compiled with {', '.join(sorted(compiled)) or 'no SIMD extensions'}"
    if lacking:
        detail += f"; the CPU also has {lacking}"
    if has and not compiled & {"avx2", "asimd"}:
        return Finding(Level.WARNING, "llama.cpp", f"{detail}. Answers take several times as long", _build_advice())
    return Finding(Level.OK, "llama.cpp", detail, f"May be faster: {_build_advice()}" if lacking else "")


def _build_advice() -> str:
    return f"To build llama.cpp for this CPU, run {build_command()}"


def examine_settings(settings: Settings) -> Finding:
    """What differs from the defaults."""
    changed = [
        f"{field.name} = {getattr(settings, field.name)!r}"
        for field in fields(Settings)
        if getattr(settings, field.name) != field.default
    ]
    return Finding(Level.OK, "settings", ", ".join(changed) or f"all defaults (from {find_folders().config})")


def examine_memory(settings: Settings, path: Path | None) -> Finding:
    """Whether the model fits into the memory that is available.

    Args:
        settings: Which model, and how large its context is.
        path: The model's file; None where it is missing.
    """
    try:
        if path is None:
            return Finding(Level.OK, "memory", f"{hardware.find_memory()}, nano takes about {_NANO_MIB:,}")
        if settings.check_memory:
            check_memory(path, settings, find_folders().config)
        needed = needed_bytes(read_header(path), settings)
    except NanoError as error:
        return Finding(Level.PROBLEM, "memory", error.message, error.remedy)
    return Finding(Level.OK, "memory", f"{hardware.find_memory()}, {settings.model} takes about {needed >> 20:,} MiB")


def examine_store(settings: Settings) -> Generator[Finding, None, Path | None]:
    """Disk space and the model's file; returns the file, or None where it is missing or unsound."""
    folders = find_folders()
    try:
        free = free_bytes(folders.models)
    except OSError as error:
        yield Finding(
            Level.PROBLEM,
            "disk",
            f"{folders.models} cannot be reached: {error.strerror or error}",
            "Set NANO_LSP_HOME to a folder on a disk that is there.",
        )
        return None
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
        return None
    checked = "verified" if entry else "not in the manifest, so not verified"
    yield Finding(Level.OK, "model", f"{settings.model}, {checked}: {path}")
    return path


def free_bytes(folder: Path) -> int:
    """Free space where a folder is or would be made.

    Raises:
        OSError: Its disk is not there, or may not be looked at.
    """
    for place in (folder, *folder.parents):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return shutil.disk_usage(place).free
    raise FileNotFoundError(errno.ENOENT, "the disk is not there", str(folder))


def examine_model(settings: Settings) -> Iterator[Finding]:
    """Have the shared engine load the model and let it work; give the account of its memory.

    It is the shared engine whatever the settings say: llama.cpp may die.
    """
    chosen = {name: getattr(settings, name) for name in ("model", "adapter", "n_ctx", "n_threads", "kv_type")}
    try:
        with open_assistant(**chosen, engine=SHARED) as assistant:
            task = CompletionInput("doctor", "def add(a, b):\n    return a", 27)
            done = persist(assistant, Complete(task))
            engine = asyncio.run(ask_engine(find_endpoint(find_folders()), "GET", "status"))
    except NanoError as error:
        yield Finding(Level.PROBLEM, "inference", error.message, error.remedy, _exit_code(error))
        return
    yield Finding(
        Level.OK,
        "inference",
        f"`return a` goes on with {done.text!r}, decoding {done.counters.decode_tokens_per_s:.0f} tokens/s",
    )
    if assistant.notice.is_new:
        yield Finding(Level.WARNING, "mode", assistant.notice.text)
    name = with_absolute_paths(settings).model
    loaded = next(one for one in engine["models"] if one["name"] in {settings.model, name})
    account, peak = loaded["memory"], engine["peak_rss_bytes"]
    parts = {
        "weights": account["weights_bytes"],
        f"KV cache ({loaded['n_ctx']:,} tokens)": account["kv_cache_bytes"],
        "compute": account["compute_bytes"],
    }
    listed = ", ".join(f"{name} {size / 2**20:,.0f}" for name, size in parts.items())
    rest = peak - sum(parts.values())
    yield Finding(
        Level.OK,
        "memory account (MiB)",
        f"{listed}, tokenizer, libraries and load {rest / 2**20:,.0f}; peak of the engine {peak / 2**20:,.0f}",
    )

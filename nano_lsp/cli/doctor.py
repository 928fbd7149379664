"""`nano-lsp doctor`: checks this machine and the installation, and prints a remedy for each problem."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from nano_lsp.atomic_files import free_disk_bytes
from nano_lsp.cli.output import print_json
from nano_lsp.cli.terminal import Model, file_progress, open_assistant, run_with_retries, stdout
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.code.languages import LANGUAGES
from nano_lsp.completion.completer import Complete
from nano_lsp.config import find_folders, load_settings, with_absolute_paths
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.engine.launcher import ask_engine
from nano_lsp.errors import LibraryError, NanoError
from nano_lsp.forge.public_sets import EXTRA
from nano_lsp.forge.recipe import load_recipe
from nano_lsp.forge.training_needs import machine_for, missing_libraries, training_seconds
from nano_lsp.inference import hardware
from nano_lsp.inference.loading import check_memory, needed_bytes
from nano_lsp.inference.selftest import Outcome, SelfTest, build_command, compiled_features, require_layout
from nano_lsp.models.adapters import choose_adapter, find_base
from nano_lsp.models.gguf import read_header
from nano_lsp.models.store import ModelStore
from nano_lsp.schema import WeightLayout
from nano_lsp.settings import IN_PROCESS, SHARED, Settings
from nano_lsp.shell import pip_install
from nano_lsp.version import __version__

EXAMPLES = """Examples:

`nano-lsp doctor`

`nano-lsp doctor --no-load --json`

`nano-lsp doctor --timing`
"""

_NANO_MIB = 1_210
_TRAINED_TOKENS = 100_000
_SAFER_MODE_COST = "It costs up to a quarter of the speed of answers."  # figures: docs/how-to/troubleshooting.md


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        level: Severity of the finding.
        title: What was checked.
        detail: Result of the check.
        remedy: How to solve the problem; empty for none.
        exit_code: Exit code of the command if this is a problem.
    """

    level: Level
    title: str
    detail: str
    remedy: str = ""
    exit_code: int = 1


def doctor(
    model: Model = None,
    no_load: Annotated[bool, typer.Option("--no-load", help="Check everything without loading the model.")] = False,
    retest: Annotated[
        bool, typer.Option("--retest", help="Repeat the self-test of llama.cpp, and forget earlier crashes.")
    ] = False,
    timing: Annotated[
        bool, typer.Option("--timing", help="Measure instead where the time until the first suggestion goes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check CPU, memory, disk, settings and model, and print a remedy for each problem.

    Exit code 1: there is a problem. Exit code 3: the installed build of llama.cpp does not work on this CPU.
    """
    if timing:
        _show_timing(load_settings(model=model), as_json=as_json)
        return
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


def _show_timing(settings: Settings, *, as_json: bool) -> None:
    from nano_lsp.cli.timing import measure  # noqa: PLC0415 - the checks need no language client

    found = measure(settings)
    if as_json:
        print_json({**asdict(found), "sum_ms": found.sum_ms})
        return
    for step, ms in found.steps_ms.items():
        stdout.print(f"{ms:9,.0f} ms  {step}")
    stdout.print(f"{found.sum_ms:9,.0f} ms  from the start of the server to the answer")
    share = "unknown" if found.cached_share is None else f"{found.cached_share:.0%}"
    stdout.print(f"Share of {settings.model} that was in the page cache before: {share}.")


def examine(model: str | None, *, load: bool, retest: bool = False) -> Iterator[Finding]:
    """Run all checks; yields each finding as soon as it is known.

    Args:
        model: Name or path of the model; None for the one in the settings.
        load: Whether to load the model and generate a completion.
        retest: Whether to repeat the self-test of llama.cpp.
    """
    yield Finding(
        Level.OK,
        "versions",
        f"nano-lsp {__version__}, llama-cpp-python {version('llama-cpp-python')}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
    )
    yield examine_languages()
    yield from examine_cpu()
    works = yield from examine_library(again=retest)
    try:
        settings = load_settings(model=model)
    except NanoError as error:
        yield Finding(Level.PROBLEM, "settings", error.message, error.remedy)
        return
    yield examine_settings(settings)
    path = yield from examine_store(settings)
    if path and settings.engine in {SHARED, IN_PROCESS}:
        yield examine_adapter(settings)
    memory = examine_memory(settings, path)
    yield memory
    if path:
        yield examine_training(settings, path)
    if load and works and path and memory.level is not Level.PROBLEM:
        yield from examine_model(settings)


def examine_languages() -> Finding:
    """Load the grammars of all languages, and name those that are missing."""
    missing = {language.name: language.grammar_module for language in LANGUAGES if language.lacks_grammar}
    loaded = [language.name for language in LANGUAGES if language.grammar]
    if not missing:
        return Finding(Level.OK, "languages", f"{len(loaded)} grammars: {', '.join(loaded)}")
    packages = sorted({module.replace("_", "-") for module in missing.values()})
    return Finding(
        Level.WARNING,
        "languages",
        f"without a grammar, completed as text: {', '.join(missing)}",
        f"Install them: {pip_install('--force-reinstall', *packages)}",
    )


def examine_cpu() -> Iterator[Finding]:
    """Check the CPU's features and the number of cores."""
    features = hardware.cpu_features()
    listed = ", ".join(sorted(features)) or "unknown"
    if platform.machine().lower() in {"x86_64", "amd64"} and features and "avx2" not in features:
        yield Finding(
            Level.WARNING,
            "CPU",
            f"{hardware.cpu_name()} ({listed})",
            "Without AVX2, answers take several times as long.",
        )
    else:
        yield Finding(Level.OK, "CPU", f"{hardware.cpu_name()} ({listed})")
    cores, logical = hardware.usable_cores(), os.cpu_count() or 1
    detail = f"{cores} physical cores available, of {logical} logical ones in the machine"
    if cores == 1 and logical > 1:
        yield Finding(
            Level.WARNING, "cores", detail, "Allow the process more CPUs: its affinity or its cgroup limits them."
        )
    else:
        yield Finding(Level.OK, "cores", detail)


def examine_library(*, again: bool) -> Generator[Finding, None, bool]:
    """Check the build of llama.cpp against the CPU's features; returns whether it works."""
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
        cost = f" {_SAFER_MODE_COST}" if outcome.layout is WeightLayout.AS_STORED else ""
        yield Finding(Level.WARNING, "self-test", outcome.notice + cost, _build_advice())
    else:
        yield Finding(Level.OK, "self-test", "llama.cpp computes correctly on this CPU, in its fast mode")
    return True


def _exit_code(error: NanoError) -> int:
    return error.exit_code if isinstance(error, LibraryError) else 1


def _examine_build(outcome: Outcome) -> Finding:
    compiled, available = compiled_features(outcome.system_info), hardware.cpu_features()
    unused = ", ".join(sorted(available - compiled))
    detail = f"its code for {outcome.variant}, " if outcome.variant else ""
    detail += f"compiled with {', '.join(sorted(compiled)) or 'no SIMD extensions'}"
    if unused:
        detail += f"; the CPU also has {unused}"
    if available and not compiled & {"avx2", "asimd"}:
        return Finding(Level.WARNING, "llama.cpp", f"{detail}. Answers take several times as long", _build_advice())
    return Finding(Level.OK, "llama.cpp", detail, f"May be faster: {_build_advice()}" if unused else "")


def _build_advice() -> str:
    return f"To build llama.cpp for this CPU, run {build_command()}"


def examine_settings(settings: Settings) -> Finding:
    """List the settings that differ from the defaults."""
    changed = [
        f"{field.name} = {getattr(settings, field.name)!r}"
        for field in fields(Settings)
        if getattr(settings, field.name) != field.default
    ]
    return Finding(Level.OK, "settings", ", ".join(changed) or f"all defaults (from {find_folders().config})")


def examine_memory(settings: Settings, path: Path | None) -> Finding:
    """Check whether the model fits into the available memory.

    Args:
        settings: Settings with the model and its context size.
        path: Path of the model's file; None if it is missing.
    """
    try:
        if path is None:
            return Finding(Level.OK, "memory", f"{hardware.find_memory()}, nano needs about {_NANO_MIB:,} MiB")
        if settings.check_memory:
            check_memory(path, settings, find_folders().config)
        needed = needed_bytes(read_header(path), settings)
    except NanoError as error:
        return Finding(Level.PROBLEM, "memory", error.message, error.remedy)
    return Finding(Level.OK, "memory", f"{hardware.find_memory()}, {settings.model} needs about {needed >> 20:,} MiB")


def examine_training(settings: Settings, path: Path) -> Finding:
    """Say whether this machine can train on the user's code, and which model; PyTorch is not imported.

    Args:
        settings: Settings with the model.
        path: Path of the model's file.
    """
    if missing := missing_libraries():
        detail = f"`nano-lsp forge run` needs libraries that are not installed: {', '.join(missing)}"
        return Finding(Level.OK, "training", detail, f"To train on your own code, run {EXTRA}")
    recipe, told = load_recipe("workspace"), ""
    smaller = ModelStore(find_folders()).path(recipe.base)
    for model, file in {settings.model: path, **({recipe.base: smaller} if smaller.is_file() else {})}.items():
        try:
            header = read_header(file)
            machine = machine_for(header, recipe, settings.n_threads)
        except NanoError as error:
            told = told or f"{model} cannot be trained: {error.message} "
        else:
            minutes = training_seconds(header, machine, _TRAINED_TOKENS) / 60
            told += f"{model} can be trained, with {machine.memory_bytes >> 20:,} MiB of memory"
            told += f" and in about {minutes:,.0f} minutes for {_TRAINED_TOKENS:,} tokens"
            break
    return Finding(Level.OK, "training", told.strip())


def examine_store(settings: Settings) -> Generator[Finding, None, Path | None]:
    """Check disk space and the model's file; returns the file, or None if it is missing or damaged."""
    folders = find_folders()
    try:
        free = free_disk_bytes(folders.models)
    except OSError as error:
        yield Finding(
            Level.PROBLEM,
            "disk",
            f"{folders.models} is not accessible: {error.strerror or error}",
            "Set NANO_LSP_HOME to a folder on a disk that is available.",
        )
        return None
    try:
        store = ModelStore(folders)
        entry = store.entries.get(settings.model)
        missing = entry is not None and not store.path(settings.model).is_file()
        if entry and missing and free < entry.size_bytes:
            yield Finding(
                Level.PROBLEM,
                "disk",
                f"{free / 1e6:,.0f} MB free in {folders.models}, {entry.name} needs {entry.size_bytes / 1e6:,.0f} MB",
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


def examine_adapter(settings: Settings) -> Finding:
    """Name the adapter of suggestions in the current folder, after checking that it fits the model."""
    folders = find_folders()
    try:
        found = choose_adapter(settings.adapter, Path.cwd(), find_base(settings.model, folders), folders)
    except NanoError as error:
        return Finding(Level.PROBLEM, "adapter", error.message, error.remedy)
    if found.left_out:
        remedy = "Suggestions are made without it. `nano-lsp adapter use NAME` chooses another one, `none` for none."
        return Finding(Level.WARNING, "adapter", found.left_out, remedy)
    return Finding(Level.OK, "adapter", f"{found.name}: {found.file.path}" if found.file else "none")


def examine_model(settings: Settings) -> Iterator[Finding]:
    """Let the shared engine load the model and complete code, and list the memory it uses.

    The shared engine is used whatever the settings say, as llama.cpp may crash.
    """
    chosen = {name: getattr(settings, name) for name in ("model", "adapter", "n_ctx", "n_threads", "kv_type")}
    try:
        with open_assistant(**chosen, engine=SHARED) as assistant:
            completion_input = CompletionInput("doctor", "def add(a, b):\n    return a", 27)
            completion = run_with_retries(assistant, Complete(completion_input))
            engine = asyncio.run(ask_engine(find_endpoint(find_folders()), "GET", "status"))
    except NanoError as error:
        yield Finding(Level.PROBLEM, "inference", error.message, error.remedy, _exit_code(error))
        return
    yield Finding(
        Level.OK,
        "inference",
        f"`return a` is completed with {completion.text!r}, "
        f"decoding {completion.counters.decode_tokens_per_s:.0f} tokens/s",
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
        "memory use (MiB)",
        f"{listed}, tokenizer, libraries and load {rest / 2**20:,.0f}; peak of the engine {peak / 2**20:,.0f}",
    )

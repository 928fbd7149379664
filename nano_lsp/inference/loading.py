"""Loads a model file, after checks of the available memory and of llama.cpp on this CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nano_lsp.config import Folders
from nano_lsp.errors import MemoryShortageError
from nano_lsp.inference import hardware
from nano_lsp.inference.backend import Backend
from nano_lsp.inference.crash_guard import CrashGuard
from nano_lsp.inference.page_residency import SUPPORTED, row_wise
from nano_lsp.inference.selftest import SelfTest, require_layout
from nano_lsp.models.architecture import describe
from nano_lsp.models.gguf import GgufHeader, read_header
from nano_lsp.models.manifest import load_manifest
from nano_lsp.schema import Notice
from nano_lsp.settings import Settings

_OVERHEAD_BYTES = 100 << 20  # the engine's process without a model, and scratch buffers
_BYTES_PER_VOCABULARY_TOKEN = 350  # its text, its merges, its rows of logits
# Memory that a small model needs with a context of 4,096 tokens, as a multiple of its file size; 1.22 for pico.
_MEMORY_PER_FILE_BYTE = 1.25
_KV_SHARE = {"f16": 1.0, "q8_0": 34 / 64, "q4_0": 18 / 64}  # bytes per value, as a share of two


def load(
    path: Path,
    settings: Settings,
    folders: Folders,
    *,
    name: str = "",
    on_progress: Callable[[float], bool] | None = None,
    on_step: Callable[[str], None] = lambda _step: None,
) -> tuple[Backend, CrashGuard, Notice, str]:
    """Load a model file that the store has verified.

    Args:
        path: Path of the GGUF file.
        settings: Settings of context, threads and KV type.
        folders: The user's folders; outcomes of the self-test are in the cache folder.
        name: Display name of the model.
        on_progress: Receives the share of the file read, 0 to 1; returning False cancels loading.
        on_step: Called after a step: `checks`, `library`, `file`, `context`.

    Returns:
        The model, what records crashes, a notice for the user, and what the speed of the machine depends on: CPU,
        build of llama.cpp, layout of the weights, threads.

    Raises:
        MemoryShortageError: There is less memory than the model needs.
        LibraryError: llama.cpp does not work on this CPU.
        GgufError: llama.cpp cannot load the file.
        EngineError: There is no memory for the context.
        CancelledError: `on_progress` returned False.
    """
    if settings.check_memory:
        check_memory(path, settings, folders.config)
    selftest = SelfTest(folders.cache)
    guard = CrashGuard(selftest, folders.cache / "crashes")
    outcome = guard.begin()
    on_step("checks")
    try:
        layout = require_layout(outcome)
        from nano_lsp.inference.llama_backend import LlamaBackend  # noqa: PLC0415 - not before the self-test has passed

        on_step("library")
        backend = LlamaBackend.load(
            path,
            settings,
            layout=layout,
            variant=outcome.variant,
            name=name,
            on_progress=on_progress,
            on_step=on_step,
        )
    except BaseException:
        guard.end(answered=False)
        raise
    n_threads = settings.n_threads or hardware.usable_cores()
    machine = f"{selftest.key[:16]}-{outcome.mode}-{n_threads}"
    return backend, guard, Notice(outcome.notice, is_new=outcome.is_new and bool(outcome.notice)), machine


def needed_bytes(header: GgufHeader, settings: Settings) -> int:
    """Estimated memory of a running model.

    Peaks measured at 4,096 tokens of context, in MiB: nano 1,184 (here 1,197), pico 573 (571), smol 262 (299).

    Raises:
        GgufError: The header lacks a required value.
    """
    model = describe(header)
    weights = sum(tensor.n_bytes for tensor in header.tensors)
    if SUPPORTED:  # elsewhere the whole file is read
        weights -= sum(tensor.n_bytes for tensor in row_wise(header.tensors))
    kv_cache = model.kv_bytes_per_token * _KV_SHARE[settings.kv_type] * settings.n_ctx
    return int(weights + kv_cache + _BYTES_PER_VOCABULARY_TOKEN * model.vocabulary) + _OVERHEAD_BYTES


def check_memory(path: Path, settings: Settings, config: Path) -> None:
    """Check that a model fits into the available memory.

    Raises:
        MemoryShortageError: There is less memory than the model needs, swap space included.
        GgufError: The file is not a model.
    """
    needed, memory = needed_bytes(read_header(path), settings), hardware.find_memory()
    if needed <= memory.usable_bytes:
        return
    smaller = [
        f"choose the smaller model {entry.name} (`nano-lsp model pull {entry.name}`, then the setting "
        f'model = "{entry.name}")'
        for entry in load_manifest(config).values()
        if entry.fim_order and entry.size_bytes * _MEMORY_PER_FILE_BYTE < memory.usable_bytes
    ]
    remedies = ["Close other programs" + " or raise that limit" * bool(memory.limit_bytes), *smaller[:1]]
    raise MemoryShortageError(
        f"{settings.model} needs about {needed >> 20:,} MiB of memory; there are {memory}.",
        f"{', or '.join(remedies)}. The setting check_memory = false skips this check.",
    )

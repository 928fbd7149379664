"""A model that has been found, verified and loaded, and that a worker owns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from nano_lsp.config import SCRIPTED, Folders
from nano_lsp.errors import CancelledError
from nano_lsp.inference import loading
from nano_lsp.inference.backend import Backend, Tokenizer
from nano_lsp.inference.chunk_size import ChunkSize, size_key
from nano_lsp.inference.crash_guard import CrashGuard
from nano_lsp.inference.generation import Engine
from nano_lsp.inference.kv_cache import KvCache
from nano_lsp.inference.request import wait_for
from nano_lsp.inference.snapshots import Snapshots
from nano_lsp.inference.worker import Worker
from nano_lsp.models.adapter_file import BaseModel
from nano_lsp.models.adapters import find_base, hash_base
from nano_lsp.models.store import FileProgress, ModelStore
from nano_lsp.schema import Notice
from nano_lsp.settings import Settings


class LoadedModel(Worker):
    """A loaded model, in the thread that owns it. Close it to free it.

    Args:
        backend: The model; also its tokenizer.
        fim_order: Order of prefix and suffix in its fill-in-the-middle prompts.
        snapshots: Folder for KV sequences that do not fit in memory; None for none.
        notice: What people should know of how it runs.
        guard: Watches the process until the model has answered; None where nothing can die.
        base: Its file, which adapters are checked against; None where no adapter can be used.
        chunk_size: Chooses how many tokens of a prompt are evaluated at once; None for as many as fit.

    Attributes:
        memory: Where its memory goes.
        load_ms: Milliseconds that each step of loading it took: `find` its file, `checks` of memory and llama.cpp,
            llama.cpp's `library`, the `file` and the `context`.
    """

    def __init__(
        self,
        backend: Backend,
        fim_order: str = "spm_tail",
        snapshots: Path | None = None,
        *,
        notice: Notice = Notice(),  # noqa: B008 - frozen
        guard: CrashGuard | None = None,
        base: BaseModel | None = None,
        chunk_size: ChunkSize | None = None,
    ) -> None:
        kept = Snapshots(snapshots, backend.spec.fingerprint) if snapshots else None
        on_completion = partial(guard.end, answered=True) if guard else None
        super().__init__(Engine(backend, KvCache(backend, kept), chunk_size=chunk_size), on_completion)
        self.tokenizer: Tokenizer = backend
        self.fim_order = fim_order
        self.memory = backend.memory()
        self.notice = notice
        self.base = base
        self.load_ms: dict[str, float] = {}
        self._guard = guard

    @classmethod
    def load(
        cls,
        settings: Settings,
        folders: Folders,
        on_progress: FileProgress,
        *,
        wrap: Callable[[Backend], Backend] | None = None,
        snapshots: Path | None = None,
        chunk_sizes: Path | None = None,
    ) -> LoadedModel:
        """Find the model, verify it if that has not been done, and load it; can be interrupted at any time.

        Args:
            settings: Which model, and how; `scripted:FILE` is a model without weights, for tests (`load_script`).
            folders: The user's data, cache and runtime directories.
            on_progress: Receives the progress of verifying and loading, in bytes.
            wrap: Puts another backend around the model's.
            snapshots: Folder for KV sequences that do not fit in memory; None for none.
            chunk_sizes: File of the chunk sizes measured on each machine; None for chunks of `n_batch` tokens, with
                which the same prompts get the same answers to the last bit.

        Raises:
            StoreError: The model is missing, or its file is damaged.
            ModelFileError: It cannot be loaded.
            MemoryShortageError: There is less memory than it needs.
            LibraryError: llama.cpp does not work on this CPU.
            EngineError: There is no memory for its context.
        """
        if settings.model.startswith(SCRIPTED):
            from nano_lsp.testing.scripted_backend import load_script  # noqa: PLC0415 - for tests only

            base = find_base(settings.model, folders)
            return cls(load_script(base.path), snapshots=snapshots, base=base)
        load_ms: dict[str, float] = {}
        done = time.perf_counter()

        def on_step(step: str) -> None:
            nonlocal done
            before, done = done, time.perf_counter()
            load_ms[step] = (done - before) * 1e3

        store = ModelStore(folders)
        path = store.find(settings.model, on_progress)
        entry = store.entries.get(settings.model)
        on_step("find")
        backend, guard, notice, machine = _load(path, settings, folders, on_progress, on_step)
        fim_order = entry.fim_order if entry else "spm_tail"
        base = find_base(settings.model, folders)
        hash_base(base, settings.adapter, folders)  # not later, on the engine's event loop
        backend = wrap(backend) if wrap else backend
        chunk_size = ChunkSize(backend.spec.n_batch, chunk_sizes, size_key(machine, backend.spec))
        model = cls(backend, fim_order, snapshots, notice=notice, guard=guard, base=base, chunk_size=chunk_size)
        model.load_ms = load_ms
        return model

    def close(self) -> None:
        """Answer open requests with `EngineClosedError`, and free the model."""
        super().close()
        if self._guard:
            self._guard.end(answered=False)


def _load(
    path: Path, settings: Settings, folders: Folders, on_progress: FileProgress, on_step: Callable[[str], None]
) -> tuple[Backend, CrashGuard, Notice, str]:
    """Load a model on another thread, so that Ctrl-C reaches this one while llama.cpp reads the file."""
    size = path.stat().st_size
    stopped = threading.Event()

    def report(share: float) -> bool:
        on_progress("loading", int(share * size), size)
        return not stopped.is_set()

    with ThreadPoolExecutor(1, "nano-lsp-load") as pool:
        future = pool.submit(
            loading.load, path, settings, folders, name=settings.model, on_progress=report, on_step=on_step
        )
        try:
            return wait_for(future)
        except KeyboardInterrupt:
            stopped.set()
            raise CancelledError("Interrupted while the model was loading.") from None

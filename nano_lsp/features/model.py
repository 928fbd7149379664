"""A model ready to work: found, verified, loaded, and owned by a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nano_lsp.config import Folders, Settings
from nano_lsp.engine.backend import Backend, Vocabulary
from nano_lsp.engine.generate import Engine
from nano_lsp.engine.kv_cache import KvCache
from nano_lsp.engine.model_store import ModelStore, Progress
from nano_lsp.engine.request import Request
from nano_lsp.engine.scripted_backend import load_script
from nano_lsp.engine.snapshots import Snapshots
from nano_lsp.engine.worker import Ticket, Worker
from nano_lsp.errors import CancelledError
from nano_lsp.features.plan import wait_for
from nano_lsp.schema import Counters, MemoryAccount

SCRIPTED = "scripted:"


@dataclass(frozen=True)
class Model:
    """A model at work. Close it to free it.

    Attributes:
        vocabulary: what prompts are built with.
        worker: answers requests.
        fim_order: how its prompts are laid out.
        memory: where its memory goes.
    """

    vocabulary: Vocabulary
    worker: Worker
    fim_order: str
    memory: MemoryAccount

    @classmethod
    def of(cls, backend: Backend, fim_order: str = "spm_tail", snapshots: Path | None = None) -> Model:
        """A model whose backend is there already; snapshots of prompts go into a folder, or nowhere."""
        kept = Snapshots(snapshots, backend.spec.fingerprint) if snapshots else None
        return cls(backend, Worker(Engine(backend, KvCache(backend, kept))), fim_order, backend.memory())

    @classmethod
    def load(
        cls,
        settings: Settings,
        folders: Folders,
        on_progress: Progress,
        *,
        wrap: Callable[[Backend], Backend] | None = None,
        snapshots: Path | None = None,
    ) -> Model:
        """Find the model, verify it if that has not been done, and load it; can be interrupted at any time.

        Args:
            settings: which model, and how; `scripted:FILE` is a model without weights, for tests (`load_script`).
            folders: where the store is.
            on_progress: is told of verifying and loading, in bytes.
            wrap: puts another backend around the model's.
            snapshots: folder for KV sequences that have no room; None for none.

        Raises:
            StoreError: the model is not there or not what it should be.
            ModelFileError: it cannot be loaded.
            EngineError: there is no memory for its context.
        """
        if settings.model.startswith(SCRIPTED):
            return cls.of(load_script(Path(settings.model.removeprefix(SCRIPTED))), snapshots=snapshots)
        store = ModelStore.open(folders)
        path = store.find(settings.model, on_progress)
        entry = store.entries.get(settings.model)
        backend = _load(path, settings, on_progress)
        if wrap:
            backend = wrap(backend)
        order = entry.fim_order if entry else "spm_tail"
        return cls.of(backend, order, snapshots)

    @property
    def totals(self) -> Counters:
        """What all requests have cost, those cancelled included."""
        return self.worker.totals

    def submit(self, request: Request) -> Ticket:
        """Queue a request; see `Worker.submit`."""
        return self.worker.submit(request)

    def close(self) -> None:
        """Answer what is open with `EngineClosedError`, and free the model."""
        self.worker.close()


def _load(path: Path, settings: Settings, on_progress: Progress) -> Backend:
    """Load a model on another thread, so that Ctrl-C reaches this one while llama.cpp reads the file."""
    from nano_lsp.engine.llama_backend import LlamaBackend  # noqa: PLC0415 - only now is llama.cpp needed

    size = path.stat().st_size
    stopped = threading.Event()

    def report(share: float) -> bool:
        on_progress("loading", int(share * size), size)
        return not stopped.is_set()

    with ThreadPoolExecutor(1, "nano-lsp-load") as pool:
        future = pool.submit(LlamaBackend.load, path, settings, name=settings.model, on_progress=report)
        try:
            return wait_for(future)
        except KeyboardInterrupt:
            stopped.set()
            raise CancelledError("Interrupted while the model was loading.") from None

"""A model that has been found, verified and loaded, and that a worker owns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from nano_lsp.config import SCRIPTED, Folders
from nano_lsp.errors import CancelledError
from nano_lsp.inference import loading
from nano_lsp.inference.backend import Backend, Tokenizer
from nano_lsp.inference.crash_guard import CrashGuard
from nano_lsp.inference.generation import Engine
from nano_lsp.inference.kv_cache import KvCache
from nano_lsp.inference.request import GenerationRequest, wait_for
from nano_lsp.inference.snapshots import Snapshots
from nano_lsp.inference.worker import GenerationFuture, Worker
from nano_lsp.models.store import FileProgress, ModelStore
from nano_lsp.schema import Completion, Counters, MemoryAccount, Notice
from nano_lsp.settings import Settings
from nano_lsp.testing.scripted_backend import load_script


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model. Close it to free it.

    Attributes:
        tokenizer: The model's tokenizer.
        worker: Answers requests.
        fim_order: Order of prefix and suffix in its fill-in-the-middle prompts.
        memory: Where its memory goes.
        notice: What people should know of how it runs.
        guard: Watches the process until the model has answered; None where nothing can die.
    """

    tokenizer: Tokenizer
    worker: Worker
    fim_order: str
    memory: MemoryAccount
    notice: Notice = field(default_factory=Notice)
    guard: CrashGuard | None = None

    @classmethod
    def of(cls, backend: Backend, fim_order: str = "spm_tail", snapshots: Path | None = None) -> LoadedModel:
        """A model whose backend exists; snapshots of KV sequences go into a folder, or are not kept."""
        kept = Snapshots(snapshots, backend.spec.fingerprint) if snapshots else None
        return cls(backend, Worker(Engine(backend, KvCache(backend, kept))), fim_order, backend.memory())

    @classmethod
    def load(
        cls,
        settings: Settings,
        folders: Folders,
        on_progress: FileProgress,
        *,
        wrap: Callable[[Backend], Backend] | None = None,
        snapshots: Path | None = None,
    ) -> LoadedModel:
        """Find the model, verify it if that has not been done, and load it; can be interrupted at any time.

        Args:
            settings: Which model, and how; `scripted:FILE` is a model without weights, for tests (`load_script`).
            folders: The user's data, cache and runtime directories.
            on_progress: Receives the progress of verifying and loading, in bytes.
            wrap: Puts another backend around the model's.
            snapshots: Folder for KV sequences that do not fit in memory; None for none.

        Raises:
            StoreError: The model is missing, or its file is damaged.
            ModelFileError: It cannot be loaded.
            MemoryShortageError: There is less memory than it needs.
            LibraryError: llama.cpp does not work on this CPU.
            EngineError: There is no memory for its context.
        """
        if settings.model.startswith(SCRIPTED):
            return cls.of(load_script(Path(settings.model.removeprefix(SCRIPTED))), snapshots=snapshots)
        store = ModelStore.open(folders)
        path = store.find(settings.model, on_progress)
        entry = store.entries.get(settings.model)
        loaded = _load(path, settings, folders, on_progress)
        backend = wrap(loaded.backend) if wrap else loaded.backend
        model = cls.of(backend, entry.fim_order if entry else "spm_tail", snapshots)
        return replace(model, notice=loaded.notice, guard=loaded.guard)

    @property
    def totals(self) -> Counters:
        """What all requests have cost, those cancelled included."""
        return self.worker.totals

    def submit(self, request: GenerationRequest) -> GenerationFuture:
        """Queue a request; see `Worker.submit`."""
        answer = self.worker.submit(request)
        if self.guard:
            answer.add_done_callback(self._on_answer)
        return answer

    def close(self) -> None:
        """Answer open requests with `EngineClosedError`, and free the model."""
        self.worker.close()
        if self.guard:
            self.guard.end(answered=False)

    def _on_answer(self, answer: Future[Completion]) -> None:
        if self.guard and not answer.cancelled() and not answer.exception():
            self.guard.end(answered=True)


def _load(path: Path, settings: Settings, folders: Folders, on_progress: FileProgress) -> loading.Loaded:
    """Load a model on another thread, so that Ctrl-C reaches this one while llama.cpp reads the file."""
    size = path.stat().st_size
    stopped = threading.Event()

    def report(share: float) -> bool:
        on_progress("loading", int(share * size), size)
        return not stopped.is_set()

    with ThreadPoolExecutor(1, "nano-lsp-load") as pool:
        future = pool.submit(loading.load, path, settings, folders, name=settings.model, on_progress=report)
        try:
            return wait_for(future)
        except KeyboardInterrupt:
            stopped.set()
            raise CancelledError("Interrupted while the model was loading.") from None

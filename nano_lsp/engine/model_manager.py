"""The models of an engine that several clients share, and an assistant for each client.

Each job comes with all that it needs, so nothing here has to outlive it: what a client's assistant keeps makes its
next job faster, and is gone when the model is unloaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nano_lsp.code.workspace import Workspace
from nano_lsp.config import Folders
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.errors import EngineBusyError, EngineClosedError
from nano_lsp.models.store import FileProgress
from nano_lsp.schema import Counters, MemoryAccount
from nano_lsp.settings import Settings

_MAX_MODELS = 2
_MAX_CLIENTS = 64  # whose documents are kept
_Key = tuple[str, str]


@dataclass(frozen=True)
class ClientInfo:
    """The client of a job, as in `nano_lsp.engine.protocol.JobRequest`."""

    name: str
    settings: Settings
    workspace: str = ""
    changed: tuple[str, ...] = ()


@dataclass(eq=False)
class _Loaded:
    """A model, or one that is being loaded."""

    settings: Settings
    loading: asyncio.Task[LoadedModel]
    n_jobs: int = 0
    used: float = field(default_factory=time.monotonic)
    assistants: OrderedDict[tuple[str, Settings, str], LocalAssistant] = field(default_factory=OrderedDict)
    watchers: list[FileProgress] = field(default_factory=list)

    @property
    def idle_s(self) -> float:
        return 0.0 if self.n_jobs or not self.loading.done() else time.monotonic() - self.used


@dataclass(frozen=True)
class ModelStatus:
    """What `nano-lsp engine status` shows of a loaded model."""

    name: str
    n_ctx: int
    n_jobs: int
    clients: tuple[str, ...]
    idle_s: float
    totals: Counters
    memory: MemoryAccount
    notice: str
    load_ms: dict[str, float]


class ModelManager:
    """Loads models for jobs, and frees them when they have been idle for long. Use it on one event loop.

    Args:
        folders: The user's data, cache and runtime directories.
        settings: Settings of the engine: `snapshots` and `unload_minutes`.

    Attributes:
        used: Time when a job began or ended last, on the monotonic clock.
        draining: No more jobs are taken.
    """

    def __init__(self, folders: Folders, settings: Settings) -> None:
        self._folders = folders
        self._settings = settings
        self._loaded: dict[_Key, _Loaded] = {}
        self._workspaces: dict[str, Workspace] = {}
        self._indexing: set[asyncio.Task[int]] = set()
        self._changing = asyncio.Lock()
        self.draining = False
        self.used = time.monotonic()

    @asynccontextmanager
    async def acquire(
        self, client: ClientInfo, on_load: FileProgress, *, in_advance: bool = False
    ) -> AsyncIterator[LocalAssistant]:
        """A client's assistant, with its model loaded as long as it is in use.

        Args:
            client: The client of the job.
            on_load: Receives the progress of loading the model, in bytes.
            in_advance: Nobody waits for the job: it neither loads a model nor keeps an idle one loaded.

        Raises:
            EngineClosedError: The engine is about to end.
            EngineBusyError: There is no room for another model.
            NanoError: The model cannot be loaded.
        """
        self.check_open()
        if in_advance and not self._is_loaded(client.settings):
            raise EngineBusyError("The model is not loaded.", "Request a suggestion.")
        if not in_advance:
            self.used = time.monotonic()
        loaded = await self._reserve(client.settings)
        try:
            loaded.watchers.append(on_load)
            try:
                # Other clients may wait for the same model: one that leaves does not cancel its loading.
                model = await asyncio.shield(loaded.loading)
            finally:
                loaded.watchers.remove(on_load)
            yield self._assistant(loaded, model, client)
        finally:
            loaded.n_jobs -= 1
            if not in_advance:
                loaded.used = self.used = time.monotonic()

    def check_open(self) -> None:
        """Refuse jobs when the engine is about to end.

        Raises:
            EngineClosedError: It is about to end.
        """
        if self.draining:
            raise EngineClosedError("The engine is about to end.", "Ask again: another one is started.")

    def statuses(self) -> list[ModelStatus]:
        """The status of each loaded model."""
        return [
            ModelStatus(
                name=model.tokenizer.spec.name,
                n_ctx=model.tokenizer.spec.n_ctx,
                n_jobs=loaded.n_jobs,
                clients=tuple(dict.fromkeys(name for name, *_ in loaded.assistants)),
                idle_s=loaded.idle_s,
                totals=model.totals,
                memory=model.memory,
                notice=model.notice.text,
                load_ms=model.load_ms,
            )
            for loaded in self._loaded.values()
            if (model := _model_of(loaded))
        ]

    @property
    def n_jobs(self) -> int:
        """Number of running jobs."""
        return sum(loaded.n_jobs for loaded in self._loaded.values())

    async def unload_idle(self) -> None:
        """Free the models that have been idle for `unload_minutes`."""
        async with self._changing:
            for key, loaded in [*self._loaded.items()]:
                if loaded.idle_s > 60 * self._settings.unload_minutes:
                    await self._unload(key)

    async def drain(self, timeout_s: float) -> None:
        """Take no more jobs, and wait for the running ones to end."""
        self.draining = True
        deadline = time.monotonic() + timeout_s
        while self.n_jobs and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Cancel the running jobs, and free all models."""
        self.draining = True
        async with self._changing:
            for key in [*self._loaded]:
                await self._unload(key)

    def _is_loaded(self, settings: Settings) -> bool:
        """Whether a job with these settings needs no model to be loaded."""
        loaded = self._loaded.get((settings.model, settings.kv_type))
        return loaded is not None and loaded.loading.done() and loaded.settings.n_ctx >= settings.n_ctx

    async def _reserve(self, settings: Settings) -> _Loaded:
        """The model that settings name, loaded or loading, counted as in use."""
        key = (settings.model, settings.kv_type)
        async with self._changing:
            loaded = self._loaded.get(key)
            if loaded and loaded.settings.n_ctx < settings.n_ctx:  # a longer context takes a new KV cache
                await self._evict(key)
                loaded = None
            if loaded is None:
                if len(self._loaded) >= _MAX_MODELS:
                    await self._evict(max(self._loaded, key=lambda other: self._loaded[other].idle_s))
                loaded = self._loaded[key] = self._load(key, settings)
            loaded.n_jobs += 1
            return loaded

    def _load(self, key: _Key, settings: Settings) -> _Loaded:
        loop = asyncio.get_running_loop()

        def tell(what: str, done: int, total: int) -> None:
            for on_load in loaded.watchers:
                on_load(what, done, total)

        async def load() -> LoadedModel:
            def on_progress(what: str, done: int, total: int) -> None:
                loop.call_soon_threadsafe(tell, what, done, total)

            snapshots = self._folders.cache / "kv" if self._settings.snapshots else None
            chunk_sizes = self._folders.cache / "chunk-sizes.json"
            return await asyncio.to_thread(
                LoadedModel.load,
                settings,
                self._folders,
                on_progress,
                snapshots=snapshots,
                chunk_sizes=chunk_sizes,
            )

        def forget_failure(task: asyncio.Task[LoadedModel]) -> None:
            if (task.cancelled() or task.exception()) and self._loaded.get(key) is loaded:
                del self._loaded[key]

        loaded = _Loaded(settings, asyncio.create_task(load()))
        loaded.loading.add_done_callback(forget_failure)
        return loaded

    async def _evict(self, key: _Key) -> None:
        loaded = self._loaded[key]
        if loaded.n_jobs or not loaded.loading.done():
            raise EngineBusyError(
                f"The shared engine is at work with {loaded.settings.model}.",
                "Ask again when that is done, or choose the same model and context in all programs.",
            )
        await self._unload(key)

    async def _unload(self, key: _Key) -> None:
        loaded = self._loaded.pop(key)
        loaded.assistants.clear()
        with contextlib.suppress(Exception):  # the jobs that waited for it have got the error
            model = await loaded.loading
            await asyncio.to_thread(model.close)

    def _assistant(self, loaded: _Loaded, model: LoadedModel, client: ClientInfo) -> LocalAssistant:
        key = (client.name, client.settings, client.workspace)
        assistant = loaded.assistants.pop(key, None)
        if assistant is None:
            assistant = LocalAssistant(model, client.settings, self._folders, client.name)
            if client.workspace:
                assistant.take_workspace(Path(client.workspace), self._index(client.workspace))
        loaded.assistants[key] = assistant
        if len(loaded.assistants) > _MAX_CLIENTS:
            loaded.assistants.popitem(last=False)
        assistant.files_changed(map(Path, client.changed))
        return assistant

    def _index(self, root: str) -> Workspace:
        """The index of a workspace, brought up to date in the background."""
        if root not in self._workspaces:
            self._workspaces[root] = Workspace(Path(root), self._folders.cache / "index")
        workspace = self._workspaces[root]
        task = asyncio.create_task(asyncio.to_thread(workspace.update))
        self._indexing.add(task)
        task.add_done_callback(self._indexing.discard)
        return workspace


def _model_of(loaded: _Loaded) -> LoadedModel | None:
    task = loaded.loading
    return task.result() if task.done() and not task.cancelled() and not task.exception() else None

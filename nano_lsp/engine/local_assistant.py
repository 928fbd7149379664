"""An assistant whose features run in this process, and counters of what it has cost."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nano_lsp.assistant.context import NULL_LISTENER, ClientState, FeatureContext, ProgressListener, UsageStats
from nano_lsp.assistant.job import Job
from nano_lsp.code.uris import innermost, path_of
from nano_lsp.code.workspace import Workspace
from nano_lsp.config import Folders
from nano_lsp.errors import EngineBusyError
from nano_lsp.inference.request import GenerationRequest, wait_for
from nano_lsp.models.adapter_file import AdapterFile
from nano_lsp.models.adapters import choose_adapter, hash_base
from nano_lsp.schema import Completion, Counters
from nano_lsp.settings import Settings

if TYPE_CHECKING:  # not imported: others need no arrays, or no network
    from nano_lsp.engine.loaded_model import LoadedModel
    from nano_lsp.inference.remote import Remote

T = TypeVar("T")


class LocalAssistant:
    """Runs jobs in this process. A context manager: leaving it frees the model.

    Args:
        model: A model of this process, or of another one that completes raw prompts.
        settings: Limits of its jobs.
        folders: Where indexes of workspaces and adapters are kept.
        client: Name of the client, where several share the model; their documents are not the same.
    """

    def __init__(self, model: LoadedModel | Remote, settings: Settings, folders: Folders, client: str = "") -> None:
        self.model = model
        self.notice = model.notice
        self._client = client
        self._settings = settings
        self._state = ClientState(settings)
        self._states: dict[Path, ClientState] = {}  # by folder of the workspace
        self._changed: set[Path] = set()
        self._folders = folders
        self._usage = UsageStats()

    def __enter__(self) -> LocalAssistant:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def totals(self) -> Counters:
        """What all requests have cost, those cancelled included."""
        return self.model.totals

    @property
    def ttft_ms_p50(self) -> float:
        """Median time to the first token of the newest requests, in milliseconds; 0 where there was none."""
        return self._usage.ttft_ms_p50

    def run(self, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
        """Run a job and wait for its result; an interruption such as Ctrl-C cancels it.

        Raises:
            EngineError: Inference failed.
            PromptTooLongError: The input does not fit the model's context.
        """

        async def generate(request: GenerationRequest) -> Completion:
            completion = wait_for(self.model.submit(replace(request, client=self._client)))
            self._observe(completion)
            return completion

        self._read_changed()
        # Jobs await nothing but `generate`, which blocks here: the first step is the last, and needs no event loop.
        try:
            job.run(self._context(job, generate, listener)).send(None)
        except StopIteration as done:
            result: T = done.value
            return result
        raise AssertionError(f"{type(job).__name__} waits for something else than the model.")

    async def run_async(self, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
        """As `run`, for an event loop; cancelling the asyncio task cancels the job."""
        return await job.run(await self.prepare(job, listener))

    async def prepare(self, job: Job[Any], listener: ProgressListener) -> FeatureContext:
        """The context to run a job in, on an event loop."""
        usage = UsageStats()

        async def generate(request: GenerationRequest) -> Completion:
            completion = await asyncio.wrap_future(self.model.submit(replace(request, client=self._client)))
            self._observe(completion)
            usage.record(completion.counters)
            return completion

        if self._changed:
            await asyncio.to_thread(self._read_changed)
        base = self.model.base
        if base and base.has_weights and not base.sha256:  # given by its path: hashed once, to compare adapters
            await asyncio.to_thread(hash_base, base, self._settings.adapter, self._folders)
        return replace(self._context(job, generate, listener), usage=usage)

    def forget(self, document: str) -> None:
        """Forget a document that has been closed."""
        for state in (self._state, *self._states.values()):
            state.documents.close(document)

    def use_workspace(self, root: Path, settings: Settings | None = None, *, reads: bool = True) -> None:
        """Add a workspace folder: its settings, its adapter and its index apply to its documents from now on.

        What the index has grows with `index_workspaces`. A document in nested folders belongs to the innermost, one
        outside all folders to the folder added first.

        Args:
            root: The folder.
            settings: Settings with the limits of jobs about documents in it; None for the assistant's own.
            reads: Whether its files may be read.
        """
        workspace = Workspace(root, self._folders.cache / "index") if reads else None
        self.take_workspace(root, workspace, settings)

    def index_workspaces(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Index the files of all workspace folders that may be read; takes a while.

        Args:
            stopped: Called before each file; True stops the indexing and keeps the files indexed so far.
        """
        for state in [*self._states.values()]:
            if state.workspace:
                state.workspace.update(stopped=stopped)

    def take_workspace(self, root: Path, workspace: Workspace | None, settings: Settings | None = None) -> None:
        """Add a folder of the workspace whose index somebody else keeps up to date; None for no index."""
        state = ClientState(settings or self._settings)
        state.workspace = workspace
        self._states[root] = state

    def leave_workspace(self, root: Path) -> None:
        """Remove a folder from the workspace."""
        self._states.pop(root, None)

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Note that files or folders have changed: the next job reads them again."""
        self._changed.update(paths)

    def close(self) -> None:
        """Free the model."""
        self.model.close()

    def _context(
        self,
        job: Job[Any],
        generate: Callable[[GenerationRequest], Awaitable[Completion]],
        listener: ProgressListener,
    ) -> FeatureContext:
        roots = list(self._states)
        root = innermost(roots, Path(path_of(job.document))) or next(iter(roots), None)
        state = self._states.get(root, self._state) if root else self._state
        base, workspace = self.model.base, root if state.workspace else None

        @functools.cache  # a job with a small window has two requests
        def find_adapter() -> AdapterFile | None:
            return choose_adapter(state.adapter, workspace, base, self._folders).file if base else None

        return FeatureContext(
            tokenizer=self.model.tokenizer,
            fim_order=self.model.fim_order,
            state=state,
            generate=generate,
            listener=listener,
            find_adapter=find_adapter,
            n_missing=self.model.n_missing,
            read_ahead=self._read_ahead,
        )

    def _read_ahead(self, request: GenerationRequest) -> None:
        with contextlib.suppress(EngineBusyError):  # too much else to do
            self.model.submit(replace(request, client=self._client))

    def _read_changed(self) -> None:
        changed, self._changed = self._changed, set()
        for state in [*self._states.values()] if changed else ():
            if state.workspace:
                state.workspace.read(changed)

    def _observe(self, completion: Completion) -> None:
        for state in (self._state, *self._states.values()):
            state.budget.observe(completion.counters)
        self._usage.record(completion.counters)

"""The façade: what can be asked of a model, for every adapter, wherever the model runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Protocol, TypeVar

from nano_lsp.config import Folders, Settings
from nano_lsp.code.uris import innermost, path_of
from nano_lsp.code.workspace import Workspace
from nano_lsp.inference.request import Request, ServedModel
from nano_lsp.assistant.context import Desk
from nano_lsp.assistant.jobs import Job
from nano_lsp.assistant.listener import NOBODY, Plan, Watcher, wait_for
from nano_lsp.schema import Completion, Counters, Notice

_MAX_MEASURED = 256  # requests that the median time is taken over
T = TypeVar("T")


class Assistant(Protocol):
    """Carries out jobs. Close it to let go of the model."""

    @property
    def notice(self) -> Notice:
        """What people should know of how the model runs."""
        ...

    @property
    def totals(self) -> Counters:
        """What all jobs have cost."""
        ...

    @property
    def ttft_ms_p50(self) -> float:
        """Median time to the first token of the newest requests, in milliseconds; 0 where there was none."""
        ...

    def carry_out(self, job: Job[T], watcher: Watcher = NOBODY) -> T:
        """The result of a job; waits, and leaving early, as with Ctrl-C, calls the job off.

        Raises:
            EngineError: inference failed.
            PromptTooLongError: the input does not fit the context.
        """
        ...

    async def carry_out_async(self, job: Job[T], watcher: Watcher = NOBODY) -> T:
        """As `carry_out`, for an event loop; cancelling the task calls the job off."""
        ...

    def forget(self, document: str) -> None:
        """A document has been closed."""
        ...

    def use_workspace(
        self,
        root: Path,
        settings: Settings | None = None,
        *,
        reads: bool = True,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add a folder of the workspace: its documents have its limits, and know what they import from it.

        Its Python files are indexed first. Of folders in one another a document belongs to the innermost; one that is
        in none belongs to the folder added first.

        Args:
            root: The folder.
            settings: Limits of jobs about documents in it; None: the assistant's own.
            reads: Whether its files may be read.
            stopped: Asked before each file; True calls the indexing off, and what is indexed counts.
        """
        ...

    def leave_workspace(self, root: Path) -> None:
        """A folder does not belong to the workspace any more."""
        ...

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Files or folders were saved, made, renamed or deleted: the next job knows."""
        ...

    def close(self) -> None:
        """Let go of the model."""
        ...


class Ledger:
    """What requests have cost."""

    def __init__(self) -> None:
        self.totals = Counters()
        self._ttft_ms: deque[float] = deque(maxlen=_MAX_MEASURED)

    def enter(self, counters: Counters) -> None:
        """Add a request."""
        self.totals += counters
        self._ttft_ms.append(counters.ttft_ms)

    @property
    def ttft_ms_p50(self) -> float:
        """Median time to the first token of the newest requests, in milliseconds; 0 where there was none."""
        return median(self._ttft_ms) if self._ttft_ms else 0.0


class LocalAssistant:
    """An assistant that plans in this process; see `Assistant`. A context manager: leaving it frees the model.

    Args:
        model: at work here, or somewhere else that takes raw prompts.
        settings: limits of what is asked of it.
        folders: where indexes of workspaces are kept.
        client: whose assistant it is, where several share the model; their documents are not the same.
    """

    def __init__(self, model: ServedModel, settings: Settings, folders: Folders, client: str = "") -> None:
        self.model = model
        self._client = client
        self._settings = settings
        self._desk = Desk(model.vocabulary, model.fim_order, settings)
        self._desks: dict[Path, Desk] = {}  # by folder of the workspace
        self._changed: set[Path] = set()
        self._folders = folders
        self._ledger = Ledger()

    def __enter__(self) -> LocalAssistant:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def notice(self) -> Notice:
        """What people should know of how the model runs."""
        return self.model.notice

    @property
    def totals(self) -> Counters:
        """What all requests have cost, those cancelled included."""
        return self.model.totals

    @property
    def ttft_ms_p50(self) -> float:
        """Median time to the first token of the newest requests, in milliseconds; 0 where there was none."""
        return self._ledger.ttft_ms_p50

    def carry_out(self, job: Job[T], watcher: Watcher = NOBODY) -> T:
        """The result of a job; see `Assistant.carry_out`."""
        self._read_changed()
        plan = job.plan(self._desk_for(job), watcher)
        try:
            request = next(plan)
            while True:
                request = plan.send(self.answer(request))
        except StopIteration as done:
            result: T = done.value
            return result

    async def carry_out_async(self, job: Job[T], watcher: Watcher = NOBODY) -> T:
        """As `carry_out`, for an event loop."""
        return (await self.carry_out_counting(job, watcher))[0]

    async def carry_out_counting(self, job: Job[T], watcher: Watcher) -> tuple[T, Counters]:
        """As `carry_out_async`, and what it has cost."""
        if self._changed:
            await asyncio.to_thread(self._read_changed)
        plan: Plan[T] = job.plan(self._desk_for(job), watcher)
        counters = Counters()
        try:
            request = next(plan)
            while True:
                completion = await asyncio.wrap_future(self._submit(request))
                self._observe(completion)
                counters += completion.counters
                request = plan.send(completion)
        except StopIteration as done:
            return done.value, counters

    def answer(self, request: Request) -> Completion:
        """Wait for the answer to a request; leaving early, as with Ctrl-C, calls it off."""
        completion = wait_for(self._submit(request))
        self._observe(completion)
        return completion

    def forget(self, document: str) -> None:
        """A document has been closed."""
        for desk in (self._desk, *self._desks.values()):
            desk.completer.close(document)

    def use_workspace(
        self,
        root: Path,
        settings: Settings | None = None,
        *,
        reads: bool = True,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add a folder of the workspace; see `Assistant.use_workspace`."""
        workspace = Workspace(root, self._folders.cache / "index") if reads else None
        self.take_workspace(root, workspace, settings)
        if workspace:
            workspace.update(stopped=stopped)

    def take_workspace(self, root: Path, workspace: Workspace | None, settings: Settings | None = None) -> None:
        """Add a folder of the workspace whose index somebody else keeps up to date; None for no index."""
        desk = Desk(self.model.vocabulary, self.model.fim_order, settings or self._settings)
        desk.completer.workspace = workspace
        self._desks[root] = desk

    def leave_workspace(self, root: Path) -> None:
        """A folder does not belong to the workspace any more."""
        self._desks.pop(root, None)

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Files or folders have changed: the next job knows."""
        self._changed.update(paths)

    def close(self) -> None:
        """Free the model."""
        self.model.close()

    def _submit(self, request: Request) -> Future[Completion]:
        return self.model.submit(replace(request, client=self._client))

    def _desk_for(self, job: Job[T]) -> Desk:
        roots = list(self._desks)
        root = innermost(roots, Path(path_of(job.document))) or next(iter(roots), None)
        return self._desks.get(root, self._desk) if root else self._desk

    def _read_changed(self) -> None:
        changed, self._changed = self._changed, set()
        for desk in [*self._desks.values()] if changed else ():
            if desk.completer.workspace:
                desk.completer.workspace.read(changed)

    def _observe(self, completion: Completion) -> None:
        for desk in (self._desk, *self._desks.values()):
            desk.budget.observe(completion.counters)
        self._ledger.enter(completion.counters)

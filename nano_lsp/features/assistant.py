"""The façade: what can be asked of a model, for every adapter, wherever the model runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Protocol, TypeVar

from nano_lsp.config import Folders, Settings
from nano_lsp.context.workspace import Workspace
from nano_lsp.engine.request import Request, ServedModel
from nano_lsp.features.desk import Desk
from nano_lsp.features.jobs import Job
from nano_lsp.features.plan import NOBODY, Plan, Watcher, wait_for
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

    def use_workspace(self, root: Path, *, stopped: Callable[[], bool] = lambda: False) -> None:
        """Let completions know what documents import from a folder; its Python files are indexed first.

        Args:
            root: the folder.
            stopped: asked before each file; True calls the indexing off, and what is indexed counts.
        """
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
        self.desk = Desk(model.vocabulary, model.fim_order, settings)
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
        plan = job.plan(self.desk, watcher)
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
        plan: Plan[T] = job.plan(self.desk, watcher)
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
        self.desk.completer.close(document)

    def use_workspace(self, root: Path, *, stopped: Callable[[], bool] = lambda: False) -> None:
        """Let completions know what documents import from a folder; see `Assistant.use_workspace`."""
        workspace = Workspace(root, self._folders.cache / "index")
        workspace.update(stopped=stopped)
        self.desk.completer.workspace = workspace

    def close(self) -> None:
        """Free the model."""
        self.model.close()

    def _submit(self, request: Request) -> Future[Completion]:
        return self.model.submit(replace(request, client=self._client))

    def _observe(self, completion: Completion) -> None:
        self.desk.budget.observe(completion.counters)
        self._ledger.enter(completion.counters)

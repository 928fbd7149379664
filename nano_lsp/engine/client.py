"""An assistant whose model is in the shared engine's process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
import msgspec

from nano_lsp.assistant.context import NULL_LISTENER, ProgressListener, UsageStats
from nano_lsp.assistant.job import Job, LoadModel
from nano_lsp.code.uris import innermost, path_of
from nano_lsp.engine import protocol
from nano_lsp.engine.background_loop import background_loop
from nano_lsp.engine.endpoint import EngineEndpoint
from nano_lsp.engine.launcher import Launcher
from nano_lsp.errors import (
    CancelledError,
    EngineBusyError,
    EngineClosedError,
    EngineError,
    EngineGoneError,
    NanoError,
)
from nano_lsp.inference.request import wait_for
from nano_lsp.inference.selftest import MAX_CRASHES
from nano_lsp.schema import Counters, Notice
from nano_lsp.settings import Settings

if TYPE_CHECKING:  # not imported: it knows the model hub
    from nano_lsp.models.store import FileProgress

# A working engine sends an empty line every two seconds.
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=15.0, sock_read=15.0)
_TRIES = 3
_CLOSES_WITHIN_S = 5.0
_RESTARTED = "It is started again; see `nano-lsp engine logs`."
_OK, _BUSY = 200, 503
T = TypeVar("T")
OnConnection = Callable[["NanoError | None"], None]


def ignore(*_: object, **__: object) -> None:
    """A callback that does nothing."""


class SharedAssistant:
    """Runs jobs in the shared engine's process; see `LocalAssistant`.

    A context manager: leaving it closes the connection, and the engine goes on for others. The connection lives on
    one event loop; calls from other threads and other loops are handed to it.

    Args:
        endpoint: Where the engine is.
        settings: Settings of this program.
        name: Name of this program in the engine's status.
        on_load: Receives the progress of loading the model, in bytes.
        on_connection: Receives an error when the engine has gone, and None when it is there again, with the model
            loaded.
        loop: Event loop of the connection, for a caller that awaits on it; None for the process's background loop.

    Attributes:
        notice: What people should know of how the model runs, as the engine said at the last `connect`.
    """

    def __init__(
        self,
        endpoint: EngineEndpoint,
        settings: Settings,
        name: str,
        *,
        on_load: FileProgress = ignore,
        on_connection: OnConnection = ignore,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._settings = settings
        self._name = f"{name}-{os.getpid()}-{secrets.token_hex(4)}"
        self._limits: dict[Path, Settings] = {}  # by folder of the workspace
        self._read: set[Path] = set()  # of these folders
        self._lock = threading.Lock()  # guards the next one
        self._changed: set[Path] = set()  # files, since the last job
        self._loop = loop or background_loop()
        self._launcher = Launcher(endpoint)
        self._tasks: set[asyncio.Task[Any] | None] = set()  # in which jobs run
        self._reviving: asyncio.Future[None] | None = None  # has the engine started again, where it has gone
        self._on_load = on_load
        self._on_connection = on_connection
        self._usage = UsageStats()
        self.notice = Notice()
        self._away = False  # the engine, or the model
        self._closed = False

    def __enter__(self) -> SharedAssistant:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def totals(self) -> Counters:
        """What the finished jobs of this program have cost."""
        return self._usage.totals

    @property
    def ttft_ms_p50(self) -> float:
        """Median time to the first token of the newest jobs, in milliseconds; 0 where there was none."""
        return self._usage.ttft_ms_p50

    def connect(self) -> None:
        """Find or start the engine, and wait until the model is loaded.

        An engine that dies while it loads the model is started again; after some deaths it takes a safer mode by
        itself.

        Raises:
            NanoError: There is no engine, or it cannot load the model.
        """
        for _ in range(MAX_CRASHES):
            with contextlib.suppress(EngineGoneError):
                self.run(LoadModel())
                return
        self.run(LoadModel())

    def run(self, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
        """Run a job and wait for its result; see `LocalAssistant.run`."""
        return wait_for(asyncio.run_coroutine_threadsafe(self.run_async(job, listener), self._loop))

    async def run_async(self, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
        """As `run`, for an event loop."""
        if asyncio.get_running_loop() is not self._loop:
            work = asyncio.run_coroutine_threadsafe(self.run_async(job, listener), self._loop)
            return await asyncio.wrap_future(work)
        if self._closed:
            raise EngineClosedError("The connection to the engine has been closed.", "Open it again.")
        limits = self._limits
        root = innermost(list(limits), Path(path_of(job.document))) or next(iter(limits), None)
        settings = limits[root] if root else self._settings
        workspace = str(root.resolve()) if root and root in self._read else ""
        with self._lock:
            changed, self._changed = self._changed, set()
        body = protocol.encode_request(self._name, settings, job, workspace, tuple(map(str, changed)))
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            for _ in range(_TRIES):
                session = await self._find()
                try:
                    address = f"{protocol.PREFIX}/jobs/{type(job).__name__}"
                    response = await session.post(address, data=body, timeout=_TIMEOUT)
                    if response.status != _OK:
                        raise await _refusal(response)
                except TimeoutError as error:
                    raise self._lose(session, _silent()) from error
                except (aiohttp.ClientError, OSError, _EndingError):
                    self._launcher.lose(session)  # the job has not begun: the next engine gets it
                    continue
                async with response:
                    return await self._read_result(session, response, job, listener)
            unreachable = EngineClosedError("The shared engine cannot be reached.", "See `nano-lsp engine logs`.")
            raise unreachable  # noqa: TRY301 - handled like all errors
        except BaseException:
            self.files_changed(changed)  # the engine may not have read them
            raise
        finally:
            self._tasks.discard(task)

    def forget(self, document: str) -> None:
        """Nothing to do: the engine forgets documents by itself."""

    def use_workspace(self, root: Path, settings: Settings | None = None, *, reads: bool = True) -> None:
        """Add a folder of the workspace; see `LocalAssistant.use_workspace`."""
        self._limits = {**self._limits, root: settings or self._settings}
        self._read = self._read | {root} if reads else self._read - {root}

    def index_workspaces(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Nothing to do: the engine indexes a folder in the background after the first job in it."""

    def leave_workspace(self, root: Path) -> None:
        """Remove a folder from the workspace."""
        self._limits = {folder: limits for folder, limits in self._limits.items() if folder != root}

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Note that files or folders have changed: the next job tells the engine."""
        with self._lock:
            self._changed.update(paths)

    def close(self) -> None:
        """Cancel the running jobs, and close the connection; waits, except on its own event loop."""
        self._closed = True
        if not self._loop.is_running():
            return
        closing = asyncio.run_coroutine_threadsafe(self._close_here(), self._loop)
        if _running_loop() is not self._loop:
            with contextlib.suppress(Exception):
                closing.result(_CLOSES_WITHIN_S)

    async def _close_here(self) -> None:
        tasks = [task for task in (*self._tasks, self._reviving) if task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSES_WITHIN_S)
        await self._launcher.close()

    async def _find(self) -> aiohttp.ClientSession:
        try:
            return await self._launcher.find()
        except EngineClosedError as error:
            self._report_lost(error)
            raise

    async def _read_result(
        self,
        session: aiohttp.ClientSession,
        response: aiohttp.ClientResponse,
        job: Job[T],
        listener: ProgressListener,
    ) -> T:
        """Follow the events of a job up to the last one."""
        last: protocol.Result | protocol.Failure | None = None
        text = ""
        async for event in self._events(session, response):
            if isinstance(event, protocol.Text):
                text = text[: event.keep] + event.add
                listener.on_text(text)
            elif isinstance(event, protocol.Progress):
                listener.on_progress(event.done, event.total)
            elif isinstance(event, protocol.PartProgress):
                listener.on_part(event.done, event.total)
            elif isinstance(event, protocol.Loading):
                self._away = True
                self._on_load(event.what, event.done, event.total)
            elif isinstance(event, protocol.Noticed):
                self.notice = event.notice
            else:
                last = event
        if last is None:
            raise self._lose(session, _gone())
        if isinstance(last, protocol.Failure):
            raise last.error()
        self._usage.record(last.counters)
        if last.counters.evaluated_tokens:  # an engine that dies at its first batch has loaded the model before
            self._launcher.job_done()
        if self._away:
            self._away = False
            self._on_connection(None)
        return protocol.decode_result(job, last)

    async def _events(
        self, session: aiohttp.ClientSession, response: aiohttp.ClientResponse
    ) -> AsyncIterator[protocol.Event]:
        reader = protocol.EventReader()
        try:
            async for chunk in response.content.iter_any():
                for event in reader.feed(chunk):
                    yield event
        except TimeoutError as error:
            raise self._lose(session, _silent()) from error
        except (aiohttp.ClientError, OSError, msgspec.MsgspecError) as error:
            raise self._lose(session, _gone()) from error

    def _lose(self, session: aiohttp.ClientSession, error: EngineClosedError) -> EngineClosedError:
        """The engine has gone while it ran a job: that job fails, and the next one finds the engine started again."""
        self._launcher.lose(session)
        self._report_lost(error)
        if self._reviving is None or self._reviving.done():
            self._reviving = asyncio.ensure_future(self._revive())
        return error

    async def _revive(self) -> None:
        """Have the engine and the model back before the next job."""
        while not self._closed:
            try:
                await self.run_async(LoadModel())
            except CancelledError:
                return
            except EngineClosedError:
                await asyncio.sleep(1.0)  # the launcher knows how long to wait
            except NanoError as error:
                self._report_lost(error)
                return
            else:
                return

    def _report_lost(self, error: NanoError) -> None:
        self._away = True
        self._on_connection(error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def _silent() -> EngineClosedError:
    return EngineClosedError("The shared engine does not answer.", _RESTARTED)


def _gone() -> EngineGoneError:
    return EngineGoneError("The shared engine has gone.", _RESTARTED)


class _EndingError(Exception):
    """The engine is about to end, and has not taken a job."""


async def _refusal(response: aiohttp.ClientResponse) -> Exception:
    """The reason why the engine did not take a job."""
    body = await response.read()
    with contextlib.suppress(msgspec.MsgspecError):
        error = msgspec.json.decode(body, type=protocol.Failure).error()
        return _EndingError() if isinstance(error, EngineClosedError) else error
    if response.status == _BUSY:
        return EngineBusyError("The shared engine has too many clients.", "Ask again later.")
    return EngineError(f"The shared engine refuses: {body.decode('utf-8', 'replace')[:200]}", "Report it.")

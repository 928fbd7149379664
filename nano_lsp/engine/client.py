"""An assistant whose model is in the shared engine's process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
import msgspec

from nano_lsp.assistant.context import NULL_LISTENER, ProgressListener
from nano_lsp.assistant.job import Job, LoadModel
from nano_lsp.code.uris import innermost, path_of
from nano_lsp.config import Settings
from nano_lsp.engine.endpoint import EngineEndpoint
from nano_lsp.engine.launcher import Launcher
from nano_lsp.engine.local_assistant import UsageStats
from nano_lsp.errors import (
    CancelledError,
    EngineBusyError,
    EngineClosedError,
    EngineError,
    EngineGoneError,
    NanoError,
)
from nano_lsp.engine import protocol
from nano_lsp.inference.request import wait_for
from nano_lsp.inference.selftest import MAX_CRASHES
from nano_lsp.schema import Counters, Notice

if TYPE_CHECKING:  # not imported: it knows the model hub
    from nano_lsp.models.store import Progress

# An engine that works says so every two seconds.
_PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=15.0, sock_read=15.0)
_TRIES = 3
_RESTARTED = "It is started again; see `nano-lsp engine logs`."
_OK, _BUSY = 200, 503
T = TypeVar("T")
OnConnection = Callable[["NanoError | None"], None]


def tell_nobody(*_: object, **__: object) -> None:
    """For those who do not ask."""


class SharedAssistant:
    """See `Assistant`. A context manager: leaving it lets go of the engine, which goes on for others.

    Args:
        place: of the engine.
        settings: of this program.
        name: of this program, for people.
        on_load: is told of the model's loading, in bytes, on another thread.
        on_connection: is told on another thread when the engine has gone, and with None when it is there again, with
            the model loaded.
    """

    def __init__(
        self,
        place: EngineEndpoint,
        settings: Settings,
        name: str,
        *,
        on_load: Progress = tell_nobody,
        on_connection: OnConnection = tell_nobody,
    ) -> None:
        self._settings = settings
        self._name = f"{name}-{os.getpid()}-{secrets.token_hex(4)}"
        self._limits: dict[Path, Settings] = {}  # by folder of the workspace
        self._read: set[Path] = set()  # of these folders
        self._changed: set[Path] = set()  # files, since the last job
        self._on_load = on_load
        self._on_connection = on_connection
        self._usage = UsageStats()
        self._notice = Notice()
        self._away = False  # the engine, or the model
        self._reviving: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._launcher = Launcher(place)
        self._thread = threading.Thread(target=self._loop.run_forever, name="nano-lsp-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> SharedAssistant:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def notice(self) -> Notice:
        """What people should know of how the model runs, as the engine said when it was last connected to."""
        return self._notice

    @property
    def totals(self) -> Counters:
        """What the jobs of this program have cost that came to an end."""
        return self._usage.totals

    @property
    def ttft_ms_p50(self) -> float:
        """Median time to the first token of the newest jobs, in milliseconds; 0 where there was none."""
        return self._usage.ttft_ms_p50

    def connect(self) -> None:
        """Find or start the engine, and have the model loaded; waits.

        An engine that dies of that is started again: after some deaths it takes a safer mode by itself.

        Raises:
            NanoError: there is no engine, or it cannot load the model.
        """
        for _ in range(MAX_CRASHES):
            with contextlib.suppress(EngineGoneError):
                self.run(LoadModel())
                return
        self.run(LoadModel())

    def run(self, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
        """The result of a job; see `Assistant.run`."""
        return wait_for(self._submit(job, listener))

    async def run_async(self, job: Job[T], listener: ProgressListener = NULL_LISTENER) -> T:
        """As `run`, for an event loop."""
        return await asyncio.wrap_future(self._submit(job, listener))

    def forget(self, document: str) -> None:
        """The engine forgets documents by itself."""

    def use_workspace(
        self,
        root: Path,
        settings: Settings | None = None,
        *,
        reads: bool = True,
        stopped: Callable[[], bool] = lambda: False,  # noqa: ARG002
    ) -> None:
        """Add a folder of the workspace; the engine indexes it in the background."""
        self._limits = {**self._limits, root: settings or self._settings}
        self._read = self._read | {root} if reads else self._read - {root}

    def leave_workspace(self, root: Path) -> None:
        """A folder does not belong to the workspace any more."""
        self._limits = {folder: limits for folder, limits in self._limits.items() if folder != root}

    def files_changed(self, paths: Iterable[Path]) -> None:
        """Files or folders have changed: the next job tells the engine."""
        with contextlib.suppress(RuntimeError):  # it has been closed
            self._loop.call_soon_threadsafe(self._note_changed, {*paths})

    def close(self) -> None:
        """Call off what is open, and let go of the engine."""
        if self._loop.is_running():
            with contextlib.suppress(Exception):
                self._run(self._leave()).result(5)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            if not self._thread.is_alive():
                self._loop.close()

    def _note_changed(self, paths: set[Path]) -> None:
        self._changed |= paths

    def _submit(self, job: Job[T], listener: ProgressListener) -> Future[T]:
        if not self._thread.is_alive():
            raise EngineClosedError("The connection to the engine has been closed.", "Open it again.")
        return self._run(self._carry_out(job, listener))

    def _run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _leave(self) -> None:
        current = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not current]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._launcher.close()

    async def _carry_out(self, job: Job[T], listener: ProgressListener) -> T:
        limits = self._limits
        root = innermost(list(limits), Path(path_of(job.document))) or next(iter(limits), None)
        settings = limits[root] if root else self._settings
        workspace = str(root.resolve()) if root and root in self._read else ""
        changed, self._changed = self._changed, set()
        body = protocol.encode_order(self._name, settings, job, workspace, tuple(map(str, changed)))
        for _ in range(_TRIES):
            client = await self._find()
            try:
                return await self._ask(client, job, body, listener)
            except _OutputError as error:
                raise error.error from None
            except (aiohttp.ClientError, OSError, _EndingError):
                self._launcher.lose(client)  # it has not begun: the next engine gets it
            except BaseException:
                self._changed |= changed  # nobody knows whether the engine has read them
                raise
        raise EngineClosedError("The shared engine cannot be reached.", "See `nano-lsp engine logs`.")

    async def _find(self) -> aiohttp.ClientSession:
        try:
            return await self._launcher.find()
        except EngineClosedError as error:
            self._tell_lost(error)
            raise

    async def _ask(self, client: aiohttp.ClientSession, job: Job[T], body: bytes, listener: ProgressListener) -> T:
        """Send a job, and follow what comes of it."""
        ending: protocol.Event | None = None
        begun = False
        text, reader = "", protocol.EventReader()
        address = f"{protocol.PREFIX}/jobs/{type(job).__name__}"
        try:
            async with client.post(address, data=body, timeout=_PATIENCE) as response:
                if response.status != _OK:
                    raise await _refusal(response)
                begun = True
                async for chunk in response.content.iter_any():
                    for event in reader.feed(chunk):
                        if event.name == "text":
                            change = msgspec.json.decode(event.data, type=protocol.Text)
                            text = text[: change.keep] + change.add
                            _tell(listener.on_text, text)
                        elif event.name in {"result", "error"}:
                            ending = event
                        else:
                            self._tell_progress(event, listener)
            if ending is None:
                raise self._lose(client, _gone())
            if ending.name == "error":
                raise msgspec.json.decode(ending.data, type=protocol.Failure).error()
            result = msgspec.json.decode(ending.data, type=protocol.Result)
        except asyncio.TimeoutError as error:
            silent = EngineClosedError("The shared engine does not answer.", _RESTARTED)
            raise self._lose(client, silent) from error
        except (aiohttp.ClientError, OSError, msgspec.MsgspecError) as error:
            if not begun:
                raise
            raise self._lose(client, _gone()) from error
        self._usage.record(result.counters)
        self._tell_back()
        return protocol.decode_result(job, result)

    def _tell_progress(self, event: protocol.Event, listener: ProgressListener) -> None:
        if event.name == "loading":
            loading = msgspec.json.decode(event.data, type=protocol.Loading)
            self._away = True
            _tell(self._on_load, loading.what, loading.done, loading.total)
        elif event.name == "notice":
            self._notice = msgspec.json.decode(event.data, type=Notice)
        elif event.name in {"progress", "part"}:
            progress = msgspec.json.decode(event.data, type=protocol.Progress)
            _tell(
                listener.on_progress if event.name == "progress" else listener.on_part, progress.done, progress.total
            )

    def _lose(self, client: aiohttp.ClientSession, error: EngineClosedError) -> EngineClosedError:
        """The engine has gone in the middle: what was asked is not asked twice, and the next finds it back."""
        self._launcher.lose(client)
        self._tell_lost(error)
        if self._reviving is None or self._reviving.done():
            self._reviving = asyncio.create_task(self._revive())
        return error

    async def _revive(self) -> None:
        """Have the engine and the model back before anybody asks."""
        while True:
            try:
                await self._carry_out(LoadModel(), NULL_LISTENER)
            except CancelledError:
                return
            except EngineClosedError:
                await asyncio.sleep(1.0)  # the launcher knows how long to wait
            except NanoError as error:
                self._tell_lost(error)
                return
            else:
                return

    def _tell_lost(self, error: NanoError) -> None:
        self._away = True
        self._on_connection(error)

    def _tell_back(self) -> None:
        if self._away:
            self._away = False
            self._on_connection(None)


def _gone() -> EngineGoneError:
    return EngineGoneError("The shared engine has gone.", _RESTARTED)


class _OutputError(Exception):
    """What a listener has been told it could not write, as on a full disk: the engine is not to blame."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def _tell(action: Callable[..., object], *values: object) -> None:
    try:
        action(*values)
    except OSError as error:
        raise _OutputError(error) from error


class _EndingError(Exception):
    """The engine is about to end, and has not taken a job."""


async def _refusal(response: aiohttp.ClientResponse) -> Exception:
    """Why the engine did not take a job."""
    body = await response.read()
    with contextlib.suppress(msgspec.MsgspecError):
        error = msgspec.json.decode(body, type=protocol.Failure).error()
        return _EndingError() if isinstance(error, EngineClosedError) else error
    if response.status == _BUSY:
        return EngineBusyError("The shared engine has too many clients.", "Ask again later.")
    return EngineError(f"The shared engine refuses: {body.decode('utf-8', 'replace')[:200]}", "Report it.")

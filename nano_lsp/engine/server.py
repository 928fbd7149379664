"""The shared engine's process: one at a time, reachable as long as it runs, gone when nobody wants it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import time
from logging.handlers import RotatingFileHandler

import uvicorn
from filelock import FileLock, Timeout
from starlette.types import ASGIApp

from nano_lsp import __version__
from nano_lsp.config import Folders, Settings
from nano_lsp.engine.endpoint import ALREADY_RUNNING, EngineEndpoint
from nano_lsp.engine.http_api import create_app
from nano_lsp.engine.http_protocol import GuardedProtocol
from nano_lsp.engine.model_manager import ModelManager
from nano_lsp.engine.network_watch import watch_network

_WATCH_S = 0.25  # between looks at the socket and the clock
_DRAIN_S = 30.0
_SWITCH_S = 0.0005  # so long the event loop waits for the worker's thread; Python's 5 ms are felt in each request
_MAX_LOG_BYTES = 1 << 20
_MAX_CONNECTIONS = 512
logger = logging.getLogger(__name__)


def run_engine(place: EngineEndpoint, folders: Folders, settings: Settings) -> int:
    """Run until nobody wants the engine any more, or it is told to stop.

    Args:
        place: where clients find it.
        folders: of this user.
        settings: of the engine: when it frees the model, when it ends.

    Returns:
        The exit code: 0, or `ALREADY_RUNNING`.
    """
    lock = FileLock(place.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return ALREADY_RUNNING
    with lock:
        place.write_pid_file()
        _keep_log(place)
        sys.setswitchinterval(_SWITCH_S)
        logger.info("Engine %s, process %d.", __version__, os.getpid())
        try:
            asyncio.run(_Process(place, ModelManager(folders, settings), settings).run())
        finally:
            place.clear()
            logger.info("The engine has ended.")
    return 0


class _Process:
    """The running engine."""

    def __init__(self, place: EngineEndpoint, host: ModelManager, settings: Settings) -> None:
        self._place = place
        self._host = host
        self._settings = settings
        self._exit_s = 60 * settings.exit_minutes
        self._stopping: asyncio.Task[None] | None = None
        self._server: uvicorn.Server

    async def run(self) -> None:
        """Serve until the end."""
        listening = self._place.listen()
        port = self._place.read_port() if self._place.tcp else None
        token = port.token if port else ""
        self._server = create_server(create_app(self._host, self._settings, token, self.stop, watch_network()))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, self.stop)
        watching = asyncio.create_task(self._watch())
        try:
            await self._server.serve(sockets=[listening])
        finally:
            watching.cancel()
            await self._host.close()

    def stop(self) -> None:
        """End once what runs is done."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        # Who looks for an engine now finds none and starts the next one, which waits for the lock.
        await self._host.drain(_DRAIN_S)
        self._server.should_exit = True

    async def _watch(self) -> None:
        identity = self._place.identity()
        while not self._server.should_exit:
            await asyncio.sleep(_WATCH_S)
            if self._place.identity() != identity and self._stopping is None:
                identity = await self._listen_again()
            await self._host.unload_idle()
            if not self._host.n_jobs and time.monotonic() - self._host.used > self._exit_s:
                logger.info("Nobody has asked for anything for %g minutes.", self._exit_s / 60)
                self.stop()

    async def _listen_again(self) -> tuple[int, int] | None:
        """The socket has been removed from under this process: clients get another one."""
        logger.warning("The socket is gone; another one takes its place.")
        try:
            listening = self._place.listen()
        except OSError as error:
            logger.warning("There can be none: %s.", error)
            self.stop()
            return None
        await self._add(listening)
        return self._place.identity()

    async def _add(self, listening: socket.socket) -> None:
        server = self._server

        def connected() -> asyncio.Protocol:
            return GuardedProtocol(config=server.config, server_state=server.server_state, app_state={})

        loop = asyncio.get_running_loop()
        server.servers.append(await loop.create_server(connected, sock=listening))


class _Server(uvicorn.Server):
    """A server that leaves signals to the process."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """Nothing is captured."""
        return contextlib.nullcontext()


def create_server(app: ASGIApp) -> uvicorn.Server:
    """A server of an application, as all doors of the engine have it."""
    config = uvicorn.Config(
        app,
        http=GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=5,
    )
    return _Server(config)


class SameFileHandler(RotatingFileHandler):
    """Empties a log that has grown, after copying it beside itself; its file stays the same one.

    llama.cpp and Python's faulthandler write to standard error, which is this file: after a rename they would write
    to the old one, and Windows renames no file that is open.
    """

    def shouldRollover(self, record: logging.LogRecord) -> int:  # noqa: N802 - as logging has it
        """Whether the file has room for a record. Others write to it as well."""
        with contextlib.suppress(OSError):
            return int(os.path.getsize(self.baseFilename) + len(self.format(record)) >= self.maxBytes)  # noqa: PTH202
        return 0

    def doRollover(self) -> None:  # noqa: N802 - as logging has it
        """Copy the file and empty it."""
        with contextlib.suppress(OSError):  # a full disk: the log is emptied all the same
            shutil.copy(self.baseFilename, f"{self.baseFilename}.1")
        with contextlib.suppress(OSError):
            os.truncate(self.baseFilename, 0)


def _keep_log(place: EngineEndpoint) -> None:
    handlers: list[logging.Handler] = []
    with contextlib.suppress(OSError):
        place.log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(SameFileHandler(place.log, maxBytes=_MAX_LOG_BYTES, encoding="utf-8"))
    logging.basicConfig(
        level=logging.INFO,
        handlers=handlers or [logging.NullHandler()],
        format="%(asctime)s %(levelname)s %(message)s",
    )
    logging.captureWarnings(capture=True)

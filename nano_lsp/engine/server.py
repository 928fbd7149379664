"""The shared engine's process: one per user, which ends after a while without requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import time
from logging.handlers import RotatingFileHandler

from filelock import FileLock, Timeout

from nano_lsp.config import Folders
from nano_lsp.engine.endpoint import ALREADY_RUNNING, EngineEndpoint
from nano_lsp.engine.http_api import create_app
from nano_lsp.engine.http_server import HttpServer
from nano_lsp.engine.model_manager import ModelManager
from nano_lsp.offline import watch_network
from nano_lsp.settings import Settings
from nano_lsp.version import __version__

_WATCH_S = 0.25  # between checks of the socket and the clock
_DRAIN_S = 30.0
_SWITCH_S = 0.0005  # the event loop waits so long for the worker's thread; Python's 5 ms would be felt
_MAX_LOG_BYTES = 1 << 20
logger = logging.getLogger(__name__)


def run_engine(endpoint: EngineEndpoint, folders: Folders, settings: Settings) -> int:
    """Run the engine until it has been idle for long enough, or is stopped.

    Returns:
        The exit code: 0, or `ALREADY_RUNNING`.
    """
    lock = FileLock(endpoint.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return ALREADY_RUNNING
    with lock:
        endpoint.write_pid_file()
        _set_up_log(endpoint)
        sys.setswitchinterval(_SWITCH_S)
        logger.info("Engine %s, process %d.", __version__, os.getpid())
        try:
            asyncio.run(_Process(endpoint, ModelManager(folders, settings), settings).run())
        finally:
            endpoint.clear()
            logger.info("The engine has ended.")
    return 0


class _Process:
    """The running engine."""

    def __init__(self, endpoint: EngineEndpoint, models: ModelManager, settings: Settings) -> None:
        self._endpoint = endpoint
        self._models = models
        self._settings = settings
        self._exit_s = 60 * settings.exit_minutes
        self._stopping: asyncio.Task[None] | None = None
        self._server: HttpServer

    async def run(self) -> None:
        """Serve until the end."""
        listening = self._endpoint.listen()
        port = self._endpoint.read_port() if self._endpoint.tcp else None
        token = port.token if port else ""
        self._server = HttpServer(create_app(self._models, self._settings, token, self.stop, watch_network()))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, self.stop)
        watching = asyncio.create_task(self._watch())
        try:
            await self._server.serve(sockets=[listening])
        finally:
            watching.cancel()
            await self._models.close()

    def stop(self) -> None:
        """End once the running jobs are done."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        # A client that looks for an engine now finds none and starts the next one, which waits for the lock.
        await self._models.drain(_DRAIN_S)
        self._server.should_exit = True

    async def _watch(self) -> None:
        identity = self._endpoint.identity()
        while not self._server.should_exit:
            await asyncio.sleep(_WATCH_S)
            if self._endpoint.identity() != identity and self._stopping is None:
                identity = await self._listen_again()
            await self._models.unload_idle()
            if not self._models.n_jobs and time.monotonic() - self._models.used > self._exit_s:
                logger.info("There was no request for %g minutes.", self._exit_s / 60)
                self.stop()

    async def _listen_again(self) -> tuple[int, int] | None:
        """Open another socket for clients, as the one of this process has been removed."""
        logger.warning("The socket has been removed; another one is opened.")
        try:
            listening = self._endpoint.listen()
        except OSError as error:
            logger.warning("No socket can be opened: %s.", error)
            self.stop()
            return None
        await self._server.add(listening)
        return self._endpoint.identity()


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


def _set_up_log(endpoint: EngineEndpoint) -> None:
    handlers: list[logging.Handler] = []
    with contextlib.suppress(OSError):
        endpoint.log.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(SameFileHandler(endpoint.log, maxBytes=_MAX_LOG_BYTES, encoding="utf-8"))
    logging.basicConfig(
        level=logging.INFO,
        handlers=handlers or [logging.NullHandler()],
        format="%(asctime)s %(levelname)s %(message)s",
    )
    logging.captureWarnings(capture=True)

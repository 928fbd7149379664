"""Finds the shared engine, starts it if it does not run, and replaces one that runs older code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
import threading
import time
from typing import Any

import aiohttp
import msgspec

from nano_lsp.config import portable_environment
from nano_lsp.engine.endpoint import ALREADY_RUNNING, EngineEndpoint, challenge_response
from nano_lsp.engine.installed_code import installed_code
from nano_lsp.engine.protocol import PREFIX, PROTOCOL, ServerInfo
from nano_lsp.errors import EngineClosedError

_POLL_S = 0.02
_START_S = 30.0  # a loaded machine takes long to start a process
_MOVE_S = 45.0  # until an older engine has done what it is at
_ANSWER_S = 2.0
_OK = 200
_LONGEST_PAUSE_S = 30.0
_SHORT_LIFE_S = 10.0
_PATIENCE = 3  # short lives in a row without any work done, before it is started less often
_MAX_LOST = 4  # sessions with engines that have gone; older ones are closed, 4 KB each


class Launcher:
    """Finds and starts the engine for one program. Use it on one event loop."""

    def __init__(self, endpoint: EngineEndpoint) -> None:
        self._endpoint = endpoint
        self._finding = asyncio.Lock()
        self._found: aiohttp.ClientSession | None = None
        self._lost: list[aiohttp.ClientSession] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._n_crashes = 0
        self._code = installed_code()

    async def find(self) -> aiohttp.ClientSession:
        """A connection to the running engine, which runs this program's code; it is started if it does not run.

        Raises:
            EngineClosedError: It could not be started, or runs newer code.
        """
        async with self._finding:
            if self._found is None:
                self._found = await self._find()
                while len(self._lost) > _MAX_LOST:
                    await self._lost.pop(0).close()
            return self._found

    def lose(self, client: aiohttp.ClientSession) -> None:
        """Look for the engine again at the next call, as it does not answer any more.

        Its session stays open for a while: aiohttp does not tell readers of a session that it was closed.
        """
        if self._found is client:
            self._found = None
            self._lost.append(client)

    def job_done(self) -> None:
        """The engine has done work for this program: if it dies now, it is started again at once."""
        self._n_crashes = 0

    async def close(self) -> None:
        """Close the connections."""
        for session in [*self._lost, *filter(None, [self._found])]:
            await session.close()
        self._lost, self._found = [], None

    async def _find(self) -> aiohttp.ClientSession:
        deadline = time.monotonic() + _START_S
        moving = False
        while True:
            async with contextlib.AsyncExitStack() as closing:
                client = connect(self._endpoint)
                if client:
                    closing.push_async_callback(client.close)
                try:
                    info = await _fetch_server_info(self._endpoint)
                except TimeoutError:
                    continue  # a process listens, and is slow to answer
                finally:
                    self._check(deadline)
                is_same = info and (info.protocol, info.code) == (PROTOCOL, self._code.fingerprint)
                if client and info and is_same and not info.draining:
                    closing.pop_all()
                    return client
                if client and info:
                    if not info.draining:
                        await self._replace(client, info)
                    if not moving:
                        moving, deadline = True, time.monotonic() + _MOVE_S
                else:
                    self._start()
            await asyncio.sleep(_POLL_S)

    def _check(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise EngineClosedError(
                "The shared engine does not answer.",
                "See `nano-lsp engine logs`; `nano-lsp engine stop --now` ends it.",
            )

    async def _replace(self, client: aiohttp.ClientSession, info: ServerInfo) -> None:
        """Have an engine that runs older code end.

        Raises:
            EngineClosedError: Its code is newer.
        """
        if (info.protocol, info.installed) > (PROTOCOL, self._code.installed):
            raise EngineClosedError(
                "The shared engine runs newer code of nano-lsp than this program.",
                "Restart this program. If it has an installation of nano-lsp of its own, update that, too, or run "
                "`nano-lsp engine stop`.",
            )
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
            async with client.post(f"{PREFIX}/shutdown"):
                pass

    def _start(self) -> None:
        """Start a process, unless one is starting; pause where they keep dying.

        Raises:
            EngineClosedError: It cannot be started, or has died too often lately.
        """
        process = self._process
        if process is not None:
            code = process.poll()
            if code is None:
                return
            self._process = None
            crashed = code not in {0, ALREADY_RUNNING} and time.monotonic() - self._started < _SHORT_LIFE_S
            self._n_crashes = self._n_crashes + 1 if crashed else 0
        too_many = self._n_crashes - _PATIENCE
        if too_many >= 0 and time.monotonic() - self._started < min(_LONGEST_PAUSE_S, 2.0**too_many):
            raise EngineClosedError(
                f"The shared engine has died {self._n_crashes} times in a row.",
                "See `nano-lsp engine logs` and `nano-lsp doctor`; it is started again in a while.",
            )
        self._started = time.monotonic()
        try:
            self._process = start_process(self._endpoint)
        except OSError as error:
            raise EngineClosedError(
                f"The shared engine cannot be started: {error}.", "Set the setting engine to in-process."
            ) from error


def connect(endpoint: EngineEndpoint, *, trusted: bool = True) -> aiohttp.ClientSession | None:
    """A connection to the process that listens, which sends the token only if trusted; None where none listens."""
    connector: aiohttp.BaseConnector | None = None
    address, headers = "http://engine", {}
    if endpoint.tcp:
        port = endpoint.read_port()
        if port is None:
            return None
        address = f"http://127.0.0.1:{port.port}"
        headers = {"authorization": f"Bearer {port.token}"} if trusted else {}
    elif endpoint.address.exists():
        connector = aiohttp.UnixConnector(str(endpoint.address), limit=0)
    else:
        return None
    return aiohttp.ClientSession(
        address,
        connector=connector or aiohttp.TCPConnector(limit=0),
        headers=headers,
        timeout=aiohttp.ClientTimeout(_ANSWER_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def _fetch_server_info(endpoint: EngineEndpoint) -> ServerInfo | None:
    """What the listening engine says of itself; None where none listens, or another program has taken the port.

    Raises:
        asyncio.TimeoutError: A process listens, but does not answer.
    """
    session = connect(endpoint, trusted=False)  # no token is sent before the challenge is answered
    if session is None:
        return None
    nonce = secrets.token_hex(16)
    async with session:
        try:
            info = None
            for path in ("version", "hello"):  # the second of version 0.1; until 0.3
                async with session.get(f"{PREFIX}/{path}", params={"nonce": nonce}) as response:
                    if response.status == _OK:
                        info = msgspec.json.decode(await response.read(), type=ServerInfo)
                        break
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError, msgspec.MsgspecError):
            return None
    if info is None:
        return None
    port = endpoint.read_port() if endpoint.tcp else None
    proved = port is None or secrets.compare_digest(
        info.proof.encode(), challenge_response(port.token, nonce).encode()
    )
    return info if proved else None


def start_process(endpoint: EngineEndpoint) -> subprocess.Popen[bytes]:
    """Start an engine that outlives this program; it ends at once where another one runs.

    Raises:
        OSError: It cannot be started.
    """
    endpoint.log.parent.mkdir(parents=True, exist_ok=True)
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    handle = os.open(endpoint.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "ab") as log:  # what llama.cpp says when it dies
        process = subprocess.Popen(
            [sys.executable, "-m", "nano_lsp", "engine", "run"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=endpoint.folder,
            env=portable_environment(),
            creationflags=flags,
            start_new_session=True,
        )
    # Waits for its end, so that no zombie process is left.
    threading.Thread(target=process.wait, name="nano-lsp-reaper", daemon=True).start()
    return process


async def ask_engine(endpoint: EngineEndpoint, method: str, what: str) -> dict[str, Any]:
    """Send a request for a resource such as `status` to the running engine, whatever its version; none is started.

    Raises:
        EngineClosedError: No engine runs, or it does not answer.
    """
    client = connect(endpoint)
    if client is None:
        raise EngineClosedError("The shared engine does not run.", "Start it with `nano-lsp engine start`.")
    async with client:
        try:
            if await _fetch_server_info(endpoint) is None:
                raise EngineClosedError("The shared engine does not run.", "Start it with `nano-lsp engine start`.")
            async with client.request(method, f"{PREFIX}/{what}", raise_for_status=True) as response:
                found: dict[str, Any] = msgspec.json.decode(await response.read())
        except (TimeoutError, aiohttp.ClientError, msgspec.MsgspecError) as error:
            raise EngineClosedError(
                f"The shared engine does not answer: {error or type(error).__name__}.",
                "See `nano-lsp engine logs`; `nano-lsp engine stop --now` ends it.",
            ) from error
    return found

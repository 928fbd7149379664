"""Finds the shared engine, starts it where there is none, and has one of older code make room."""

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
from nano_lsp.engine.installed_code import InstalledCode, installed_code
from nano_lsp.engine.protocol import PREFIX, PROTOCOL, ServerInfo
from nano_lsp.errors import EngineClosedError

_POLL_S = 0.02
_START_S = 30.0  # a loaded machine takes long to start a process
_MOVE_S = 45.0  # until an older engine has done what it is at
_ANSWER_S = 2.0
_LONGEST_PAUSE_S = 30.0
_SHORT_LIFE_S = 10.0
_PATIENCE = 3  # short lives in a row, before it is started less often


class Launcher:
    """One program's way to the engine. Use it on one event loop.

    Args:
        place: of the engine.
    """

    def __init__(self, place: EngineEndpoint) -> None:
        self._place = place
        self._finding = asyncio.Lock()
        self._found: aiohttp.ClientSession | None = None
        self._lost: list[aiohttp.ClientSession] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._n_crashes = 0
        self._code = installed_code()

    async def find(self) -> aiohttp.ClientSession:
        """A connection to the running engine, which runs this program's code; it is started where there is none.

        Raises:
            EngineClosedError: it could not be started, or runs newer code.
        """
        async with self._finding:
            if self._found is None:
                self._found = await self._find()
            return self._found

    def lose(self, client: aiohttp.ClientSession) -> None:
        """The engine does not answer any more: look for it again the next time.

        Its session stays open until the end: aiohttp does not tell who still reads from a session that it was closed.
        """
        if self._found is client:
            self._found = None
            self._lost.append(client)

    async def close(self) -> None:
        """Let go of the connection."""
        for session in [*self._lost, *filter(None, [self._found])]:
            await session.close()
        self._lost, self._found = [], None

    async def _find(self) -> aiohttp.ClientSession:
        deadline = time.monotonic() + _START_S
        moving = False
        while True:
            async with contextlib.AsyncExitStack() as closing:
                client = connect(self._place)
                if client:
                    closing.push_async_callback(client.close)
                try:
                    card = await _greet(self._place)
                except asyncio.TimeoutError:
                    continue  # somebody listens, who is slow to answer
                finally:
                    self._check(deadline)
                if client and card and _is_same(card, self._code) and not card.draining:
                    closing.pop_all()
                    return client
                if client and card:
                    if not card.draining:
                        await self._replace(client, card)
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

    async def _replace(self, client: aiohttp.ClientSession, card: ServerInfo) -> None:
        """Have an engine of older code end.

        Raises:
            EngineClosedError: its code is newer.
        """
        if (card.protocol, card.installed) > (PROTOCOL, self._code.installed):
            raise EngineClosedError(
                "The shared engine runs newer code of nano-lsp than this program.",
                "Restart this program. If it has an installation of nano-lsp of its own, update that, too, or run "
                "`nano-lsp engine stop`.",
            )
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
            async with client.post(f"{PREFIX}/shutdown"):
                pass

    def _start(self) -> None:
        """Start a process, unless one that was started is on its way; pause where they keep dying.

        Raises:
            EngineClosedError: it cannot be started, or has died too often lately.
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
            self._process = start_process(self._place)
        except OSError as error:
            raise EngineClosedError(
                f"The shared engine cannot be started: {error}.", "Set the setting engine to in-process."
            ) from error


def connect(place: EngineEndpoint, *, trusted: bool = True) -> aiohttp.ClientSession | None:
    """A connection to whoever listens; None where nobody does.

    Args:
        place: of the engine.
        trusted: show the token, where there is one.
    """
    connector: aiohttp.BaseConnector | None = None
    address, headers = "http://engine", {}
    if place.tcp:
        port = place.read_port()
        if port is None:
            return None
        address = f"http://127.0.0.1:{port.port}"
        headers = {"authorization": f"Bearer {port.token}"} if trusted else {}
    elif place.address.exists():
        connector = aiohttp.UnixConnector(str(place.address), limit=0)
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


async def _greet(place: EngineEndpoint) -> ServerInfo | None:
    """Who listens; None for nobody, or somebody else who has taken the port.

    Raises:
        asyncio.TimeoutError: somebody does, but does not answer.
    """
    stranger = connect(place, trusted=False)  # whoever listens has not proved anything yet
    if stranger is None:
        return None
    nonce = secrets.token_hex(16)
    async with stranger:
        try:
            async with stranger.get(f"{PREFIX}/version", params={"nonce": nonce}) as response:
                card = msgspec.json.decode(await response.read(), type=ServerInfo)
        except asyncio.TimeoutError:
            raise
        except (aiohttp.ClientError, OSError, msgspec.MsgspecError):
            return None
    port = place.read_port() if place.tcp else None
    proved = port is None or secrets.compare_digest(
        card.proof.encode(), challenge_response(port.token, nonce).encode()
    )
    return card if proved else None


def start_process(place: EngineEndpoint) -> subprocess.Popen[bytes]:
    """Start an engine that outlives this program; it ends at once where one runs already.

    Raises:
        OSError: it cannot be started.
    """
    place.log.parent.mkdir(parents=True, exist_ok=True)
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    handle = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "ab") as log:  # what llama.cpp says when it dies
        process = subprocess.Popen(
            [sys.executable, "-m", "nano_lsp", "engine", "run"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.folder,
            env=portable_environment(),
            creationflags=flags,
            start_new_session=True,
        )
    # However long it lives: no zombie is left, and nobody minds that it outlives the object.
    threading.Thread(target=process.wait, name="nano-lsp-reaper", daemon=True).start()
    return process


async def ask_engine(place: EngineEndpoint, method: str, what: str) -> dict[str, Any]:
    """Ask the running engine something of itself, whatever its version; none is started.

    Raises:
        EngineClosedError: none runs, or it does not answer.
    """
    client = connect(place)
    if client is None:
        raise EngineClosedError("The shared engine does not run.", "Start it with `nano-lsp engine start`.")
    async with client:
        try:
            if await _greet(place) is None:
                raise EngineClosedError("The shared engine does not run.", "Start it with `nano-lsp engine start`.")
            async with client.request(method, f"{PREFIX}/{what}", raise_for_status=True) as response:
                found: dict[str, Any] = msgspec.json.decode(await response.read())
        except (aiohttp.ClientError, asyncio.TimeoutError, msgspec.MsgspecError) as error:
            raise EngineClosedError(
                f"The shared engine does not answer: {error or type(error).__name__}.",
                "See `nano-lsp engine logs`; `nano-lsp engine stop --now` ends it.",
            ) from error
    return found


def _is_same(card: ServerInfo, code: InstalledCode) -> bool:
    return (card.protocol, card.code) == (PROTOCOL, code.fingerprint)

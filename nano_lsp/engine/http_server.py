"""uvicorn's server and HTTP protocol, with limits; the only module that uses what uvicorn does not document."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEADERS_S = 5.0
_MAX_HEADER_BYTES = 64 << 10
_MAX_CONNECTIONS = 512
logger = logging.getLogger(__name__)


class HttpServer(uvicorn.Server):
    """An HTTP server of an application, with the engine's limits; signals are left to the process."""

    def __init__(self, app: ASGIApp) -> None:
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
        super().__init__(config)

    async def add(self, listening: socket.socket) -> None:
        """Serve on another socket as well, while `serve` runs."""

        def connected() -> asyncio.Protocol:
            return GuardedProtocol(config=self.config, server_state=self.server_state, app_state={})

        self.servers.append(await asyncio.get_running_loop().create_server(connected, sock=listening))

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """Nothing is captured."""
        return contextlib.nullcontext()


class GuardedProtocol(HttpToolsProtocol):
    """Closes connections whose headers are late or too long; uvicorn would wait without a limit."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        super().__init__(*arguments, **named)
        self._n_header_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request have come."""
        if self.cycle is None or self.cycle.response_complete:
            self._n_header_bytes += len(data)
            self._expect_headers()
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:  # the headers are complete
            self._forget_deadline()
            self._n_header_bytes = 0
        if self._deadline is not None and self._n_header_bytes > _MAX_HEADER_BYTES:
            logger.warning("Headers of more than %d bytes were refused.", _MAX_HEADER_BYTES)
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._forget_deadline()
        super().connection_lost(exc)

    def _expect_headers(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(_HEADERS_S, self._on_deadline)

    def _on_deadline(self) -> None:
        logger.warning("A request's headers did not come within %g s.", _HEADERS_S)
        self._close()

    def _close(self) -> None:
        self._forget_deadline()
        self.transport.abort()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

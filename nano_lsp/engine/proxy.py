"""`nano-lsp engine serve`: a proxy that serves the OpenAI- and llama-server-compatible API on a TCP port.

The engine itself never listens there: this process forwards requests that it has checked, to the paths of that API
only. A page in a browser cannot use it: the Host header must name the address, unless that is every address of this
machine and a key protects it; a foreign Origin is refused, and CORS is off.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from nano_lsp.engine.endpoint import EngineEndpoint, listen_on
from nano_lsp.engine.http_server import HttpServer
from nano_lsp.engine.launcher import Launcher
from nano_lsp.engine.openai_api import METHODS
from nano_lsp.engine.request_body import read_body
from nano_lsp.errors import ConfigError, EngineClosedError
from nano_lsp.loopback import is_loopback
from nano_lsp.offline import require_network

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")  # no other names: a web page could bring one along (DNS rebinding)
_PATIENCE = aiohttp.ClientTimeout(sock_read=600.0)  # an answer that is not streamed comes when it is done
logger = logging.getLogger(__name__)


def serve(endpoint: EngineEndpoint, host: str, port: int, key: str) -> None:
    """Serve until Ctrl-C.

    Args:
        endpoint: Where the engine is; it is started if it does not run.
        host: Address to listen on.
        port: Port to listen on; 0 for a free one, which is logged.
        key: API key that clients must send; empty for none, on a loopback address only.

    Raises:
        OfflineError: Other machines could connect, and the setting `offline` is on.
        ConfigError: The address cannot be used, or would be open to other machines without a key.
    """
    is_private = is_loopback(host)
    if not key and not is_private:
        raise ConfigError(f"{host} can be reached from other machines.", "Set a key: NANO_LSP_SERVE_KEY.")
    if not is_private:
        require_network(f"Listening on {host}", "Listen on 127.0.0.1.")
    try:
        listening = listen_on(host, port)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port} cannot be listened on: {error.strerror}.", "Choose another --port."
        ) from error
    address, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    names = {shown, *_LOOPBACK} if is_private else {shown}
    hosts = set() if ipaddress.ip_address(address).is_unspecified else {f"{name}:{port}" for name in names}
    logger.warning("Serving on http://%s:%d.", shown, port)

    async def run() -> None:
        launcher = Launcher(endpoint)
        try:
            await HttpServer(create_proxy(launcher, hosts, key)).serve([listening])
        finally:
            await launcher.close()

    with suppress(KeyboardInterrupt):
        asyncio.run(run())


def create_proxy(launcher: Launcher, hosts: set[str], key: str) -> ASGIApp:
    """The application.

    Args:
        launcher: Finds and starts the engine.
        hosts: Accepted values of the Host header; empty for any, where the key alone keeps web pages out.
        key: API key that clients must send; empty for none.
    """

    def check(request: Request) -> None:
        # Not starlette's TrustedHostMiddleware: it ignores the port, and older versions refuse `[::1]`.
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if (hosts and host.lower() not in hosts) or (origin and origin.partition("://")[2].lower() != host.lower()):
            logger.warning("A request for %.100r from %.100r was refused.", host, origin)
            raise HTTPException(403, "This host is not served.")
        shown = request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get(
            "x-api-key", ""
        )
        if key and not secrets.compare_digest(shown.encode(), key.encode()):
            logger.warning("A request without the key was refused.")
            raise HTTPException(401, "The key is missing or wrong.", {"www-authenticate": "Bearer"})

    async def forward(request: Request) -> Response:
        check(request)
        headers = {"user-agent": request.headers.get("user-agent", "")}
        body = await read_body(request)
        for _ in range(2):
            client = await launcher.find()
            try:
                answer = await client.request(
                    request.method, request.scope["path"], data=body, headers=headers, timeout=_PATIENCE
                )
            except (aiohttp.ClientError, OSError):
                launcher.lose(client)
            else:
                return StreamingResponse(
                    _chunks(answer), answer.status, media_type=answer.headers.get("content-type")
                )
        raise EngineClosedError("The engine has gone.", "Ask again.")

    async def refuse(_request: Request, error: Exception) -> Response:
        return Response(str(error), 503)

    async def answer(_request: Request, error: Exception) -> Response:
        """An error as OpenAI's clients read it."""
        assert isinstance(error, HTTPException)  # noqa: S101 - only these come here
        body = {"error": {"message": error.detail, "type": "HTTPException", "code": error.status_code}}
        return JSONResponse(body, error.status_code, error.headers)

    routes = [Route(path, forward, methods=[method]) for path, method in METHODS.items()]
    return Starlette(routes=routes, exception_handlers={EngineClosedError: refuse, HTTPException: answer})


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError):
        logger.warning("The engine has gone in the middle of an answer.")
    finally:
        answer.close()

"""What the shared engine answers to the clients of this package."""

from __future__ import annotations

import dataclasses
import logging
import os
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from nano_lsp import __version__
from nano_lsp.assistant.job import Job, LoadModel
from nano_lsp.config import Settings
from nano_lsp.engine.endpoint import challenge_response
from nano_lsp.engine.event_stream import EventBuffer, EventStream
from nano_lsp.engine.installed_code import installed_code
from nano_lsp.engine.model_manager import Client, ModelManager
from nano_lsp.engine.openai_api import OpenAiApi
from nano_lsp.engine.request_body import read_body
from nano_lsp.errors import NanoError
from nano_lsp.explain_errors import explain_error
from nano_lsp.engine import protocol
from nano_lsp.inference.hardware import peak_rss_bytes, rss_bytes

logger = logging.getLogger(__name__)


def create_app(
    host: ModelManager, settings: Settings, token: str, stop: Callable[[], None], network: Sequence[str] = ()
) -> ASGIApp:
    """The engine's application.

    Args:
        host: of the models.
        settings: of the engine.
        token: that clients must show; empty where the socket keeps others out.
        stop: ends the process once what runs is done.
        network: Connections to other machines that this process has opened; see `watch_network`.
    """

    def guarded(endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def check(request: Request) -> Response:
            shown = request.headers.get("authorization", "").encode()
            if token and not secrets.compare_digest(shown, f"Bearer {token}".encode()):
                logger.warning("A client without the token was refused.")
                raise HTTPException(401, "The token is wrong.")
            response: Response = await endpoint(request)
            return response

        return check

    code = installed_code()

    def card(proof: str = "", *, draining: bool) -> protocol.ServerInfo:
        about = __version__, os.getpid(), proof, draining
        return protocol.ServerInfo(*about, protocol.PROTOCOL, code.fingerprint, code.installed)

    async def version(request: Request) -> Response:
        """Who this is. Needs no token: who does not know it learns nothing of it."""
        proof = challenge_response(token, request.query_params.get("nonce", "")) if token else ""
        return _json(card(proof, draining=host.draining))

    async def status(_request: Request) -> Response:
        """What the engine is at."""
        models = [dataclasses.asdict(model) for model in host.statuses()]
        about = {"version": __version__, "code": code.fingerprint, "pid": os.getpid()}
        memory = {"rss_bytes": rss_bytes(), "peak_rss_bytes": peak_rss_bytes()}
        return _json({**about, **memory, "network": network, "models": models})

    async def run(request: Request) -> Response:
        """Do a job, and stream what comes of it."""
        host.check_open()  # before the stream begins: the next engine can still be asked
        try:
            order = msgspec.json.decode(await read_body(request), type=protocol.JobRequest)
            job = protocol.decode_job(request.path_params["name"], order.job)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise HTTPException(400, f"That is no job: {error}") from error
        client, event_buffer = Client(order.client, order.settings, order.workspace, order.changed), EventBuffer()
        return EventStream(_do(host, client, job, event_buffer), event_buffer)  # type: ignore[return-value]

    async def shut_down(_request: Request) -> Response:
        """End the process once what runs is done."""
        stop()
        return _json(card(draining=True))

    routes = [
        Route(f"{protocol.PREFIX}/version", version),
        Route(f"{protocol.PREFIX}/status", guarded(status)),
        Route(f"{protocol.PREFIX}/jobs/{{name}}", guarded(run), methods=["POST"]),
        Route(f"{protocol.PREFIX}/shutdown", guarded(shut_down), methods=["POST"]),
        *OpenAiApi(host, settings).routes(guarded),
    ]
    return Starlette(routes=routes, exception_handlers={NanoError: _on_error})


async def _do(host: ModelManager, client: Client, job: Job[Any], event_buffer: EventBuffer) -> tuple[str, object]:
    """The last event of a job."""
    try:
        async with host.acquire(client, event_buffer.on_load) as assistant:
            if isinstance(job, LoadModel):
                event_buffer.on_notice(assistant.notice)
            value, counters = await assistant.run_counting(job, event_buffer)
    except NanoError as error:
        return "error", protocol.Failure.of(error)
    except Exception as error:
        logger.exception("%s failed.", type(job).__name__)
        if explained := explain_error(error):
            return "error", protocol.Failure.of(explained)
        return "error", protocol.Failure("EngineError", f"Internal error: {error!r}.", "See `nano-lsp engine logs`.")
    return "result", protocol.Result(msgspec.Raw(msgspec.json.encode(value)), counters)


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _on_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, NanoError)  # noqa: S101 - it is what this is called for
    return Response(msgspec.json.encode(protocol.Failure.of(error)), 503, media_type="application/json")

"""The HTTP interface of the shared engine for the clients of this package."""

from __future__ import annotations

import dataclasses
import logging
import os
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from nano_lsp.assistant.job import Job, LoadModel
from nano_lsp.completion.completer import ReadAhead
from nano_lsp.engine import protocol
from nano_lsp.engine.endpoint import challenge_response
from nano_lsp.engine.event_stream import EventBuffer, EventStream
from nano_lsp.engine.installed_code import installed_code
from nano_lsp.engine.model_manager import ClientInfo, ModelManager
from nano_lsp.engine.openai_api import OpenAiApi
from nano_lsp.engine.request_body import read_body
from nano_lsp.errors import NanoError
from nano_lsp.explain_errors import explain_error
from nano_lsp.inference.hardware import peak_rss_bytes, rss_bytes
from nano_lsp.settings import Settings
from nano_lsp.version import __version__

logger = logging.getLogger(__name__)


def create_app(
    models: ModelManager, settings: Settings, token: str, stop: Callable[[], None], network: Sequence[str] = ()
) -> ASGIApp:
    """The engine's application.

    Args:
        models: The models that it serves.
        settings: Settings of the engine.
        token: Token that clients must show; empty where the socket keeps others out.
        stop: Ends the process once the running jobs are done.
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

    def server_info(proof: str = "", *, draining: bool) -> protocol.ServerInfo:
        about = __version__, os.getpid(), proof, draining
        return protocol.ServerInfo(*about, protocol.PROTOCOL, code.fingerprint, code.installed)

    async def version(request: Request) -> Response:
        """The server's version and a challenge response. Needs no token and reveals nothing without it."""
        proof = challenge_response(token, request.query_params.get("nonce", "")) if token else ""
        return _json(server_info(proof, draining=models.draining))

    async def status(_request: Request) -> Response:
        """Models, memory and network use of the engine."""
        loaded = [dataclasses.asdict(model) for model in models.statuses()]
        about = {"version": __version__, "code": code.fingerprint, "pid": os.getpid()}
        memory = {"rss_bytes": rss_bytes(), "peak_rss_bytes": peak_rss_bytes()}
        return _json({**about, **memory, "network": network, "models": loaded})

    async def run(request: Request) -> Response:
        """Run a job, and stream its events."""
        models.check_open()  # before the stream begins: the next engine can still be asked
        try:
            job_request = msgspec.json.decode(await read_body(request), type=protocol.JobRequest)
            job = protocol.decode_job(request.path_params["name"], job_request.job)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise HTTPException(400, f"The job cannot be decoded: {error}") from error
        client = ClientInfo(job_request.client, job_request.settings, job_request.workspace, job_request.changed)
        return _JobResponse(models, client, job)  # type: ignore[return-value]

    async def shut_down(_request: Request) -> Response:
        """End the process once the running jobs are done."""
        stop()
        return _json(server_info(draining=True))

    routes = [
        Route(f"{protocol.PREFIX}/version", version),
        Route(f"{protocol.PREFIX}/hello", version),  # as programs of version 0.1 ask; until 0.3
        Route(f"{protocol.PREFIX}/status", guarded(status)),
        Route(f"{protocol.PREFIX}/jobs/{{name}}", guarded(run), methods=["POST"]),
        Route(f"{protocol.PREFIX}/shutdown", guarded(shut_down), methods=["POST"]),
        *OpenAiApi(models, settings).routes(guarded),
    ]
    return Starlette(routes=routes, exception_handlers={NanoError: _on_error})


class _JobResponse:
    """Runs a job, and streams its events."""

    def __init__(self, models: ModelManager, client: ClientInfo, job: Job[Any]) -> None:
        self._models = models
        self._client = client
        self._job = job

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Run the job."""
        job, event_buffer = self._job, EventBuffer()
        stream = EventStream(
            event_buffer, encode=protocol.encode_event, media_type="application/x-ndjson", keep_alive=b"\n"
        )
        last: protocol.Result | protocol.Failure
        async with stream.open(receive, send):
            try:
                in_advance = isinstance(job, ReadAhead)
                async with self._models.acquire(
                    self._client, event_buffer.on_load, in_advance=in_advance
                ) as assistant:
                    if isinstance(job, LoadModel):
                        event_buffer.on_notice(assistant.notice)
                    context = await assistant.prepare(job, event_buffer)
                    value = await job.run(context)
                last = protocol.Result(msgspec.Raw(msgspec.json.encode(value)), context.usage.totals)
            except NanoError as error:
                last = protocol.Failure.of(error)
            except Exception as error:
                logger.exception("%s failed.", type(job).__name__)
                internal = "EngineError", f"Internal error: {error!r}.", "See `nano-lsp engine logs`."
                explained = explain_error(error)
                last = protocol.Failure.of(explained) if explained else protocol.Failure(*internal)
            stream.last = partial(protocol.encode_event, last)


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _on_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, NanoError)  # noqa: S101 - it is what this is called for
    return Response(msgspec.json.encode(protocol.Failure.of(error)), 503, media_type="application/json")

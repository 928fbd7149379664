"""The handlers: each behind Jupyter's own authentication, authorization and XSRF check."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.iostream import StreamClosedError

from nano_lsp.errors import CancelledError, NanoError
from nano_lsp_jupyter import messages
from nano_lsp_jupyter.live import build_expression
from nano_lsp_jupyter.service import Service, Tell

T = TypeVar("T")
_BAD_REQUEST, _UNAVAILABLE = 400, 503


class Handler(APIHandler):
    """Reads a message, answers in JSON; a mistake comes with its remedy."""

    auth_resource = "nano_lsp"
    service: Service
    work: asyncio.Task[Any] | None = None

    def initialize(self, service: Service) -> None:
        """Take what all handlers share."""
        self.service = service

    def read(self, kind: type[T]) -> T | None:
        """The message; None where it is none, which has been answered."""
        try:
            return messages.decode(self.request.body, kind)
        except ValueError as error:
            self.refuse(_BAD_REQUEST, NanoError(str(error), "Update the extension, or close big outputs and files."))
            return None

    def refuse(self, status: int, error: NanoError) -> None:
        """Answer with an error."""
        self.set_status(status)
        self.finish(json.dumps({"message": error.message, "remedy": error.remedy}))

    async def stream(self, begin: Callable[[Tell], Coroutine[Any, Any, T]]) -> T:
        """The result of work; what it tells until then goes out as lines of JSON."""
        self.set_header("Content-Type", "application/x-ndjson")
        self.set_header("X-Accel-Buffering", "no")
        lines: asyncio.Queue[dict[str, object] | None] = asyncio.Queue()
        work: asyncio.Task[T] = asyncio.ensure_future(begin(lines.put_nowait))
        self.work = work
        work.add_done_callback(lambda _: lines.put_nowait(None))
        try:
            while (line := await lines.get()) is not None:
                self.write(json.dumps(line) + "\n")
                await self.flush()
        except StreamClosedError:
            work.cancel()
        try:
            return await work
        except asyncio.CancelledError:
            raise web.Finish from None  # nobody waits any more: no error

    def on_connection_close(self) -> None:
        """Call off what nobody waits for any more."""
        if self.work:
            self.work.cancel()
        super().on_connection_close()


class StatusHandler(Handler):
    """What the assistant is at; and settings, pause, reload."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The status, and the counters."""
        self.finish(json.dumps(self.service.describe()))

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Take over settings, pause or go on, load the model again."""
        control = self.read(messages.Control)
        if control is not None:
            warnings = self.service.control(control)
            self.finish(json.dumps({**self.service.describe(), "warnings": warnings}))


class SuggestHandler(Handler):
    """Ghost text."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Suggestions at a cursor, the best first, as a line with `items`; before it lines with `text` that grows.

        The last line has the `status` as well, which says why there are none.
        """
        asked = self.read(messages.Suggest)
        if asked is None:
            return
        try:
            found = await self.stream(lambda tell: self.service.suggest(asked, tell))
        except ValueError as error:
            self.refuse(_BAD_REQUEST, NanoError(str(error)))
        except NanoError as error:
            self.refuse(_UNAVAILABLE, error)
        else:
            items = [{"text": one.text, "id": one.id} for one in found]
            self.finish(json.dumps({"items": items, "status": self.service.describe()}))


class WorkHandler(Handler):
    """Explanations, docstrings and fixes: a line of JSON for each thing that is known."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Do it; lines have `text` so far, `part` of how many, `code` as a whole, or `error`."""
        asked = self.read(messages.Work)
        if asked is None:
            return
        try:
            await self.stream(lambda tell: self.service.work(asked, tell))
        except CancelledError:
            self.finish(json.dumps({"error": {"message": "Called off.", "remedy": ""}}))
        except NanoError as error:
            self.finish(json.dumps({"error": {"message": error.message, "remedy": error.remedy}}))
        else:
            self.finish()


class LiveNamesHandler(Handler):
    """The names that a kernel knows."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The expression to ask a Python kernel with."""
        self.finish(json.dumps({"expression": build_expression()}))

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """What a kernel has answered."""
        told = self.read(messages.LiveNames)
        if told is not None:
            self.service.remember_names(told)
            self.finish("{}")


class ClosedHandler(Handler):
    """Documents that are closed."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Forget one."""
        closed = self.read(messages.Closed)
        if closed is not None:
            self.service.close(closed.path)
            self.finish("{}")


HANDLERS = (
    ("status", StatusHandler),
    ("suggest", SuggestHandler),
    ("work", WorkHandler),
    ("live-names", LiveNamesHandler),
    ("closed", ClosedHandler),
)

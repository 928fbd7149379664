"""HTTP handlers, each behind Jupyter's own authentication, authorization and XSRF check."""

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
from nano_lsp_jupyter.kernel_variables import build_expression
from nano_lsp_jupyter.service import Send, Service

T = TypeVar("T")
_BAD_REQUEST, _UNAVAILABLE = 400, 503


class Handler(APIHandler):
    """Base class: decodes the request and responds in JSON; errors have a remedy."""

    auth_resource = "nano_lsp"
    service: Service
    task: asyncio.Task[Any] | None = None

    def initialize(self, service: Service) -> None:
        """Set the service that all handlers share."""
        self.service = service

    def decode_body(self, kind: type[T]) -> T | None:
        """The decoded message; None if it is invalid, after an error response has been sent."""
        try:
            return messages.decode(self.request.body, kind)
        except ValueError as error:
            self.respond_with_error(
                _BAD_REQUEST,
                NanoError(str(error), "Update the extension, or clear large outputs and close large files."),
            )
            return None

    def respond_with_error(self, status: int, error: NanoError) -> None:
        """Respond with an error."""
        self.set_status(status)
        self.finish(json.dumps({"message": error.message, "remedy": error.remedy}))

    async def stream(self, start: Callable[[Send], Coroutine[Any, Any, T]]) -> T:
        """The result of a coroutine; the messages it sends meanwhile are streamed as newline-delimited JSON."""
        self.set_header("Content-Type", "application/x-ndjson")
        self.set_header("X-Accel-Buffering", "no")
        lines: asyncio.Queue[dict[str, object] | None] = asyncio.Queue()
        task: asyncio.Task[T] = asyncio.ensure_future(start(lines.put_nowait))
        self.task = task
        task.add_done_callback(lambda _: lines.put_nowait(None))
        try:
            while (line := await lines.get()) is not None:
                self.write(json.dumps(line) + "\n")
                await self.flush()
        except StreamClosedError:
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            raise web.Finish from None  # the client has disconnected: no error

    def on_connection_close(self) -> None:
        """Cancel the task when the client disconnects."""
        if self.task:
            self.task.cancel()
        super().on_connection_close()


class StatusHandler(Handler):
    """The assistant's status; settings, pause and reload."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Respond with the status and the counters."""
        self.finish(json.dumps(self.service.describe()))

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Apply settings, pause or resume suggestions, reload the model."""
        control = self.decode_body(messages.ControlRequest)
        if control is not None:
            warnings = self.service.control(control)
            self.finish(json.dumps({**self.service.describe(), "warnings": warnings}))


class DocumentHandler(Handler):
    """Base class of messages with a document and the cursor in it."""

    kind: type[messages.Cursor] = messages.Cursor

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Respond with the answer; a cursor that does not exist is a bad request."""
        message = self.decode_body(self.kind)
        if message is None:
            return
        try:
            answer = await self.answer(message)
        except ValueError as error:
            self.respond_with_error(_BAD_REQUEST, NanoError(str(error)))
        except NanoError as error:
            self.respond_with_error(_UNAVAILABLE, error)
        else:
            self.finish(json.dumps(answer))

    async def answer(self, message: Any) -> dict[str, object]:  # noqa: ANN401 - of the class's kind
        """The answer to a message."""
        raise NotImplementedError


class SuggestHandler(DocumentHandler):
    """Ghost text.

    Suggestions are streamed: lines with the `text` so far, then a line with all `items`, the best first. The
    last line also has the `status`, with the reason if there are none.
    """

    kind = messages.SuggestRequest

    async def answer(self, message: messages.SuggestRequest) -> dict[str, object]:
        """The last line."""
        suggestions = await self.stream(lambda send: self.service.suggest(message, send))
        items = [{"text": one.text, "id": one.id} for one in suggestions]
        return {"items": items, "status": self.service.describe()}


class CursorHandler(DocumentHandler):
    """Where the cursor rests: the model reads the code around it before the first key."""

    async def answer(self, message: messages.Cursor) -> dict[str, object]:
        """Nothing."""
        self.service.move_cursor(message)
        return {}


class NextEditHandler(DocumentHandler):
    """Where the newest edits have to be made again."""

    async def answer(self, message: messages.Cursor) -> dict[str, object]:
        """The next `edit`, None for none, once no key has been pressed for a while."""
        return {"edit": await self.stream(lambda _: self.service.find_next_edit(message))}


class RejectedEditHandler(Handler):
    """Next edits that the user has rejected. One that is accepted is known by the document's change."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Do not offer an edit again."""
        rejected = self.decode_body(messages.RejectedEdit)
        if rejected is not None:
            self.service.reject_next_edit(rejected)
            self.finish("{}")


class ActionHandler(Handler):
    """Explanations, docstrings and fixes."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Run an action; stream lines with `text` so far, `part` (number and total), the whole `code`, or `error`."""
        request = self.decode_body(messages.ActionRequest)
        if request is None:
            return
        try:
            await self.stream(lambda send: self.service.run_action(request, send))
        except CancelledError:
            self.finish(json.dumps({"error": {"message": "Cancelled.", "remedy": ""}}))
        except NanoError as error:
            self.finish(json.dumps({"error": {"message": error.message, "remedy": error.remedy}}))
        else:
            self.finish()


class KernelVariablesHandler(Handler):
    """The variables of a kernel."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Respond with the expression to evaluate in a Python kernel."""
        self.finish(json.dumps({"expression": build_expression()}))

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Store a kernel's reply."""
        variables = self.decode_body(messages.KernelVariables)
        if variables is not None:
            self.service.set_kernel_variables(variables)
            self.finish("{}")


class CloseHandler(Handler):
    """Closed documents."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Discard the state of a document."""
        request = self.decode_body(messages.CloseRequest)
        if request is not None:
            self.service.close(request.path)
            self.finish("{}")


HANDLERS = (
    ("status", StatusHandler),
    ("suggest", SuggestHandler),
    ("cursor", CursorHandler),
    ("next-edit", NextEditHandler),
    ("next-edit-rejected", RejectedEditHandler),
    ("action", ActionHandler),
    ("kernel-variables", KernelVariablesHandler),
    ("closed", CloseHandler),
)

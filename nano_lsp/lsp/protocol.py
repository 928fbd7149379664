"""The pygls protocol, changed: handlers keep the documents, and invalid messages get an error response."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.protocol.json_rpc import JsonRPCNotification, JsonRPCRequestMessage, JsonRPCResponseMessage

from nano_lsp.errors import NanoError
from nano_lsp.lsp.lenient_parsing import MessageParseError, read_document_uri, read_message

_NOT_INITIALIZED = -32002  # LSP, ErrorCodes.ServerNotInitialized
_INVALID_REQUEST = -32600  # JSON-RPC 2.0
_INVALID_PARAMS = -32602
_PARSE_ERROR = -32700
_LAST_RESPONSES_S = 0.1
_CHANGES = {types.TEXT_DOCUMENT_DID_CHANGE, types.NOTEBOOK_DOCUMENT_DID_CHANGE}
_TEXTS = {*_CHANGES, types.TEXT_DOCUMENT_DID_OPEN, types.NOTEBOOK_DOCUMENT_DID_OPEN}
_CHANGE = re.compile(r'Document\\?/didChange"')  # in a message that is not JSON
_METHOD = ContextVar("method", default="a message")  # of the message that is being handled
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _InvalidMessage:
    """A message whose parameters do not fit its method; a notification has no id."""

    id: object
    reason: str
    is_request: bool
    method: str
    params: object


def _log_failure(error: BaseException) -> None:
    """Log an error of a handler in a line; with its traceback where it is a bug, or for debugging."""
    with_traceback = not isinstance(error, (JsonRpcException, NanoError)) or logger.isEnabledFor(logging.DEBUG)
    logger.error("%s: %s", _METHOD.get(), error, exc_info=error if with_traceback else None)


def _cancel_with(running: asyncio.Task[Any], request: Future[Any]) -> None:
    if request.cancelled():
        running.cancel()


def _own_handler(method: str) -> Any:  # noqa: ANN401 - pygls types each differently
    @lsp_method(method)
    def handle(protocol: NanoProtocol, params: Any) -> None:  # noqa: ANN401 - of any of the methods
        protocol.fm.features[method](params)

    return handle


class NanoProtocol(LanguageServerProtocol):
    """The language server protocol with this server's own handlers for documents.

    These are called synchronously, in the order of the messages.

    Attributes:
        on_unreadable_text: Called with the URI of a document or notebook whose text, or a change of it, cannot be
            read; with None if the URI cannot be read either.
    """

    on_unreadable_text: Callable[[str | None], object]
    _is_shutting_down = False
    _exits = False

    lsp_text_document__did_open = _own_handler(types.TEXT_DOCUMENT_DID_OPEN)
    lsp_text_document__did_change = _own_handler(types.TEXT_DOCUMENT_DID_CHANGE)
    lsp_text_document__did_close = _own_handler(types.TEXT_DOCUMENT_DID_CLOSE)
    lsp_notebook_document__did_open = _own_handler(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    lsp_notebook_document__did_change = _own_handler(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    lsp_notebook_document__did_close = _own_handler(types.NOTEBOOK_DOCUMENT_DID_CLOSE)

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *arguments: Any) -> Generator[Any, Any, None]:  # noqa: ANN401 - as pygls has it
        """Shut down and cancel open requests; pygls 2.1 raises an error when a request ends while it does that."""
        self._is_shutting_down = True
        yield self.fm.features[types.SHUTDOWN], arguments, None
        current = self.msg_id
        for request_id, future in [*self._request_futures.items()]:
            if request_id != current and not future.done():
                future.cancel()
        self._shutdown = True
        if self._exits:
            # Once the cancelled requests have been answered; the thread that reads messages still waits for one.
            asyncio.get_running_loop().call_later(_LAST_RESPONSES_S, os._exit, 0)

    @lsp_method(types.EXIT)
    def lsp_exit(self, *_arguments: object) -> None:  # type: ignore[override]
        """End the program, during a shutdown after that; with an error if there was none."""
        self._exits = True
        if self._shutdown or not self._is_shutting_down:
            sys.exit(0 if self._shutdown else 1)

    def _execute_handler(self, msg_id: int | str, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - as pygls has it
        """Run a handler and drop its future when done; pygls 2.1 keeps those of notifications, a kilobyte each."""
        super()._execute_handler(msg_id, *arguments, **named)
        if running := self._request_futures.get(msg_id):
            running.add_done_callback(lambda _: self._request_futures.pop(msg_id, None))

    def _run_generator(self, future: Any, *, gen: Any, result_future: Future[Any]) -> None:  # noqa: ANN401 - as pygls has it
        """Cancel a request's coroutines along with it; pygls 2.1 lets those of commands run on, and keeps them."""
        before = set(self._request_futures)
        super()._run_generator(future, gen=gen, result_future=result_future)
        for request_id in self._request_futures.keys() - before:
            if isinstance(running := self._request_futures[request_id], asyncio.Task):
                del self._request_futures[request_id]
                result_future.add_done_callback(partial(_cancel_with, running))

    def _send_handler_result(self, future: Future[Any], *, msg_id: int | str) -> None:
        """Answer a request; pygls 2.1 logs a traceback for each error, and the user's errors are bugs to it."""
        error = None if future.cancelled() else future.exception()
        if error is None:
            super()._send_handler_result(future, msg_id=msg_id)
            return
        self._request_futures.pop(msg_id, None)
        _log_failure(error)
        if not isinstance(error, JsonRpcException):
            reason = str(error) if isinstance(error, NanoError) else f"{type(error).__name__}: {error}"
            error = JsonRpcException(reason)
        self._send_response(msg_id, error=error.to_response_error())

    def _check_handler_result(self, future: Future[Any]) -> None:
        """Log why a notification could not be handled."""
        if not future.cancelled() and (error := future.exception()):
            _log_failure(error)

    def structure_message(self, data: dict[str, Any]) -> dict[str, Any]:
        """Leave an object of a message as it is: pygls calls this for each, also for those inside of parameters."""
        return data

    def handle_message(self, message: object) -> None:
        """Handle a decoded message, or each of an array of them; every request gets a response."""
        for each in message if isinstance(message, list) and message else [message]:
            if isinstance(each, dict) and each.get("jsonrpc", self.VERSION) == self.VERSION:
                self._handle({"jsonrpc": self.VERSION, **each})
            else:
                request_id = each.get("id") if isinstance(each, dict) else None
                self.refuse_message(request_id, _INVALID_REQUEST, "This is not a JSON-RPC 2.0 message.")

    def refuse_message(self, request_id: object, code: int, reason: str) -> None:
        """Log why a message is invalid, and answer it; the id is None where it cannot be read."""
        logger.warning(reason)
        self._send_error_response(request_id, code, reason)

    def refuse_undecodable(self, error: Exception) -> None:
        """Refuse a message that is not JSON; with the error that it raised, which has the message."""
        reason = f"A message cannot be decoded: {error}."
        logger.error(reason)
        self._send_error_response(None, _PARSE_ERROR, reason)
        text = error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else ""
        if _CHANGE.search(text or str(getattr(error, "doc", ""))):
            self.on_unreadable_text(None)

    @property
    def was_left_open(self) -> bool:
        """Whether the client has ended the program without a shutdown."""
        return self._exits and not self._shutdown

    def _handle(self, data: dict[str, Any]) -> None:
        if isinstance(data.get("method"), str):
            self._handle_parsed(self._parse(data))
        elif "result" in data or "error" in data or data.get("id") in [*self._result_types]:  # JavaScript's undefined
            self._handle_reply(data)
        else:
            self.refuse_message(data.get("id"), _INVALID_REQUEST, "A message has a method, a result or an error.")

    def _handle_reply(self, data: dict[str, Any]) -> None:
        """Handle a client's response; one that cannot be parsed fails the server's request as an error would."""
        request_id = data.get("id")
        future = self._request_futures.get(request_id) if isinstance(request_id, str) else None
        if not isinstance(request_id, str) or future is None or request_id not in self._result_types:
            logger.warning("Ignored a response to the unknown request %r.", request_id)
            return
        kind = self._result_types.pop(request_id) or JsonRPCResponseMessage
        if future.done():  # the response came too late
            del self._request_futures[request_id]
            return
        error = data.pop("error", None)
        if error is not None:
            error = error if isinstance(error, dict) else {}
            code, reason = error.get("code"), str(error.get("message"))
            failure = types.ResponseError(code if isinstance(code, int) else _INVALID_REQUEST, reason)
            self._handle_response(request_id, None, failure)
            return
        try:
            result = self._converter.structure({"result": None, **data}, kind).result
        except Exception as invalid:  # noqa: BLE001 - whatever a converter's hook raises
            logger.warning("Ignored an invalid result: %s.", invalid)
            self._handle_response(request_id, None, types.ResponseError(_INVALID_PARAMS, "The result is invalid."))
        else:
            self._handle_response(request_id, result)

    def _parse(self, data: dict[str, Any]) -> Any:  # noqa: ANN401 - of any type
        """Parse a request or notification; one that is invalid becomes one that can be answered with an error."""
        is_request = "id" in data
        kind: Any = self.get_message_type(data["method"])
        if kind is None:
            kind, data = JsonRPCRequestMessage if is_request else JsonRPCNotification, {"params": None, **data}
        invalid = partial(_InvalidMessage, data.get("id"), is_request=is_request, method=data["method"])
        if is_request and (isinstance(data["id"], bool) or not isinstance(data["id"], (int, str))):
            return invalid("A request's id must be an integer or a string.", params=None)
        try:
            return read_message(self._converter, data, kind)
        except MessageParseError as error:
            reason = f"The parameters of {data['method']} are invalid: {error}."
            return invalid(reason, params=data.get("params"))

    def _handle_parsed(self, message: Any) -> None:  # noqa: ANN401 - of any type
        """Pass a message to its handler; answer requests before `initialize` and after `shutdown` with an error."""
        if isinstance(message, _InvalidMessage):
            if message.is_request:
                self.refuse_message(message.id, _INVALID_PARAMS, message.reason)
            else:
                logger.warning(message.reason)
                uri = read_document_uri(message.params)
                if message.method in (_TEXTS if uri else _CHANGES):
                    self.on_unreadable_text(uri)
            return
        method, request_id = getattr(message, "method", None), getattr(message, "id", None)
        if method and request_id is not None:
            if self._shutdown:
                self._send_error_response(request_id, _INVALID_REQUEST, "The server is shutting down.")
                return
            if self._workspace is None and method != types.INITIALIZE:
                self._send_error_response(request_id, _NOT_INITIALIZED, "The server has not been initialized.")
                return
            if self._workspace is not None and method == types.INITIALIZE:
                self._send_error_response(request_id, _INVALID_REQUEST, "The server has been initialized already.")
                return
        elif method and self._workspace is None and method != types.EXIT:
            return  # LSP: notifications before `initialize` are dropped
        _METHOD.set(method or _METHOD.get())
        super().handle_message(message)

    def _send_error_response(self, request_id: object, code: int, reason: str) -> None:
        error = {"code": code, "message": reason}
        self._send_data({"jsonrpc": self.VERSION, "id": request_id, "error": error})

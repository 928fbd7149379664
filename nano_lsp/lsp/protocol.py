"""The pygls protocol, changed: handlers keep the documents, and invalid requests get an error response."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from lsprotocol import types
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.protocol.json_rpc import JsonRPCNotification, JsonRPCRequestMessage

from nano_lsp.lsp.lenient_parsing import MessageParseError, read_message

_NOT_INITIALIZED = -32002  # LSP, ErrorCodes.ServerNotInitialized
_INVALID_REQUEST = -32600  # JSON-RPC 2.0
_INVALID_PARAMS = -32602
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _InvalidMessage:
    """A message whose parameters do not fit its method; a notification has no id."""

    id: object
    reason: str
    is_request: bool


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
    """

    lsp_text_document__did_open = _own_handler(types.TEXT_DOCUMENT_DID_OPEN)
    lsp_text_document__did_change = _own_handler(types.TEXT_DOCUMENT_DID_CHANGE)
    lsp_text_document__did_close = _own_handler(types.TEXT_DOCUMENT_DID_CLOSE)
    lsp_notebook_document__did_open = _own_handler(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    lsp_notebook_document__did_change = _own_handler(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    lsp_notebook_document__did_close = _own_handler(types.NOTEBOOK_DOCUMENT_DID_CLOSE)

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *arguments: Any) -> Generator[Any, Any, None]:  # noqa: ANN401 - as pygls has it
        """Shut down and cancel open requests; pygls 2.1 raises an error when a request ends while it does that."""
        yield self.fm.features[types.SHUTDOWN], arguments, None
        current = self.msg_id
        for request_id, future in [*self._request_futures.items()]:
            if request_id != current and not future.done():
                future.cancel()
        self._shutdown = True

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

    def structure_message(self, data: dict[str, Any]) -> Any:  # noqa: ANN401 - as pygls has it
        """Parse a message; an invalid request becomes one that can be answered with an error."""
        if "jsonrpc" not in data or not isinstance(data.get("method"), str) or "error" in data:
            return super().structure_message(data)
        is_request = "id" in data
        kind: Any = self.get_message_type(data["method"])
        if kind is None:
            kind, data = JsonRPCRequestMessage if is_request else JsonRPCNotification, {"params": None, **data}
        if is_request and (isinstance(data["id"], bool) or not isinstance(data["id"], (int, str))):
            return _InvalidMessage(data["id"], "A request's id must be an integer or a string.", is_request)
        try:
            return read_message(self._converter, data, kind)
        except MessageParseError as error:
            reason = f"The parameters of {data['method']} are invalid: {error}."
            return _InvalidMessage(data.get("id"), reason, is_request)

    def handle_message(self, message: Any) -> None:  # noqa: ANN401 - as pygls has it
        """Pass a message to its handler; answer requests before `initialize` and after `shutdown` with an error."""
        if isinstance(message, _InvalidMessage):
            logger.warning(message.reason)
            if message.is_request:
                self._send_error_response(message.id, _INVALID_PARAMS, message.reason)
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
        super().handle_message(message)

    def _send_error_response(self, request_id: object, code: int, reason: str) -> None:
        error = {"code": code, "message": reason}
        self._send_data({"jsonrpc": self.VERSION, "id": request_id, "error": error})

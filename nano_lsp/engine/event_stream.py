"""A streamed response: events while a job runs, and only the newest where they outrun the reader."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import anyio
from starlette.types import Receive, Send

from nano_lsp.assistant.context import ProgressListener
from nano_lsp.engine import protocol
from nano_lsp.engine.request_body import until_disconnect
from nano_lsp.schema import Notice

_KEEP_ALIVE_S = 2.0
_PAUSE_S = 0.01  # between two messages: readers are not faster, and each message costs both sides


class EventBuffer(ProgressListener):
    """Collects the progress of a job for a reader; its methods may be called on any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()
        self._waking = False
        self._text: str | None = None
        self._sent_text = ""
        self._others: dict[type[protocol.Event], protocol.Event] = {}  # the newest of each type

    def on_progress(self, done: int, total: int) -> None:
        """Number of prompt tokens evaluated."""
        self._put(protocol.Progress(done, total))

    def on_part(self, done: int, total: int) -> None:
        """Number of parts of the result that are done."""
        self._put(protocol.PartProgress(done, total))

    def on_load(self, what: str, done: int, total: int) -> None:
        """Number of bytes of the model that are verified or loaded."""
        self._put(protocol.Loading(what, done, total))

    def on_notice(self, notice: Notice) -> None:
        """What people should know of how the model runs."""
        self._put(protocol.Noticed(notice))

    def on_text(self, text: str) -> None:
        """The whole text so far."""
        self._text = text
        self._wake()

    async def wait(self) -> None:
        """Wait for an event, or until the reader has to be told that the engine is still there."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_KEEP_ALIVE_S):
                await self._filled.wait()

    def wake(self) -> None:
        """End the waiting; on the event loop only."""
        self._waking = False
        self._filled.set()

    def empty(self) -> Iterator[protocol.Event]:
        """The events since the last call."""
        self._filled.clear()
        others, self._others = self._others, {}
        yield from others.values()
        text = self._text
        if text is not None and text != self._sent_text:
            keep = _n_common(self._sent_text, text)
            yield protocol.Text(keep, text[keep:])
            self._sent_text = text

    def _put(self, event: protocol.Event) -> None:
        self._others[type(event)] = event
        self._wake()

    def _wake(self) -> None:
        if not self._waking:  # one call to the loop for all that comes until it looks
            self._waking = True
            self._loop.call_soon_threadsafe(self.wake)


class EventStream:
    """A response of events while a job runs, then of its `last` event. A client that disconnects cancels the job.

    Args:
        event_buffer: Collects the events.
        encode: Encodes an event; empty for one that is not sent.
        media_type: Content type of the response.
        keep_alive: Sent where there is no event for a while.

    Attributes:
        last: Encodes the last event, once those before it are encoded; set by the job.
    """

    def __init__(
        self,
        event_buffer: EventBuffer,
        *,
        encode: Callable[[protocol.Event], bytes],
        media_type: str,
        keep_alive: bytes,
    ) -> None:
        self.last: Callable[[], bytes] = bytes
        self._event_buffer = event_buffer
        self._encode = encode
        self._headers = [(b"content-type", media_type.encode()), (b"cache-control", b"no-store")]
        self._keep_alive = keep_alive
        self._ended = anyio.Event()

    @contextlib.asynccontextmanager
    async def open(self, receive: Receive, send: Send) -> AsyncIterator[None]:
        """Send the events while the body of the `async with` runs the job."""
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        async with anyio.create_task_group() as watching:
            watching.start_soon(_cancel_when_disconnected, receive, watching.cancel_scope)
            async with anyio.create_task_group() as sending:
                sending.start_soon(self._send_events, send)
                yield
                self._ended.set()
                self._event_buffer.wake()
            await send({"type": "http.response.body", "body": self._events() + self.last(), "more_body": False})
            watching.cancel_scope.cancel()

    async def _send_events(self, send: Send) -> None:
        while not self._ended.is_set():
            await self._event_buffer.wait()
            if not self._ended.is_set():
                body = self._events() or self._keep_alive
                await send({"type": "http.response.body", "body": body, "more_body": True})
                with anyio.move_on_after(_PAUSE_S):
                    await self._ended.wait()

    def _events(self) -> bytes:
        """The events since the last call, encoded."""
        return b"".join(map(self._encode, self._event_buffer.empty()))


async def _cancel_when_disconnected(receive: Receive, scope: anyio.CancelScope) -> None:
    await until_disconnect(receive)
    scope.cancel()


def _n_common(a: str, b: str) -> int:
    """Length of the common prefix of two texts, in characters."""
    if b.startswith(a):
        return len(a)
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))

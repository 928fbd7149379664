"""A streamed response: events while a job runs, and only the newest where they outrun the reader."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Generic, TypeVar

from starlette.types import Receive, Scope, Send

from nano_lsp.assistant.context import ProgressListener
from nano_lsp.engine import protocol
from nano_lsp.schema import Notice

_KEEP_ALIVE_S = 2.0
_PAUSE_S = 0.01  # between two messages: readers are not faster, and each message costs both sides
E = TypeVar("E")


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
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._filled.wait(), _KEEP_ALIVE_S)

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


class EventStream(Generic[E]):
    """A response of events while a job runs, whose last event is the job's end. A client that disconnects cancels it.

    Args:
        work: Runs the job, and gives the last event.
        event_buffer: Collects the other events.
        encode: Encodes an event; empty for one that is not sent.
        encode_last: Encodes the last event.
        media_type: Content type of the response.
        keep_alive: Sent where there is no event for a while.
    """

    def __init__(
        self,
        work: Coroutine[Any, Any, E],
        event_buffer: EventBuffer,
        *,
        encode: Callable[[protocol.Event], bytes],
        encode_last: Callable[[E], bytes],
        media_type: str,
        keep_alive: bytes,
    ) -> None:
        self._work = work
        self._event_buffer = event_buffer
        self._encode = encode
        self._encode_last = encode_last
        self._headers = [(b"content-type", media_type.encode()), (b"cache-control", b"no-store")]
        self._keep_alive = keep_alive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - of ASGI
        """Run the job, and send the events."""
        working = asyncio.ensure_future(self._work)
        working.add_done_callback(lambda _task: self._event_buffer.wake())
        watching = asyncio.ensure_future(_disconnected(receive))
        watching.add_done_callback(lambda _task: working.cancel())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
            while not working.done():
                await self._event_buffer.wait()
                if not working.done():
                    await send(
                        {"type": "http.response.body", "body": self._events() or self._keep_alive, "more_body": True}
                    )
                    await asyncio.wait({working}, timeout=_PAUSE_S)
            last = b"" if working.cancelled() else self._events() + self._encode_last(working.result())
            await send({"type": "http.response.body", "body": last, "more_body": False})
        finally:
            working.cancel()
            watching.cancel()

    def _events(self) -> bytes:
        """The events since the last call, encoded."""
        return b"".join(map(self._encode, self._event_buffer.empty()))


async def _disconnected(receive: Callable[[], Awaitable[object]]) -> None:
    while True:
        message = await receive()
        if isinstance(message, dict) and message["type"] == "http.disconnect":
            return


def _n_common(a: str, b: str) -> int:
    """Length of the common prefix of two texts, in characters."""
    if b.startswith(a):
        return len(a)
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))

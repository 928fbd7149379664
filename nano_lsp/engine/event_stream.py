"""Server-sent events while something is done: as they come, and only the newest of what outruns the reader."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from starlette.types import Receive, Scope, Send

from nano_lsp.assistant.context import ProgressListener
from nano_lsp.engine import protocol
from nano_lsp.schema import Notice

_KEEP_ALIVE_S = 2.0
_PAUSE_S = 0.01  # between two messages: nobody reads faster, and each costs both sides
_KEEP_ALIVE = b": still here\n\n"
_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]


class EventBuffer(ProgressListener):
    """What is to be told of a job. Any thread may put something in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()
        self._waking = False
        self._text: str | None = None
        self._told = ""
        self._others: dict[str, object] = {}

    def on_progress(self, done: int, total: int) -> None:
        """So many tokens of the prompt are evaluated."""
        self._put("progress", protocol.Progress(done, total))

    def on_part(self, done: int, total: int) -> None:
        """So many of the parts of a result are done."""
        self._put("part", protocol.Progress(done, total))

    def on_load(self, what: str, done: int, total: int) -> None:
        """So many bytes of the model are loaded."""
        self._put("loading", protocol.Loading(what, done, total))

    def on_notice(self, notice: Notice) -> None:
        """What people should know of how the model runs."""
        self._put("notice", notice)

    def on_text(self, text: str) -> None:
        """The whole text so far."""
        self._text = text
        self._wake()

    async def wait(self) -> None:
        """Until there is something, or the reader wants to hear that all is well."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._filled.wait(), _KEEP_ALIVE_S)

    def wake(self) -> None:
        """End the waiting; on the event loop."""
        self._waking = False
        self._filled.set()

    def empty(self) -> Iterator[tuple[str, object]]:
        """What is in it, which it then forgets."""
        self._filled.clear()
        others, self._others = self._others, {}
        yield from others.items()
        text = self._text
        if text is not None and text != self._told:
            keep = _n_common(self._told, text)
            yield "text", protocol.Text(keep, text[keep:])
            self._told = text

    def _put(self, name: str, value: object) -> None:
        self._others[name] = value
        self._wake()

    def _wake(self) -> None:
        if not self._waking:  # one call to the loop for all that comes until it looks
            self._waking = True
            self._loop.call_soon_threadsafe(self.wake)


class EventStream:
    """A response of events while something is done, the last of which it results in. A client that goes away ends it.

    Args:
        work: what is done; gives the last event.
        event_buffer: that is told of it.
        encode: an event as it is sent; empty for one that is not.
    """

    def __init__(
        self,
        work: Coroutine[Any, Any, tuple[str, object]],
        event_buffer: EventBuffer,
        encode: Callable[[str, object], bytes] = protocol.encode_event,
    ) -> None:
        self._work = work
        self._mailbox = event_buffer
        self._encode = encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - of ASGI
        """Do the work, and send the events."""
        working = asyncio.ensure_future(self._work)
        working.add_done_callback(lambda _task: self._mailbox.wake())
        watching = asyncio.ensure_future(_disconnected(receive))
        watching.add_done_callback(lambda _task: working.cancel())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            while not working.done():
                await self._mailbox.wait()
                if not working.done():
                    await send(
                        {"type": "http.response.body", "body": self._events() or _KEEP_ALIVE, "more_body": True}
                    )
                    await asyncio.wait({working}, timeout=_PAUSE_S)
            last = b"" if working.cancelled() else self._events() + self._encode(*working.result())
            await send({"type": "http.response.body", "body": last, "more_body": False})
        finally:
            working.cancel()
            watching.cancel()

    def _events(self) -> bytes:
        """What the event_buffer has."""
        return b"".join(self._encode(*event) for event in self._mailbox.empty())


async def _disconnected(receive: Callable[[], Awaitable[object]]) -> None:
    while True:
        message = await receive()
        if isinstance(message, dict) and message["type"] == "http.disconnect":
            return


def _n_common(a: str, b: str) -> int:
    """How many characters two texts share from the start."""
    if b.startswith(a):
        return len(a)
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))

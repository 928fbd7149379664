"""Reads request bodies within limits of size and time, and notices a client that disconnects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Receive

from nano_lsp.engine import protocol
from nano_lsp.errors import CancelledError

_BODY_S = 5.0
_CLOSE = {"connection": "close"}
logger = logging.getLogger(__name__)
T = TypeVar("T")


async def read_body(request: Request) -> bytes:
    """Read the body of a request.

    Raises:
        HTTPException: It is too long, or does not come in time.
    """
    body = bytearray()

    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                body.extend(chunk)
                if len(body) > protocol.MAX_BODY_BYTES:
                    logger.warning("A body of more than %d bytes was refused.", protocol.MAX_BODY_BYTES)
                    raise HTTPException(413, f"At most {protocol.MAX_BODY_BYTES} bytes are taken.", _CLOSE)
    except TimeoutError:
        logger.warning("A body did not come within %g s.", _BODY_S)
        raise HTTPException(408, "The body did not come in time.", _CLOSE) from None
    return bytes(body)


async def until_disconnect(receive: Receive) -> None:
    """Wait until the client disconnects; the body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def until_disconnected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of some work, which is cancelled when the client disconnects; the body has been read."""
    working = asyncio.ensure_future(work)

    async def watch() -> None:
        await until_disconnect(request.receive)
        working.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await working
    except asyncio.CancelledError:
        raise CancelledError("The client has gone.") from None
    finally:
        watching.cancel()
        working.cancel()

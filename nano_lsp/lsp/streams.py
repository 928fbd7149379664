"""The streams of messages from and to a client, as pygls 2.1 reads and writes them."""

from __future__ import annotations

import io
import logging
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_CONTENT_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d+)[ \t]*\r?\n", re.IGNORECASE)
logger = logging.getLogger(__name__)


class MessageReader(io.BufferedReader):
    """Messages of a client.

    Like those of HTTP (RFC 9112, section 5), their headers may have names in any case and any blanks around values.
    """

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line of a header."""
        line = super().readline(size)
        found = _CONTENT_LENGTH.fullmatch(line)
        return b"Content-Length: %d\r\n" % int(found[1]) if found else line


class MessageWriter(io.BufferedWriter):
    """Messages to a client; they are dropped once it does not read them any more, as its input says when it ends."""

    _is_lost = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write a message or a part of it."""
        if not self._is_lost:
            try:
                super().write(data)
            except OSError as error:
                self._lose(error)
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Send what was written."""
        if not self._is_lost:
            try:
                super().flush()
            except OSError as error:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        self._is_lost = True
        logger.error("The editor does not read messages any more: %s.", error.strerror or error)

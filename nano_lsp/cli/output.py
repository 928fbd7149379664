r"""Standard output, error and input, set up once before a command runs.

Human-readable text is in the terminal's encoding; a character that this lacks is printed as its number (`\u2192`).
Machine-readable output (JSON, code, patches) is UTF-8, or a file's own bytes, in every locale. Line breaks are not
translated: on Windows, `\r\n` would become `\r\r\n`.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path

PIPE_CLOSED = {errno.EPIPE, errno.EINVAL}
"""Error numbers for writing to a pipe whose reader has closed it (`| head`); the second one on Windows."""


def set_up_streams() -> None:
    """Set up the streams so that unencodable characters and closed streams do not raise errors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # closed before the program began
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            raw, encoding = stream.buffer, stream.encoding
            if isinstance(raw, io.RawIOBase):  # PYTHONUNBUFFERED: the rest of a partial write would be lost
                stream.detach()
                stream = io.TextIOWrapper(io.BufferedWriter(raw), encoding, line_buffering=True)
                setattr(sys, name, stream)
            stream.reconfigure(errors="backslashreplace", newline="\n")


def print_data(data: str | bytes) -> None:
    """Write machine-readable data to standard output: text in UTF-8, bytes unchanged."""
    sys.stdout.flush()
    # UTF-8 cannot encode lone surrogates only, and \udc80 is how JSON itself writes one.
    sys.stdout.buffer.write(data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def to_json(value: object) -> str:
    """A value as JSON for a file or standard output."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def print_json(value: object) -> None:
    """Write a value as JSON to standard output."""
    print_data(to_json(value))


def flush_output() -> OSError | None:
    """Write buffered output; returns the error if that fails or an earlier write has failed, else None."""
    if sys.stdout.closed:  # by the language server
        return None
    try:
        sys.stdout.flush()
    except OSError as error:
        with Path(os.devnull).open("wb") as null:  # otherwise Python flushes again at exit and prints the error
            os.dup2(null.fileno(), sys.stdout.fileno())
        return error
    return None

r"""Standard output, error and input, set up once before a command runs.

What people read is in the terminal's encoding; a character that this lacks is shown by its number (`\u2192`). What
programs read (JSON, code, patches) is UTF-8, or a file's own bytes, whatever the locale is. Line breaks are written
as they are: Windows' translation would make `\r\r\n` of `\r\n`.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path

PIPE_CLOSED = {errno.EPIPE, errno.EINVAL}
"""What writing to a pipe fails with when nobody reads it any more (`| head`); the second on Windows."""


def set_up_streams() -> None:
    """Let no character and no closed stream end a command."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # closed before the program began
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            raw, encoding = stream.buffer, stream.encoding
            if isinstance(raw, io.RawIOBase):  # PYTHONUNBUFFERED: what could not be written would be lost
                stream.detach()
                stream = io.TextIOWrapper(io.BufferedWriter(raw), encoding, line_buffering=True)
                setattr(sys, name, stream)
            stream.reconfigure(errors="backslashreplace", newline="\n")


def print_data(data: str | bytes) -> None:
    """Write what programs read to standard output: text in UTF-8, bytes as they are."""
    sys.stdout.flush()
    # UTF-8 lacks only lone surrogates, and \udc80 is how JSON itself writes one.
    sys.stdout.buffer.write(data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def to_json(value: object) -> str:
    """A value as JSON for a file or standard output."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def print_json(value: object) -> None:
    """Write a value as JSON to standard output."""
    print_data(to_json(value))


def flush_output() -> OSError | None:
    """Write the rest of the output; the error that prevents this, or has prevented it before; None for none."""
    if sys.stdout.closed:  # as the language server leaves it
        return None
    try:
        sys.stdout.flush()
    except OSError as error:
        with Path(os.devnull).open("wb") as nowhere:  # or Python would try again at its end, and say so
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return error
    return None

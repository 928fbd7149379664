"""What `nano-lsp server` runs. A module of its own, as the other commands' imports would delay its start."""

from __future__ import annotations

import logging
import os
import sys
from io import RawIOBase

from nano_lsp.config import find_folders
from nano_lsp.errors import ConfigError
from nano_lsp.loopback import is_loopback
from nano_lsp.lsp.handlers import create_server
from nano_lsp.lsp.streams import MessageReader, MessageWriter

_MAX_PORT = 65_535


def run(tcp: str | None = None, log: str = "error") -> None:
    """Run the language server in this process until the editor ends it.

    Args:
        tcp: Loopback address to listen on, `HOST:PORT`; None for stdin and stdout.
        log: Log level on stderr.

    Raises:
        ConfigError: The address or the level is invalid.
    """
    if log.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ConfigError(f"Unknown log level: {log!r}.", "Choose debug, info, warning or error.")
    logging.basicConfig(level=log.upper())
    if log.upper() != "DEBUG":  # it logs a traceback for each message that is not JSON; ours follows in a line
        logging.getLogger("pygls.server").addFilter(lambda record: record.exc_info is None)
    source, target = _accept(tcp) if tcp else (sys.stdin.buffer.raw, sys.stdout.buffer.raw)  # type: ignore[union-attr]
    running = create_server(find_folders())
    running.start_io(MessageReader(source), MessageWriter(target))
    running.keep()
    running.session.stop()
    # A thread that still reads a model must not keep the process running.
    os._exit(1 if running.protocol.was_left_open else 0)


def _accept(address: str) -> tuple[RawIOBase, RawIOBase]:
    """Wait for an editor to connect to a loopback address, and return its streams; no other can connect."""
    from nano_lsp.engine.endpoint import listen_on  # noqa: PLC0415 - editors start it on stdin and stdout

    name, _, port = address.rpartition(":")
    host = name.removeprefix("[").removesuffix("]")
    if not is_loopback(host) or not port.isdecimal() or int(port) > _MAX_PORT:
        raise ConfigError(f"{address} is not a loopback address with a port.", "For example: 127.0.0.1:7777")
    try:
        listening = listen_on(host, int(port))
    except OSError as error:
        raise ConfigError(f"{address} cannot be listened on: {error.strerror}.", "Choose another port.") from error
    with listening:
        print(f"Waiting for an editor on {name}:{listening.getsockname()[1]}.", file=sys.stderr)
        connection, _ = listening.accept()
        return connection.makefile("rb", buffering=0), connection.makefile("wb", buffering=0)

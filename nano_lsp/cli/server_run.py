"""What `nano-lsp server` runs. A module of its own, as the other commands' imports would delay its start."""

from __future__ import annotations

import logging
import os
import sys

from nano_lsp.config import find_folders
from nano_lsp.errors import ConfigError
from nano_lsp.lsp.handlers import create_server
from nano_lsp.lsp.protocol import MessageReader

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
    running = create_server(find_folders())
    if tcp is None:
        running.start_io(MessageReader(sys.stdin.buffer.raw))  # type: ignore[union-attr]
    else:
        host, _, port = tcp.rpartition(":")
        if host not in {"127.0.0.1", "localhost", "::1"} or not port.isdecimal() or int(port) > _MAX_PORT:
            raise ConfigError(f"{tcp} is not a loopback address with a port.", "For example: 127.0.0.1:7777")
        running.start_tcp(host, int(port))
    running.keep()
    running.session.stop()
    # A thread that still reads a model must not keep the process running.
    os._exit(1 if running.protocol.was_left_open else 0)

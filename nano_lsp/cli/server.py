"""`nano-lsp server`: runs the language server."""

from __future__ import annotations

import gc
import logging
import os
from typing import Annotated

import typer

from nano_lsp.config import find_folders
from nano_lsp.errors import ConfigError

EXAMPLES = """Editors start the server themselves. To run it by hand, for debugging:

`nano-lsp server --tcp 127.0.0.1:7777 --log debug`
"""
_MAX_PORT = 65_535


def server(
    tcp: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Loopback address to listen on, instead of stdio.")
    ] = None,
    log: Annotated[str, typer.Option(help="Log level on stderr: debug, info, warning or error.")] = "error",
) -> None:
    """Run the language server (LSP) on stdin and stdout, for editors."""
    gc.disable()  # the protocol's types are thousands of permanent objects: collecting costs a fifth of the start
    from nano_lsp.lsp.handlers import create_server  # noqa: PLC0415 - other commands need no pygls

    gc.freeze()
    gc.enable()

    if log.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ConfigError(f"Unknown log level: {log!r}.", "Choose debug, info, warning or error.")
    logging.basicConfig(level=log.upper())
    running = create_server(find_folders())
    if tcp is None:
        running.start_io()
    else:
        host, _, port = tcp.rpartition(":")
        if host not in {"127.0.0.1", "localhost", "::1"} or not port.isdecimal() or int(port) > _MAX_PORT:
            raise ConfigError(f"{tcp} is not a loopback address with a port.", "For example: 127.0.0.1:7777")
        running.start_tcp(host, int(port))
    running.session.acceptance.flush()
    running.session.stop()
    os._exit(0)  # a thread that still reads a model must not keep the process running

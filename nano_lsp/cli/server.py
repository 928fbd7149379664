"""`nano-lsp server`: the language server's options."""

from __future__ import annotations

from typing import Annotated

import typer

EXAMPLES = """Editors start the server themselves. To run it by hand, for debugging:

`nano-lsp server --tcp 127.0.0.1:7777 --log debug`
"""


def server(
    tcp: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Loopback address to listen on, instead of stdio.")
    ] = None,
    log: Annotated[str, typer.Option(help="Log level on stderr: debug, info, warning or error.")] = "error",
) -> None:
    """Run the language server (LSP) on stdin and stdout, for editors."""
    from nano_lsp.cli.server_run import run  # noqa: PLC0415 - the help of all commands needs no pygls

    run(tcp, log)

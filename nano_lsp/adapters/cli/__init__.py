"""The command line, `nano-lsp`."""

from __future__ import annotations

import sys
from functools import partial

__all__ = ["main"]


def main() -> None:
    """Run the command line; leaves with its exit code."""
    try:
        # Ctrl-C works while these are imported, too.
        from nano_lsp.adapters.cli.run import run  # noqa: PLC0415

        arguments = sys.argv[1:]
        if arguments[:1] == ["server"]:  # an editor waits: it does not pay for the other commands
            from nano_lsp.adapters.cli.server import app  # noqa: PLC0415

            run(partial(app, prog_name="nano-lsp server"), arguments[1:])
        elif arguments == ["engine", "run"]:  # runs for hours: it does not keep the other commands in memory
            from nano_lsp.adapters.cli.engine_run import run as run_engine  # noqa: PLC0415

            run(lambda _arguments: run_engine(), [])
        else:
            from nano_lsp.adapters.cli.app import app  # noqa: PLC0415

            run(app, arguments)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(130)

"""The command line, `nano-lsp`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; leaves with its exit code."""
    try:
        # Ctrl-C works while these are imported, too.
        try:
            from nano_lsp.cli.run import run  # noqa: PLC0415
        except ImportError as error:
            sys.exit(f"Error: {error}.\nRemove PYTHONHOME and PYTHONPATH, or install nano-lsp anew.")
        run(_run_command, sys.argv[1:])
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(130)


def _run_command(arguments: list[str]) -> None:
    """Import what a command needs, and run it; a failed import is reported like its other errors."""
    if arguments[:1] == ["server"]:  # an editor waits: it does not pay for the other commands
        from nano_lsp.cli.server import app  # noqa: PLC0415

        app(arguments[1:], prog_name="nano-lsp server")
    elif arguments == ["engine", "run"]:  # runs for hours: it does not keep the other commands in memory
        from nano_lsp.cli.engine_run import run as run_engine  # noqa: PLC0415

        run_engine()
    else:
        from nano_lsp.cli.app import app  # noqa: PLC0415

        app(arguments)

"""The command line, `nano-lsp`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its exit code."""
    try:
        # Imported here, so that Ctrl-C works during the imports, too.
        try:
            from nano_lsp.cli.run import run  # noqa: PLC0415
        except ImportError as error:
            sys.exit(f"Error: {error}.\nRemove PYTHONHOME and PYTHONPATH, or install nano-lsp anew.")
        run(_run_command, sys.argv[1:])
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(130)


def _run_command(arguments: list[str]) -> None:
    """Import and run a command; a failed import is reported like its other errors."""
    if arguments == ["engine", "run"]:  # without the other commands the long-running engine needs less memory
        from nano_lsp.cli.engine_run import run as run_engine  # noqa: PLC0415

        run_engine()
    else:
        from nano_lsp.cli.app import build_app  # noqa: PLC0415

        build_app(arguments[0] if arguments else None)(arguments)

"""The command line, `nano-lsp`."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import partial

from nano_lsp.version import __version__

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its exit code."""
    # With JupyterLab, jsonschema has a check of IRIs whose import takes 1.3 s; no schema here is checked with it.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
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
    gc.disable()  # what is imported stays: collecting it takes a fifth of the start
    command = _import_command(arguments)
    gc.freeze()
    gc.enable()
    command()


def _import_command(arguments: list[str]) -> Callable[[], object]:
    """A command with its arguments, without what only other commands need."""
    if arguments == ["engine", "run"]:  # the long-running engine needs less memory
        from nano_lsp.cli.engine_run import run as run_engine  # noqa: PLC0415

        return run_engine
    if arguments == ["server"]:  # as editors start it: without options, which would take a sixth of the start
        from nano_lsp.cli.server_run import run as run_server  # noqa: PLC0415

        return run_server
    if arguments == ["--version"]:
        return partial(print, f"nano-lsp {__version__}")
    from nano_lsp.cli.app import build_app  # noqa: PLC0415

    return partial(build_app(arguments[0] if arguments else None), arguments)

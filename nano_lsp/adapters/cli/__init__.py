"""The command line, `nano-lsp`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; leaves with its exit code."""
    try:
        from nano_lsp.adapters.cli.app import run  # noqa: PLC0415 - Ctrl-C works while this is imported, too

        run(sys.argv[1:])
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(130)

"""Runs a command and reports its errors."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn

from nano_lsp.cli.output import PIPE_CLOSED, flush_output, set_up_streams
from nano_lsp.config import find_folders, is_offline
from nano_lsp.errors import CancelledError, NanoError
from nano_lsp.explain_errors import explain_error
from nano_lsp.offline import forbid_network

_EX_SOFTWARE = 70  # sysexits.h: internal software error


def run(app: Callable[[list[str]], object], arguments: Sequence[str]) -> NoReturn:
    """Run a command and exit with its exit code. User errors are reported without a traceback."""
    set_up_streams()
    code, failure = 0, None
    try:
        if is_offline():
            forbid_network()
        app(list(arguments))
    except CancelledError:
        code = 130
    except NanoError as error:
        _print_error("Error", error.message, error.remedy)
        code = error.exit_code
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except Exception as error:  # noqa: BLE001 - bugs are reported below
        code, failure = 1, error
    unwritten = flush_output()
    if unwritten is not None:
        code = 1
        if unwritten.errno not in PIPE_CLOSED:
            code = _explain(unwritten) or _report(unwritten)
    elif failure is not None:
        code = _explain(failure) or _report(failure)
    if code == 130:
        print("Interrupted.", file=sys.stderr)
    sys.exit(code)


def _explain(error: Exception) -> int:
    """Print an error that the machine or the network has caused and return its exit code; 0 for a bug."""
    explained = explain_error(error)
    if explained is None:
        return 0
    if os.environ.get("NANO_LSP_DEBUG"):
        traceback.print_exception(error)
    _print_error("Error", explained.message, explained.remedy)
    return explained.exit_code


def _report(error: Exception) -> int:
    """Print a bug and append its traceback to a log that only this user can read.

    The log has the command's name only, as its arguments may be a user's code or data.
    """
    if os.environ.get("NANO_LSP_DEBUG"):
        traceback.print_exception(error)
        return _EX_SOFTWARE
    where = "Run it again with NANO_LSP_DEBUG=1 for details."
    with contextlib.suppress(OSError, NanoError):
        log = find_folders().cache / "crash.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as stream:
            log.chmod(0o600)  # older versions created it readable for others
            command = next((word for word in sys.argv[1:2] if word.isidentifier()), "")
            print(datetime.now().astimezone().isoformat(), f"nano-lsp {command}", file=stream)
            traceback.print_exception(error, file=stream)
        where = f"Details are in {log}."
    _print_error("Internal error", f"{type(error).__name__}: {error}", f"{where} Please report it.")
    return _EX_SOFTWARE


def _print_error(kind: str, message: str, remedy: str) -> None:
    try:
        from rich.markup import escape  # noqa: PLC0415 - the language server starts without it

        from nano_lsp.cli.terminal import stderr  # noqa: PLC0415
    except ImportError:  # this may be the error to report
        print(f"{kind}: {message}", remedy, sep="\n", file=sys.stderr)
        return
    stderr.print(f"[bold red]{kind}:[/] {escape(message)}")
    if remedy:
        stderr.print(escape(remedy))

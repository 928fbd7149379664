"""Commands, and what their errors look like."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn

import typer
from rich.markup import escape

from nano_lsp import __version__
from nano_lsp.adapters.cli import ask, complete, demo, doctor, eval, model, server, stats
from nano_lsp.adapters.cli.terminal import stderr
from nano_lsp.config import find_folders
from nano_lsp.errors import CancelledError, NanoError

_EX_SOFTWARE = 70  # sysexits.h: a mistake in the program

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="NEURO-NANO: an offline coding assistant. Nothing leaves this machine.",
    epilog="Start with `nano-lsp demo`; `nano-lsp doctor` says what is wrong and what to do about it.",
)


@app.callback(invoke_without_command=True)
def options(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """What belongs to no command."""
    if version:
        print(f"nano-lsp {__version__}")
        raise typer.Exit


# -:LINE:COL looks like an option.
app.command(epilog=complete.EXAMPLES, context_settings={"ignore_unknown_options": True})(complete.complete)
app.command(epilog=ask.EXAMPLES)(ask.ask)
app.command(epilog=demo.EXAMPLES)(demo.demo)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("eval", epilog=eval.EXAMPLES)(eval.evaluate)
app.command(epilog=server.EXAMPLES)(server.server)
app.command(epilog=stats.EXAMPLES)(stats.stats)
app.add_typer(model.app, name="model")


def run(arguments: Sequence[str]) -> NoReturn:
    """Run a command and leave with its exit code. No mistake of a user's shows a traceback."""
    try:
        app(list(arguments))
    except CancelledError:
        code = 130
    except NanoError as error:
        stderr.print(f"[bold red]Error:[/] {escape(error.message)}")
        if error.remedy:
            stderr.print(escape(error.remedy))
        code = error.exit_code
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except Exception as error:  # noqa: BLE001 - the last stop: our mistakes are reported, not thrown at the user
        code = _report(error)
    if code == 130:
        stderr.print("Interrupted.")
    sys.exit(code)


def _report(error: Exception) -> int:
    """Tell of a mistake in the program, and keep its traceback."""
    if os.environ.get("NANO_LSP_DEBUG"):
        traceback.print_exception(error)
        return _EX_SOFTWARE
    log = find_folders().cache / "crash.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as stream:
            print(datetime.now().astimezone().isoformat(), sys.argv, file=stream)
            traceback.print_exception(error, file=stream)
        where = f"Details are in {log}."
    except OSError:
        where = "Run it again with NANO_LSP_DEBUG=1 for details."
    stderr.print(f"[bold red]Internal error:[/] {escape(f'{type(error).__name__}: {error}')}")
    stderr.print(escape(f"{where} Please report it."))
    return _EX_SOFTWARE

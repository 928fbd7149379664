"""The command line with all its commands."""

from __future__ import annotations

import typer

from nano_lsp.cli import (
    ask,
    bundle,
    complete,
    config,
    demo,
    docstring,
    doctor,
    engine,
    eval,
    model,
    server,
    stats,
    summarize,
    task,
)
from nano_lsp.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="NEURO-NANO: an offline coding assistant. Nothing leaves this machine.",
    epilog="Start with `nano-lsp demo`. `nano-lsp doctor` finds problems and says how to solve them.",
)


@app.callback(invoke_without_command=True)
def options(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Options without a command."""
    if version:
        print(f"nano-lsp {__version__}")
        raise typer.Exit


# -:LINE:COL looks like an option.
app.command(epilog=complete.EXAMPLES, context_settings={"ignore_unknown_options": True})(complete.complete)
app.command(epilog=ask.EXAMPLES)(ask.ask)
app.command(epilog=bundle.EXAMPLES)(bundle.bundle)
app.command(epilog=config.EXAMPLES)(config.config)
app.command(epilog=demo.EXAMPLES)(demo.demo)
app.command(epilog=docstring.EXAMPLES)(docstring.docstring)
app.command(epilog=docstring.EXPLAIN_EXAMPLES)(docstring.explain)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("eval", epilog=eval.EXAMPLES)(eval.evaluate)
app.command(epilog=server.EXAMPLES)(server.server)
app.command(epilog=stats.EXAMPLES)(stats.stats)
app.command(epilog=summarize.EXAMPLES)(summarize.summarize)
app.command(epilog=task.EXAMPLES)(task.task)
app.add_typer(engine.app, name="engine")
app.add_typer(model.app, name="model")

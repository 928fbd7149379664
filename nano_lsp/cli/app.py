"""The command line with its commands. A run imports the modules of its own command alone, for a faster start."""

from __future__ import annotations

from importlib import import_module

import typer

from nano_lsp.version import __version__

_COMMANDS = {
    # Command: module in this package, function, epilog of its help.
    "complete": ("complete", "complete", "EXAMPLES"),
    "ask": ("ask", "ask", "EXAMPLES"),
    "bundle": ("bundle", "bundle", "EXAMPLES"),
    "config": ("config", "config", "EXAMPLES"),
    "demo": ("demo", "demo", "EXAMPLES"),
    "docstring": ("docstring", "docstring", "EXAMPLES"),
    "explain": ("docstring", "explain", "EXPLAIN_EXAMPLES"),
    "doctor": ("doctor", "doctor", "EXAMPLES"),
    "eval": ("eval", "evaluate", "EXAMPLES"),
    "server": ("server", "server", "EXAMPLES"),
    "stats": ("stats", "stats", "EXAMPLES"),
    "summarize": ("summarize", "summarize", "EXAMPLES"),
    "task": ("task", "task", "EXAMPLES"),
}
_GROUPS = ("adapter", "engine", "forge", "model")  # modules with an `app` of commands
_CONTEXTS = {"complete": {"ignore_unknown_options": True}}  # -:LINE:COL looks like an option


def build_app(command: str | None = None) -> typer.Typer:
    """The app with this command; with all of them, for the help and for errors, if there is no such command."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        help="NEURO-NANO: an offline coding assistant. Nothing leaves this machine.",
        epilog="Start with `nano-lsp demo`. `nano-lsp doctor` finds problems and says how to solve them.",
    )
    app.callback(invoke_without_command=True)(_options)
    known = [*_COMMANDS, *_GROUPS]
    for name in [command] if command in known else known:
        module_name, function, epilog = _COMMANDS.get(name, (name, "app", ""))
        module = import_module(f"nano_lsp.cli.{module_name}")
        if name in _GROUPS:
            app.add_typer(module.app, name=name)
        else:
            add = app.command(name, epilog=getattr(module, epilog), context_settings=_CONTEXTS.get(name))
            add(getattr(module, function))
    return app


def _options(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Options without a command."""
    if version:
        print(f"nano-lsp {__version__}")
        raise typer.Exit

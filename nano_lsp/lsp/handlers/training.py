"""Training on the code of a workspace: `nano-lsp forge run` in a process of its own, with its progress.

That process stops, as after Ctrl-C, when its standard input ends. It is a pipe that this one holds: it ends when the
user cancels the progress, and with this server, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lsprotocol import types

from nano_lsp.code.uris import file_path, innermost
from nano_lsp.config import portable_environment, with_absolute_paths
from nano_lsp.lsp.lenient_parsing import read_argument
from nano_lsp.lsp.server import NanoServer
from nano_lsp.settings import MINUTES, EditorSettings, are_minutes

COMMAND: tuple[str, ...] = (sys.executable, "-m", "nano_lsp", "forge", "run")
_INTERRUPTED = 130  # exit code
_TERMINAL = {
    *("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "CLICOLOR_FORCE", "PY_COLORS"),
    *("COLUMNS", "LINES", "JUPYTER_COLUMNS", "JUPYTER_LINES"),
}
"""Variables that make Rich and Typer print for a terminal: with them, the progress cannot be read."""


def register(server: NanoServer) -> None:
    """Add these handlers to a server."""
    server.command("nano.forgeRun")(_on_run)
    server.command("nano.forgeStop")(_on_stop)


async def _on_run(server: NanoServer, *arguments: Any) -> bool:  # noqa: ANN401 - sent by a client
    """Begin to train on the workspace folder of `{uri?, minutes?}`; whether it has begun."""
    argument = read_argument(arguments)
    folder = _find_folder(server, argument)
    if folder is None:
        server.show_message("There is no code to train on: open a folder of this machine.")
        return False
    settings = server.session.settings_of(str(folder))
    if not settings.reads_files:
        server.show_message(
            f"Training reads the files of {folder}: trust the workspace, and do not set nano.workspace to false."
        )
        return False
    if folder in server.training:
        server.show_message(f"Training on {folder} is in progress.", types.MessageType.Info)
        return False
    minutes = argument.get("minutes")
    if not (minutes is None or are_minutes(minutes)):
        server.show_message(f"Training is not started: minutes is {minutes!r}. Give {MINUTES}.")
        return False
    try:
        process = _start(folder, settings, minutes)
    except (OSError, ValueError) as error:  # a pattern to exclude may have a null character
        server.show_message(f"Training cannot be started: {error}.", types.MessageType.Error)
        return False
    _Training(server, folder, process).begin()
    return True


def _on_stop(server: NanoServer, *arguments: Any) -> bool:  # noqa: ANN401 - sent by a client
    """Stop the training on the workspace folder of `{uri?}`; whether there is one."""
    folder = _find_folder(server, read_argument(arguments))
    stop = server.training.get(folder) if folder else None
    if stop is None:
        where = f" on {folder}" if folder else ""
        server.show_message(f"No training is in progress{where}.", types.MessageType.Info)
        return False
    stop()
    return True


def _find_folder(server: NanoServer, argument: Mapping[str, Any]) -> Path | None:
    """The workspace folder of a URI; the first one without it."""
    uri, roots = argument.get("uri"), server.session.roots
    if not isinstance(uri, str):
        return next(iter(roots), None)
    path = file_path(uri)
    return innermost(roots, path) if path else None


class _Training:
    """A training process, its progress and its end; the methods run on the event loop but for `_follow`."""

    def __init__(self, server: NanoServer, folder: Path, process: subprocess.Popen[str]) -> None:
        self._server, self._folder, self._process = server, folder, process
        self._title = f"Training on {folder.name}"
        self._token: types.ProgressToken | None = None
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Show the progress until the process ends."""
        self._server.training[self._folder] = self._stop
        self._token, cancelled = self._server.begin_progress(self._title)
        cancelled.add_done_callback(lambda _future: self._stop())
        if self._token is None:
            message = f"{self._title} has begun; the command nano.forgeStop stops it."
            self._server.show_message(message, types.MessageType.Info)
        threading.Thread(target=self._follow, name="nano-lsp-training", daemon=True).start()

    def _stop(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()

    def _follow(self) -> None:
        """Read what the process prints: progress, then either an error or a result."""
        from nano_lsp.forge.workspace_run import read_progress  # noqa: PLC0415 - the server starts without it

        share, error = 0.0, list[str]()
        for text in self._process.stderr or ():
            line = text.rstrip("\n")
            if error or line.startswith(("Error: ", "Internal error: ")):
                error.append(line)
            else:
                share = read_progress(line, share)
                self._call(self._server.report_progress, self._token, line, share)
        result = self._process.stdout.read().strip() if self._process.stdout else ""
        self._call(self._finish, self._process.wait(), result, " ".join(error))

    def _call(self, action: Callable[..., None], *values: object) -> None:
        with contextlib.suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(action, *values)

    def _finish(self, code: int, result: str, error: str) -> None:
        del self._server.training[self._folder]
        self._server.end_progress(self._token)
        if code == _INTERRUPTED:
            message = f"{self._title} is stopped; the same command continues it."
            self._server.show_message(message, types.MessageType.Info)
        elif error or not result:
            message = error or f"{self._title} has failed: exit code {code}."
            self._server.show_message(message, types.MessageType.Error)
        else:
            self._server.show_message(result, types.MessageType.Info)


def _start(folder: Path, settings: EditorSettings, minutes: float | None) -> subprocess.Popen[str]:
    """Start the process; it lowers its own priority.

    Raises:
        OSError: It cannot be started.
        ValueError: A setting has a character that no argument can have.
    """
    model = with_absolute_paths(settings.of_model).model
    limit = ["--minutes", str(minutes)] if minutes is not None else []
    excluded = [f"--exclude={pattern}" for pattern in settings.exclude]
    own = {"NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    environment = {name: value for name, value in portable_environment().items() if name not in _TERMINAL} | own
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW
    return subprocess.Popen(  # noqa: S603 - this program
        [*COMMAND, str(folder), "--model", model, *limit, *excluded, "--until-input-ends"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=sys.prefix,  # Python imports from there: not from the workspace
        env=environment,
        encoding="utf-8",
        errors="replace",
        creationflags=flags,
    )

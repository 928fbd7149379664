"""`nano-lsp` in processes that are forked from one that has imported its libraries: a start takes a second otherwise.

Tests of the start itself, and of what the interpreter reads then (`PYTHONUTF8`, `LC_ALL`), start a process anew.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import BinaryIO

from nano_lsp.cli import main

# No module that reads the environment while it is imported: nothing of `nano_lsp.cli`, and not the model hub's.
_IMPORTED_BEFORE = (
    "tests.without_iris",
    *("nano_lsp.lsp.handlers", "nano_lsp.editor.ghost_text", "nano_lsp.engine.loaded_model", "nano_lsp.code.patch"),
    *("nano_lsp.engine.client", "nano_lsp.summarize.loaders", "nano_lsp.tasks", "IPython.core.interactiveshell"),
    *(
        "jsonschema",
        "numpy.random",
        "tree_sitter_python",
        "typer",
        "pydantic.fields",
        "pydantic.type_adapter",
        "rich.progress",
    ),
)


class ForkedProcess:
    """A running command, with the methods that tests use of `subprocess.Popen`.

    Args:
        program: What it runs: a function of a module.
        arguments: The command's arguments.
        environment: Its environment.
        folder: Its working directory.
        streams: File descriptors of its stdin, stdout and stderr; they stay open here.

    Attributes:
        pid: Its process id.
    """

    def __init__(
        self,
        program: Callable[[], None],
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        streams: Sequence[int],
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["__main__", *_IMPORTED_BEFORE])
        copies = [Connection(os.dup(stream)) for stream in streams]
        given = (program, list(arguments), dict(environment), str(folder), copies)
        self._process: BaseProcess = context.Process(target=_run, args=given)
        self._process.start()
        for copy in copies:
            copy.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int | None:
        """Its exit code once it has ended, negative for a signal; None if that takes longer than some seconds."""
        self._process.join(timeout)
        return self._process.exitcode


class PipedProcess(ForkedProcess):
    """A running `nano-lsp` whose stdin and stdout are pipes.

    Attributes:
        stdin: Where to write what it reads.
        stdout: Where to read what it writes.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], program: Callable[[], None] = main
    ) -> None:
        (its_stdin, stdin), (stdout, its_stdout) = os.pipe(), os.pipe()
        super().__init__(program, arguments, environment, Path.cwd(), (its_stdin, its_stdout, 2))
        os.close(its_stdin)
        os.close(its_stdout)
        self.stdin: BinaryIO = os.fdopen(stdin, "wb")
        self.stdout: BinaryIO = os.fdopen(stdout, "rb")


def run_forked(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    timeout: float,
    program: Callable[[], None] = main,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, with an empty stdin, as `subprocess.run` does."""
    with Path(os.devnull).open("rb") as nothing, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        streams = [stream.fileno() for stream in (nothing, out, err)]
        process = ForkedProcess(program, arguments, env, cwd, streams)
        code = process.wait(timeout)
        if code is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), timeout)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(list(arguments), code, out.read(), err.read())


def _run(
    program: Callable[[], None],
    arguments: list[str],
    environment: dict[str, str],
    folder: str,
    streams: list[Connection],
) -> None:
    """Become the command."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115 - as the interpreter opens them
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    sys.argv = ["nano-lsp", *arguments]
    program()

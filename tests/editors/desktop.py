"""Runs a graphical program on a virtual display: sends keys, reads its windows and its log."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LIMIT_S = 60.0


class Desktop:
    """A virtual display (Xvfb) with a program.

    There is no window manager: call `focus` before sending keys to another window.

    Args:
        command: Program and arguments.
        env: Additional environment variables.
        folder: Working directory; the output is written to `desktop.log` there.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        ready, write = os.pipe()
        server = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x700x24", "-noreset"]
        self._server = subprocess.Popen(server, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(ready) as display:  # the display's number, sent when it is ready
            number = display.readline().strip()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        # Without the session bus, files are not opened in an editor that is running already.
        own = {
            "DISPLAY": f":{number}",
            "PATH": path,
            "QT_QPA_PLATFORM": "xcb",
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }
        self._env = {**os.environ, **own, **env}
        self._log = folder / "desktop.log"
        self._xdotool("mousemove", "999", "699")  # away from windows and menus
        with self._log.open("wb") as log:
            self._program = subprocess.Popen(command, env=self._env, cwd=folder, stdout=log, stderr=log)

    def keys(self, *keys: str) -> None:
        """Press keys, named as in X11: `ctrl+s`."""
        self._xdotool("key", *keys)

    def log(self) -> str:
        """The program's output so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def windows(self) -> dict[str, tuple[str, int]]:
        """Identifiers and heights of the visible windows, by title."""
        every = ("search", "--onlyvisible", "--class", ".")
        output = self._xdotool(*every, "getwindowname", "%@", "getwindowgeometry", "--shell", "%@")
        found = re.findall(r"^WINDOW=(\d+)$.*?^HEIGHT=(\d+)$", output, re.DOTALL | re.MULTILINE)
        return {title: (one, int(height)) for title, (one, height) in zip(output.splitlines(), found, strict=False)}

    def height(self, title: str) -> int:
        """Height of the window whose title starts with a text; 0 if there is none."""
        return next((height for name, (_, height) in self.windows().items() if name.startswith(title)), 0)

    def focus(self, title: str) -> None:
        """Focus the window whose title starts with a text."""
        one = next(one for name, (one, _) in self.windows().items() if name.startswith(title))
        self._xdotool("windowfocus", "--sync", one)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition is true.

        Raises:
            AssertionError: The time limit is exceeded, or the program has ended; the message has the end of its log.
        """
        deadline, pause = time.monotonic() + LIMIT_S, threading.Event()
        while not condition():
            state = "ended before" if self._program.poll() is not None else "never"
            waits = state == "never" and time.monotonic() < deadline
            assert waits, f"{state}: {what}; windows: {self.windows()}\n{self.log()[-4000:]}"
            pause.wait(0.02)

    def close(self) -> None:
        """Kill the program and its display."""
        for process in (self._program, self._server):
            process.kill()
            process.wait()

    def _xdotool(self, *arguments: str) -> str:
        run = subprocess.run(["xdotool", *arguments], env=self._env, capture_output=True, text=True, check=False)
        return run.stdout

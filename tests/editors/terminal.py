"""Runs a program in a pseudoterminal: sends keys and reads the cells of the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

COLUMNS, LINES = 100, 30
LIMIT_S = 60.0


class _Screen(pyte.Screen):
    """A screen that ignores queries about the terminal's capabilities, which pyte 0.8.2 does not support."""

    def report_device_status(self, mode: int, **_kwargs: object) -> None:
        """Ignore the query."""

    def report_device_attributes(self, mode: int = 0, **_kwargs: object) -> None:
        """Ignore the query."""

    def select_graphic_rendition(self, *attributes: int, **_kwargs: object) -> None:
        """Set colours; xterm's key modifier options, which use the same sequence, are ignored."""
        super().select_graphic_rendition(*attributes)


class Terminal:
    """A program and its screen."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self._screen = _Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        own = {**os.environ, "TERM": "xterm-256color", "PATH": path, **env}
        self._pid, self._fd = pty.fork()
        if not self._pid:
            os.chdir(folder)
            os.execvpe(command[0], [*command], own)  # noqa: S606 - the test's own command
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))

    def keys(self, keys: str) -> None:
        """Type."""
        os.write(self._fd, keys.encode())

    def screen(self) -> str:
        """The text of the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def wait_for(self, *texts: str, press: str = "") -> str:
        """Wait until the screen shows all these texts; returns the screen.

        Args:
            texts: Expected texts.
            press: Keys to repeat each second: the server has no suggestions while the model loads.
        """
        pressed = 0.0

        def shown() -> bool:
            nonlocal pressed
            found = all(text in self.screen() for text in texts)
            if press and not found and time.monotonic() > pressed + 1:
                pressed = time.monotonic()
                self.keys(press)
            return found

        self.wait(shown, f"{texts} on the screen")
        return self.screen()

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition is true; it is checked after each output of the program.

        Raises:
            AssertionError: The time limit is exceeded, or the program has ended; the message has the screen.
        """
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"never: {what}\n{self.screen()}"
            if select.select([self._fd], [], [], min(left, 0.1))[0]:
                try:
                    self._stream.feed(os.read(self._fd, 65536))
                except OSError as error:  # on Linux: the program has ended
                    raise AssertionError(f"ended before {what}\n{self.screen()}") from error

    def close(self) -> None:
        """Kill the program."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._fd)

"""Commands in messages, written so that the user can paste them into a shell of this system."""

from __future__ import annotations

import shlex
import subprocess
import sys


def command_line(*words: str) -> str:
    """Words as one command: quoted for `cmd` on Windows, for POSIX shells elsewhere."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def pip_install(*words: str) -> str:
    """The command that installs packages for the running Python, which the command `pip` may not be of.

    Args:
        words: Options and requirements. One on an extra of nano-lsp takes the package that is installed.
    """
    return command_line(sys.executable, "-m", "pip", "install", *words)

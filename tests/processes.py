"""Helpers for processes that tests start: without a network, with their own home, ended with their children."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from nano_lsp.config import find_folders

_LIMIT_S = 120  # on a busy machine


def without_network() -> tuple[str, ...]:
    """Prefix of a command that runs it in a network namespace with nothing but a loopback device that is down."""
    unshare = shutil.which("unshare")
    assert unshare, "install util-linux"
    return (unshare, "--net") if os.geteuid() == 0 else (unshare, "--map-root-user", "--net")


def with_loopback() -> tuple[str, ...]:
    """Prefix to add after `without_network` that brings the loopback device up, for programs that connect to it."""
    code = (
        "import fcntl, os, socket, struct, sys\n"
        "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n"
        "    fcntl.ioctl(s, 0x8914, struct.pack('16sH14x', b'lo', 1))\n"  # SIOCSIFFLAGS, IFF_UP: netdevice(7)
        "os.execvp(sys.argv[1], sys.argv[1:])\n"
    )
    return (sys.executable, "-c", code)


def engines_of(home: Path) -> list[psutil.Process]:
    """The running shared engines with a given NANO_LSP_HOME."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[-2:] == ["engine", "run"]:
            with suppress(psutil.Error):  # another user's, or it has just ended
                if process.environ().get("NANO_LSP_HOME") == str(home):
                    found.append(process)
    return found


@contextmanager
def home_with_models() -> Iterator[Path]:
    """Use a temporary NANO_LSP_HOME with this user's models; its engines are killed at the end."""
    models, before = find_folders().models, os.environ.get("NANO_LSP_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NANO_LSP_HOME"] = folder
        (Path(folder) / "models").symlink_to(models)
        try:
            yield Path(folder)
        finally:
            del os.environ["NANO_LSP_HOME"]
            if before is not None:
                os.environ["NANO_LSP_HOME"] = before
            for engine in engines_of(Path(folder)):
                engine.kill()
                engine.wait()


def end_with_all_below(process: subprocess.Popen[bytes], grace_s: float = 5) -> None:
    """Terminate a process, and kill it and its children if they have not ended after a time."""
    below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    psutil.wait_procs(below, grace_s)
    for each in (*below, psutil.Process(process.pid)) if process.poll() is None else below:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(_LIMIT_S)

"""Processes that tests start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from nano_lsp.config import find_folders

_LIMIT_S = 120  # on a machine that does other things as well


def without_network() -> tuple[str, ...]:
    """What to put before a command for a network namespace of its own, with nothing but an unconnected loopback."""
    unshare = shutil.which("unshare")
    assert unshare, "install util-linux"
    return (unshare, "--net") if os.geteuid() == 0 else (unshare, "--map-root-user", "--net")


def with_loopback() -> tuple[str, ...]:
    """What to put behind `without_network` for programs that talk to themselves: the loopback is up then."""
    code = (
        "import fcntl, os, socket, struct, sys\n"
        "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n"
        "    fcntl.ioctl(s, 0x8914, struct.pack('16sH14x', b'lo', 1))\n"  # SIOCSIFFLAGS, IFF_UP: netdevice(7)
        "os.execvp(sys.argv[1], sys.argv[1:])\n"
    )
    return (sys.executable, "-c", code)


def engines_of(home: Path) -> list[psutil.Process]:
    """The shared engines that run for a home."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        arguments, environment = process.info["cmdline"] or [], process.info["environ"] or {}
        if arguments[-2:] == ["engine", "run"] and environment.get("NANO_LSP_HOME") == str(home):
            found.append(process)
    return found


@contextmanager
def home_with_models() -> Iterator[Path]:
    """A home of its own for a bench, with this user's models; the engine that it then has ends with it."""
    models = find_folders().models
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NANO_LSP_HOME"] = folder
        (Path(folder) / "models").symlink_to(models)
        try:
            yield Path(folder)
        finally:
            for engine in engines_of(Path(folder)):
                engine.kill()
                engine.wait()


def end_with_all_below(process: subprocess.Popen[bytes], grace_s: float = 5) -> None:
    """End a process; what it has started, and has not ended by then, is killed."""
    below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    psutil.wait_procs(below, grace_s)
    for each in (*below, psutil.Process(process.pid)) if process.poll() is None else below:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(_LIMIT_S)

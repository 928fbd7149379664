"""Runs programs that a model has written: another process, a time limit, no network, no files to write.

Two fences. The process refuses what Python's audit events name (PEP 578): sockets, starting processes, writing files,
loading foreign code. On Linux it also sits in a network namespace of its own, and limits of the system bound memory
and processor time. That holds mistakes, which is what evaluation meets; it is not built against an attacker.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from enum import Enum

_MEMORY_BYTES = 2 << 30
_NEW_USER_AND_NETWORK = 0x10000000 | 0x40000000  # CLONE_NEWUSER | CLONE_NEWNET, clone(2)
_GUARD = r"""
import os, sys

def refuse(event, arguments, refused=(
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.kill", "os.remove",
    "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink", "os.truncate", "os.putenv",
    "shutil.", "ctypes.", "ftplib.", "smtplib.", "urllib.", "http.", "signal.", "sys.addaudithook", "webbrowser.",
)):
    writes = event == "open" and (
        isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        or isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    )
    if writes or event.startswith(refused):
        raise PermissionError(f"{event} is not allowed here")

program = sys.stdin.buffer.read().decode("utf-8", "replace")
code = compile(program, "<candidate>", "exec", dont_inherit=True)
sys.dont_write_bytecode = True
sys.addaudithook(refuse)
exec(code, {"__name__": "__main__"})
print("passed", flush=True)
"""


class Verdict(str, Enum):
    """How a program ended."""

    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed out"


def run_program(program: str, limit_s: float = 10.0) -> Verdict:
    """Run a Python program; it passes if it comes to its end.

    Args:
        program: source text.
        limit_s: wall-clock limit.
    """
    with tempfile.TemporaryDirectory(prefix="nano-lsp-eval-") as folder:
        process = subprocess.Popen(  # noqa: S603 - our own Python, in a sandbox
            [sys.executable, "-I", "-B", "-W", "ignore", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"PATH": os.defpath, **({"SYSTEMROOT": os.environ["SYSTEMROOT"]} if os.name == "nt" else {})},
            preexec_fn=_fence if sys.platform == "linux" else None,  # noqa: PLW1509 - only calls to the system
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(program.encode("utf-8", "replace"), timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Verdict.TIMED_OUT
    # A program that leaves early with exit(0) has not come to its end.
    return Verdict.PASSED if process.returncode == 0 and said.endswith(b"passed\n") else Verdict.FAILED


def _fence() -> None:
    """In the new process, before Python starts: no network, bounded memory, no core file."""
    import resource  # noqa: PLC0415 - POSIX only

    ctypes.CDLL(None).unshare(_NEW_USER_AND_NETWORK)  # where the system forbids it, the audit events still hold
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

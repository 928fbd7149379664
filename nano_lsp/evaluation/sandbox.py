"""Sandbox for programs that a model has written: a separate process, a time limit, no network, no writing of files.

Two layers. An audit hook (PEP 578) denies sockets, starting processes, writing files, and loading native code. On
Linux the process also runs in its own network namespace, with a resource limit on memory. This contains mistakes,
which is what an evaluation needs; it does not protect against an attacker.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from enum import StrEnum

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


class ProgramStatus(StrEnum):
    """Result of running a program."""

    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed out"


def run_program(program: str, limit_s: float = 10.0) -> ProgramStatus:
    """Run a Python program within a wall-clock limit in seconds; it passes if it runs to its end."""
    with tempfile.TemporaryDirectory(prefix="nano-lsp-eval-") as folder:
        process = subprocess.Popen(  # noqa: S603 - this Python, in the sandbox
            [sys.executable, "-I", "-B", "-W", "ignore", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"PATH": os.defpath, **({"SYSTEMROOT": os.environ["SYSTEMROOT"]} if os.name == "nt" else {})},
            preexec_fn=_isolate if sys.platform == "linux" else None,  # noqa: PLW1509 - only system calls
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(program.encode("utf-8", "replace"), timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return ProgramStatus.TIMED_OUT
    # A program that exits early with exit(0) has not run to its end.
    return ProgramStatus.PASSED if process.returncode == 0 and output.endswith(b"passed\n") else ProgramStatus.FAILED


def _isolate() -> None:
    """Isolate the new process before Python starts: no network, limited memory, no core file."""
    import resource  # noqa: PLC0415 - POSIX only

    ctypes.CDLL(None).unshare(_NEW_USER_AND_NETWORK)  # where the system forbids it, the audit hook remains
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

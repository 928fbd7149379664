#!/usr/bin/env python3
"""Run a command with a time limit and end all that it has started: `.ci/limit.py SECONDS COMMAND…`. For Linux.

`timeout` of the coreutils ends one process group; servers, engines and browsers that the tests start have others.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2): orphans become children of this process, so that none is lost
_GRACE_S = 10  # for stack traces
_OVER = 124  # exit code of `timeout` for the same


def _below(pid: int) -> list[int]:
    """All processes that a process has started, and that these have started."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        children.setdefault(parent, []).append(int(folder.name))
    found = children.get(pid, [])
    for each in found:
        found.extend(children.get(each, []))
    return found


def _describe(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
        since_s = time.time() - Path(f"/proc/{pid}").stat().st_mtime
    except OSError:
        return ""
    return f"   {pid:7} {since_s:6.0f} s  {command[:150]}\n" if command else ""


def _wait(process_id: int, seconds: float) -> int | None:
    """The exit code of a child, once it has ended; None if that takes too long, or there is no child any more."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        while True:
            ended, status = os.wait()  # orphans, too
            if ended == process_id:
                return os.waitstatus_to_exitcode(status)
    except (TimeoutError, ChildProcessError):
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _abort(group: int) -> None:
    """Have a process group end; pytest prints where each of its threads is before it does."""
    deadline = time.monotonic() + _GRACE_S
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGABRT)
        while time.monotonic() < deadline:
            _wait(0, 0.1)
            os.killpg(group, 0)


def _kill_below() -> None:
    """Kill all that is left; orphans of what has been killed come to this process and are killed next."""
    while pids := _below(os.getpid()):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _wait(0, 0.1)


def main() -> int:
    """Run the command; its exit code, or 124 where it took too long."""
    limit_s, command = float(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    try:
        code = _wait(process.pid, limit_s)
        left = "".join(map(_describe, _below(os.getpid())))
        if code is not None:
            if left:
                print(f"== Left running by this step, and killed:\n{left}", end="", flush=True)
            return code if code >= 0 else 128 - code
        print(f"== Killed after {limit_s:.0f} s, with all that it has started:\n{left}", end="", flush=True)
        _abort(process.pid)
        return _OVER
    finally:
        _kill_below()


if __name__ == "__main__":
    sys.exit(main())

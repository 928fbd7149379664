"""`.ci/limit.py`, which runs the steps of CI: it says what hangs, and nothing outlives a step."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

LIMIT = Path(__file__).parents[1] / ".ci/limit.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CI runs on Linux")


def start(script: str) -> subprocess.Popen[str]:
    if not LIMIT.exists():
        pytest.skip("needs a checkout of the project")
    command = [sys.executable, str(LIMIT), "500", "bash", "-c", script]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_until(event: Path, script: str) -> tuple[str, str]:
    """What is printed where the limit is over once a file is there."""
    with start(script) as process:
        while not event.exists():
            assert process.poll() is None
            threading.Event().wait(0.05)
        process.send_signal(signal.SIGALRM)  # the timer's own
        printed = process.communicate()
    assert process.returncode == 124
    return printed


def running(pid_file: Path) -> bool:
    return psutil.pid_exists(int(pid_file.read_text()))


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -KILL $$", 128 + 9), ("true", 0)])
def test_the_exit_code_is_that_of_the_command(script: str, code: int) -> None:
    with start(script) as process:
        assert process.communicate() == ("", "")
    assert process.returncode == code


def test_a_command_that_hangs_ends_with_all_that_it_has_started(tmp_path: Path) -> None:
    """Its daemon has a session of its own, no parent any more, and ignores signals."""
    pid, itself, event = tmp_path / "daemon", tmp_path / "itself", tmp_path / "event"
    daemon = f"trap '' ABRT TERM; echo $BASHPID >{pid}; touch {event}; while :; do sleep 600; done"
    printed, _ = run_until(event, f'echo $$ >{itself}; (setsid bash -c "{daemon}" &); sleep 600')
    assert "bash -c trap" in printed
    assert not running(pid)
    assert not running(itself)


def test_what_a_command_leaves_behind_is_killed_and_named(tmp_path: Path) -> None:
    begun = "until grep -qa ^sleep /proc/$!/cmdline; do :; done"
    with start(f"setsid sleep 600 & echo $! >{tmp_path}/left; {begun}") as process:
        printed, _ = process.communicate()
    assert process.returncode == 0
    assert "sleep 600" in printed
    assert not running(tmp_path / "left")


def test_pytest_says_where_it_hangs(tmp_path: Path) -> None:
    hang = "import ctypes\ndef test_hangs():\n    open('event', 'w').close()\n    ctypes.CDLL(None).sleep(600)\n"
    (tmp_path / "test_it.py").write_text(hang)
    pytest_ = f"{sys.executable} -m pytest -p no:cacheprovider test_it.py"
    _, printed = run_until(tmp_path / "event", f"cd {tmp_path} && {pytest_}")
    assert "in test_hangs" in printed

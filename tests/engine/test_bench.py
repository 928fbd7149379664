"""A benchmark that is interrupted leaves no engine running."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.engine.test_engine import wait_until


def engines_below(folder: Path) -> list[psutil.Process]:
    """The running shared engines whose NANO_LSP_HOME is in a folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if (process.info["cmdline"] or [])[-2:] == ["engine", "run"]
        and (process.info["environ"] or {}).get("NANO_LSP_HOME", "").startswith(str(folder))
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_the_engine_of_a_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-m", "tests.bench.bench_engine", "--requests", "100000"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: bool(engines_below(tmp_path)))
        process.send_signal(signal.SIGINT)
        process.wait(60)
    left = engines_below(tmp_path)
    for engine in left:
        engine.kill()
    assert not left

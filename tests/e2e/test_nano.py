"""The real 1.5 B model end to end, in real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import without_network

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("models")]
LIMIT_S = 300
NANO_LSP = [sys.executable, "-m", "nano_lsp"]
CODE = '''"""Shapes."""

import math


class Circle:
    """A circle."""

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def area(self) -> float:
        """Its area."""
        return |

    def circumference(self) -> float:
        """The length of its edge."""
        return 2 * math.pi * self.radius
'''


def at_cursor(file: Path, code: str) -> str:
    """Write code without its cursor; the cursor as FILE:LINE:COL."""
    before, after = code.split("|")
    file.write_text(before + after)
    return f"{file}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def run(*arguments: str, prefix: tuple[str, ...] = (), stdin: str = "") -> str:
    command = [*prefix, *NANO_LSP, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_code_is_completed_as_a_programmer_would(tmp_path: Path) -> None:
    done = json.loads(run("complete", at_cursor(tmp_path / "shapes.py", CODE), "--json"))
    assert done["text"] == "math.pi * self.radius ** 2"
    counters = done["counters"]
    assert counters["prompt_tokens"] == counters["evaluated_tokens"] > 50
    assert counters["generated_tokens"] >= len(done["tokens"]) > 0
    assert counters["decode_tokens_per_s"] > 0


def test_a_cut_word_from_stdin() -> None:
    code = "def fibonacci(n):\n    if n < 2:\n        ret"
    assert run("complete", "-:3:12", stdin=code).strip() == "urn n"


def test_an_empty_file_and_a_file_without_a_line_break(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    run("complete", f"{tmp_path / 'empty.py'}:1:1", "--max-tokens", "4")


def test_a_file_longer_than_the_context(tmp_path: Path) -> None:
    code = "".join(f"value_{i} = {i}\n" for i in range(3000)) + "value_3000 = |\n"
    location = at_cursor(tmp_path / "long.py", code)
    assert run("complete", location, "--n-ctx", "512", "--prompt-tokens", "300").startswith("3000\n")


def test_an_answer_and_a_question_too_long() -> None:
    assert "4" in run("ask", "What is 2 + 2?", "--max-tokens", "20")
    command = [*NANO_LSP, "ask", "word " * 3000, "--n-ctx", "512"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 5
    assert "n_ctx" in done.stderr


def test_a_snapshot_warms_the_next_engine(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NANO_LSP_ENGINE", "shared")
    code = "".join(f"value_{i} = compute({i})\n" for i in range(60)) + "total = |\n"
    location = at_cursor(tmp_path / "long.py", code)
    cold = json.loads(run("complete", location, "--json", "--max-tokens", "8"))
    run("engine", "stop")
    warm = json.loads(run("complete", location, "--json", "--max-tokens", "8"))
    assert cold["counters"]["cached_tokens"] == 0
    assert warm["counters"]["evaluated_tokens"] == 1
    assert len(list((home / "cache" / "kv").iterdir())) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux")
def test_everything_but_pull_works_without_a_network(tmp_path: Path) -> None:
    """In a network namespace of its own, with no interface but an unconnected loopback."""
    prefix = without_network()
    links = subprocess.run([*prefix, "cat", "/proc/net/dev"], capture_output=True, text=True, check=True).stdout
    assert {line.split(":")[0].strip() for line in links.splitlines()[2:]} <= {"lo"}
    location = at_cursor(tmp_path / "shapes.py", CODE)
    assert "radius" in run("complete", location, prefix=prefix)
    assert run("ask", "Say yes.", "--max-tokens", "3", prefix=prefix).strip()
    assert "6:1" in run("model", "inspect", "nano", prefix=prefix)
    shown = run("doctor", prefix=prefix)
    assert "FAIL" not in shown
    assert "weights" in shown
    assert "not used" in run("demo", "--no-drafts", prefix=prefix)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_ctrl_c_during_loading_and_during_an_answer() -> None:
    command = [*NANO_LSP, "ask", "Write all numbers from 1 to 300, one a line."]
    for wait_for_output in (False, True):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            if wait_for_output:
                assert process.stdout is not None
                assert os.read(process.stdout.fileno(), 1)
            else:
                wait_until_mapped(process.pid, "nano.gguf")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 130, said
        assert b"Interrupted" in said
        assert b"Traceback" not in said


def wait_until_mapped(pid: int, name: str) -> None:
    """Wait until a process has opened or mapped a file."""
    while True:
        maps = Path(f"/proc/{pid}/maps")
        if not maps.exists() or name in maps.read_text():
            return


@pytest.mark.skipif(sys.platform != "linux", reason="measured as Linux counts it")
def test_a_process_takes_at_most_1250_mib(tmp_path: Path) -> None:
    """At 4,096 tokens of context, after a prompt of 1,500 tokens: the longest of which all is evaluated."""
    code = (Path(__file__).read_text() * 2).replace("|", "-")
    location = at_cursor(tmp_path / "long.py", code + "|")
    code = (
        "import nano_lsp.cli as cli, nano_lsp.inference.hardware as h\n"
        "try: cli.main()\nfinally: print(h.peak_rss_bytes() / 2**20)"
    )
    command = [sys.executable, "-c", code, "complete", location, "--prompt-tokens", "1500", "--max-tokens", "16"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert float(done.stdout.splitlines()[-1]) <= 1250

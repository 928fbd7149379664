"""Output of commands if it is not UTF-8, on Windows, or if the reader closes the pipe."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nano_lsp.cli import bundle_install
from nano_lsp.cli.app import build_app
from nano_lsp.cli.run import run
from nano_lsp.inference.selftest import SelfTest
from tests.cli.test_cli import LIMIT_S, assert_error

ENCODINGS = ["latin-1", "cp1252", "ascii", "utf-8"]
CODE = "def size(entry):\n    return entry\n"
WORDS = "Größe → 大小."


def nano_lsp(*arguments: str, encoding: str, newline: str = "\n") -> tuple[int, bytes, str]:
    """Run a command with streams in an encoding; returns its exit code and output."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding, newline=newline) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", streams[0])
        patch.setattr("sys.stderr", streams[1])
        with pytest.raises(SystemExit) as left:
            run(build_app(), arguments)
    for stream in streams:
        stream.seek(0)
    out, err = (stream.buffer.read() for stream in streams)
    assert isinstance(left.value.code, int)
    return left.value.code, out, err.decode(encoding)


@pytest.fixture
def model(tmp_path: Path) -> str:
    script = tmp_path / "script.json"
    words = {"assistant\n": WORDS, '"""': WORDS, ":": " Größe.", "    ": "Größe.", "x = ": "'é→'\n"}
    script.write_text(json.dumps(words))
    return f"scripted:{script}"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_characters_that_the_terminal_lacks_are_escaped(
    encoding: str, tmp_path: Path, home: Path, selftest: SelfTest, model: str
) -> None:
    (home / "cache").mkdir(parents=True)
    shutil.copy(selftest.path, home / "cache")  # for the doctor
    file = tmp_path / "größe.py"
    file.write_text(CODE, encoding="utf-8")
    for command in (["ask", "How?"], ["explain", str(file)]):
        code, out, _ = nano_lsp(*command, "--model", model, encoding=encoding)
        assert code == 0
        assert out.decode(encoding).strip() == WORDS.encode(encoding, "backslashreplace").decode(encoding)
    code, out, _ = nano_lsp("docstring", str(file), "--check", encoding=encoding)
    assert code == 1
    assert b"function size: no docstring" in out
    code, _, said = nano_lsp("docstring", str(tmp_path / "→.py"), encoding=encoding)
    assert code == 2
    assert "does not exist" in said
    for command in (["--help"], ["model", "list"], ["doctor", "--no-load"]):
        code, out, said = nano_lsp(*command, encoding=encoding)
        assert code in {0, 1}, said
        assert out


@pytest.mark.parametrize("encoding", [*ENCODINGS, "utf-16"])
def test_output_for_programs_is_utf8(encoding: str, tmp_path: Path, model: str) -> None:
    file = tmp_path / "größe.py"
    file.write_text(f"x = 'ä→'\n{CODE}x = ", encoding="utf-8")

    def printed(*command: str) -> bytes:
        code, out, said = nano_lsp(*command, "--model", model, encoding=encoding)
        assert code == 0, said
        return out

    assert json.loads(printed("ask", "How?", "--json").decode())["text"] == WORDS
    assert printed("ask", "How?", "--code").decode().strip() == WORDS
    assert printed("complete", f"{file}:4:5").decode().strip() == "'é→'"
    assert json.loads(printed("complete", f"{file}:4:5", "--json").decode())["text"].strip() == "'é→'"
    assert printed("task", "How?").decode().strip() == WORDS
    assert json.loads(printed("task", "How?", "--json").decode())["value"] == WORDS
    file.write_text(f"x = 'ä→'\n{CODE}", encoding="utf-8")
    changed = printed("docstring", str(file)).decode()
    assert f'+    """{WORDS}' in changed
    assert " x = 'ä→'\n" in changed


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_windows_line_breaks_are_not_doubled(encoding: str, tmp_path: Path, model: str) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(CODE.replace("\n", "\r\n").encode() + b"x = ")
    for command in (["complete", f"{file}:3:5"], ["explain", f"{file}::size"], ["docstring", f"{file}::size"]):
        code, out, said = nano_lsp(*command, "--model", model, encoding=encoding, newline="\r\n")
        assert code == 0, said
        assert b"\r\r" not in out
        assert b"\n" in out
        file.write_bytes(CODE.replace("\n", "\r\n").encode())
    assert b" def size(entry):\r\n" in out


@pytest.mark.parametrize("command", [["docstring", "many.py", "--check"], ["model", "list"], ["--help"]])
@pytest.mark.skipif(sys.platform == "win32", reason="a shell's pipes")
def test_a_reader_that_closes_the_pipe(tmp_path: Path, command: list[str]) -> None:
    names = "".join(f"def function_{i}(): pass\n" for i in range(3000))
    (tmp_path / "many.py").write_text(names)
    writer = [sys.executable, "-m", "nano_lsp", *command]
    with subprocess.Popen(writer, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode in {0, 1}
    for word in (b"Traceback", b"Exception ignored", b"Internal error", b"Broken pipe", b"Errno"):
        assert word not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
@pytest.mark.parametrize("command", ["--version", "model list", "docstring a.py --check", "docstring a.py"])
def test_a_full_disk_is_reported(tmp_path: Path, command: str, model: str) -> None:
    (tmp_path / "a.py").write_text(CODE)
    environment = {**os.environ, "NANO_LSP_MODEL": model}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nano_lsp", *command.split()],
            cwd=tmp_path,
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=LIMIT_S,
            check=False,
        )
    assert_error(done, 8, "The disk is full.", "Free some space")
    assert b"Exception ignored" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's way of closing a stream")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_were_closed_before_the_start(tmp_path: Path, closed: str) -> None:
    (tmp_path / "a.py").write_text(CODE)
    line = f"{sys.executable} -m nano_lsp docstring a.py --check {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 1
    assert b"Traceback" not in done.stdout + done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="arguments there are text")
def test_arguments_that_are_not_utf8(tmp_path: Path, model: str) -> None:
    name = os.fsdecode(b"caf\xe9.py")
    try:
        (tmp_path / name).write_text(CODE)
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    code, out, _ = nano_lsp("docstring", str(tmp_path / name), "--check", encoding="utf-8")
    assert code == 1
    assert b"caf\\udce9.py:1" in out
    code, out, _ = nano_lsp("docstring", str(tmp_path / name), "--model", model, encoding="utf-8")
    assert code == 0
    assert b'caf\\351.py"' in out
    code, _, said = nano_lsp("ask", os.fsdecode(b"caf\xe9?"), "--json", "--model", model, encoding="latin-1")
    assert code == 0, said


def test_the_installer_of_a_bundle_escapes_characters_that_the_terminal_lacks(tmp_path: Path) -> None:
    script = tmp_path / "→" / "install.py"
    script.parent.mkdir()
    shutil.copyfile(bundle_install.__file__, script)
    done = subprocess.run(
        [sys.executable, script, "--check"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert_error(done, 1, "SHA256SUMS is missing")

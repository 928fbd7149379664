"""Output and exit codes of the command line. No weights needed."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nano_lsp import __version__
from nano_lsp.atomic_files import free_disk_bytes
from nano_lsp.cli.app import build_app
from nano_lsp.cli.demo import snippets
from nano_lsp.cli.doctor import Level, examine_languages, examine_store
from nano_lsp.cli.run import run
from nano_lsp.code.languages import _load_grammar
from nano_lsp.config import find_folders, load_settings, load_toml
from nano_lsp.settings import Settings
from tests.gguf_files import write_model

LIMIT_S = 120


def nano_lsp(
    *arguments: str, stdin: bytes = b"", program: Callable[[list[str]], object] | None = None, **env: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in this process: starting Python takes longer than most commands."""
    streams = [io.TextIOWrapper(io.BytesIO(data), "utf-8") for data in (stdin, b"", b"")]
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in zip(("sys.stdin", "sys.stdout", "sys.stderr"), streams, strict=True):
            patch.setattr(name, stream)
        for name, value in env.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as left:
            run(program or build_app(arguments[0] if arguments else None), arguments)
    said = []
    for stream in streams[1:]:
        stream.seek(0)
        said.append(stream.buffer.read())
    assert isinstance(left.value.code, int)
    return subprocess.CompletedProcess(arguments, left.value.code, *said)


def assert_error(done: subprocess.CompletedProcess[bytes], code: int, *words: str) -> None:
    """Check a user error: exit code, message and remedy, without a traceback."""
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert "Traceback" not in said
    unwrapped = " ".join(said.replace("│", "").split())  # where a line of typer's box ends depends on paths in it
    for word in words:
        assert word in said or word in unwrapped


def test_the_demo_finds_its_places_in_the_code() -> None:
    assert [snippet.text[: snippet.offset].rpartition("\n")[2].strip() for snippet in snippets()] == [""] * 3


@pytest.mark.parametrize(
    "command",
    [
        *("complete", "ask", "demo", "doctor", "eval", "model", "model pull", "model inspect"),
        *("task", "summarize", "docstring", "explain", "forge run", "forge data", "forge eval"),
    ],
)
def test_help_has_examples(command: str) -> None:
    done = nano_lsp(*command.split(), "--help")
    assert done.returncode == 0
    assert b"nano-lsp" in done.stdout


def test_version() -> None:
    assert nano_lsp("--version").stdout.decode().split() == ["nano-lsp", __version__]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from nano_lsp.cli.app import build_app\n"
        "try: build_app()(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('llama_cpp', 'huggingface_hub', 'httpx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=LIMIT_S, check=True)
    assert done.stdout.decode().splitlines()[-1] == "[]"


def test_wrong_usage() -> None:
    assert_error(nano_lsp("complete"), 2, "FILE:LINE:COL")
    assert_error(nano_lsp("nonsense"), 2, "nonsense")
    assert_error(nano_lsp("complete", "a.py"), 2, "src/app.py:12:5")
    assert_error(nano_lsp("ask", " "), 2, "empty")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.py").write_bytes(b"\0\1\2")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9")
    (tmp_path / "short.py").write_text("x = 1\n")
    (tmp_path / ".env").write_text("TOKEN=1")
    assert_error(nano_lsp("complete", f"{tmp_path}/none.py:1:1"), 2, "none.py", "Check the path")
    assert_error(nano_lsp("complete", f"{tmp_path}:1:1"), 2, "cannot be read")
    assert_error(nano_lsp("complete", f"{tmp_path}/binary.py:1:1"), 2, "binary")
    assert_error(nano_lsp("complete", f"{tmp_path}/latin.py:1:1"), 2, "byte 5", "iconv")
    assert_error(nano_lsp("complete", f"{tmp_path}/short.py:9:1"), 2, "2 lines")
    assert_error(nano_lsp("complete", f"{tmp_path}/short.py:1:99"), 2, "1 to 6")
    assert_error(nano_lsp("complete", f"{tmp_path}/.env:1:1"), 2, "secrets")
    assert_error(nano_lsp("complete", "-:1:1", stdin=b"\xff"), 2, "stdin", "UTF-8")


def test_models_that_cannot_be_used(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("x = 1\n")
    place = f"{source}:1:1"
    assert_error(nano_lsp("complete", place), 3, "not on this machine", "nano-lsp model pull nano")
    assert_error(nano_lsp("ask", "why?"), 3, "nano-lsp model pull nano")
    assert_error(nano_lsp("model", "inspect", "nano"), 3, "nano-lsp model pull nano")
    assert_error(nano_lsp("complete", place, "--model", "nanno"), 3, "Did you mean nano?")
    bert = write_model(tmp_path / "bert.gguf", "bert")
    assert_error(nano_lsp("complete", place, "--model", str(bert)), 4, "bert", "nano-lsp model list")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(write_model(tmp_path / "whole.gguf").read_bytes()[:-5000])
    assert_error(nano_lsp("complete", place, "--model", str(cut)), 4, "cut off")
    hollow = write_model(tmp_path / "hollow.gguf")
    assert_error(nano_lsp("complete", place, "--model", str(hollow)), 4, "llama.cpp cannot load")


def test_invalid_settings(home: Path) -> None:
    assert_error(nano_lsp("ask", "why?", "--n-ctx", "5"), 2, "512 to 32768")
    assert_error(nano_lsp("ask", "why?", "--temperature", "nan"), 2, "from 0 on")
    assert_error(nano_lsp("ask", "why?", NANO_LSP_N_CTX="many"), 2, "NANO_LSP_N_CTX")
    (home / "config").mkdir(parents=True)
    (home / "config/config.toml").write_text("modell = 'nano'")
    assert_error(nano_lsp("ask", "why?"), 2, "modell", "The settings are")
    (home / "config/config.toml").write_text("[")
    assert_error(nano_lsp("ask", "why?"), 2, "config.toml")


def test_the_configuration_file_has_all_settings_with_their_defaults(home: Path) -> None:
    printed = nano_lsp("config").stdout.decode()
    path = home / "config" / "config.toml"
    assert nano_lsp("config", "--write").returncode == 0
    assert path.read_text(encoding="utf-8") == printed
    assert load_toml(path) == {}  # all are comments
    path.write_text(re.sub(r"^#(?! )", "", printed, flags=re.MULTILINE), encoding="utf-8")
    assert load_toml(path) == vars(Settings())
    assert load_settings({"NANO_LSP_HOME": str(home)}) == Settings()
    assert_error(nano_lsp("config", "--write"), 2, f"{path} exists")


def test_the_store_by_hand(home: Path, tmp_path: Path) -> None:
    tiny = write_model(tmp_path / "tiny.gguf")
    assert b"nano" in nano_lsp("model", "list").stdout
    assert nano_lsp("model", "path", "nano").stdout.decode().strip() == str(home / "models" / "nano.gguf")
    assert_error(nano_lsp("model", "import", str(tiny)), 2, "--name")
    assert nano_lsp("model", "import", str(tiny), "--name", "tiny").returncode == 0
    assert nano_lsp("model", "verify", "tiny").returncode == 0
    shown = nano_lsp("model", "inspect", "tiny").stdout.decode()
    for word in ("SwiGLU", "4 query, 1 key/value (4:1)", "75% less", "Differs from the NEURO-NANO specification"):
        assert word in shown
    with (home / "models" / "tiny.gguf").open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\1")
    assert_error(nano_lsp("model", "verify", "tiny"), 3, "SHA-256", "nano-lsp model pull tiny")
    assert_error(nano_lsp("model", "pull", "nano", "--from", str(tiny)), 3, "deleted", "--from FILE")
    assert nano_lsp("model", "remove", "tiny", "--yes").returncode == 0
    assert not (home / "models" / "tiny.gguf").exists()


def test_doctor_names_the_grammars_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert examine_languages().level is Level.OK
    monkeypatch.setitem(sys.modules, "tree_sitter_go", None)
    _load_grammar.cache_clear()
    try:
        found = examine_languages()
        assert (found.level, found.detail) == (Level.WARNING, "without a grammar, completed as text: go")
        assert found.remedy.endswith(" tree-sitter-go")
    finally:
        _load_grammar.cache_clear()


def test_doctor_names_every_problem_and_never_fails(home: Path) -> None:
    done = nano_lsp("doctor")
    assert done.returncode == 1
    assert "FAIL model: The model nano is not on this machine." in done.stdout.decode()
    assert "nano-lsp model pull nano" in done.stdout.decode()
    done = nano_lsp("doctor", "--json", NANO_LSP_KV_TYPE="f64")
    assert done.returncode == 1
    assert b'"problem"' in done.stdout
    (home / "models").mkdir(parents=True)
    (home / "models/nano.gguf").write_bytes(b"not at all")
    assert b"FAIL model: nano.gguf has 10 bytes" in nano_lsp("doctor").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_ctrl_c_during_a_pull_leaves_what_was_fetched(home: Path, tmp_path: Path) -> None:
    """The source is a pipe that never ends: the pull blocks on it until Ctrl-C."""
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "nano_lsp", "model", "pull", "smol", "--from", str(pipe)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        pipe.open("wb") as source,
    ):
        source.write(b"GGUF" + bytes(11_000_000))  # a tenth and more, so that it is reported
        source.flush()
        assert process.stderr is not None
        assert b"10 %" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130
    assert b"Interrupted" in said
    assert b"Traceback" not in said
    assert [file.name for file in (home / "models").iterdir() if file.name.startswith("smol")] == ["smol.gguf.part"]


def test_a_bug_is_reported_with_its_log(home: Path) -> None:
    code = (
        "import sys; import nano_lsp.cli.model as m\n"
        "def broken(): raise ZeroDivisionError('oops')\nm._store = broken\n"
        "import sys; sys.argv = ['nano-lsp', 'model', 'list']; from nano_lsp.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=LIMIT_S, check=False)
    assert_error(done, 70, "Internal error", "crash.log")
    assert "ZeroDivisionError" in (home / "cache" / "crash.log").read_text()


def test_a_crash_log_has_no_user_data_and_is_private(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = home / "cache" / "crash.log"
    log.parent.mkdir(parents=True)
    log.write_text("of an older version\n")
    log.chmod(0o644)
    monkeypatch.setattr(sys, "argv", ["nano-lsp", "task", "x", "--data", "private words"])

    def broken(_: list[str]) -> None:
        raise ZeroDivisionError

    assert nano_lsp(program=broken).returncode == 70
    said = log.read_text()
    assert "private" not in said
    assert "nano-lsp task" in said
    if os.name == "posix":
        assert log.stat().st_mode & 0o777 == 0o600


def test_a_missing_disk_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, the parent of a missing drive is that drive."""

    def none(place: Path) -> None:
        raise FileNotFoundError(2, "none", str(place))

    monkeypatch.setattr(shutil, "disk_usage", none)
    with pytest.raises(FileNotFoundError):
        free_disk_bytes(Path("/x/y"))
    folders = find_folders()
    findings = [*examine_store(load_settings())]
    assert [(one.level, one.title) for one in findings] == [(Level.PROBLEM, "disk")]
    assert str(folders.models) in findings[0].detail
    assert "NANO_LSP_HOME" in findings[0].remedy


def test_evaluation_without_data_and_a_comparison(tmp_path: Path) -> None:
    assert_error(nano_lsp("eval"), 2, "nothing to evaluate", "--help")
    assert_error(nano_lsp("eval", str(tmp_path)), 2, "only 0 cursor positions")
    assert_error(nano_lsp("eval", str(tmp_path), "--language", "cobol"), 2, "cobol", "typescript")
    assert_error(nano_lsp("eval", str(tmp_path / "none"), "--language", "go"), 2, "folder", "--language")
    assert_error(nano_lsp("eval", str(tmp_path / "none.jsonl")), 2, "none.jsonl")
    assert_error(nano_lsp("eval", str(tmp_path), "--without", "luck"), 2, "luck", "syntax")
    fields = {
        "name": "p",
        "kind": "k",
        "cursor_kind": "expression",
        "text": "x",
        "exact": True,
        "passed": None,
        "reference_chars": 4,
        "saved_chars": 2,
        "broken": False,
        "prompt_tokens": 1,
        "evaluated_tokens": 1,
        "generated_tokens": 1,
        "latency_ms": 1.0,
    }
    for name, saved in (("a", 2), ("b", 4)):
        more = {"language": "go", "saved_chars": saved, "unused_chars": 4 - saved}
        lines = [{"conditions": {}}, {**fields, **more}]
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = nano_lsp("eval", "--compare", str(tmp_path / "a"), str(tmp_path / "b"))
    assert b"+50.0" in done.stdout
    (by_language,) = [line.split() for line in done.stdout.decode().splitlines() if "go " in line and "all" in line]
    assert [word for word in by_language if word[0].isdigit()] == ["1", "50.0", "100.0", "2.0", "0.0", "0", "0"]
    assert_error(
        nano_lsp("eval", "--compare", str(tmp_path / "a"), str(tmp_path / "c")),
        2,
        "does not contain evaluation results",
    )

"""`nano-lsp summarize` as a process: resumed after a kill, and writes only the requested file."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import assert_error, nano_lsp
from tests.documents import as_markdown, pages, write_pdf

FACT = "Every town keeps its own records of water."


def script(path: Path, batch_ms: float = 0) -> str:
    """A scripted model that states one fact and cites the second passage for it."""
    file = path / "script.json"
    said = json.dumps([{"passage": 1, "fact": FACT}])
    file.write_text(json.dumps({"assistant\n": said, "$batch_ms": batch_ms}))
    return f"scripted:{file}"


def test_a_document_with_citations(tmp_path: Path, home: Path) -> None:
    content = [["Nothing much."], [FACT + " " + "It is old. " * 30]]
    write_pdf(tmp_path / "a.pdf", content)
    (tmp_path / "a.md").write_text(as_markdown(content))
    common = ("summarize", str(tmp_path / "a.pdf"), "--model", script(tmp_path))
    done = nano_lsp(*common)
    assert (done.returncode, done.stdout.decode()) == (0, f"- {FACT} [p. 2]\n"), done.stderr
    assert nano_lsp(*common, "--form", "prose").stdout.decode() == f"{FACT} [p. 2]\n"
    found = json.loads(nano_lsp(*common, "--json").stdout)
    assert [statement["place"] for statement in found["statements"]] == ["p. 2"]
    assert (found["notes"], found["unsupported"]) == ([], 0)
    out = tmp_path / "out.md"
    done = nano_lsp("summarize", str(tmp_path / "a.md"), "--model", script(tmp_path), "--output", str(out))
    assert (done.returncode, done.stdout) == (0, b"")
    assert out.read_text() == f"- {FACT} [line 9, Chapter 2]\n"
    assert [path for path in home.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_killed_run_is_resumed(tmp_path: Path, home: Path) -> None:
    content = [[FACT, *page] for page in pages(12, paragraphs=2)]
    file, out = tmp_path / "report.pdf", tmp_path / "out.md"
    write_pdf(file, content)
    command = ("summarize", str(file), "--output", str(out), "--model", script(tmp_path, 2))
    with subprocess.Popen([sys.executable, "-m", "nano_lsp", *command], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while b"3 of" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    kept = list((home / "cache" / "summaries").iterdir())
    assert len(kept) == 1
    n_done = len(kept[0].read_text().splitlines())
    assert n_done >= 3
    assert not out.exists()
    done = nano_lsp(*command)
    assert done.returncode == 0, done.stderr
    assert out.read_text().startswith(f"- {FACT} [p. 1]")
    assert not kept[0].exists()


def test_user_errors_are_reported_before_a_model_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "a.txt").write_text("Some text.")
    assert_error(nano_lsp("summarize", str(tmp_path / "none.pdf")), 2, "cannot be read")
    assert_error(nano_lsp("summarize", str(tmp_path / "empty.txt")), 2, "no text")
    assert_error(
        nano_lsp("summarize", str(tmp_path / "a.txt"), "--output", str(tmp_path / "no" / "b")), 2, "--output"
    )
    assert_error(nano_lsp("summarize", str(tmp_path / "a.txt")), 3, "nano-lsp model pull nano")
    done = nano_lsp("summarize", str(tmp_path / "a.txt"), "--model", script(tmp_path))
    assert_error(done, 2, "The text supports no statement")

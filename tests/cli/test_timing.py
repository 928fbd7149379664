"""`nano-lsp doctor --timing`, with real processes on the scripted model."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.test_cli import assert_error, nano_lsp


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for temporary files, with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="links need the developer mode")
def test_each_step_is_measured_in_processes_of_its_own(home: Path, tmp_path: Path, temporary: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"first_ms = ": "stats.first\n", "$batch_ms": 20}))
    done = nano_lsp("doctor", "--timing", "--json", NANO_LSP_MODEL=f"scripted:{script}")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["suggestion"] == "stats.first"
    assert found["cached_share"] is None
    assert found["sum_ms"] == pytest.approx(sum(found["steps_ms"].values()))
    assert [step for step, ms in found["steps_ms"].items() if "Python" in step and ms > 0] == [
        "start the server: Python and its modules",
        "start the engine: Python and its modules",
    ]
    (reading,) = [ms for step, ms in found["steps_ms"].items() if step.startswith(f"read {found['prompt_tokens']} ")]
    assert reading >= 20
    assert not (home / "cache").exists()
    assert [*temporary.iterdir()] == []
    homes = [(process.info["environ"] or {}).get("NANO_LSP_HOME", "") for process in psutil.process_iter(["environ"])]
    assert not [home for home in homes if home.startswith(str(temporary))]


@pytest.mark.skipif(sys.platform == "win32", reason="links need the developer mode")
def test_a_model_that_is_missing_is_an_error_with_a_remedy(home: Path, temporary: Path) -> None:
    assert_error(nano_lsp("doctor", "--timing"), 3, "The model nano is not on this machine", "model pull nano")
    assert_error(nano_lsp("doctor", "--timing", NANO_LSP_MODEL="scripted:none.json"), 1, "none.json")
    assert [*temporary.iterdir()] == []

"""A llama.cpp that dies, or computes wrong numbers, ends no command and no editor's server by a signal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import dying_library
from tests.raw_client import RawClient, inline

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("models", "untested")]
LIMIT_S = 300
SAFER = "llama.cpp runs in a slower, safer mode"


@pytest.fixture
def untested(models: Path) -> None:
    """What the self-test has found of the sound library is not known."""
    (models.parent / "cache" / "llama-selftest.json").unlink()


def run(mode: str, *arguments: str) -> tuple[int, str]:
    """The exit code of a command on a library that fails, and what it printed."""
    command = [sys.executable, "-m", "nano_lsp", *arguments]
    environment = {**os.environ, **dying_library.environment(mode)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("command", ["doctor", "demo"])
def test_a_library_that_always_dies_is_told_with_a_way_out(command: str) -> None:
    code, said = run("dies", command)
    assert code == 3
    assert "does not work on this CPU: with repacked weights it died of SIG" in said
    assert "pip install --force-reinstall" in said


def test_a_library_that_dies_in_its_fast_mode_is_used_in_the_safer_one() -> None:
    code, said = run("dies-repacked", "doctor")
    assert (code, "warn self-test: " + SAFER in said) == (0, True), said
    assert "pip install --force-reinstall" in said
    assert "ok   inference: `return a` is completed with ' + b'" in said
    code, said = run("dies-repacked", "demo", "--no-drafts")
    assert (code, SAFER in said, "not used" in said) == (0, True, True), said


def test_an_engine_that_dies_at_its_first_requests_takes_the_safer_mode_by_itself() -> None:
    """The self-test's small model does not show it."""
    code, said = run("dies-large", "demo", "--no-drafts")
    assert (code, SAFER in said) == (0, True), said
    code, said = run("dies-large", "engine", "status")
    assert (code, SAFER in said) == (0, True), said


def test_an_editor_is_told_what_happened(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in dying_library.environment("dies-large").items():
        monkeypatch.setenv(name, value)
    client = RawClient(home=home)
    client.initialize(model="nano", engine="shared", latencyMs=0)
    client.open("def add(a, b):\n    return a")
    for request_id in range(2, 10):
        status = client.wait_for_state("ready")
        if SAFER in status["message"]:
            break
        client.request(request_id, "textDocument/inlineCompletion", inline(1, 12))
    assert SAFER in status["message"]
    found = client.request(10, "textDocument/inlineCompletion", inline(1, 12))["result"]["items"]
    assert found[0]["insertText"] == " + b"
    shown = [each["params"]["message"] for each in client.seen if each.get("method") == "window/showMessage"]
    assert sum(SAFER in message for message in shown) == 1
    client.close()

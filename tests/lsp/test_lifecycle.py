"""The server process from start to exit, with valid and invalid raw messages over stdio."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.raw_client import RawClient, inline

ENDS_WITHIN_S = 60  # on a loaded machine; on an idle one, a second


@pytest.fixture
def client(tmp_path: Path) -> Iterator[RawClient]:
    it = RawClient(home=tmp_path, forked=True)
    yield it
    it.close()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[RawClient]:
    """A server that starts as an editor starts it, with its own interpreter."""
    it = RawClient(home=tmp_path)
    yield it
    it.close()


def scripted(folder: Path) -> str:
    path = folder / "script.json"
    path.write_text('{"x = ": "1\\n"}')
    return f"scripted:{path}"


def test_capabilities_are_answered_before_a_model_is_loaded(started: RawClient) -> None:
    found = started.initialize(model="/nowhere/model.gguf")
    capabilities = found["result"]["capabilities"]
    assert capabilities["inlineCompletionProvider"] is not None
    assert capabilities["textDocumentSync"]["change"] == 2
    started.open("x = \n")
    assert started.request(2, "textDocument/inlineCompletion", inline())["result"] == {"items": []}


def test_a_request_during_loading_is_answered_once_the_model_is_loaded(started: RawClient, tmp_path: Path) -> None:
    started.initialize(model=scripted(tmp_path), latencyMs=0)
    started.open("x = \n")
    started.wait_for_state("loading")
    (item,) = started.request(2, "textDocument/inlineCompletion", inline(0, 4, invoked=False))["result"]["items"]
    assert item["insertText"] == "1"


def test_the_model_of_the_users_configuration_is_loaded_unless_the_editor_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.toml").write_text(f"model = '{scripted(tmp_path)}'\n")
    monkeypatch.setenv("NANO_LSP_LATENCY_MS", "0")
    client = RawClient(home=tmp_path, forked=True)
    client.initialize()
    assert client.wait_for_state("ready")["model"] == scripted(tmp_path)
    client.open("x = \n")
    assert client.suggest(2, 0, 4)[0] == "1"
    client.close()
    monkeypatch.setenv("NANO_LSP_MODEL", "/from/environment.gguf")
    for editors in (None, "/the/editors.gguf"):
        client = RawClient(home=tmp_path, forked=True)
        client.initialize(model=editors)
        assert client.wait_for_state("error")["model"] == (editors or "/from/environment.gguf")
        client.close()


def test_an_invalid_configuration_is_reported_and_read_again_after_its_correction(
    client: RawClient, tmp_path: Path
) -> None:
    config = tmp_path / "config/config.toml"
    config.parent.mkdir()
    config.write_text("model = \n")
    client.initialize()
    told = client.wait_for_state("error")
    assert "config.toml cannot be read" in told["message"]
    assert "Correct the file" in told["remedy"]
    config.write_text(f"model = '{scripted(tmp_path)}'\n")
    client.command(2, "nano.reload")
    assert client.wait_for_state("ready")["model"] == scripted(tmp_path)


def test_a_missing_model_is_reported_once_with_its_remedy(client: RawClient, tmp_path: Path) -> None:
    client.initialize(model="nano")
    assert "nano-lsp model pull" in client.wait_for_state("error")["remedy"]
    client.open("x = \n")
    for i in range(2, 5):
        assert client.request(i, "textDocument/inlineCompletion", inline())["result"] == {"items": []}


def test_requests_at_the_wrong_time_or_with_invalid_parameters_are_answered(
    client: RawClient, tmp_path: Path
) -> None:
    assert client.request(1, "textDocument/inlineCompletion", inline())["error"]["code"] == -32002
    client.initialize(model=scripted(tmp_path))
    for i, (method, params) in enumerate(
        [
            ("textDocument/inlineCompletion", {"position": "nowhere"}),
            ("textDocument/inlineCompletion", []),
            ("textDocument/completion", None),
            ("workspace/executeCommand", {"command": "nano.unknown"}),
            ("nano/unknown", {}),
            ("initialize", {"capabilities": {}}),
        ],
        10,
    ):
        assert "error" in client.request(i, method, params), method
    client.send_bytes(b"this is no JSON")
    client.send_bytes(b'{"jsonrpc": "2.0", "method": "textDocument/didChange", "params": {"textDocument": 1}}')
    client.send({"jsonrpc": "2.0", "method": "textDocument/didClose", "params": {"textDocument": {"uri": "x:y"}}})
    client.open("x = \n")
    assert client.suggest(30, 0, 4)[0] == "1"
    for line, column in ((99, 0), (0, 9999), (2**31 - 1, 2**31 - 1)):
        found = client.request(31, "textDocument/inlineCompletion", inline(line, column))
        assert "result" in found
    assert client.request(40, "shutdown")["result"] is None
    assert client.request(41, "textDocument/inlineCompletion", inline())["error"]["code"] == -32600


def test_it_exits_after_shutdown(started: RawClient, tmp_path: Path) -> None:
    started.initialize(model=scripted(tmp_path))
    started.request(2, "shutdown")
    started.send({"jsonrpc": "2.0", "method": "exit"})
    assert started.process.wait(ENDS_WITHIN_S) == 0


def test_an_exit_during_a_shutdown_comes_after_the_responses(started: RawClient, tmp_path: Path) -> None:
    started.initialize(model=scripted(tmp_path))
    started.wait_for_state("ready")
    started.open("x = \n")
    started.send({"jsonrpc": "2.0", "id": 2, "method": "textDocument/inlineCompletion", "params": inline()})
    started.send({"jsonrpc": "2.0", "id": 3, "method": "shutdown"})
    started.send({"jsonrpc": "2.0", "method": "exit"})
    answered = set[object]()
    while answered < {2, 3}:
        answered.add(started.read().get("id"))
    assert started.process.wait(ENDS_WITHIN_S) == 0


@pytest.mark.parametrize("begun", [True, False])
def test_an_exit_without_a_shutdown_is_an_error(started: RawClient, *, begun: bool) -> None:
    if begun:
        started.initialize()
    started.send({"jsonrpc": "2.0", "method": "exit"})
    assert started.process.wait(ENDS_WITHIN_S) == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_with_what_is_kept(started: RawClient, tmp_path: Path, number: signal.Signals) -> None:
    started.initialize(model=scripted(tmp_path), statistics=True)
    started.wait_for_state("ready")
    started.open("x = \n")
    assert started.suggest(2, 0, 4)[0] == "1"
    os.kill(started.process.pid, number)
    assert started.process.wait(ENDS_WITHIN_S) == 128 + number
    assert [*(tmp_path / "cache").glob("places.json")]


def test_it_exits_when_stdin_is_closed(started: RawClient, tmp_path: Path) -> None:
    started.initialize(model=scripted(tmp_path))
    assert started.process.stdin is not None
    started.process.stdin.close()
    assert started.process.wait(ENDS_WITHIN_S) is not None


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_it_exits_with_the_editor_even_after_a_crash(tmp_path: Path) -> None:
    editor = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    it = RawClient(home=tmp_path)
    it.request(1, "initialize", {"processId": editor.pid, "rootUri": None, "capabilities": {}})
    editor.send_signal(signal.SIGKILL)
    editor.wait()
    assert it.process.wait(ENDS_WITHIN_S) is not None
    assert not psutil.pid_exists(it.process.pid) or psutil.Process(it.process.pid).status() == "zombie"
    it.close()


def test_it_opens_no_connection(started: RawClient, tmp_path: Path) -> None:
    started.initialize(model=scripted(tmp_path))
    started.open("x = \n")
    assert started.suggest(2, 0, 4)
    assert psutil.Process(started.process.pid).net_connections() == []


def test_it_listens_only_on_the_loopback(tmp_path: Path) -> None:
    for address in ("0.0.0.0:7777", "example.org:80", "7777", "127.0.0.1:x"):
        it = RawClient("--tcp", address, home=tmp_path, forked=True)
        assert it.process.wait(60) == 2
        it.close()


def project(folder: Path, n_files: int) -> Path:
    root = folder / "project"
    root.mkdir()
    for i in range(n_files):
        (root / f"module_{i}.py").write_text(f"def function_{i}(a): ...\n")
    return root


def test_a_model_that_disappears_is_reported_and_a_reload_recovers(client: RawClient, tmp_path: Path) -> None:
    model = scripted(tmp_path)
    path = Path(model.removeprefix("scripted:"))
    client.initialize(model=model)
    client.wait_for_state("ready")
    path.rename(tmp_path / "away")
    client.open("x = \n")
    assert client.suggest(2, 0, 4)[0] == "1"
    client.command(3, "nano.reload")
    assert client.wait_for_state("error")["remedy"]
    for i in range(4, 9):
        assert client.suggest(i, 0, 4) == []
    shown = [message for message in client.seen if message["method"] == "window/showMessage"]
    assert len(shown) <= 1
    (tmp_path / "away").rename(path)
    client.command(10, "nano.reload")
    client.wait_for_state("ready")
    assert client.suggest(11, 0, 4)[0] == "1"


def test_commands_work_without_writable_caches(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("this is no folder")
    client = RawClient(home=tmp_path, forked=True)
    try:
        client.initialize(model=scripted(tmp_path), root=project(tmp_path, 3), statistics=True)
        client.wait_for_state("ready")
        client.open("x = \n")
        assert client.suggest(2, 0, 4)[0] == "1"
        span = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
        assert "result" in client.command(3, "nano.explain", {"uri": "file:///a.py", "range": span})
        assert client.request(4, "shutdown")["result"] is None
    finally:
        client.close()


@pytest.mark.skipif(os.name == "nt", reason="POSIX limits")
def test_suggestions_work_with_a_full_disk(tmp_path: Path) -> None:
    client = RawClient(home=tmp_path, prefix=("bash", "-c", 'ulimit -f 0; exec "$@"', "bash"))
    try:
        client.initialize(model=scripted(tmp_path), root=project(tmp_path, 3), statistics=True)
        client.wait_for_state("ready")
        client.open("x = \n")
        assert client.suggest(2, 0, 4)[0] == "1"
        assert client.request(4, "shutdown")["result"] is None
    finally:
        client.close()


def test_a_server_that_was_killed_leaves_nothing_broken(tmp_path: Path) -> None:
    model, root = scripted(tmp_path), project(tmp_path, 200)
    for n_messages in range(1, 8):
        victim = RawClient(home=tmp_path, forked=True)
        victim.initialize(model=model, root=root, statistics=True)
        for _ in range(min(n_messages, 2)):  # loading, ready; then it reads the workspace
            victim.read()
        for i in range(n_messages):
            victim.request(10 + i, "nano/stats", {})
        victim.close()
    client = RawClient(home=tmp_path, forked=True)
    try:
        client.initialize(model=model, root=root)
        client.wait_for_state("ready")
        client.open("x = \n")
        assert client.suggest(2, 0, 4)[0] == "1"
    finally:
        client.close()

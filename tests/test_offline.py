"""The setting `offline`: no connection to another machine, in any process of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.connect import open_assistant
from nano_lsp.errors import EngineError, OfflineError

CONNECT = """
import socket, sys
from nano_lsp.offline import forbid_network

forbid_network()
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    print("loopback")
for connect in (
    lambda: socket.create_connection(("192.0.2.1", 80), 1),
    lambda: socket.create_connection(("example.com", 80), 1),
    lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::1", 80)),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 53)),
    lambda: socket.gethostbyname("example.com"),
):
    try:
        connect()
    except OSError as error:
        print(error)
"""


@pytest.fixture(autouse=True)
def offline(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NANO_LSP_OFFLINE", "true")


def test_each_way_to_another_machine_is_refused_with_an_error_that_libraries_expect() -> None:
    done = subprocess.run([sys.executable, "-c", CONNECT], capture_output=True, encoding="utf-8", check=True)
    first, *refused = done.stdout.splitlines()
    assert first == "loopback"
    assert len(refused) == 5
    assert all("the setting `offline` forbids connections" in line for line in refused)


@pytest.mark.parametrize(
    "command",
    [["model", "pull", "nano"], ["bundle", "out"], ["engine", "serve", "--host", "0.0.0.0"]],  # noqa: S104
)
def test_commands_that_need_the_network_say_so(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NANO_LSP_SERVE_KEY", "k")
    # A process of its own: what refuses connections stays in a process.
    words = [sys.executable, "-m", "nano_lsp", *command]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", check=False, cwd=tmp_path)
    assert done.returncode == 8
    assert "which the setting `offline` forbids" in done.stderr
    assert not list(tmp_path.glob("out"))


def test_an_engine_on_another_machine_is_refused_and_one_on_this_is_not() -> None:
    with pytest.raises(OfflineError, match=r"The engine at https://code\.example\.com"):
        open_assistant(load_settings(engine="https://code.example.com"), find_folders(), "test", lambda *_: None)
    with pytest.raises(EngineError, match=r"127\.0\.0\.1"):  # nobody listens there
        open_assistant(load_settings(engine="http://127.0.0.1:9"), find_folders(), "test", lambda *_: None)

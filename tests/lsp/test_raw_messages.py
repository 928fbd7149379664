"""Messages as clients write them: headers, invalid JSON, arrays, and answers of the editor that are late or odd."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.raw_client import LIMIT_S, RawClient, inline, read_message

ASKS = b'{"jsonrpc": "2.0", "id": 7, "method": "nano/stats", "params": {}}'
SETTINGS = "workspace/configuration"
SETTINGS_ASKED: dict[str, Any] = {"workspace": {"configuration": True}}


def scripted(folder: Path) -> dict[str, Any]:
    path = folder / "script.json"
    path.write_text('{"x = ": "1\\n"}')
    return {"model": f"scripted:{path}", "debounceMs": 0, "latencyMs": 0}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[RawClient]:
    it = RawClient(home=tmp_path / "home", forked=True)
    yield it
    it.close()


def write(client: RawClient, data: bytes) -> None:
    assert client.process.stdin is not None
    client.process.stdin.write(data)
    client.process.stdin.flush()


HEADERS = [
    b"content-length: %d\r\n\r\n",
    b"Content-Length:%d\r\n\r\n",
    b"CONTENT-LENGTH:\t %d  \r\n\r\n",
    b"Content-Length: %d\n\n",
    b"Content-Type: application/vscode-jsonrpc; charset=utf8\r\ncontent-length: %d\r\n\r\n",
    b"Content-Length: %d\r\ncontent-type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n",
]


@pytest.mark.parametrize("header", HEADERS)
def test_headers_may_be_written_as_in_http(client: RawClient, header: bytes) -> None:
    client.initialize()
    write(client, header % len(ASKS) + ASKS)
    assert "result" in client.answer(7)


def test_a_tcp_connection_is_read_like_stdin_and_is_the_only_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nano_lsp", "server", "--tcp", "127.0.0.1:0"]
    environment = {**os.environ, "NANO_LSP_HOME": str(tmp_path)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        found = re.search(rb"127\.0\.0\.1:(\d+)", process.stderr.readline())
        assert found
        address = "127.0.0.1", int(found[1])
        with socket.create_connection(address, LIMIT_S) as connection, connection.makefile("rb") as answers:
            for i, header in enumerate(HEADERS):
                body = ASKS.replace(b"7", str(i).encode())
                connection.sendall(header % len(body) + body)
                assert read_message(answers)["id"] == i
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, LIMIT_S)
        assert process.wait(LIMIT_S) is not None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"jsonrpc": "2.0", "id": 7, "method":', -32700),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "nano/stats", "params": "\xff"}', -32700),
        (b"[" * 100_000 + b"]" * 100_000, -32700),
        (b"null", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc": "1.0", "id": 7, "method": "nano/stats"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 7, "method": null}', -32600),
    ],
)
def test_a_message_that_is_no_request_gets_an_error(client: RawClient, body: bytes, code: int) -> None:
    client.initialize()
    client.send_bytes(body)
    while "error" not in (message := client.read()):
        pass
    assert message["error"]["code"] == code
    assert message["id"] in {None, 7}
    client.send_bytes(ASKS)
    assert "result" in client.answer(7)


def test_each_request_of_an_array_and_one_without_a_version_are_answered(client: RawClient) -> None:
    client.initialize()
    asks = json.loads(ASKS)
    client.send([{**asks, "id": 8}, {**asks, "id": "9"}])
    assert all("result" in client.answer(each) for each in (8, "9"))
    client.send({"id": 10, "method": "nano/stats", "params": {}})
    assert "result" in client.answer(10)


def test_parameters_may_look_like_a_message(client: RawClient, tmp_path: Path) -> None:
    odd = {"jsonrpc": "2.0", "id": 3}
    client.initialize(**scripted(tmp_path), other=odd)
    client.wait_for_state("ready")
    for command in ("nano.pause", "nano.resume", "nano.showStats"):
        assert "result" in client.command(5, command, odd)
    client.open("x = \n")
    assert client.suggest(6, 0, 4)[0] == "1"


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": -32601, "message": "unknown"}},
        {"error": "unknown"},
        {"result": []},
        {"result": {"nano": {}}},
        {"result": None},
        {},
        None,  # never
    ],
)
def test_a_request_waits_for_settings_that_the_editor_does_not_send(
    client: RawClient, tmp_path: Path, answer: dict[str, object] | None
) -> None:
    client.initialize(SETTINGS_ASKED, **scripted(tmp_path))
    asked = client.read()
    while asked.get("method") != SETTINGS:
        asked = client.read()
    client.open("x = \n")
    client.send({"jsonrpc": "2.0", "id": 2, "method": "textDocument/inlineCompletion", "params": inline()})
    if answer is not None:
        client.send({"jsonrpc": "2.0", "id": asked["id"], **answer})
    (first, *_) = client.answer(2)["result"]["items"]
    assert first["insertText"] == "1"
    assert [message for message in client.seen if message["method"] == "window/showMessage"] == []


def test_settings_that_come_late_are_used(client: RawClient, tmp_path: Path) -> None:
    client.initialize(SETTINGS_ASKED, **scripted(tmp_path))
    asked = client.read()
    while asked.get("method") != SETTINGS:
        asked = client.read()
    client.wait_for_state("ready")
    client.send({"jsonrpc": "2.0", "id": asked["id"], "result": [{"enabled": False}]})
    client.open("x = \n")
    assert client.suggest(2, 0, 4) == []


def test_a_client_that_never_sends_initialized_is_served(client: RawClient, tmp_path: Path) -> None:
    client.request(1, "initialize", {"capabilities": {}, "initializationOptions": scripted(tmp_path)})
    client.open("x = \n")
    assert client.suggest(2, 0, 4)[0] == "1"


def test_tokens_that_are_none_are_left_out(client: RawClient, tmp_path: Path) -> None:
    client.initialize(**scripted(tmp_path))
    client.open("x = \n")
    place = {"line": 0, "character": 0}
    argument = {"uri": "file:///a.py", "range": {"start": place, "end": place}}
    tokens = {"workDoneToken": {"odd": 1}, "partialResultToken": [1]}
    assert "result" in client.command(2, "nano.explain", {**argument, **tokens})

"""What the server logs on stderr about messages that it answers with an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REQUESTS: list[tuple[str, object]] = [
    ("initialize", {"capabilities": {}, "initializationOptions": {"model": "/x"}}),
    ("codeAction/resolve", {"title": "x", "data": {"of": "another server"}}),
    ("workspace/executeCommand", {"command": "odd"}),
    ("workspace/executeCommand", {"command": "nano.selectModel", "arguments": []}),
    ("textDocument/odd", {}),
    ("shutdown", None),
]
EXPECTED = [
    "codeAction/resolve: This action does not come from this server.",
    "workspace/executeCommand: Invalid Params: Command name 'odd'",
    "models.toml cannot be read",
    "textDocument/odd",
    "A message cannot be decoded",
]


def frame(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("level", ["error", "debug"])
def test_an_error_that_a_client_is_told_takes_one_line(tmp_path: Path, level: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "models.toml").write_text("nano = [")
    messages = [
        json.dumps({"jsonrpc": "2.0", "id": i, "method": method, "params": params}).encode()
        for i, (method, params) in enumerate(REQUESTS)
    ]
    messages = [*messages[:-1], b"{", messages[-1], b'{"jsonrpc": "2.0", "method": "exit"}']
    command = [sys.executable, "-m", "nano_lsp", "server", "--log", level]
    environment = {**os.environ, "NANO_LSP_HOME": str(tmp_path)}
    done = subprocess.run(
        command, input=b"".join(map(frame, messages)), capture_output=True, env=environment, check=False, timeout=300
    )
    log = done.stderr.decode()
    lines = [line for line in log.splitlines() if line.startswith("ERROR")]
    assert all(any(text in line for line in lines) for text in EXPECTED), log
    if level == "error":
        assert len(log.splitlines()) == len(EXPECTED), log
    else:
        assert log.count("Traceback") >= len(EXPECTED) - 1  # of an unknown method there is none

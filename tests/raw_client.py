"""A language client that exchanges raw messages with a server process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from nano_lsp.cli import main
from tests.forked import PipedProcess

URI = "file:///a.py"
LIMIT_S = 600


def inline(line: int = 0, column: int = 4, *, invoked: bool = True) -> dict[str, Any]:
    """Parameters of an inline completion."""
    position = {"line": line, "character": column}
    return {
        "textDocument": {"uri": URI},
        "position": position,
        "context": {"triggerKind": 1 if invoked else 2},
    }


def read_message(stream: IO[bytes]) -> dict[str, Any]:
    n_bytes = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            n_bytes = int(line.split(b":")[1])
    assert n_bytes, "the server has exited"
    return dict(json.loads(stream.read(n_bytes)))


class RawClient:
    """A server process, and the messages to and from it."""

    def __init__(
        self,
        *arguments: str,
        home: Path | None = None,
        prefix: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        forked: bool = False,
        program: Callable[[], None] = main,
    ) -> None:
        """Start a server.

        Args:
            arguments: The command's arguments.
            home: Value of NANO_LSP_HOME; None for the user's.
            prefix: Command that runs the server's command.
            environment: Environment of the server; None for this process's.
            forked: Whether to fork it where the system can, instead of starting Python (`tests.forked`).
            program: What a forked one runs.
        """
        environment = dict(os.environ if environment is None else environment)
        if home:
            environment["NANO_LSP_HOME"] = str(home)
        self.seen: list[dict[str, Any]] = []  # requests and notifications of the server
        self.replies: dict[str, object] = {}  # results for the server's requests, by method
        self._states: list[dict[str, Any]] = []  # status notifications not yet waited for
        self.process: subprocess.Popen[bytes] | PipedProcess
        if forked and os.name == "posix":
            self.process = PipedProcess(["server", *arguments], environment, program)
        else:
            command = [*prefix, sys.executable, "-m", "nano_lsp", "server", *arguments]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        # A test that waits for a message that never comes fails instead of hanging.
        self._limit = threading.Timer(LIMIT_S, self.process.kill)
        self._limit.daemon = True
        self._limit.start()

    def send(self, message: object) -> None:
        self.send_bytes(json.dumps(message).encode())

    def send_bytes(self, body: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def request(self, request_id: int | str, method: str, params: object = None) -> dict[str, Any]:
        """Send a request and read messages up to its response."""
        self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return self.answer(request_id)

    def answer(self, request_id: int | str) -> dict[str, Any]:
        while True:
            message = self.read()
            if message.get("id") == request_id and "method" not in message:
                return message
            self._take(message)

    def wait_for(self, method: str) -> dict[str, Any]:
        """Read up to a request or notification of the server, answer it, and return its parameters."""
        while True:
            message = self.read()
            self._take(message)
            if message.get("method") == method:
                return dict(message["params"])

    def _take(self, message: dict[str, Any]) -> None:
        if "method" in message:
            self.seen.append(message)
            if message["method"] == "nano/status":
                self._states.append(message["params"])
            if "id" in message:
                result = self.replies.get(message["method"])
                self.send({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return read_message(self.process.stdout)

    def open(self, text: str, uri: str = URI, language: str = "python") -> None:
        document = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.send({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": document}})

    def suggest(self, request_id: int, line: int, column: int, *, invoked: bool = True) -> list[str]:
        found = self.request(request_id, "textDocument/inlineCompletion", inline(line, column, invoked=invoked))
        return [item["insertText"] for item in found["result"]["items"]]

    def wait_for_state(self, state: str) -> dict[str, Any]:
        """Read up to the next status notification with a state, and return its parameters."""
        while True:
            while self._states:
                status = self._states.pop(0)
                if status["state"] == state:
                    return status
            self._take(self.read())

    def close(self) -> None:
        self._limit.cancel()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def notify(self, method: str, params: object) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def command(self, request_id: int, command: str, *arguments: object) -> dict[str, Any]:
        """Run a command of the server."""
        return self.request(request_id, "workspace/executeCommand", {"command": command, "arguments": [*arguments]})

    def initialize(self, capabilities: object = None, root: Path | None = None, **options: object) -> dict[str, Any]:
        """Initialize the server, by default without statistics.

        Args:
            capabilities: The client's capabilities; None for no capabilities.
            root: The workspace folder.
            options: Initialization options (settings).
        """
        params = {
            "processId": os.getpid(),
            "rootUri": root.as_uri() if root else None,
            "capabilities": capabilities or {},
            "initializationOptions": {"statistics": False, **options},
        }
        found = self.request(1, "initialize", params)
        self.send({"jsonrpc": "2.0", "method": "initialized", "params": {}})
        return found

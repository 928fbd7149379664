"""What the project uses of its libraries beyond what they document; pyproject.toml pins these libraries.

Each has one module that uses it: `nano_lsp/lsp/protocol.py`, `nano_lsp/engine/http_server.py`,
`nano_lsp/inference/llama_library.py` and `nano_lsp/models/sources.py`. ruff (SLF001) refuses other private names.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import socket
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]
from packaging.requirements import Requirement
from packaging.version import Version
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nano_lsp.engine.http_server import HttpServer
from nano_lsp.inference.llama_library import llama

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        (LanguageServerProtocol.structure_message, ["self", "data"]),
        (LanguageServerProtocol.get_message_type, ["self", "method"]),
        (LanguageServerProtocol.handle_message, ["self", "message"]),
        (LanguageServerProtocol.lsp_shutdown, ["self", "args"]),
        (LanguageServerProtocol._execute_handler, ["self", "msg_id", "handler", "callback", "args", "kwargs"]),
        (LanguageServerProtocol._run_generator, ["self", "future", "gen", "result_future"]),
        (LanguageServerProtocol._send_data, ["self", "data"]),
        (LanguageServerProtocol._send_handler_result, ["self", "future", "msg_id"]),
        (LanguageServerProtocol._check_handler_result, ["self", "future"]),
        (HttpToolsProtocol.__init__, ["self", "config", "server_state", "app_state", "_loop"]),
        (HttpToolsProtocol.connection_made, ["self", "transport"]),
        (HttpToolsProtocol.connection_lost, ["self", "exc"]),
        (HttpToolsProtocol.data_received, ["self", "data"]),
        (HttpToolsProtocol.on_headers_complete, ["self"]),
        (uvicorn.Server.capture_signals, ["self"]),
    ],
)
def test_methods_that_are_overridden_or_called(method: Callable[..., Any], parameters: Sequence[str]) -> None:
    assert list(inspect.signature(method).parameters) == parameters


def test_attributes_of_the_language_server_protocol() -> None:
    protocol = LanguageServer("name", "version").protocol
    assert (protocol._request_futures, protocol._shutdown, protocol._workspace) == ({}, False, None)
    assert protocol._converter.structure(1, int) == 1
    assert protocol.fm.features is not None
    assert protocol.msg_id is None


@pytest.mark.asyncio
async def test_an_http_server_on_two_sockets_that_refuses_long_headers() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"found"})

    async def ask(listening: socket.socket, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(request)
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    server = HttpServer(app)
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    serving = asyncio.create_task(server.serve(sockets[:1]))
    while not server.started:
        await asyncio.sleep(0)
    await server.add(sockets[1])
    get = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    for listening in sockets:
        assert b"found" in await ask(listening, get + b"\r\n")
        assert await ask(listening, get + b"X: " + b"x" * 100_000) == b""
    server.should_exit = True
    await serving
    for listening in sockets:
        listening.close()


def test_functions_and_fields_of_llama_cpp() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "nano_lsp" / "inference").glob("llama_*.py")
    )
    used = set(re.findall(r"\bllama\.((?:llama|LLAMA|ggml|GGML)_\w+)", source))
    assert len(used) > 50
    assert [name for name in sorted(used) if not hasattr(llama, name)] == []
    fields = set(re.findall(r"(?<![.\w])params\.(\w+)", source))
    known = {field for kind in (llama.llama_model_params, llama.llama_context_params) for field, *_ in kind._fields_}
    assert {"n_ctx", "n_gpu_layers"} <= fields <= known  # ctypes takes other names without an error


def test_the_token_of_the_model_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert build_hf_headers()["authorization"] == "Bearer hf_x"


@pytest.mark.parametrize("name", ["pygls", "uvicorn", "llama-cpp-python", "tree-sitter"])
def test_libraries_are_pinned_to_a_minor_version(name: str) -> None:
    found = re.search(
        rf'^  "({name}[=<>].*?)",$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found
    allowed, installed = Requirement(found[1]).specifier, Version(version(name))
    assert allowed.contains(installed)
    assert not allowed.contains(f"{installed.major}.{installed.minor + 1}")


@pytest.mark.skipif("not config.getoption('loadgroup', False)", reason="of several test processes: not with `-n 0`")
def test_pytest_xdist_keeps_the_tests_of_a_file_in_one_process(request: pytest.FixtureRequest) -> None:
    """tests/conftest.py groups them; a pytest that pytest-xdist does not know has distributed them one by one."""
    assert request.node.nodeid.endswith("@test_library_internals")

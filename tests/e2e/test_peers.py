"""Other servers as remote engines, with the real model: llama-cpp-python's, and llama.cpp's own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.bench.llama_server import llama_server
from tests.editors.places import missing

pytestmark = [pytest.mark.real, pytest.mark.timeout(2400)]  # llama-server is built in ten minutes on two cores, once
LIMIT_S = 300
# On some processors llama.cpp dies with repacked weights; llama-server has the option --no-repack for that.
WITHOUT_REPACKING = """import runpy
from llama_cpp import llama_cpp
default = llama_cpp.llama_model_default_params
def params():
    chosen = default()
    chosen.use_extra_bufts = False
    return chosen
llama_cpp.llama_model_default_params = params
runpy.run_module("llama_cpp.server", run_name="__main__")
"""
CODE = 'def add(a: int, b: int) -> int:\n    """The sum."""\n    return \n\n\nprint(add(1, 2))\n'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(command: list[str], address: str) -> Iterator[str]:
    """Runs a server, and waits until it answers."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(10 * LIMIT_S):
            assert process.poll() is None, "the server has ended"
            try:
                if httpx.get(f"{address}/v1/models", timeout=5).status_code == httpx.codes.OK:
                    break
            except httpx.TransportError:
                pass
            threading.Event().wait(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module", params=["llama_cpp.server", "llama-server"])
def peer(request: pytest.FixtureRequest, nano_file: Path) -> Iterator[str]:
    port = free_port()
    if request.param == "llama-server":
        if not shutil.which("cmake"):
            missing("CMake, to build llama-server", "`apt install cmake`, or `pip install cmake`")
        command = [str(llama_server()), "-m", str(nano_file), "--no-webui", "--no-repack", "-c", "4096"]
    else:
        command = [sys.executable, "-c", WITHOUT_REPACKING, "--model", str(nano_file), "--n_ctx", "4096"]
    yield from serve([*command, "--host", "127.0.0.1", "--port", str(port)], f"http://127.0.0.1:{port}")


def run(*arguments: str, engine: str) -> str:
    command = [sys.executable, "-m", "nano_lsp", *arguments]
    environment = {**os.environ, "NANO_LSP_ENGINE": engine}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_completes_code_and_answers(peer: str, tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(CODE)
    assert run("complete", f"{path}:3:12", engine=peer).strip() == "a + b"
    said = run("ask", "What is 2 + 3? Answer with the number only.", "--max-tokens", "8", engine=f"{peer}/v1")
    assert "5" in said

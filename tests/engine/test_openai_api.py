"""The engine over TCP, with the requests that other clients make: a real process, on the scripted model."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.test_cli import assert_error, nano_lsp
from tests.engine.test_engine import LIMIT_S, wait_until
from tests.processes import engines_of

REPLIES = {
    "def add(a, b):\n    return ": "a + b\n",
    "assistant\n": "Forty-two.",
    "Once upon": " a time, and never again.",
}
# What llama.vim sends (`llama#fim`, ggml-org/llama.vim).
LLAMA_VIM = {
    "id_slot": 0,
    "input_prefix": "import os\n\n",
    "input_suffix": "\n\nprint(add(1, 2))\n",
    "input_extra": [{"text": "x = 1\n", "time": 1, "filename": "other.py"}],
    "prompt": "def add(a, b):\n    return ",
    "n_predict": 128,
    "stop": [],
    "n_indent": 4,
    "top_k": 40,
    "top_p": 0.9,
    "samplers": ["top_k", "top_p", "infill"],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 1000,
    "response_fields": ["content", "timings/prompt_n", "tokens_cached", "truncated"],
}
# What minuet-ai.nvim sends to a server of llama.cpp as `openai_fim_compatible`, with its template for Qwen2.5-Coder.
MINUET = {
    "model": "PLACEHOLDER",
    "prompt": "<|fim_prefix|>def add(a, b):\n    return <|fim_suffix|>\n\nprint(add(1, 2))\n<|fim_middle|>",
    "max_tokens": 56,
    "top_p": 0.9,
    "stream": True,
}


class EngineOverTcp:
    """`nano-lsp engine serve`."""

    def __init__(self, home: Path, *arguments: str, **environment: str) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nano_lsp", "engine", "serve", "--port", "0", *arguments],
            stderr=subprocess.PIPE,
            env={
                **os.environ,
                "NANO_LSP_HOME": str(home),
                "NANO_LSP_MODEL": f"scripted:{home / 'script.json'}",
                **environment,
            },
        )
        assert self.process.stderr is not None
        found = re.search(rb"http://([\d.]+):(\d+)", self.process.stderr.readline())
        assert found is not None
        self.host, self.port = found[1].decode(), int(found[2])
        self.client = httpx.Client(base_url=f"http://{self.host}:{self.port}", timeout=LIMIT_S)

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        return self.client.post(path, json=body, headers=headers)

    def stream(self, path: str, body: object) -> list[Any]:
        with self.client.stream("POST", path, json=body) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            data = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]
        return [item if item == "[DONE]" else json.loads(item) for item in data]

    def __enter__(self) -> EngineOverTcp:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGINT)
        assert self.process.stderr is not None
        self.process.communicate(timeout=LIMIT_S)


@pytest.fixture
def script(home: Path) -> Path:
    home.mkdir(parents=True)
    (home / "script.json").write_text(json.dumps(REPLIES))
    return home


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineOverTcp]:
    """One for the tests that change nothing in it."""
    home = tmp_path_factory.mktemp("engine")
    (home / "script.json").write_text(json.dumps(REPLIES))
    with EngineOverTcp(home) as served:
        yield served
    for engine in engines_of(home):
        engine.kill()


def test_llama_vim_gets_what_it_reads(served: EngineOverTcp) -> None:
    found = served.post("/infill", LLAMA_VIM).json()
    assert found["content"] == "a + b"
    assert {"prompt_n", "prompt_ms", "predicted_n", "predicted_ms", "predicted_per_second"} <= found["timings"].keys()
    assert (found["truncated"], found["stop"]) == (False, True)
    warm = served.post("/infill", {**LLAMA_VIM, "n_predict": 0, "t_max_predict_ms": 1}).json()
    assert warm["content"] == ""
    again = served.post("/infill", LLAMA_VIM).json()
    assert again["tokens_cached"] >= found["tokens_evaluated"] - 8
    parts = served.stream("/infill", {**LLAMA_VIM, "stream": True})
    assert "".join(part["content"] for part in parts) == "a + b"
    assert [part["stop"] for part in parts][-1]


def test_minuet_gets_what_it_reads(served: EngineOverTcp) -> None:
    body = {**MINUET, "prompt": "def add(a, b):\n    return "}
    *parts, end = served.stream("/v1/completions", body)
    assert end == "[DONE]"
    assert "".join(part["choices"][0]["text"] for part in parts) == "a + b\n"
    assert served.stream("/v1/completions", MINUET)[-1] == "[DONE]"
    as_fim = {"prompt": "def add(a, b):\n    return ", "suffix": "\n\nprint(add(1, 2))\n", "max_tokens": 20}
    assert served.post("/v1/completions", as_fim).json()["choices"][0]["text"] == "a + b"


def test_openai_clients_get_what_they_read(served: EngineOverTcp) -> None:
    asked = {"model": "x", "messages": [{"role": "system", "content": "Short."}, {"role": "user", "content": "6*7?"}]}
    found = served.post("/v1/chat/completions", asked).json()
    assert found["choices"][0]["message"] == {"role": "assistant", "content": "Forty-two."}
    assert found["choices"][0]["finish_reason"] == "stop"
    assert found["usage"]["total_tokens"] == found["usage"]["prompt_tokens"] + found["usage"]["completion_tokens"]
    *parts, end = served.stream("/v1/chat/completions", {**asked, "stream": True})
    assert "".join(part["choices"][0]["delta"]["content"] for part in parts) == "Forty-two."
    assert end == "[DONE]"
    told = {"prompt": "Once upon", "stop": [", and"], "max_tokens": 99, "logprobs": 1}
    (choice,) = served.post("/v1/completions", told).json()["choices"]
    assert choice["text"] == " a time"
    assert len(choice["logprobs"]["tokens"]) == len(choice["logprobs"]["token_logprobs"])
    short = served.post("/v1/completions", {"prompt": "Once upon", "max_tokens": 2}).json()
    assert short["choices"][0]["finish_reason"] == "length"
    assert served.client.get("/v1/models").json()["data"][0]["id"] == "script.json"


def test_models_keep_the_dots_in_their_names(script: Path) -> None:
    with EngineOverTcp(script, NANO_LSP_MODEL="/models/qwen2.5-coder.gguf") as served:
        assert [one["id"] for one in served.client.get("/v1/models").json()["data"]] == ["qwen2.5-coder"]


def test_what_goes_with_llama_server(served: EngineOverTcp) -> None:
    assert served.client.get("/health").json() == {"status": "ok"}
    assert served.client.get("/props").json()["default_generation_settings"]["n_ctx"] == 4096
    tokens = served.post("/tokenize", {"content": "def x<|fim_middle|>"}).json()["tokens"]
    assert served.post("/detokenize", {"tokens": tokens}).json() == {"content": "def x"}
    with_pieces = served.post("/tokenize", {"content": "ab", "with_pieces": True}).json()["tokens"]
    assert [token["piece"] for token in with_pieces] == ["a", "b"]


def test_bad_requests_are_refused_and_nothing_else_is_served(served: EngineOverTcp) -> None:
    refused: list[tuple[str, object, int]] = [
        ("/v1/completions", {"prompt": 7}, 400),
        ("/v1/completions", {"prompt": ["a", "b"]}, 400),
        ("/v1/completions", {"prompt": [1, 99_999_999]}, 400),
        ("/v1/completions", {"prompt": "x" * 9000}, 400),
        ("/v1/completions", {"prompt": "x", "n": 3}, 400),
        ("/v1/chat/completions", {"messages": "none"}, 400),
        ("/v1/chat/completions", {"messages": [], "response_format": {"type": "json_object"}}, 400),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400),
        *(("/v1/completions", {"prompt": "x", **wrong}, 400) for wrong in ({"temperature": -1}, {"top_p": 5})),
        *(("/v1/completions", {"prompt": "x", **wrong}, 400) for wrong in ({"min_p": 2}, {"repeat_penalty": 0})),
        ("/infill", [], 400),
        ("/nano/v1/status", {}, 404),
        ("/nano/v1/shutdown", {}, 404),
        ("/../nano/v1/shutdown", {}, 404),
        ("/v1/../nano/v1/jobs/LoadModel", {}, 404),
    ]
    for path, body, status in refused:
        assert served.post(path, body).status_code == status, (path, body)
        assert served.client.get("/health").status_code == 200, (path, body)


@pytest.mark.parametrize(
    "body", [b"[" * 50_000, b'{"prompt": "\\ud83d", "temperature": NaN}', b"", b'{"prompt": "\xff"}']
)
def test_what_cannot_be_read_is_refused_as_clients_expect(served: EngineOverTcp, body: bytes) -> None:
    found = served.client.post("/v1/completions", content=body)
    assert found.status_code == 400
    assert "cannot be read" in found.json()["error"]["message"]


def test_a_text_cut_within_a_character_is_completed(served: EngineOverTcp) -> None:
    body = b'{"prompt": "# \\uD83D\\nOnce upon"}'
    found = served.client.post("/v1/completions", content=body).json()
    assert found["choices"][0]["text"] == " a time, and never again."


def test_other_paths_have_errors_that_clients_read(served: EngineOverTcp) -> None:
    for path in ("/v1/embeddings", "/v1/models/unknown", "/v1/models/..%2F..%2Fnano%2Fv1%2Fstatus", "/"):
        assert served.client.get(path).json()["error"]["code"] == 404
    assert served.client.get("/v1/completions").json()["error"]["code"] == 405
    (first, *_) = served.client.get("/v1/models").json()["data"]
    assert served.client.get(f"/v1/models/{first['id']}").json() == first


def test_a_stream_ends_with_its_usage_where_it_is_wanted(served: EngineOverTcp) -> None:
    asked = {"prompt": "Once upon", "stream": True, "top_k": -1, "stream_options": {"include_usage": True}}
    *parts, last, end = served.stream("/v1/completions", asked)
    assert end == "[DONE]"
    assert (last["choices"], last["usage"]["prompt_tokens"]) == ([], 9)
    assert all("usage" not in part for part in parts)


def test_a_page_in_a_browser_cannot_use_it(served: EngineOverTcp) -> None:
    port = served.port
    refused = [
        {"host": f"evil.example:{port}"},
        {"host": "127.0.0.1:1"},
        {"host": f"127.0.0.1:{port}", "origin": "https://evil.example"},
        {"host": f"127.0.0.1:{port}", "origin": "null"},
    ]
    for headers in refused:
        assert served.client.get("/health", headers=headers).status_code == 403, headers
    response = served.client.get("/health", headers={"origin": f"http://127.0.0.1:{port}"})
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control")]
    assert served.client.get("/health", headers={"host": f"localhost:{port}"}).status_code == 200


def test_a_key_is_asked_for_and_needed_beyond_this_machine(script: Path) -> None:
    with EngineOverTcp(script, NANO_LSP_SERVE_KEY="hunter2") as served:
        assert served.client.get("/health").status_code == 401
        assert served.client.get("/health", headers={"authorization": "Bearer wrong"}).status_code == 401
        assert served.client.get("/health", headers={"authorization": "Bearer hunter2"}).status_code == 200
        assert served.client.get("/health", headers={"x-api-key": "hunter2"}).status_code == 200
    with EngineOverTcp(script, "--host", "0.0.0.0", NANO_LSP_SERVE_KEY="hunter2") as served:  # noqa: S104 - what is tested
        headers = {"host": f"machine.example:{served.port}", "x-api-key": "hunter2"}
        assert served.client.get("/health", headers=headers).status_code == 200
        assert served.client.get("/health", headers={**headers, "x-api-key": ""}).status_code == 401
        assert served.client.get("/health", headers={**headers, "origin": "http://evil"}).status_code == 403
    refused = nano_lsp("engine", "serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104 - what is tested
    assert_error(refused, 2, "NANO_LSP_SERVE_KEY")


def test_slow_and_oversized_requests_are_ended(served: EngineOverTcp) -> None:
    def talk(*parts: bytes) -> bytes:
        with socket.create_connection((served.host, served.port), timeout=LIMIT_S) as connection:
            for part in parts:
                connection.sendall(part)
            answer = b""
            while data := connection.recv(65536):
                answer += data
        return answer

    host = f"Host: 127.0.0.1:{served.port}\r\n".encode()
    with ThreadPoolExecutor(2) as pool:
        endless_headers = pool.submit(talk, b"POST /infill HTTP/1.1\r\n" + host)
        late_body = pool.submit(talk, b"POST /infill HTTP/1.1\r\n" + host + b"Content-Length: 100\r\n\r\n{")
        assert endless_headers.result(LIMIT_S) == b""
        assert b" 408 " in late_body.result(LIMIT_S)
    try:
        too_long = talk(b"GET /health HTTP/1.1\r\n" + host + b"X: " + b"x" * 200_000)
    except ConnectionError:
        too_long = b""
    assert too_long == b""
    body = b"x" * (65 << 20)
    try:
        oversized = talk(b"POST /infill HTTP/1.1\r\n" + host + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    except ConnectionError:
        oversized = b" 413 "
    assert b" 413 " in oversized
    assert served.client.get("/health").status_code == 200


def test_a_client_that_goes_away_ends_its_work(script: Path) -> None:
    (script / "script.json").write_text(json.dumps({"Once upon": "a" * 3000, "$batch_ms": 20}))

    def n_jobs() -> int:
        found = json.loads(nano_lsp("engine", "status", "--json").stdout)
        return int(found["models"][0]["n_jobs"])

    with EngineOverTcp(script) as served:
        asked = {"prompt": "Once upon", "stream": True}
        with served.client.stream("POST", "/v1/completions", json=asked) as response:
            next(response.iter_lines())
        wait_until(lambda: n_jobs() == 0)


def test_an_engine_that_dies_is_started_again(served: EngineOverTcp) -> None:
    assert served.post("/infill", LLAMA_VIM).json()["content"] == "a + b"
    for engine in engines_of(served.home):
        engine.kill()
    assert served.post("/infill", LLAMA_VIM).json()["content"] == "a + b"


def test_null_is_as_good_as_nothing(served: EngineOverTcp) -> None:
    """As .NET's and Java's serializers send what is not set."""
    nothing = dict.fromkeys(["model", "n", "stream", "stop", "seed", "logprobs", "top_k", "max_tokens"])
    found = served.post("/v1/completions", {**nothing, "prompt": "Once upon", "suffix": None, "echo": None})
    assert found.json()["choices"][0]["text"] == " a time, and never again."
    assert served.post("/v1/completions", {**nothing, "prompt": None}).status_code == 200
    turn = {"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "text", "text": None}], "name": None}
    assert served.post("/v1/chat/completions", {**nothing, "messages": [turn]}).status_code == 200
    extra = [{"text": None, "filename": None}, {"text": "x = 1\n", "filename": "other.py", "time": None}]
    for body in ({"input_extra": extra}, dict.fromkeys(["input_prefix", "input_suffix", "input_extra", "prompt"])):
        found = served.post("/infill", {**LLAMA_VIM, **nothing, "t_max_predict_ms": None, **body})
        assert found.status_code == 200, found.text
    assert served.post("/tokenize", {"content": None, "with_pieces": None}).json() == {"tokens": []}


def test_secrets_that_a_client_sends_along_reach_no_prompt(script: Path) -> None:
    prompts = script / "prompts.json"
    (script / "script.json").write_text(json.dumps({**REPLIES, "$prompts": str(prompts)}))
    extra = [{"text": "KEY=abc123\n", "filename": name} for name in (".env", "file:///w/%2Eenv", "/w/server.key")]
    with EngineOverTcp(script) as served:
        found = served.post(
            "/infill", {**LLAMA_VIM, "input_extra": [*extra, {"text": "x = 1\n", "filename": "other.py"}]}
        )
        assert found.json()["content"] == "a + b"
    assert "abc123" not in prompts.read_text()
    assert "# other.py" in prompts.read_text()

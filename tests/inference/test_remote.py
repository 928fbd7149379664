"""A model on another server, simulated by `Peer`: requests, hooks, retries, cancelling."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.chat import Ask
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Alternatives, Complete
from nano_lsp.config import find_folders
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.errors import ConfigError, EngineClosedError, EngineError, NanoError, SupersededError
from nano_lsp.inference.approximate_tokenizer import ApproximateTokenizer
from nano_lsp.inference.remote import Remote
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import FinishReason, GenerateParams, Token, Verdict
from nano_lsp.settings import Settings

LIMIT_S = 60
TOKENIZER = ApproximateTokenizer("qwen", 4096)
Reply = Callable[[dict[str, Any]], list[dict[str, Any]]]


def chunk(text: str, logprob: float = -0.1, others: dict[str, float] | None = None) -> dict[str, Any]:
    """A chunk as vLLM and llama_cpp.server stream it."""
    logprobs = {"tokens": [text], "token_logprobs": [logprob], "top_logprobs": [{text: logprob, **(others or {})}]}
    return {"choices": [{"text": text, "logprobs": logprobs, "finish_reason": None}]}


def newer_chunk(text: str, others: dict[str, float]) -> dict[str, Any]:
    """A chunk as llama-server streams it."""
    tops = [{"token": token, "logprob": value} for token, value in {text: -0.1, **others}.items()]
    content = [{"token": text, "logprob": -0.1, "top_logprobs": tops}]
    return {"choices": [{"text": text, "logprobs": {"content": content}, "finish_reason": None}]}


class Peer:
    """A server with scripted responses, which records requests."""

    def __init__(self) -> None:
        self.reply: Reply = lambda _body: [chunk("ok")]
        self.statuses: list[tuple[int, str]] = []  # error responses to send first
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = threading.Event()
        self.gone = threading.Event()
        self.drops = False
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                peer.headers.append(dict(self.headers))
                self.answer(200, json.dumps({"data": [{"id": "qwen", "max_model_len": 2048}]}))

            def do_POST(self) -> None:
                peer.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                if peer.statuses:
                    self.answer(*peer.statuses.pop(0))
                    return
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                try:
                    for item in peer.reply(peer.bodies[-1]):
                        self.wfile.write(f"data: {json.dumps(item)}\n\n".encode())
                        self.wfile.flush()
                        peer.begun.set()
                        peer.go_on.wait(LIMIT_S)
                    if not peer.drops:
                        self.wfile.write(b"data: [DONE]\n\n")
                except OSError:
                    peer.gone.set()

            def answer(self, status: int, body: str) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def connect(self, key: str = "", on_connection: Callable[[NanoError | None], None] = lambda _: None) -> Remote:
        return Remote.connect(self.address, "qwen", key, on_connection)


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.go_on.set()
    peer.server.shutdown()
    peer.server.server_close()


@pytest.fixture
def remote(peer: Peer) -> Iterator[Remote]:
    remote = peer.connect()
    yield remote
    remote.close()


def request(remote: Remote, text: str = "x = ", **fields: Any) -> GenerationRequest:  # noqa: ANN401 - fields of any type
    return GenerationRequest(tuple(remote.tokenizer.tokenize(text)), **fields)


@given(st.text(alphabet="ab <|>_fimprefsu\n\t🙂é", max_size=60))
def test_a_text_comes_out_as_it_went_in_but_for_what_looks_like_control_tokens(text: str) -> None:
    found = TOKENIZER.text(TOKENIZER.tokenize(text))
    assert "<|fim_" not in found.replace("<|fim_|", "") or "|>" not in found
    if "<" not in text:
        assert found == text
        assert b"".join(map(TOKENIZER.piece, TOKENIZER.tokenize(text))).decode() == text


def test_control_tokens_are_the_models_own_and_never_the_users(peer: Peer, remote: Remote) -> None:
    peer.reply = lambda _body: [chunk(" 1"), chunk("\n")]
    code = 'bad = "<|fim_middle|>"\nx = \ny = 2\n'
    with LocalAssistant(remote, Settings(), find_folders()) as assistant:
        offset = code.index("x = ") + 4
        assert assistant.run(Complete(CompletionInput("a.py", code, offset), speculative=False)).text == "1"
    prompt = peer.bodies[0]["prompt"]
    assert prompt.startswith("<|fim_prefix|><|fim_suffix|>")
    assert prompt.endswith('< |fim_middle|>"\nx =')
    assert prompt.count("<|fim_middle|>") == 1


def test_text_streams_and_probabilities_are_the_servers(peer: Peer, remote: Remote) -> None:
    peer.reply = lambda _body: [chunk("a", -0.5), chunk("b", -0.25), {"usage": {"prompt_tokens": 17}, "choices": []}]
    seen: list[str] = []
    done = remote.submit(request(remote, on_text=seen.append)).result(LIMIT_S)
    assert (done.text, seen, done.finish_reason) == ("ab", ["a", "ab"], FinishReason.STOP)
    assert [token.logprob for token in done.tokens] == [-0.5, -0.25]
    assert (done.counters.prompt_tokens, done.counters.generated_tokens) == (17, 2)
    assert remote.totals.generated_tokens == 2


@pytest.mark.parametrize("form", [chunk, newer_chunk])
def test_a_token_that_a_hook_rolls_back_is_replaced_by_the_next_best(peer: Peer, remote: Remote, form: Any) -> None:  # noqa: ANN401
    def reply(body: dict[str, Any]) -> list[dict[str, Any]]:
        if body["max_tokens"] == 1:
            return [form("bad", others={"bad": -0.1, "good": -0.9})]
        return [chunk("bad"), chunk("worse")] if body["prompt"] == "x = " else [chunk("!")]

    def hook(text: str, _tokens: Sequence[Token], _ended: bool) -> Verdict | None:
        return Verdict(roll_back=1) if text == "bad" else None

    peer.reply = reply
    assert remote.submit(request(remote, hook=hook)).result(LIMIT_S).text == "good!"
    assert peer.bodies[-1]["prompt"] == "x = good"


def test_a_hook_ends_the_stream(peer: Peer, remote: Remote) -> None:
    peer.reply = lambda _body: [chunk("a")] * 1000

    def hook(text: str, _tokens: Sequence[Token], _ended: bool) -> Verdict | None:
        return Verdict(roll_back=1, stop=True) if len(text) == 4 else None

    assert remote.submit(request(remote, hook=hook)).result(LIMIT_S).text == "aaa"


def test_alternatives_differ(peer: Peer, remote: Remote) -> None:
    def reply(body: dict[str, Any]) -> list[dict[str, Any]]:
        if body["max_tokens"] == 1:
            return [chunk("dict", -0.7, {"no_such_name": -0.75, "list": -0.8, "set": -2.0})]
        return [chunk("dict", -0.7), chunk("()")] if body["prompt"].endswith("x =") else [chunk("()")]

    peer.reply = reply
    with LocalAssistant(remote, Settings(), find_folders()) as assistant:
        found = assistant.run(Alternatives(CompletionInput("a.py", "x = ", 4), 2))
    assert [completion.text for completion in found] == ["dict()", "list()"]


def test_a_busy_server_is_retried(peer: Peer, remote: Remote) -> None:
    peer.statuses = [(503, "busy"), (429, "slowly")]
    assert remote.submit(request(remote)).result(LIMIT_S).text == "ok"
    assert len(peer.bodies) == 3


def test_a_server_without_probabilities(peer: Peer, remote: Remote) -> None:
    peer.statuses = [(400, "logprobs is not supported for models created with logits_all=False")]
    peer.reply = lambda _body: [{"choices": [{"text": "fine"}]}]
    for _ in range(2):
        assert remote.submit(request(remote)).result(LIMIT_S).text == "fine"
    assert ["logprobs" in body for body in peer.bodies] == [True, False, False]


def test_a_refusal_is_reported_without_the_key(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    remote = peer.connect("hunter2")
    peer.statuses = [(401, "no such key")]
    with pytest.raises(EngineError, match="no such key") as refusal:
        remote.submit(request(remote)).result(LIMIT_S)
    remote.close()
    assert peer.headers[0]["authorization"] == "Bearer hunter2"
    assert "hunter2" not in str(refusal.value) + caplog.text


def test_a_lost_connection_and_its_return_are_reported(peer: Peer) -> None:
    reported: list[NanoError | None] = []
    remote = peer.connect(on_connection=reported.append)
    peer.statuses = [(503, "down")] * 3
    with pytest.raises(EngineError, match="busy"):
        remote.submit(request(remote)).result(LIMIT_S)
    assert isinstance(reported[0], EngineError)
    assert remote.submit(request(remote)).result(LIMIT_S).text == "ok"
    assert reported[-1] is None
    remote.close()


def test_cancelling_ends_the_stream(peer: Peer, remote: Remote) -> None:
    peer.reply = lambda _body: [chunk("a")] * 100_000
    peer.go_on.clear()
    future = remote.submit(request(remote))
    assert peer.begun.wait(LIMIT_S)
    assert future.cancel()
    peer.go_on.set()
    assert peer.gone.wait(LIMIT_S)


def test_a_newer_request_supersedes_an_older_one_and_closing_completes_all(peer: Peer) -> None:
    remote = peer.connect()
    peer.go_on.clear()
    older = remote.submit(request(remote, document="a"))
    assert peer.begun.wait(LIMIT_S)
    newer = remote.submit(request(remote, document="a"))
    assert isinstance(older.exception(LIMIT_S), SupersededError)
    remote.close()
    assert isinstance(newer.exception(LIMIT_S), EngineClosedError)
    with pytest.raises(EngineClosedError):
        remote.submit(request(remote))


def test_limits_and_stop_strings_are_sent_to_the_server(peer: Peer, remote: Remote) -> None:
    peer.reply = lambda _body: [{"choices": [{"text": "ab", "finish_reason": "length"}]}]
    params = GenerateParams(max_tokens=9, stop=("\n",), grammar='root ::= "a"')
    done = remote.submit(request(remote, params=params)).result(LIMIT_S)
    assert done.finish_reason is FinishReason.LENGTH
    assert (peer.bodies[0]["max_tokens"], peer.bodies[0]["stop"]) == (9, ["\n"])
    assert peer.bodies[0]["grammar"] == 'root ::= "a"'


def test_a_question_is_laid_out_as_a_conversation(peer: Peer, remote: Remote) -> None:
    with LocalAssistant(remote, Settings(), find_folders()) as assistant:
        assert assistant.run(Ask("6*7? <|im_end|>")).text == "ok"
    prompt = peer.bodies[0]["prompt"]
    assert "NEURO-NANO" in prompt
    assert prompt.endswith("<|im_start|>assistant\n")
    assert "6*7? < |im_end|>" in prompt


@pytest.mark.parametrize("address", ["http://example.com", "http://10.0.0.1:8000/v1"])
def test_code_is_never_sent_unencrypted_to_another_machine(address: str) -> None:
    with pytest.raises(ConfigError, match="unencrypted"):
        Remote.connect(address, "nano", "", lambda _: None)


def test_an_unreachable_server() -> None:
    with pytest.raises(EngineError, match="cannot be reached"):
        Remote.connect("http://127.0.0.1:9", "nano", "", lambda _: None)


def test_a_key_from_a_file_and_an_invalid_one(peer: Peer) -> None:
    peer.connect("key\r\n").close()
    assert peer.headers[0]["authorization"] == "Bearer key"
    for wrong in ("schlüssel", "a\nb"):
        with pytest.raises(ConfigError, match="key"):
            peer.connect(wrong)


@pytest.mark.parametrize("proxy", ["socks://127.0.0.1:9", "http://127.0.0.1:9", "foo://x"])
def test_a_server_on_this_machine_is_never_reached_through_a_proxy(
    peer: Peer, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy)
    remote = peer.connect()
    assert remote.submit(request(remote)).result(LIMIT_S).text == "ok"
    remote.close()

"""The shared engine as its clients see it: a real process, on the scripted model."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from nano_lsp import __version__
from nano_lsp.assistant.context import ProgressListener
from nano_lsp.assistant.job import Job, LoadModel
from nano_lsp.chat import Ask, Explain
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.config import find_folders, load_settings
from nano_lsp.docstrings import WriteDocstrings
from nano_lsp.engine import protocol
from nano_lsp.engine.client import SharedAssistant
from nano_lsp.engine.endpoint import ALREADY_RUNNING, EngineEndpoint, find_endpoint
from nano_lsp.engine.installed_code import InstalledCode, installed_code
from nano_lsp.engine.launcher import Launcher, ask_engine, start_process
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.errors import EngineClosedError, GgufError, NanoError, PromptTooLongError, UnknownAdapterError
from nano_lsp.models.adapters import AdapterStore
from nano_lsp.schema import Completion
from nano_lsp.testing.scripted_backend import ScriptedBackend, reply_script
from tests.gguf_files import write_tiny_adapter
from tests.processes import engines_of

LIMIT_S = 60
REPLIES = {"x = ": "1 + 1\n", "assistant\n": "It adds one to one, and that is all there is to say."}
TASK = CompletionInput("a.py", "x = ", 4)
Connects = Callable[..., SharedAssistant]


def write_script(folder: Path, replies: Mapping[str, object], batch_ms: float = 0) -> str:
    path = folder / "script.json"
    path.write_text(json.dumps({**replies, "$batch_ms": batch_ms}))
    return f"scripted:{path}"


@pytest.fixture
def place(tmp_path: Path) -> EngineEndpoint:
    return find_endpoint(find_folders())


@pytest.fixture
def connect(tmp_path: Path, place: EngineEndpoint) -> Iterator[Connects]:
    """Makes clients of one engine."""
    clients: list[SharedAssistant] = []

    def make(name: str = "test", batch_ms: float = 0, **named: object) -> SharedAssistant:
        settings = load_settings(model=write_script(tmp_path, REPLIES, batch_ms), latency_ms=0)
        clients.append(SharedAssistant(place, settings, name, **named))  # type: ignore[arg-type]
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def lasting_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Home of an engine that outlives a test."""
    path = tmp_path_factory.mktemp("lasting")
    yield path
    for engine in engines_of(path):
        engine.kill()


@pytest.fixture
def lasting_engine(home: Path, lasting_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that leave the engine as it was: one for all of them, each with a model of its own."""
    monkeypatch.setenv("NANO_LSP_HOME", str(lasting_home))


class Seen(ProgressListener):
    """What a listener was told."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.parts: list[tuple[int, int]] = []
        self.begun = threading.Event()

    def on_text(self, text: str) -> None:
        self.texts.append(text)
        self.begun.set()

    def on_part(self, done: int, total: int) -> None:
        self.parts.append((done, total))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def status(place: EngineEndpoint) -> dict[str, Any]:
    return asyncio.run(ask_engine(place, "GET", "status"))


@pytest.mark.usefixtures("lasting_engine")
def test_results_are_those_of_a_model_in_this_process(connect: Connects) -> None:
    jobs: list[Job[object]] = [
        Complete(TASK),  # type: ignore[list-item]
        Ask("?"),  # type: ignore[list-item]
        Explain("x = 1", "python"),  # type: ignore[list-item]
        WriteDocstrings("def f(a):\n    return a\n"),  # type: ignore[list-item]
    ]
    backend, settings = ScriptedBackend(script=reply_script(REPLIES)), load_settings(latency_ms=0)
    with LocalAssistant(LoadedModel(backend), settings, find_folders()) as local:
        shared = connect()
        for job in jobs:
            expected, found = local.run(job), shared.run(job)
            if isinstance(expected, Completion) and isinstance(found, Completion):
                assert replace(found, counters=expected.counters) == expected
                assert found.counters.evaluated_tokens == expected.counters.evaluated_tokens
            else:
                assert found == expected
        assert shared.totals.generated_tokens == local.totals.generated_tokens


@pytest.mark.usefixtures("lasting_engine")
def test_text_parts_and_loading_are_told(connect: Connects) -> None:
    seen, loaded = Seen(), []
    client = connect(on_load=lambda what, done, total: loaded.append(what))
    done = client.run(Ask("?"), seen)
    assert seen.texts[-1] == done.text
    assert all(done.text.startswith(text) for text in seen.texts)
    client.run(WriteDocstrings("def f(a):\n    return a\n\n\ndef g(b):\n    return b\n"), seen)
    assert seen.parts


def test_clients_share_one_process_and_one_model(connect: Connects, place: EngineEndpoint, home: Path) -> None:
    clients = [connect(f"client{i}") for i in range(4)]
    with ThreadPoolExecutor(4) as pool:  # all at once: one start wins
        list(pool.map(lambda client: client.run(Complete(TASK)), clients))
    wait_until(lambda: len(engines_of(home)) == 1)  # those that lost the race end by themselves
    assert len(status(place)["models"][0]["clients"]) == 4


def test_clients_with_different_adapters_share_one_model(
    connect: Connects, place: EngineEndpoint, tmp_path: Path
) -> None:
    model = write_script(tmp_path, REPLIES | {"$adapter": {"x = ": "adapted()\n"}})
    file = write_tiny_adapter(tmp_path / "lora.gguf")

    def complete(adapter: str, workspace: Path | None = None) -> str:
        with SharedAssistant(place, load_settings(model=model, latency_ms=0, adapter=adapter), "test") as client:
            if workspace:
                client.use_workspace(workspace)
            return client.run(Complete(TASK)).text

    store = AdapterStore(find_folders().adapters)
    store.choose(store.install(file), tmp_path)
    found = [complete(str(file)), complete("none"), complete("auto", tmp_path), complete("auto"), complete("lora")]
    assert found == ["adapted()", "1 + 1", "adapted()", "1 + 1", "adapted()"]
    with SharedAssistant(place, load_settings(model=model, adapter="unknown"), "test") as client:
        with pytest.raises(UnknownAdapterError, match="unknown"):
            client.connect()
        assert client.run(Ask("?")).text.startswith("It adds")
    assert len(status(place)["models"]) == 1


@pytest.mark.usefixtures("lasting_engine")
def test_a_second_process_ends_at_once(connect: Connects, place: EngineEndpoint) -> None:
    connect().connect()
    assert start_process(place).wait(LIMIT_S) == ALREADY_RUNNING
    assert connect().run(Complete(TASK)).text == "1 + 1"


@pytest.mark.usefixtures("lasting_engine")
def test_errors_of_the_engine_are_those_of_the_model(connect: Connects, place: EngineEndpoint) -> None:
    client = connect()
    with pytest.raises(PromptTooLongError):
        client.run(Ask("x" * 9000))
    assert client.run(Complete(TASK)).text == "1 + 1"
    missing = SharedAssistant(place, load_settings(model="scripted:/nowhere"), "test")
    with pytest.raises(GgufError, match="nowhere"):
        missing.connect()
    missing.close()


@pytest.mark.usefixtures("lasting_engine")
def test_cancelling_ends_the_work_in_the_engine(connect: Connects, place: EngineEndpoint) -> None:
    client, seen = connect(batch_ms=100), Seen()  # the answer takes five seconds

    async def ask_and_leave() -> None:
        task = asyncio.ensure_future(client.run_async(Ask("?"), seen))
        await asyncio.to_thread(seen.begun.wait, LIMIT_S)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    asyncio.run(ask_and_leave())
    wait_until(lambda: status(place)["models"][-1]["n_jobs"] == 0)
    assert status(place)["models"][-1]["totals"]["generated_tokens"] < 40


@pytest.mark.usefixtures("lasting_engine")
def test_a_client_that_is_killed_ends_its_work(connect: Connects, place: EngineEndpoint, tmp_path: Path) -> None:
    connect(batch_ms=50).connect()
    command = [sys.executable, "-m", "nano_lsp", "ask", "?", "--model", f"scripted:{tmp_path / 'script.json'}"]
    client = subprocess.Popen(command, env={**os.environ, "NANO_LSP_ENGINE": "shared"}, stdout=subprocess.PIPE)
    assert client.stdout is not None
    assert client.stdout.read(2) == b"It"
    client.kill()
    client.communicate()
    wait_until(lambda: status(place)["models"][-1]["n_jobs"] == 0)


def test_an_engine_that_is_killed_is_back_for_the_next_request(connect: Connects, home: Path) -> None:
    told: list[NanoError | None] = []
    client, seen = connect(batch_ms=100, on_connection=told.append), Seen()  # the answer takes five seconds
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.run, Ask("?"), seen)
        assert seen.begun.wait(LIMIT_S)
        (engine,) = engines_of(home)
        engine.kill()
        with pytest.raises(EngineClosedError):  # answered, and not twice
            asked.result(LIMIT_S)
    wait_until(lambda: told and told[-1] is None)  # it came back by itself
    assert isinstance(told[0], EngineClosedError)
    assert client.run(Complete(TASK)).text == "1 + 1"
    (successor,) = engines_of(home)
    assert successor.pid != engine.pid


@pytest.mark.usefixtures("lasting_engine")
def test_who_loses_the_engine_cuts_nobody_elses_answer(
    connect: Connects, place: EngineEndpoint, tmp_path: Path
) -> None:
    connect(batch_ms=5).connect()
    settings = load_settings(model=write_script(tmp_path, REPLIES, 5), latency_ms=0)
    order = protocol.encode_request("other", settings, Ask("?"), "")

    async def answer() -> bytes:
        launcher = Launcher(place)
        session = await launcher.find()
        async with session.post(f"{protocol.PREFIX}/jobs/Ask", data=order) as response:
            begun = await response.content.readany()
            launcher.lose(session)
            rest = await asyncio.wait_for(response.content.read(), LIMIT_S)
        await launcher.close()
        return begun + rest

    assert b'"type":"result"' in asyncio.run(answer())


def test_a_socket_that_is_deleted_is_there_again(connect: Connects, place: EngineEndpoint, home: Path) -> None:
    connect().connect()
    before = engines_of(home)
    place.address.unlink()
    wait_until(place.address.exists)
    assert connect().run(Complete(TASK)).text == "1 + 1"
    assert engines_of(home) == before


def test_one_that_is_stopped_goes_on_later(connect: Connects, home: Path) -> None:
    client = connect()
    client.connect()
    (engine,) = engines_of(home)
    engine.suspend()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.run, Complete(TASK))
        engine.resume()
        assert asked.result(LIMIT_S).text == "1 + 1"


def test_an_engine_of_older_code_is_replaced_and_one_of_newer_code_is_not(
    connect: Connects, place: EngineEndpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is the same throughout: it says nothing about the code between two releases."""
    connect().connect()
    (first,) = engines_of(home)
    own = installed_code()
    for other, code in (
        ("the same code elsewhere", replace(own, installed=own.installed + 60)),
        ("and long ago", replace(own, installed=1.0)),
    ):
        monkeypatch.setattr("nano_lsp.engine.launcher.installed_code", lambda code=code: code)
        assert connect(other).run(Complete(TASK)).text == "1 + 1"
    assert engines_of(home) == [first]
    older = InstalledCode("0" * 16, own.installed - 60)
    monkeypatch.setattr("nano_lsp.engine.launcher.installed_code", lambda: older)
    with pytest.raises(EngineClosedError, match=r"newer code .* Restart this program"):
        connect().connect()
    newer = InstalledCode("f" * 16, own.installed + 60)
    monkeypatch.setattr("nano_lsp.engine.launcher.installed_code", lambda: newer)
    launcher = Launcher(place)

    async def replace_it() -> None:
        task = asyncio.ensure_future(launcher.find())
        await asyncio.to_thread(first.wait, LIMIT_S)
        task.cancel()  # the next one is as old as the first, in this test
        await asyncio.wait({task})

    asyncio.run(replace_it())
    assert not first.is_running()


def test_an_engine_of_another_protocol_is_replaced(
    connect: Connects, place: EngineEndpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect().connect()
    (first,) = engines_of(home)
    monkeypatch.setattr("nano_lsp.engine.launcher.PROTOCOL", 0)  # as a program from before this one
    with pytest.raises(EngineClosedError, match="newer code"):
        connect().connect()
    assert first.is_running()


def test_a_file_that_cannot_be_written_is_not_the_engines_fault(connect: Connects, home: Path) -> None:
    class Full(ProgressListener):
        def on_text(self, text: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    told: list[NanoError | None] = []
    client = connect(on_connection=told.append)
    client.connect()
    told.clear()
    with pytest.raises(OSError, match="No space left"):
        client.run(Ask("?"), Full())
    assert told == []
    assert client.run(Complete(TASK)).text == "1 + 1"
    assert len(engines_of(home)) == 1


def test_the_model_and_then_the_process_go_when_nobody_wants_them(
    connect: Connects, place: EngineEndpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NANO_LSP_UNLOAD_MINUTES", "0.001")
    monkeypatch.setenv("NANO_LSP_EXIT_MINUTES", "0.05")
    client = connect()
    client.connect()
    (engine,) = engines_of(home)
    wait_until(lambda: not status(place)["models"])
    assert client.run(Complete(TASK)).text == "1 + 1"  # it is loaded again
    engine.wait(LIMIT_S)
    assert not place.address.exists()
    assert client.run(Complete(TASK)).text == "1 + 1"  # it is started again


def test_stopping_waits_for_what_runs(connect: Connects, home: Path, place: EngineEndpoint) -> None:
    client, seen = connect(batch_ms=20), Seen()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.run, Ask("?"), seen)
        assert seen.begun.wait(LIMIT_S)
        (engine,) = engines_of(home)
        engine.send_signal(signal.SIGTERM)
        assert asked.result(LIMIT_S).text == REPLIES["assistant\n"]
    psutil.wait_procs([engine], LIMIT_S)
    assert not engine.is_running()


def test_who_asks_an_engine_that_is_about_to_end_is_answered_by_the_next(
    connect: Connects, place: EngineEndpoint
) -> None:
    busy, seen = connect("busy", batch_ms=40), Seen()
    other = connect("other", batch_ms=40)
    other.connect()
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(busy.run, Ask("?"), seen)
        assert seen.begun.wait(LIMIT_S)
        before = asyncio.run(ask_engine(place, "POST", "shutdown"))["pid"]
        asked = pool.submit(other.run, Complete(TASK))
        assert running.result(LIMIT_S).text.startswith("It adds")
        assert asked.result(LIMIT_S).text == "1 + 1"
    assert status(place)["pid"] != before


def test_one_that_keeps_dying_is_not_started_without_end(
    place: EngineEndpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = SharedAssistant(place, load_settings(model="scripted:x"), "test")
    monkeypatch.setenv("NANO_LSP_N_CTX", "7")  # a setting that no engine starts with
    with pytest.raises(EngineClosedError, match=r"died|answer"):
        client.run(LoadModel())
    client.close()
    assert place.log.read_text().count("n_ctx is '7'") < 10


def test_over_a_port_where_there_are_no_unix_sockets(
    tmp_path: Path, place: EngineEndpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NANO_LSP_TRANSPORT", "tcp")
    with_port, settings = find_endpoint(find_folders()), load_settings(model=write_script(tmp_path, REPLIES))
    assert with_port.tcp
    with SharedAssistant(with_port, settings, "test") as client:
        assert client.run(Complete(TASK)).text == "1 + 1"
        assert not place.address.exists()
        port = with_port.read_port()
        assert port is not None
        address = f"http://127.0.0.1:{port.port}/nano/v1"
        assert httpx.get(f"{address}/status").status_code == 401
        wrong = httpx.post(f"{address}/jobs/LoadModel", headers={"authorization": "Bearer guess"}, content=b"{}")
        assert wrong.status_code == 401
        odd = httpx.get(f"{address}/status", headers={b"authorization": b"Bearer \xff\xfe"})
        assert odd.status_code == 401
        for engine in engines_of(home):
            engine.kill()
        assert client.run(Complete(TASK)).text == "1 + 1"


def test_nobody_gets_code_who_has_taken_the_port(
    place: EngineEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program listens where a dead engine did: it cannot challenge_response that it knows the token."""
    monkeypatch.setenv("NANO_LSP_TRANSPORT", "tcp")
    with_port, received = find_endpoint(find_folders()), list[str]()

    class Impostor(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append(f"{self.path} {self.headers}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"version": "%b", "pid": 1, "proof": "x"}' % __version__.encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with HTTPServer(("127.0.0.1", 0), Impostor) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with_port.port.write_text(json.dumps({"port": server.server_port, "token": "secret"}))
        settings = load_settings(model=write_script(tmp_path, REPLIES))
        with SharedAssistant(with_port, settings, "test") as client:
            assert client.run(Complete(TASK)).text == "1 + 1"  # by an engine of this user's own
        server.shutdown()
    assert received
    assert all("version" in request and "secret" not in request for request in received)

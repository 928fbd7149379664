"""Editors that share an engine: the same answers, one process, and an error status after a crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nano_lsp.config import find_folders
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.engine.launcher import ask_engine
from tests.engine.test_engine import wait_until
from tests.processes import engines_of
from tests.raw_client import URI, RawClient, inline

Starts = Callable[..., RawClient]
SPAN = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 4}}


def write_script(folder: Path, batch_ms: int = 0) -> Path:
    script = folder / "script.json"
    script.write_text(json.dumps({"x = ": "1 + 1\n", "assistant\n": "It is so.", "$batch_ms": batch_ms}))
    return script


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Iterator[Starts]:
    """Starts servers that share an engine."""
    clients: list[RawClient] = []

    def begin(batch_ms: int = 0) -> RawClient:
        script = write_script(tmp_path, batch_ms)
        client = RawClient(home=home, forked=True)
        clients.append(client)
        client.initialize(model=f"scripted:{script}", engine="shared", debounceMs=0, latencyMs=0, prefetch=False)
        client.wait_for_state("ready")
        client.open("x = \n")
        return client

    yield begin
    for client in clients:
        client.close()


def test_two_editors_share_one_engine(start: Starts, home: Path) -> None:
    editors = [start(), start()]
    for editor in editors:
        assert editor.suggest(2, 0, 4, invoked=False) == ["1 + 1"]
    assert len(engines_of(home)) == 1
    assert editors[0].command(4, "nano.explain", {"uri": URI, "range": SPAN})["result"] == "It is so."
    assert editors[0].request(5, "nano/stats")["result"]["generated_tokens"] > 0


def test_a_crashed_engine_is_restarted_for_the_next_request(start: Starts, home: Path) -> None:
    editor = start()
    (engine,) = engines_of(home)
    engine.kill()
    engine.wait(60)
    assert editor.suggest(2, 0, 4, invoked=False) == ["1 + 1"]
    (successor,) = engines_of(home)
    assert successor.pid != engine.pid


def test_an_engine_crash_during_a_request_is_in_the_status_and_recovers(
    start: Starts, home: Path, tmp_path: Path
) -> None:
    editor = start(batch_ms=1000)
    write_script(tmp_path)  # for the next engine
    editor.send(
        {
            "jsonrpc": "2.0",
            "id": 7,
            "method": "textDocument/inlineCompletion",
            "params": inline(invoked=False),
        }
    )
    place = find_endpoint(find_folders())
    wait_until(lambda: asyncio.run(ask_engine(place, "GET", "status"))["models"][0]["n_jobs"])
    (engine,) = engines_of(home)
    engine.kill()
    assert editor.answer(7)["result"]["items"] == []
    assert "engine" in editor.wait_for_state("error")["message"]
    editor.wait_for_state("ready")
    assert editor.suggest(8, 0, 4, invoked=False) == ["1 + 1"]

"""Thousands of random messages: the server lives, and answers each request exactly once."""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.raw_client import RawClient, inline

N_MESSAGES = 10_000 if os.environ.get("CI") else 2_000  # 17 s and 3 s
N_WARM = N_MESSAGES // 2  # until then caches fill
METHODS = ("textDocument/inlineCompletion", "textDocument/completion", "nano/stats", "nano/unknown", "$/odd")
WORDS = ("x = ", "def f(a):\n    ", "🙂", "\r\n", "\u2028", "(", '"', "\t", "")


def params(source: random.Random, uri: str) -> Any:  # noqa: ANN401 - any JSON
    at = {"line": source.randrange(-1, 9), "character": source.randrange(-1, 12)}
    if source.random() < 0.1:
        return source.choice([None, [], {}, {"position": at}, 7, "text", {"textDocument": {"uri": 3}}])
    return {**inline(0, 0, invoked=source.random() < 0.1), "textDocument": {"uri": uri}, "position": at}


def edit(source: random.Random) -> dict[str, Any]:
    change: dict[str, Any] = {"text": source.choice(WORDS)}
    if source.random() < 0.9:
        places = [{"line": source.randrange(9), "character": source.randrange(12)} for _ in range(2)]
        change["range"] = dict(zip(("start", "end"), places, strict=True))
    return change


def message(source: random.Random, number: int, asked: list[int]) -> dict[str, Any]:
    """The next message; a request carries its number."""
    uri = f"file:///{source.randrange(4)}.py"
    kind = source.random()
    if kind < 0.45:
        asked.append(number)
        return {"id": number, "method": source.choice(METHODS), "params": params(source, uri)}
    if kind < 0.55 and asked:
        return {"method": "$/cancelRequest", "params": {"id": source.choice(asked[-5:])}}
    if kind < 0.65:
        document = {
            "uri": uri,
            "languageId": "python",
            "version": number,
            "text": "".join(source.choices(WORDS, k=9)),
        }
        return {"method": "textDocument/didOpen", "params": {"textDocument": document}}
    if kind < 0.70:
        return {"method": "textDocument/didClose", "params": {"textDocument": {"uri": uri}}}
    if kind < 0.73:
        return {
            "method": source.choice(["textDocument/didChange", "x/y", "initialized"]),
            "params": {"odd": [number]},
        }
    identifier = {"uri": uri, "version": source.randrange(number + 1)}
    return {
        "method": "textDocument/didChange",
        "params": {"textDocument": identifier, "contentChanges": [edit(source)]},
    }


@pytest.mark.parametrize("seed", [1])
def test_random_messages(tmp_path: Path, seed: int) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"x = ": "1\\n", "def f(a):\\n    ": "return a\\n"}')
    client = RawClient(home=tmp_path)
    try:
        client.initialize(model=f"scripted:{script}", debounceMs=0, maxTokens=4, promptTokens=64)
        client.wait_for_state("ready")
        answers: Counter[int] = Counter()
        last = threading.Event()

        def read() -> None:
            while not last.is_set():
                said = client.read()
                if "method" not in said and isinstance(said.get("id"), int):
                    answers[said["id"]] += 1
                    if said["id"] == -1:
                        last.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        source = random.Random(seed)  # noqa: S311 - repeatable, no secret
        asked: list[int] = []
        warm = 0
        process = psutil.Process(client.process.pid)
        for number in range(2, N_MESSAGES + 2):
            client.send({"jsonrpc": "2.0", **message(source, number, asked)})
            if number == N_WARM:
                warm = process.memory_info().rss
        client.send(json.loads('{"jsonrpc": "2.0", "id": -1, "method": "nano/stats", "params": {}}'))
        assert last.wait(120)
        assert len(answers) > N_MESSAGES // 3
        missing = [number for number in asked if answers[number] != 1]
        # What is still being worked on when the last one is answered comes later.
        client.send({"jsonrpc": "2.0", "id": -2, "method": "shutdown"})
        while missing:
            said = client.read()
            if said.get("id") == -2:
                break
            answers[said.get("id", 0)] += 1
            missing = [number for number in missing if answers[number] != 1]
        assert missing == []
        assert process.memory_info().rss < warm * 1.05
    finally:
        client.close()

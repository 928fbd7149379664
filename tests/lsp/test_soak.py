"""Thousands of random messages: the server keeps running, and answers each request exactly once."""

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

MANY_MESSAGES = int(os.environ.get("SOAK_MESSAGES") or 10_000)  # 17 s; 2,000 take 3 s
METHODS = (
    *("textDocument/inlineCompletion", "textDocument/completion", "nano/stats", "nano/unknown", "$/odd"),
    *("textDocument/codeAction", "textDocument/hover", "textDocument/codeLens", "codeAction/resolve"),
    *("workspace/executeCommand", "completionItem/resolve"),
)
COMMANDS = ("nano.explain", "nano.docstring", "nano.apply", "nano.accepted", "nano.showStats", "nano.unknown")
URIS = (
    *(f"file:///{i}.py" for i in range(4)),
    *(
        "vscode-notebook-cell:/book.ipynb#1",
        "git:/0.py?%7B%22ref%22%3A%22~%22%7D",
        "untitled:Untitled-1",
        "file:///.env",
    ),
)
FOLDER = {"uri": "file:///nowhere", "name": "nowhere"}
NOTIFICATIONS: tuple[tuple[str, Any], ...] = (
    ("workspace/didChangeWorkspaceFolders", {"event": {"added": [FOLDER], "removed": []}}),
    ("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": [FOLDER]}}),
    ("workspace/didChangeConfiguration", {"settings": {"nano": {"alternatives": 2}}}),
    ("workspace/didChangeConfiguration", {"settings": {"nano.alternatives": 2.0, "python": {}}}),
    ("workspace/didChangeWatchedFiles", {"changes": [{"uri": "file:///nowhere/a.py", "type": 1}]}),
    ("workspace/didRenameFiles", {"files": [{"oldUri": "file:///nowhere/a.py", "newUri": "file:///b.py"}]}),
    ("workspace/didDeleteFiles", {"files": [{"uri": "file:///nowhere/a.py"}]}),
    ("textDocument/didSave", {"textDocument": {"uri": "file:///0.py"}, "text": "x"}),
    ("window/workDoneProgress/cancel", {"token": 7}),
    ("window/workDoneProgress/cancel", {"token": "nano-lsp-1"}),
    ("$/cancelRequest", {"id": "unknown"}),
    ("$/setTrace", {"value": "verbose"}),
    ("initialized", {}),
)
"""Notifications of editors besides text changes."""
NOTEBOOK = "file:///book.ipynb"
WORDS = ("x = ", "def f(a):\n    ", "🙂", "\r\n", "\u2028", "(", '"', "\t", "")


def params(source: random.Random, uri: str) -> Any:  # noqa: ANN401 - any JSON
    at = {"line": source.randrange(-1, 9), "character": source.randrange(-1, 12)}
    if source.random() < 0.1:
        return source.choice([None, [], {}, {"position": at}, 7, "text", {"textDocument": {"uri": 3}}])
    given = {**inline(0, 0, invoked=source.random() < 0.1), "textDocument": {"uri": uri}, "position": at}
    span = {"start": at, "end": {"line": at["line"] + 1, "character": 3}}
    about: list[Any] = [{"uri": uri, "range": span}, source.choice([None, 7, "text", {"uri": uri}])]
    return {
        **given,
        "range": span,
        "context": {"triggerKind": given["context"]["triggerKind"], "diagnostics": []},
        "command": source.choice(COMMANDS),
        "arguments": about[: source.randrange(3)],
        "title": "nano: write docstring",
        "label": "x",
        "data": source.choice([None, {"uri": uri, "version": 1, "kind": "docstring", "start": 0}]),
    }


def notebook(source: random.Random) -> dict[str, Any]:
    uri = f"vscode-notebook-cell:/book.ipynb#{source.randrange(3)}"
    cell = {"kind": source.randrange(1, 3), "document": uri}
    document = {"uri": uri, "languageId": "python", "version": 1, "text": source.choice(WORDS)}
    book = {"uri": NOTEBOOK, "version": 1, "notebookType": "jupyter-notebook", "cells": [cell]}
    if source.random() < 0.3:
        return {
            "method": "notebookDocument/didOpen",
            "params": {"notebookDocument": book, "cellTextDocuments": [document]},
        }
    if source.random() < 0.1:
        return {
            "method": "notebookDocument/didClose",
            "params": {"notebookDocument": {"uri": NOTEBOOK}, "cellTextDocuments": [{"uri": uri}]},
        }
    array = {"start": source.randrange(4), "deleteCount": source.randrange(3), "cells": [cell]}
    structure = {"array": array, "didOpen": [document], "didClose": []}
    content = {"document": {"uri": uri, "version": 2}, "changes": [edit(source)]}
    cells = source.choice([{"structure": structure}, {"textContent": [content]}, {"data": [cell]}])
    return {
        "method": "notebookDocument/didChange",
        "params": {"notebookDocument": {"uri": NOTEBOOK, "version": 2}, "change": {"cells": cells}},
    }


def edit(source: random.Random) -> dict[str, Any]:
    change: dict[str, Any] = {"text": source.choice(WORDS)}
    if source.random() < 0.9:
        places = [{"line": source.randrange(9), "character": source.randrange(12)} for _ in range(2)]
        change["range"] = dict(zip(("start", "end"), places, strict=True))
    return change


def spoiled(source: random.Random, value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A value with some of its fields null or missing."""
    if isinstance(value, dict):
        kept = {key: spoiled(source, item) for key, item in value.items() if source.random() > 0.05}
        return {key: None if source.random() < 0.05 else item for key, item in kept.items()}
    return [spoiled(source, item) for item in value] if isinstance(value, list) else value


def message(source: random.Random, number: int, asked: list[int]) -> dict[str, Any]:
    """The next message; a request has its number as id. One message in ten is invalid."""
    made = well_formed(source, number, asked)
    if source.random() < 0.1:
        made["params"] = spoiled(source, made.get("params"))
    return made


def well_formed(source: random.Random, number: int, asked: list[int]) -> dict[str, Any]:  # noqa: PLR0911
    uri = source.choice(URIS)
    kind = source.random()
    if kind < 0.03:
        method, given = source.choice(NOTIFICATIONS)
        return {"method": method, "params": given}
    if kind > 0.92:
        odd: dict[str, Any] = {
            "method": source.choice(["textDocument/didChange", "x/y", "initialized"]),
            "params": {"odd": [number]},
        }
        return odd if kind > 0.97 else notebook(source)
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
    identifier = {"uri": uri, "version": source.randrange(number + 1)}
    return {
        "method": "textDocument/didChange",
        "params": {"textDocument": identifier, "contentChanges": [edit(source)]},
    }


@pytest.mark.parametrize("n_messages", [2_000, pytest.param(MANY_MESSAGES, marks=pytest.mark.real)])
def test_random_messages(tmp_path: Path, n_messages: int) -> None:
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
        source = random.Random(1)  # noqa: S311 - repeatable, no secret
        asked: list[int] = []
        sent: dict[int, dict[str, Any]] = {}
        warm = 0
        process = psutil.Process(client.process.pid)
        for number in range(2, n_messages + 2):
            sent[number] = message(source, number, asked)
            client.send({"jsonrpc": "2.0", **sent[number]})
            if number == n_messages // 2:  # until then caches fill
                warm = process.memory_info().rss
        client.send(json.loads('{"jsonrpc": "2.0", "id": -1, "method": "nano/stats", "params": {}}'))
        assert last.wait(120 + n_messages / 100)
        assert len(answers) > n_messages // 3
        missing = [number for number in asked if answers[number] != 1]
        # What is still being worked on when the last one is answered comes later.
        client.send({"jsonrpc": "2.0", "id": -2, "method": "shutdown"})
        while missing:
            said = client.read()
            if said.get("id") == -2:
                break
            answers[said.get("id", 0)] += 1
            missing = [number for number in missing if answers[number] != 1]
        assert [sent[number] for number in missing] == []
        assert process.memory_info().rss < warm * 1.05
    finally:
        client.close()

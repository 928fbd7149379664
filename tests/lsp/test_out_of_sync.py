"""A change that cannot be read: nothing is offered for the document until its text is known again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.raw_client import URI, RawClient, inline

START, END = {"line": 0, "character": 0}, {"line": 0, "character": 1}
INVALID = [
    {"range": {"start": {"line": -1, "character": 0}, "end": START}, "text": "y"},
    {"range": "all", "text": "y"},
    {"range": {"start": START, "end": START}},
    "y",
]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[RawClient]:
    script = tmp_path / "script.json"
    script.write_text('{"x = ": "1\\n"}')
    it = RawClient(home=tmp_path / "home", forked=True)
    it.initialize(model=f"scripted:{script}", debounceMs=0, latencyMs=0)
    it.wait_for_state("ready")
    it.open("x = \n")
    it.open("x = \n", "file:///b.py")
    assert it.suggest(2, 0, 4) == ["1"]
    yield it
    it.close()


def change(client: RawClient, *changes: object, uri: str | None = URI) -> None:
    identifier = {"version": 2, **({"uri": uri} if uri else {})}
    client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": changes})


def insert(text: str) -> dict[str, Any]:
    return {"range": {"start": START, "end": START}, "text": text}


def suggest(client: RawClient, uri: str) -> list[Any]:
    params = {**inline(0, 4), "textDocument": {"uri": uri}}
    return list(client.request(3, "textDocument/inlineCompletion", params)["result"]["items"])


def actions(client: RawClient) -> list[Any]:
    params = {"textDocument": {"uri": URI}, "range": {"start": START, "end": START}, "context": {"diagnostics": []}}
    return list(client.request(4, "textDocument/codeAction", params)["result"])


def said(client: RawClient) -> list[str]:
    client.request(5, "nano/stats", {})
    return [each["params"]["message"] for each in client.seen if each["method"] == "window/logMessage"]


@pytest.mark.parametrize("invalid", INVALID)
def test_after_a_change_that_cannot_be_read_nothing_is_offered(client: RawClient, invalid: object) -> None:
    change(client, invalid)
    (line,) = said(client)
    assert "a.py is out of sync" in line
    assert "open it again" in line
    assert client.wait_for_state("ready")["quiet"] == "out-of-sync"
    assert client.suggest(6, 0, 4) == []
    assert actions(client) == []
    assert len(suggest(client, "file:///b.py")) == 1
    change(client, insert(""))  # its positions mean nothing in a text that is not known
    assert client.suggest(7, 0, 4) == []


def test_a_text_that_is_sent_as_a_whole_is_known_again(client: RawClient) -> None:
    change(client, INVALID[0])
    change(client, insert("zzz"), {"text": "x"}, {**insert(" = "), "range": {"start": END, "end": END}})
    assert client.suggest(6, 0, 4) == ["1"]
    assert actions(client)
    change(client, INVALID[0])
    client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    client.open("x = \n")
    assert client.suggest(7, 0, 4) == ["1"]
    assert len(said(client)) == 1  # once for each document


@pytest.mark.parametrize("body", [b'"\xff"', b'"y', b'"y"}], "uri'])
def test_a_change_of_an_unknown_document_may_be_of_any(client: RawClient, body: bytes) -> None:
    client.send_bytes(
        b'{"jsonrpc": "2.0", "method": "textDocument\\/didChange", "params": {"contentChanges": [' + body
    )
    assert client.suggest(6, 0, 4) == []
    assert suggest(client, "file:///b.py") == []


def test_a_change_without_a_document_may_be_of_any(client: RawClient) -> None:
    change(client, insert(""), uri=None)
    assert suggest(client, "file:///b.py") == []


def test_another_message_that_cannot_be_read_costs_no_suggestions(client: RawClient) -> None:
    client.send_bytes(b'{"jsonrpc": "2.0", "method": "textDocument/hover", "id": 8, "params": "\xff"}')
    client.notify("textDocument/didOpen", {"textDocument": {"uri": "file:///c.py", "text": 5}})
    assert client.suggest(6, 0, 4) == ["1"]
    client.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": 5}})  # it has another text now
    assert client.suggest(7, 0, 4) == []


def test_a_notebook_has_no_suggestions_until_it_is_opened_again(client: RawClient) -> None:
    cells = [{"kind": 2, "document": f"nb:/a.ipynb#{i}"} for i in range(2)]
    items = [{"uri": cell["document"], "languageId": "python", "version": 1, "text": "x = "} for cell in cells]
    notebook = {"uri": "nb:/a.ipynb", "notebookType": "jupyter-notebook", "version": 1, "cells": cells}
    opened = {"notebookDocument": notebook, "cellTextDocuments": items}
    client.notify("notebookDocument/didOpen", opened)
    last = items[1]["uri"]
    assert len(suggest(client, str(last))) == 1
    array = {"start": -1, "deleteCount": 1}
    structure = {"cells": {"structure": {"array": array}}}
    client.notify("notebookDocument/didChange", {"notebookDocument": {**notebook, "version": 2}, "change": structure})
    assert suggest(client, str(last)) == []
    assert "a.ipynb is out of sync" in json.dumps(said(client))
    assert client.suggest(6, 0, 4) == ["1"]
    client.notify("notebookDocument/didOpen", opened)
    assert len(suggest(client, str(last))) == 1

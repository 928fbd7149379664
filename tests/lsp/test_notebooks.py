"""Notebooks in an editor: cells are synchronised, and the prompt for a cell contains the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.raw_client import RawClient, inline

NOTEBOOK = "file:///work/book.ipynb"
CODE, MARKUP = 2, 1


def cell_uri(name: str) -> str:
    return f"vscode-notebook-cell:/work/book.ipynb#{name}"


def document(name: str, text: str, language: str = "python") -> dict[str, Any]:
    return {"uri": cell_uri(name), "languageId": language, "version": 1, "text": text}


def cell(name: str, kind: int = CODE) -> dict[str, Any]:
    return {"kind": kind, "document": cell_uri(name)}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[RawClient]:
    script = tmp_path / "script.json"
    # The reply to the last cell is another one while the first cell stands in front of it.
    script.write_text(json.dumps({"a = 1\n\nb = ": "a + 1\n", "c = 3\n\nb = ": "c\n", "b = ": "2\n"}))
    it = RawClient(home=tmp_path, forked=True)
    it.initialize(model=f"scripted:{script}", debounceMs=0)
    it.wait_for_state("ready")
    notebook = {"uri": NOTEBOOK, "notebookType": "jupyter-notebook", "version": 1}
    cells = [cell("one"), cell("text", MARKUP), cell("two")]
    documents = [document("one", "a = 1"), document("text", "# Title", "markdown"), document("two", "b = ")]
    params = {"notebookDocument": {**notebook, "cells": cells}, "cellTextDocuments": documents}
    it.notify("notebookDocument/didOpen", params)
    yield it
    it.close()


def suggest(client: RawClient, name: str, column: int) -> list[str]:
    params = {**inline(0, column), "textDocument": {"uri": cell_uri(name)}}
    found = client.request(7, "textDocument/inlineCompletion", params)["result"]["items"]
    return [item["insertText"] for item in found]


def change(client: RawClient, **cells: object) -> None:
    params = {"notebookDocument": {"uri": NOTEBOOK, "version": 2}, "change": {"cells": cells}}
    client.notify("notebookDocument/didChange", params)


def test_a_cell_sees_the_code_cells_and_no_text(client: RawClient) -> None:
    assert suggest(client, "two", 4)[0] == "a + 1"
    assert suggest(client, "text", 7) == []


def test_cells_come_go_and_change(client: RawClient) -> None:
    array = {"start": 0, "deleteCount": 1, "cells": [cell("three")]}
    structure = {"array": array, "didOpen": [document("three", "c")], "didClose": [{"uri": cell_uri("one")}]}
    change(client, structure=structure)
    at = {"line": 0, "character": 1}
    content = {
        "document": {"uri": cell_uri("three"), "version": 2},
        "changes": [{"range": {"start": at, "end": at}, "text": " = 3"}],
    }
    change(client, textContent=[content])
    assert suggest(client, "two", 4)[0] == "c"
    change(client, data=[cell("three", MARKUP)])
    assert suggest(client, "two", 4)[0] == "2"


def test_a_closed_notebook_is_gone(client: RawClient) -> None:
    closed = [{"uri": cell_uri(name)} for name in ("one", "text", "two")]
    client.notify("notebookDocument/didClose", {"notebookDocument": {"uri": NOTEBOOK}, "cellTextDocuments": closed})
    assert suggest(client, "two", 4) == []


def test_invalid_changes_do_not_crash_the_server(client: RawClient) -> None:
    change(client, structure={"array": {"start": 99, "deleteCount": 99}})
    change(client, textContent=[{"document": {"uri": "x:y", "version": 1}, "changes": [{"text": "z"}]}])
    client.notify("notebookDocument/didChange", {"notebookDocument": {"uri": "x:y", "version": 1}, "change": {}})
    client.notify("notebookDocument/didOpen", {"notebookDocument": 7})
    assert suggest(client, "two", 4)[0] == "a + 1"

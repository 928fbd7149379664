"""The next edit over `textDocument/copilotInlineEdit`; a real server on the scripted model."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nano_lsp.code.workspace import Workspace
from nano_lsp.config import find_folders
from tests.raw_client import URI, RawClient

METHOD = "textDocument/copilotInlineEdit"
CODE = "def area(w, h):\n    total = w * h\n    check(h)\n    print(w)\n    check(h)\n    return total + w\n"
RENAMED = CODE.replace("(w, h)", "(width, h)")
REPLIES = {
    "x = ": "1 + 1\n",
    "from a import load\n": "",
    "def area(width, h):\n": "    total = width * h\n",
    "* h\n    check(h)\n": "    print(width)\n",
    ")\n    check(h)\n": "    return total + width\n",
    "def f(é, a):\n": "    return 'é😀', a.breadth\n",
}


class Editor:
    """An editor that applies next edits."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self._ids = iter(range(10, 9999))

    def open(self, text: str, uri: str = URI) -> None:
        self.texts[uri], self.versions[uri] = text, 1
        self.client.open(text, uri)

    def change(self, text: str, uri: str = URI) -> None:
        """Replace the text of a document, as editors without incremental changes do."""
        self.texts[uri] = text
        self.versions[uri] += 1
        identifier = {"uri": uri, "version": self.versions[uri]}
        self.client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [{"text": text}]})

    def ask(self, uri: str = URI, line: int = 0, **more: object) -> list[dict[str, Any]]:
        identifier = {"uri": uri, "version": self.versions.get(uri, 0)}
        params = {"textDocument": identifier, "context": {"triggerKind": 2}, **more}
        answer = self.client.request(next(self._ids), METHOD, {**params, "position": {"line": line, "character": 4}})
        return list(answer["result"]["edits"])

    def accept(self, edit: dict[str, Any]) -> str:
        """Apply an edit; returns the uri of its document."""
        uri: str = edit["textDocument"]["uri"]
        assert edit["textDocument"]["version"] == self.versions[uri]
        lines = self.texts[uri].split("\n")
        start, end = edit["range"]["start"], edit["range"]["end"]
        head = "\n".join([*lines[: start["line"]], lines[start["line"]][: start["character"]]])
        tail = "\n".join([lines[end["line"]][end["character"] :], *lines[end["line"] + 1 :]])
        self.change(head + edit["text"] + tail, uri)
        command = edit["command"]
        self.client.command(next(self._ids), command["command"], *command["arguments"])
        return uri

    def reject(self, edit: dict[str, Any]) -> None:
        self.client.command(next(self._ids), "nano.nextEditRejected", *edit["command"]["arguments"])

    def set(self, **settings: object) -> None:
        """Change settings, as the user does in the editor."""
        self.client.notify("workspace/didChangeConfiguration", {"settings": {"nano": settings}})

    def evaluated(self) -> int:
        return int(self.client.request(next(self._ids), "nano/stats", {})["result"].get("evaluated_tokens", 0))


def start(folder: Path, **settings: object) -> Editor:
    script = folder / "script.json"
    script.write_text(json.dumps(REPLIES))
    client = RawClient(home=folder / "home", forked=True)
    options = {"debounceMs": 0, "prefetch": False, "warmUp": "never", "nextEdit": True, **settings}
    client.initialize(root=folder, model=f"scripted:{script}", **options)
    client.wait_for_state("ready")
    return Editor(client)


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    it = start(tmp_path)
    yield it
    it.client.close()


def test_a_renamed_parameter_leads_to_its_uses_one_by_one(editor: Editor) -> None:
    editor.open(CODE)
    assert editor.ask() == []
    editor.change(RENAMED)
    texts = []
    while edits := editor.ask():
        (edit,) = edits
        editor.accept(edit)
        texts.append(edit["text"])
    assert texts == ["    total = width * h", "    print(width)", "    return total + width"]
    assert editor.texts[URI] == re.sub(r"\bw\b", "width", CODE)


def test_a_rejected_edit_is_not_offered_again(editor: Editor) -> None:
    editor.open(CODE)
    editor.change(RENAMED)
    (first,) = editor.ask()
    editor.reject(first)
    (second,) = editor.ask()
    assert (first["text"], second["text"]) == ("    total = width * h", "    print(width)")


def test_nothing_is_offered_after_undo_or_paste(editor: Editor) -> None:
    editor.open(CODE)
    editor.change(RENAMED)
    assert editor.ask()
    editor.change(CODE)
    assert editor.ask() == []
    editor.change("x = " + "1 + " * 30 + "1\n" + RENAMED)
    assert editor.ask() == []


def test_an_edit_leads_to_another_open_document(editor: Editor) -> None:
    other = "file:///b.py"
    editor.open("def load(a):\n    return a\n")
    editor.open("from a import load\n", other)
    editor.change("def read(a):\n    return a\n")
    (edit,) = editor.ask()
    assert editor.accept(edit) == other
    assert editor.texts[other] == "from a import read\n"


CALLER = "from a import load\n"


def write_files(folder: Path, **texts: str) -> None:
    """Write Python files into a workspace, and index it."""
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    index = Workspace(folder, find_folders({"NANO_LSP_HOME": str(folder / "home")}).cache / "index")
    index.update()
    index.close()


def rename_load(editor: Editor, uri: str) -> None:
    editor.open("def load(a):\n    return a\n", uri)
    editor.change("def read(a):\n    return a\n", uri)


def test_an_edit_leads_to_a_file_that_is_not_open(tmp_path: Path) -> None:
    write_files(tmp_path, a="", far__b="load = 1\nprint(load)\n", caller=CALLER)
    editor = start(tmp_path)
    uri, caller = (tmp_path / "a.py").as_uri(), (tmp_path / "caller.py").as_uri()
    rename_load(editor, uri)
    assert editor.ask(uri) == []  # a client that does not ask for them cannot open files
    (edit,) = editor.ask(uri, closedFiles=True)
    assert (edit["textDocument"], edit["text"]) == ({"uri": caller, "version": None}, "from a import read")
    assert edit["sha256"] == hashlib.sha256(CALLER.rstrip().encode()).hexdigest()
    editor.open(CALLER.replace("load", "read"), caller)  # what is open counts, not what is on the disk
    assert editor.ask(uri, closedFiles=True) == []
    editor.client.close()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("caller", {"exclude": ["caller.py"]}),
        ("caller", {"workspace": False}),
        ("caller", {"trusted": False}),
        ("caller", {"nextEdit": False}),
        ("ignored", {}),
        (".hidden__caller", {}),
    ],
)
def test_files_that_are_not_to_be_read_are_not_read(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    write_files(tmp_path, a="", **{name: CALLER})
    editor = start(tmp_path, **options)
    uri = (tmp_path / "a.py").as_uri()
    rename_load(editor, uri)
    assert editor.ask(uri, closedFiles=True) == []
    editor.client.close()


def test_ghost_text_goes_first(editor: Editor) -> None:
    editor.open(CODE + "x = \n")
    editor.change(RENAMED + "x = \n")
    assert editor.client.suggest(5, 6, 4, invoked=False) == ["1 + 1"]
    assert editor.ask(line=6) == []
    assert editor.ask(line=1)


def test_a_key_ends_the_search_and_a_closed_document_is_no_place(tmp_path: Path) -> None:
    editor = start(tmp_path, debounceMs=100)
    other = "file:///b.py"
    editor.open("def load(a):\n    return a\n")
    editor.open("from a import load\n", other)
    editor.change("def read(a):\n    return a\n")
    params = {"textDocument": {"uri": URI, "version": 2}, "position": {"line": 0, "character": 0}}
    editor.client.send({"jsonrpc": "2.0", "id": 7, "method": METHOD, "params": params})
    editor.change("def reads(a):\n    return a\n")
    assert editor.client.answer(7)["result"] == {"edits": []}
    editor.client.notify("textDocument/didClose", {"textDocument": {"uri": other}})
    assert editor.ask() == []
    editor.client.close()


def test_an_edit_leads_to_another_cell_of_a_notebook(editor: Editor) -> None:
    notebook, cells = "file:///n.ipynb", ["cell:1", "cell:2"]
    texts = {"cell:1": "def load(a):\n    return a\n", "cell:2": "%time load(1)\nx = load(2)\n"}
    items = [{"uri": uri, "languageId": "python", "version": 1, "text": texts[uri]} for uri in cells]
    kinds = [{"kind": 2, "document": uri} for uri in cells]
    opened = {"uri": notebook, "notebookType": "jupyter-notebook", "version": 1, "cells": kinds}
    editor.client.notify("notebookDocument/didOpen", {"notebookDocument": opened, "cellTextDocuments": items})
    change = {"document": {"uri": "cell:1", "version": 2}, "changes": [{"text": "def read(a):\n    return a\n"}]}
    changed = {"notebookDocument": {"uri": notebook, "version": 2}, "change": {"cells": {"textContent": [change]}}}
    editor.client.notify("notebookDocument/didChange", changed)
    (edit,) = editor.ask("cell:1")
    assert (edit["textDocument"]["uri"], edit["range"]["start"]["line"]) == ("cell:2", 0)
    assert edit["text"] == "%time read(1)\nx = read(2)"
    moved = {"structure": {"array": {"start": 0, "deleteCount": 2, "cells": kinds[::-1]}}}
    changed = {"notebookDocument": {"uri": notebook, "version": 3}, "change": {"cells": moved}}
    editor.client.notify("notebookDocument/didChange", changed)
    assert editor.ask("cell:1")[0]["textDocument"] == {"uri": "cell:2", "version": 1}


def test_with_the_setting_off_nothing_runs(tmp_path: Path) -> None:
    editor = start(tmp_path, nextEdit=False)
    editor.open(CODE)
    editor.change(RENAMED)
    assert editor.ask() == []
    assert editor.evaluated() == 0
    editor.client.close()


def test_what_was_edited_while_it_is_off_is_not_kept(editor: Editor) -> None:
    editor.open(CODE)
    editor.change(RENAMED)
    assert editor.ask()
    editor.set(nextEdit=False)
    assert editor.ask() == []
    editor.set(nextEdit=True)
    assert editor.ask() == []  # what was edited before is forgotten
    editor.set(nextEdit=False)
    editor.change(CODE)
    editor.change(RENAMED)
    editor.set(nextEdit=True)
    assert editor.ask() == []
    other = "file:///b.py"
    editor.open(CODE, other)
    editor.change(RENAMED, other)
    assert editor.ask(other)


@pytest.mark.parametrize("uri", ["file:///work/.env", "file:///never.py"])
def test_secrets_and_unknown_documents_have_no_next_edit(editor: Editor, uri: str) -> None:
    if "never" not in uri:
        editor.open(CODE, uri)
        editor.change(RENAMED, uri)
    assert editor.ask(uri) == []
    editor.open(CODE)
    assert editor.ask() == []
    assert editor.evaluated() == 0


def test_a_diagnostic_at_a_replaced_word_leads_there(editor: Editor) -> None:
    code = "class A:\n    width = 1\n\n\ndef f(é, a):\n    return 'é😀', a.width\n"
    editor.open(code)
    editor.change(code.replace("    width", "    breadth"))
    assert editor.ask() == []
    start = {"line": 5, "character": 21}
    diagnostics = [{"uri": URI, "range": {"start": start, "end": {"line": 5, "character": 26}}}]
    (edit,) = editor.ask(diagnostics=diagnostics)
    assert edit["text"] == "    return 'é😀', a.breadth"


@pytest.mark.parametrize(
    "diagnostics",
    [
        7,
        "x",
        {"uri": URI},
        [None, 3, [], {}, {"uri": 4}, {"uri": URI}, {"uri": URI, "range": {"start": 3}}],
        [{"uri": "file:///other.py", "range": {"start": {"line": 0, "character": 0}}}],
        [{"uri": URI, "range": {"start": {"line": -5, "character": -1}, "end": {"line": 1e9, "character": "x"}}}],
        [{"uri": URI, "range": {"start": {"line": 9**9, "character": 1}, "end": {"line": 0, "character": -1}}}] * 999,
    ],
)
def test_diagnostics_that_are_none_change_nothing(editor: Editor, diagnostics: object) -> None:
    editor.open(CODE)
    editor.change(RENAMED)
    assert len(editor.ask(diagnostics=diagnostics, closedFiles="yes")) == 1


def test_bad_requests_are_answered(editor: Editor) -> None:
    for params in ({}, None, {"textDocument": 3}, {"textDocument": {"uri": 5}}):
        assert editor.client.request(3, METHOD, params)["result"] == {"edits": []}

"""`initialize` and other messages are parsed even with null, missing or unknown fields."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import converters, types

from nano_lsp.lsp.lenient_parsing import UNKNOWN_VERSION, MessageParseError, read_message

CONVERTER = converters.get_converter()
EDITORS: dict[str, dict[str, Any]] = {
    "Visual Studio Code": {
        "processId": 4711,
        "clientInfo": {"name": "Visual Studio Code", "version": "1.104.0"},
        "locale": "en",
        "rootPath": "/w",
        "rootUri": "file:///w",
        "capabilities": {
            "workspace": {"applyEdit": True, "configuration": True, "workspaceFolders": True},
            "textDocument": {"synchronization": {"didSave": True}, "inlineCompletion": {"dynamicRegistration": True}},
            "window": {"workDoneProgress": True, "showDocument": {"support": True}},
            "general": {"positionEncodings": ["utf-16"], "regularExpressions": {"engine": "ECMAScript"}},
            "notebookDocument": {"synchronization": {"executionSummarySupport": True}},
        },
        "initializationOptions": {"statistics": False},
        "trace": "off",
        "workspaceFolders": [{"uri": "file:///w", "name": "w"}],
    },
    "Neovim": {
        "processId": 4711,
        "clientInfo": {"name": "Neovim", "version": "0.11.4"},
        "rootPath": None,
        "rootUri": None,
        "workspaceFolders": None,
        "trace": "off",
        "capabilities": {
            "general": {"positionEncodings": ["utf-8", "utf-16", "utf-32"]},
            "workspace": {"didChangeWatchedFiles": {"dynamicRegistration": False, "relativePatternSupport": True}},
            "textDocument": {"codeAction": {"resolveSupport": {"properties": ["edit", "command"]}}},
        },
    },
    "Helix": {
        "processId": 4711,
        "clientInfo": {"name": "helix", "version": "25.07"},
        "rootPath": "/w",
        "rootUri": "file:///w",
        "workspaceFolders": [{"name": "w", "uri": "file:///w"}],
        "capabilities": {"general": {"positionEncodings": ["utf-8", "utf-32", "utf-16"]}},
    },
    "eglot": {
        "processId": 4711,
        "clientInfo": {"name": "Eglot", "version": "1.18"},
        "rootPath": "/w/",
        "rootUri": "file:///w",
        "initializationOptions": {},
        "capabilities": {"general": {"positionEncodings": ["utf-32", "utf-8", "utf-16"]}, "experimental": {}},
        "workspaceFolders": [{"uri": "file:///w", "name": "~/w/"}],
    },
    "Sublime Text": {
        "processId": 4711,
        "clientInfo": {"name": "Sublime Text LSP", "version": "2.3.0"},
        "rootUri": "file:///w",
        "rootPath": "/w",
        "workspaceFolders": [{"name": "w", "uri": "file:///w"}],
        "capabilities": {"textDocument": {"publishDiagnostics": {"tagSupport": {"valueSet": [1, 2]}}}},
        "initializationOptions": {},
    },
    "Zed": {
        "processId": 4711,
        "rootPath": None,
        "rootUri": "file:///w",
        "capabilities": {"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}},
        "workspaceFolders": [{"uri": "file:///w", "name": ""}],
        "clientInfo": {"name": "Zed", "version": "0.200.0"},
        "initializationOptions": None,
    },
    "Kate": {
        "processId": 4711,
        "rootPath": "/w",
        "rootUri": "file:///w",
        "capabilities": {"textDocument": {"hover": {"contentFormat": ["markdown", "plaintext"]}}},
        "initializationOptions": None,
        "workspaceFolders": [{"name": "w", "uri": "file:///w"}],
    },
}


def read(method: str, params: object, kind: Any) -> Any:  # noqa: ANN401 - types of the protocol
    data = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return read_message(CONVERTER, data, kind).params


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:  # noqa: ANN401 - any JSON
    """The paths of all fields of a value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in parts for found in ((*path, key), *places(item, (*path, key)))]


@given(st.data())
def test_initialize_succeeds_with_any_field_invalid(data: st.DataObject) -> None:
    params = copy.deepcopy(data.draw(st.sampled_from([*EDITORS.values()])))
    for path in data.draw(st.lists(st.sampled_from(places(params)), max_size=4)):
        holder: Any = params
        with contextlib.suppress(KeyError, IndexError, TypeError):  # spoiled already
            for key in path[:-1]:
                holder = holder[key]
            spoiled: Any = data.draw(st.sampled_from(["gone", None, 99, "odd", [], {}]))
            if spoiled == "gone":
                del holder[path[-1]]
            else:
                holder[path[-1]] = spoiled
    assert isinstance(read("initialize", params, types.InitializeRequest), types.InitializeParams)


def test_a_change_that_cannot_be_read_is_not_guessed_at() -> None:
    odd = {"textDocument": {"uri": "a", "version": 2}, "contentChanges": [{"range": "all", "text": "x"}]}
    with pytest.raises(MessageParseError):
        read("textDocument/didChange", odd, types.DidChangeTextDocumentNotification)
    whole = {"textDocument": {"uri": "a"}, "contentChanges": [{"range": None, "rangeLength": None, "text": "x"}]}
    found = read("textDocument/didChange", whole, types.DidChangeTextDocumentNotification)
    assert isinstance(found.content_changes[0], types.TextDocumentContentChangeWholeDocument)
    assert found.text_document.version == UNKNOWN_VERSION


def test_a_diagnostic_of_an_unknown_kind_costs_that_kind_alone() -> None:
    at = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 1}}
    diagnostics = [{"range": at, "message": "x", "severity": 9, "tags": [7]}, {"range": at}]
    params = {"textDocument": {"uri": "a"}, "range": at, "context": {"diagnostics": diagnostics}}
    data = {"jsonrpc": "2.0", "id": 1, "method": "textDocument/codeAction", "params": params}
    with pytest.raises(MessageParseError):  # a place is part of it: nothing is guessed
        read_message(CONVERTER, {**data, "params": {**params, "range": None}}, types.CodeActionRequest)
    found = read_message(CONVERTER, data, types.CodeActionRequest).params.context.diagnostics
    assert [one.message for one in found] == ["x"]


def test_what_a_cell_need_not_have_costs_no_change_of_a_notebook() -> None:
    cell = {"kind": 2, "document": "c", "metadata": [], "executionSummary": {"executionOrder": None, "success": True}}
    params = {"notebookDocument": {"uri": "n", "version": 2}, "change": {"cells": {"data": [cell]}}}
    found = read("notebookDocument/didChange", params, types.DidChangeNotebookDocumentNotification)
    (changed,) = found.change.cells.data
    assert (changed.document, changed.execution_summary) == ("c", None)

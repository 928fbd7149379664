"""Messages as clients send them, which is not always as the protocol has them.

What is optional and null, or of a kind that this version of the protocol does not know, counts as missing; what is
required and can be supplied without guessing is. What says how a text has changed, or where, is taken as it stands.
"""

from __future__ import annotations

import copy
import logging
import re
from typing import Any

from cattrs import Converter
from cattrs.errors import AttributeValidationNote, IterableValidationNote

UNKNOWN_VERSION = -1
"""The version of a document whose editor counts none."""
_ITEM = {"languageId": "", "version": 0, "text": ""}
_NEEDED: dict[str, Any] = {
    "initialize": {"capabilities": {}},
    "initialized": {},
    "$/setTrace": {"value": "off"},
    "textDocument/didOpen": {"textDocument": _ITEM},
    "textDocument/didChange": {"textDocument": {"version": UNKNOWN_VERSION}, "contentChanges": []},
    "textDocument/codeAction": {"context": {"diagnostics": []}},
    "textDocument/completion": {"context": {"triggerKind": 1}},
    "textDocument/inlineCompletion": {"context": {"triggerKind": 2}},
    "notebookDocument/didOpen": {
        "notebookDocument": {"version": 0, "notebookType": "", "cells": []},
        "cellTextDocuments": [_ITEM],
    },
    "notebookDocument/didChange": {"notebookDocument": {"version": 0}, "change": {}},
    "notebookDocument/didClose": {"cellTextDocuments": []},
    "workspace/didChangeConfiguration": {"settings": None},
    "workspace/didChangeWatchedFiles": {"changes": [{"type": 2}]},
    "workspace/didChangeWorkspaceFolders": {"event": {"added": [{"name": ""}], "removed": [{"name": ""}]}},
}
"""What is put where a message lacks it, by method; a list's one entry is for each of its entries."""
_EXACT = {"contentChanges", "change", "textDocument", "position", "range"}
"""What is taken as it stands; in `initialize`, these are names of capabilities."""
_MAX_FAULTS = 100
logger = logging.getLogger(__name__)


class UnreadableError(Exception):
    """A message that cannot be read at all."""


def read_message(converter: Converter, data: dict[str, Any], kind: type[Any]) -> Any:  # noqa: ANN401 - of any type
    """A message in its own type, without what could not be read of it.

    Args:
        converter: Of the protocol.
        data: The message as JSON.
        kind: Its type.

    Raises:
        UnreadableError: It lacks what it cannot be without.
    """
    try:
        return converter.structure(data, kind)
    except Exception:  # noqa: BLE001 - whatever a converter's hook raises
        data = _without_nulls(copy.deepcopy(data))
    left_out: list[str] = []
    for _ in range(_MAX_FAULTS):
        if data["method"] in _NEEDED:
            data["params"] = _completed(data.get("params"), _NEEDED[data["method"]])
        try:
            message = converter.structure(data, kind)
        except Exception as error:
            path = _path_of(error)
            if not _leave_out(data, path):
                raise UnreadableError(".".join(map(str, path)) or str(error)) from error
            left_out.append(".".join(map(str, path)))
        else:
            if left_out:
                logger.warning("Of %s, this was left out: %s.", data["method"], ", ".join(left_out))
            return message
    raise UnreadableError(left_out[-1])


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _completed(value: Any, needed: Any) -> Any:  # noqa: ANN401 - any JSON
    """A value with what it needs; one of another shape as it is."""
    if value is None:
        return [] if isinstance(needed, list) else _completed({}, needed) if isinstance(needed, dict) else needed
    if isinstance(value, dict) and isinstance(needed, dict):
        return {**value, **{key: _completed(value.get(key), item) for key, item in needed.items()}}
    if isinstance(value, list) and isinstance(needed, list) and needed:
        return [_completed(item, needed[0]) for item in value]
    return value


def _path_of(error: BaseException) -> list[str | int]:
    """Where a message could not be read: keys and indexes from its top."""
    path: list[str | int] = []
    while True:
        for note in getattr(error, "__notes__", ()):
            if isinstance(note, AttributeValidationNote):
                path.append(re.sub(r"_(\w)", lambda found: found[1].upper(), note.name))
            elif isinstance(note, IterableValidationNote):
                path.append(int(note.index))
        if not (inner := getattr(error, "exceptions", ())):
            return path
        error = inner[0]


def _leave_out(data: dict[str, Any], path: list[str | int]) -> bool:
    """Take away what stands at a path, or what around it cannot be without it; whether something could be."""
    if data["method"] != "initialize" and not _EXACT.isdisjoint(path):
        return False
    for length in range(len(path), 1, -1):  # parameters as a whole stay
        holder: Any = data
        for key in path[: length - 1]:
            holder = holder[key] if _has(holder, key) else None
        if _has(holder, path[length - 1]):
            del holder[path[length - 1]]
            return True
    return False


def _has(holder: Any, key: str | int) -> bool:  # noqa: ANN401 - any JSON
    if isinstance(key, int):
        return isinstance(holder, list) and key < len(holder)
    return isinstance(holder, dict) and key in holder

"""Lenient parsing of messages from clients that do not follow the Language Server Protocol exactly.

Optional fields that are null or of a type unknown to this version of the protocol count as missing. Required fields
that are missing get a default value where there is a safe one. Fields that say how a text has changed, or where, are
never repaired.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cattrs import Converter
from cattrs.errors import AttributeValidationNote, IterableValidationNote
from lsprotocol import types

UNKNOWN_VERSION = -1
"""Version of a document whose editor sends none."""
_ITEM = {"languageId": "", "version": 0, "text": ""}
_DEFAULTS: dict[str, Any] = {
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
"""Default values of required parameters, by method; the one item of a list is the default of each of its items."""
_NEVER_REPAIRED = {"contentChanges", "change", "textDocument", "position", "range"}
"""Parameters that are taken as sent; in `initialize`, these are names of capabilities."""
_OPTIONAL = {"executionSummary", "metadata"}
"""Parts of those parameters that may be left out."""
_MAX_FAULTS = 100
logger = logging.getLogger(__name__)


class MessageParseError(Exception):
    """A message that cannot be parsed even leniently."""


def read_message(converter: Converter, data: dict[str, Any], kind: type[Any]) -> Any:  # noqa: ANN401 - of any type
    """Parse a message, leaving out fields that cannot be parsed.

    Raises:
        MessageParseError: A required field is missing or invalid.
    """
    try:
        return converter.structure(data, kind)
    except Exception:  # noqa: BLE001 - whatever a converter's hook raises
        data = _without_nulls(copy.deepcopy(data))
    left_out: list[str] = []
    for _ in range(_MAX_FAULTS):
        if data["method"] in _DEFAULTS:
            data["params"] = _with_defaults(data.get("params"), _DEFAULTS[data["method"]])
        try:
            message = converter.structure(data, kind)
        except Exception as error:
            path = _path_of(error)
            if not _remove_field(data, path):
                raise MessageParseError(".".join(map(str, path)) or str(error)) from error
            left_out.append(".".join(map(str, path)))
        else:
            if left_out:
                logger.warning("Ignored invalid fields of %s: %s.", data["method"], ", ".join(left_out))
            return message
    raise MessageParseError(left_out[-1])


def read_argument(arguments: Sequence[object]) -> Mapping[str, Any]:
    """The first argument of a command, an object; an empty one where there is none."""
    argument = arguments[0] if arguments else None
    return argument if isinstance(argument, Mapping) else getattr(argument, "_asdict", dict)()


def read_document_uri(params: object) -> str | None:
    """The URI of the document or notebook that parameters are about; None if it cannot be read."""
    given = read_argument([params])
    uris = (read_argument([given.get(name)]).get("uri") for name in ("textDocument", "notebookDocument"))
    return next((uri for uri in uris if isinstance(uri, str)), None)


def read_range(value: object) -> types.Range | None:
    """A range in a command's argument; None for anything else."""
    try:
        start, end = (read_position(_get(value, name)) for name in ("start", "end"))
    except (AttributeError, KeyError):
        return None
    return types.Range(start, end) if start and end else None


def read_position(value: object) -> types.Position | None:
    """A position in an argument; None for anything else."""
    try:
        return types.Position(int(_get(value, "line")), int(_get(value, "character")))
    except (TypeError, ValueError, OverflowError, AttributeError, KeyError):
        return None


def _get(value: Any, name: str) -> Any:  # noqa: ANN401 - sent by a client
    return value[name] if isinstance(value, Mapping) else getattr(value, name)


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _with_defaults(value: Any, default: Any) -> Any:  # noqa: ANN401 - any JSON
    """A value with defaults for its missing fields; a value of another type than the default is returned as it is."""
    if value is None:
        return (
            [] if isinstance(default, list) else _with_defaults({}, default) if isinstance(default, dict) else default
        )
    if isinstance(value, dict) and isinstance(default, dict):
        return {**value, **{key: _with_defaults(value.get(key), item) for key, item in default.items()}}
    if isinstance(value, list) and isinstance(default, list) and default:
        return [_with_defaults(item, default[0]) for item in value]
    return value


def _path_of(error: BaseException) -> list[str | int]:
    """The path of the field that could not be parsed: keys and indexes from the top of the message."""
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


def _remove_field(data: dict[str, Any], path: list[str | int]) -> bool:
    """Remove the field at a path, or where it is missing the innermost field around it; whether that is allowed."""
    may_be_repaired = data["method"] == "initialize" or not _OPTIONAL.isdisjoint(path)
    if not may_be_repaired and not _NEVER_REPAIRED.isdisjoint(path):
        return False
    for length in range(len(path), 1, -1):  # never the parameters as a whole
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

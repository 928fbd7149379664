"""Editor settings `nano.*`, from `initializationOptions` or `workspace/configuration`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nano_lsp.code.workspace import pattern_error
from nano_lsp.config import load_toml
from nano_lsp.settings import EDITOR_SETTINGS, EditorSettings, SetBy, Settings, key_of

_NAMES = {key_of(name): name for name in EDITOR_SETTINGS}
_SECTIONS = {"nano", "nano-lsp"}  # the second, as editors name the server, is overridden by the first
_RENAMED = {setting.formerly: key_of(name) for name, setting in EDITOR_SETTINGS.items() if setting.formerly}


def read_settings(
    *given: object, project: Mapping[str, Any] | None = None, user: Settings | None = None
) -> tuple[EditorSettings, list[str]]:
    """Merge the settings of an editor, and return a sentence for each invalid one, which counts as not set.

    Args:
        given: Settings objects, with or without an enclosing `nano`; later ones take precedence, other values are
            ignored.
        project: Settings from the project's `[tool.nano-lsp]`; the editor's take precedence.
        user: Settings from the user's configuration and environment; the project's take precedence.
    """
    values = {**vars(user)} if user else {}
    of_project, warnings = _read(project or {}, SetBy.PROJECT)
    values |= of_project
    for layer in given:
        settings = _own(layer)
        own, others = _read(settings if isinstance(settings, Mapping) else {}, SetBy.USER)
        values |= own
        warnings += others
    return EditorSettings(**values), warnings


def _own(layer: object) -> object:
    """The settings of this program in a settings object: some editors send those of all language servers."""
    if not isinstance(layer, Mapping):
        return None
    flat = {key: value for key, value in layer.items() if str(key).startswith("nano.")}
    if sections := _SECTIONS & layer.keys():
        inner = [layer[section] for section in sorted(sections, reverse=True) if isinstance(layer[section], Mapping)]
        return {key: value for settings in (*inner, flat) for key, value in settings.items()}
    others = {key for key, value in layer.items() if isinstance(value, Mapping) or "." in str(key)} - _NAMES.keys()
    return {**{key: value for key, value in layer.items() if key not in others}, **flat}


def load_project(root: Path) -> dict[str, Any]:
    """Load the table `[tool.nano-lsp]` of a folder's pyproject.toml; empty if there is none.

    Raises:
        ConfigError: The file cannot be parsed.
    """
    tool = load_toml(root / "pyproject.toml").get("tool")
    table = tool.get("nano-lsp") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else {}


def _read(given: Mapping[str, Any], set_by: SetBy) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    warnings: list[str] = []
    items = [(str(key).removeprefix("nano."), value) for key, value in given.items()]
    for key, value in sorted(items, key=lambda item: _camel(item[0]) not in _RENAMED):  # a new name overrides the old
        camel = _camel(key)
        name = _NAMES.get(_RENAMED.get(camel, camel))
        if name is None:
            warnings.append(f"There is no setting nano.{key}.")
            continue
        if EDITOR_SETTINGS[name].set_by < set_by:
            warnings.append(f"nano.{key} cannot be set by a project; set it in the editor.")
            continue
        if value is None or (value == "" and name in {"engine", "model"}):
            continue
        if camel in _RENAMED:
            warnings.append(f"nano.{key} is now nano.{key_of(name)}. The old name can be used until version 0.3.")
        try:
            values[name] = EDITOR_SETTINGS[name].check(value)
        except ValueError as error:
            warnings.append(f"nano.{key} is {value!r}; it takes {error}. It counts as not set.")
            continue
        if name == "exclude":  # the others stay in force
            faults = {pattern: reason for pattern in values[name] if (reason := pattern_error(pattern))}
            values[name] = [pattern for pattern in values[name] if pattern not in faults]
            warnings += [f"nano.exclude: {pattern!r} is ignored: {reason}." for pattern, reason in faults.items()]
    return values, warnings


def _camel(key: str) -> str:
    """A key as editors write it: projects may write `max-tokens`."""
    return re.sub(r"-(\w)", lambda found: found[1].upper(), key)

"""Schemas, manifests and tables of the settings match their definition.

`python -m tests.test_generated_settings` writes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nano_lsp.settings import CONFIG_SETTINGS, EDITOR_SETTINGS, SetBy, Setting, key_of

ROOT = Path(__file__).parents[1]
_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_SET_BY_VSCODE = {"trusted"}
_NOT_IN_JUPYTERLAB = {"trusted", "completion_item", "code_lens"}  # it has no workspace trust, menu of ours or lenses


def editor_settings(*without: str) -> dict[str, Setting]:
    """The settings of editors, those of all programs last."""
    return {
        name: EDITOR_SETTINGS[name]
        for name in sorted(EDITOR_SETTINGS, key=CONFIG_SETTINGS.__contains__)
        if name not in without
    }


def json_default(setting: Setting) -> str:
    default = setting.default
    return json.dumps(int(default) if isinstance(default, float) and default.is_integer() else default)


def in_editors(description: str) -> str:
    """A description with the names that other settings have in editors."""
    names = "|".join(EDITOR_SETTINGS)
    return re.sub(rf"`({names})`", lambda name: f"`nano.{key_of(name[1])}`", description)


def json_property(setting: Setting) -> dict[str, Any]:
    """A setting in JSON schema (draft 2020-12)."""
    about = {
        "type": _JSON_TYPES[type(setting.default)],
        "default": json.loads(json_default(setting)),
        "description": in_editors(setting.description),
    }
    if setting.limits:
        about |= zip(("minimum", "maximum"), setting.limits, strict=True)
    if setting.choices:
        about["enum"] = list(setting.choices)
    if setting.pattern:
        about |= {"pattern": f"^({setting.pattern})?$", "default": ""}
        about["description"] += " If empty, it is as `config.toml` says."
    if isinstance(setting.default, list):
        about["items"] = {"type": "string"}
    if isinstance(setting.default, dict):
        about["additionalProperties"] = {"type": "boolean"}
    return about


def json_properties(settings: Mapping[str, Setting]) -> dict[str, dict[str, Any]]:
    """Settings in JSON schema by their names in editors, followed by those that have had another name."""
    properties = {key_of(name): json_property(setting) for name, setting in settings.items()}
    for name, setting in settings.items():
        if setting.formerly:
            notice = f"This setting is now `nano.{key_of(name)}`. The old name can be used until version 0.3."
            properties[setting.formerly] = {**json_property(setting), "description": notice, "deprecated": True}
    return properties


def build_schema(_: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of the object of settings."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "NEURO-NANO",
        "type": "object",
        "properties": {f"nano.{key}": about for key, about in json_properties(editor_settings()).items()},
    }


def build_vscode(manifest: dict[str, Any]) -> dict[str, Any]:
    """package.json: the extension's own settings, `nano.server.*`, stay as they are."""
    configuration = manifest["contributes"]["configuration"]
    own = {key: about for key, about in configuration["properties"].items() if key.startswith("nano.server.")}
    settings = editor_settings(*_SET_BY_VSCODE)
    by_users = {name: setting for name, setting in settings.items() if setting.set_by is SetBy.USER}
    restricted = [f"nano.{key}" for key in json_properties(by_users)]
    configuration["properties"] = own
    for order, (key, about) in enumerate(json_properties(settings).items()):
        text = "markdownDeprecationMessage" if about.pop("deprecated", False) else "markdownDescription"
        scope = "machine-overridable" if f"nano.{key}" in restricted else "window"
        description = about.pop("description")
        own[f"nano.{key}"] = {"order": order, **about, "scope": scope, text: description}
    trust = manifest["capabilities"]["untrustedWorkspaces"]
    trust["restrictedConfigurations"] = ["nano.server.path", "nano.server.wheels", *restricted]
    return manifest


def build_jupyterlab(plugin: dict[str, Any]) -> dict[str, Any]:
    """schema/plugin.json: names without the prefix, titles in words."""
    plugin["properties"] = {
        key: {"title": re.sub(r"[A-Z]", lambda letter: f" {letter[0].lower()}", key).capitalize(), **about}
        for key, about in json_properties(editor_settings(*_NOT_IN_JUPYTERLAB)).items()
    }
    return plugin


def table(*rows: tuple[str, ...]) -> str:
    """A Markdown table; its first row is the head."""
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows]
    return "".join([lines[0], "|---" * len(rows[0]), "|\n", *lines[1:]])


def editors_table() -> str:
    rows = [("Setting", "Default", "Values", "Projects", "Meaning")]
    for name, setting in editor_settings().items():
        may, about = "yes" if setting.set_by is SetBy.PROJECT else "", in_editors(setting.description)
        rows.append((f"`nano.{key_of(name)}`", f"`{json_default(setting)}`", setting.takes, may, about))
    return table(*rows)


def config_table() -> str:
    rows = [("Setting", "Default", "Values", "Meaning")]
    for name, setting in CONFIG_SETTINGS.items():
        rows.append((f"`{name}`", f"`{json_default(setting)}`", setting.takes, setting.description))
    return table(*rows)


def in_json(build: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[str], str]:
    return lambda text: json.dumps(build(json.loads(text)), indent=2, ensure_ascii=False) + "\n"


def in_page(build: Callable[[], str]) -> Callable[[str], str]:
    """Replaces the page's table of settings."""
    return lambda text: re.sub(r"^\| Setting \|.*\n(?:\|.*\n)+", lambda _: build(), text, count=1, flags=re.MULTILINE)


FILES: dict[str, Callable[[str], str]] = {
    "editors/settings.schema.json": in_json(build_schema),
    "editors/vscode/package.json": in_json(build_vscode),
    "jupyter_ext/schema/plugin.json": in_json(build_jupyterlab),
    "docs/reference/server.md": in_page(editors_table),
    "docs/reference/settings.md": in_page(config_table),
}
"""The files, with functions that update the settings in their text."""


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_the_current_settings(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text == FILES[name](text), "Run `python -m tests.test_generated_settings`."


def test_an_untrusted_workspace_sets_neither_files_nor_servers() -> None:
    manifest = json.loads((ROOT / "editors/vscode/package.json").read_text(encoding="utf-8"))
    properties = manifest["contributes"]["configuration"]["properties"]
    restricted = manifest["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    assert {*restricted} == {f"nano.{key}" for key in ("server.path", "server.wheels", "engine", "model", "adapter")}
    assert {key for key, about in properties.items() if about["scope"] == "machine-overridable"} == {*restricted}
    assert "nano.trusted" not in properties


if __name__ == "__main__":
    for name, update in FILES.items():
        path = ROOT / name
        path.write_text(update(path.read_text(encoding="utf-8")), encoding="utf-8")

"""The reference of an editor's settings and their JSON schema, from the settings themselves.

`python -m nano_lsp.lsp.settings_docs` prints the table, with `--schema` the schema.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import fields

from nano_lsp.editor.settings import EditorSettings, key_of

_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def build_table() -> str:
    """A Markdown table, a row a setting."""
    return "".join(_rows())


def build_schema() -> dict[str, object]:
    """A JSON schema (draft 2020-12) of the object of settings."""
    defaults = EditorSettings()
    properties: dict[str, object] = {}
    for setting in fields(EditorSettings):
        default, metadata = getattr(defaults, setting.name), setting.metadata
        about: dict[str, object] = {
            "type": _JSON_TYPES[type(default)],
            "default": default,
            "description": metadata["doc"],
        }
        if isinstance(default, (int, float)) and not isinstance(default, bool):
            about |= {"minimum": metadata["least"], "maximum": metadata["most"]}
        if metadata["choices"]:
            about["enum"] = list(metadata["choices"])
        if metadata["pattern"]:
            about["pattern"] = f"^({metadata['pattern']})$"
        if isinstance(default, list):
            about["items"] = {"type": "string"}
        if isinstance(default, dict):
            about["additionalProperties"] = {"type": "boolean"}
        properties[f"nano.{key_of(setting.name)}"] = about
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "NEURO-NANO",
        "type": "object",
        "properties": properties,
    }


def _rows() -> Iterator[str]:
    yield "| Setting | Default | Meaning |\n|---|---|---|\n"
    defaults = EditorSettings()
    for setting in fields(EditorSettings):
        default = json.dumps(getattr(defaults, setting.name))
        yield f"| `nano.{key_of(setting.name)}` | `{default}` | {setting.metadata['doc']} |\n"


if __name__ == "__main__":
    print(json.dumps(build_schema(), indent=2) if "--schema" in sys.argv else build_table(), end="")

"""The Python package and the extensions for VS Code and JupyterLab carry the same version."""

import json
import re
from pathlib import Path

from nano_lsp import __version__

ROOT = Path(__file__).parent.parent


def test_all_packages_carry_the_same_version() -> None:
    found = {"jupyter_ext/pyproject.toml": re.findall(r'(?m)^version = "(.+)"$', _read("jupyter_ext/pyproject.toml"))}
    for folder in "editors/vscode", "jupyter_ext":
        found[f"{folder}/package.json"] = [json.loads(_read(f"{folder}/package.json"))["version"]]
        lock = json.loads(_read(f"{folder}/package-lock.json"))
        found[f"{folder}/package-lock.json"] = [lock["version"], lock["packages"][""]["version"]]
    assert {path: set(versions) for path, versions in found.items()} == {path: {__version__} for path in found}


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")

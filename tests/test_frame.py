"""The frame: pages that name what is there, and commands that are those of the README."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import nano_lsp
from nano_lsp import errors
from nano_lsp.config import Settings

ROOT = Path(__file__).parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_architecture_page_names_every_module_and_no_other() -> None:
    page = read("docs/architecture.md")
    packages = (ROOT / "nano_lsp", ROOT / "jupyter_ext/nano_lsp_jupyter")
    files = (path for package in packages for path in package.rglob("*.py"))
    modules = {path.stem for path in files if not path.stem.startswith("__")}
    named = set(re.findall(r"`(?:[\w/]+/)?(\w+)\.py`", page))
    assert modules - named == set()
    assert named - modules - {"bench"} == set()


def test_the_readme_has_the_two_commands() -> None:
    blocks = re.findall(r"```(?:sh|bash)\n(.*?)```", read("README.md"), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("python3 -m venv")]
    assert commands == [
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/nano-lsp demo",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && "
        ".venv/bin/pip install ./jupyter_ext && .venv/bin/python -m pytest",
    ]


def test_each_setting_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(.+?)` \|", read("docs/reference/settings.md"), re.MULTILINE))
    defaults = {field.name: str(field.default).lower() for field in fields(Settings)}
    assert {name: value.strip('"') for name, value in rows.items()} == defaults


def test_each_exit_code_is_documented_and_each_error_drawn() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.NanoError)]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", read("docs/reference/cli.md"), re.MULTILINE)}
    assert {kind.exit_code for kind in kinds} <= codes
    assert errors.__doc__ is not None
    for kind in kinds:
        assert kind.__name__ in errors.__doc__


def test_the_changelog_begins_with_this_version() -> None:
    found = re.search(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert found is not None
    assert found[1] == nano_lsp.__version__


@pytest.mark.parametrize("name", ["README.md", "docs/README.md", "docs/architecture.md", "docs/reference/cli.md"])
def test_links_lead_somewhere(name: str) -> None:
    folder = (ROOT / name).parent
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", read(name)):
        assert (folder / link).exists(), link

"""The commands of the README, the tree of errors, the changelog."""

from __future__ import annotations

import re
from pathlib import Path

import nano_lsp
from nano_lsp import errors

ROOT = Path(__file__).parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_readme_has_the_two_commands() -> None:
    blocks = re.findall(r"```(?:sh|bash)\n(.*?)```", read("README.md"), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("python3 -m venv")]
    assert commands == [
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/nano-lsp demo",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && "
        ".venv/bin/pip install ./jupyter_ext && .venv/bin/python -m pytest -m 'real or not real'",
    ]


def test_each_error_is_drawn_in_the_tree() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.NanoError)}
    tree = dict(re.findall(r"(\w+Error) .*?(?:exit (\d+))?$", errors.__doc__ or "", re.MULTILINE))
    for kind in kinds - {errors.NanoError}:
        inherited = any(kind.exit_code == getattr(base, "exit_code", None) for base in kind.__bases__)
        assert tree[kind.__name__] in {str(kind.exit_code), *([""] if inherited else [])}, kind


def test_the_changelog_has_what_is_to_come_and_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[:2] == ["Unreleased", nano_lsp.__version__]

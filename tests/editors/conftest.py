"""Fixtures for editor tests."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.editors.neovim import Neovim, find_neovim

if sys.platform == "win32":  # no terminals of this kind
    collect_ignore_glob = ["test_*.py"]

CHAT = "```\nassistant\n"
REPLIES = {
    "def add(a, b):\n    return ": "a + b\n",
    "total = ": "sum(range(9))\n",
    "x = entries": " + 9\n",
    "x = entrance": " - 7\n",
    "x = en": "umerate([5])\n",
    "class Stack:\n": "    def __init__(self):\n        self.items = []\n",
    'def add(a, b):\n    """': "Add two numbers.\n",
    "        a:": " The first.\n",
    "        b:": " The second.\n",
    "    Returns:\n    ": "    The sum.\n",
    "def area(width, h):\n": "    total = width * h\n",
    "* h\n    check(h)\n": "    print(width)\n",
    ")\n    check(h)\n": "    return total + width\n",
    "return a + b\n" + CHAT: "It adds two numbers and gives their sum.",
}


Start = Callable[..., Neovim]


@contextlib.contextmanager
def starting(folder: Path) -> Iterator[Start]:
    """Start Neovims with the scripted model; each takes options of `setup` and Lua code to run before it."""
    script = folder / "script.json"
    script.write_text(json.dumps(REPLIES))
    started: list[Neovim] = []

    def begin(version: str, before: str = "", **options: Any) -> Neovim:  # noqa: ANN401 - options of any type
        settings = {"model": f"scripted:{script}", "debounceMs": 0, "statistics": False}
        settings |= options.pop("settings", {})
        given = json.dumps({"settings": settings, **options})
        init = f"{before}\nrequire('nano').setup(vim.json.decode([=[{given}]=]))\n"
        own = folder / f"neovim{len(started)}"
        home = {"NANO_LSP_HOME": str(folder / "home")}
        neovim = Neovim(find_neovim(version), own, init, env=home)
        started.append(neovim)
        return neovim

    try:
        yield begin
    finally:
        for neovim in started:
            neovim.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """See `starting`."""
    with starting(tmp_path) as begin:
        yield begin

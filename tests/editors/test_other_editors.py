"""Helix, Emacs and Vim on the real server, with the settings that their pages in `editors/` give."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.conftest import REPLIES
from tests.editors.places import cached_editor
from tests.editors.terminal import Terminal

pytestmark = pytest.mark.real
PAGES = Path(__file__).parents[2] / "editors"
NO_COMPILER = "(setq native-comp-enable-subr-trampolines nil native-comp-jit-compilation nil)"
DOCSTRING = ('"""Add two numbers.', "a: The first.", "b: The second.")
CODE = "def add(a, b):\n    return a + b\n"


class Setup:
    """A home with a page's settings in it, and the editor started there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = f"scripted:{self.write('script.json', json.dumps(REPLIES))}"
        self.opened: list[Terminal] = []

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def settings(self, page: str, language: str, setting: str, heading: str = "") -> str:
        """The first code block of a page behind a heading, with the scripted model before the setting it gives.

        Args:
            page: its file.
            language: of the block.
            setting: how this editor's settings are written, with `{}` for the model's path.
            heading: to look behind.
        """
        text = (PAGES / page).read_text(encoding="utf-8")
        found = str(re.findall(rf"```{language}\n(.*?)```", text[text.index(heading) :], re.DOTALL)[0])
        given = re.findall(r"[:']?latencyMs", found)[0]
        return found.replace(given, setting.format(self.model) + given)

    def open(self, *command: str) -> Terminal:
        env = {"HOME": str(self.folder), "NANO_LSP_HOME": str(self.folder / "nano")}
        self.opened.append(Terminal(command, env, self.folder))
        return self.opened[-1]


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    it = Setup(tmp_path)
    yield it
    for terminal in it.opened:
        terminal.close()


def test_helix(setup: Setup) -> None:
    program = cached_editor("helix", "Helix")
    setup.write(".config/helix/languages.toml", setup.settings("helix.md", "toml", 'model = "{}", '))
    code = setup.write("code.py", CODE + "\n\ntotal =\n")
    helix = setup.open(program, str(code))
    helix.wait_for("def add(a, b):", "NOR")
    helix.wait_for("nano: explain", "nano: write docstring", press=" a")
    helix.keys("\r")
    helix.wait_for(*DOCSTRING)
    helix.keys("/total =\rA")
    helix.wait_for("INS")
    helix.keys(" ")
    helix.wait_for("sum(range(9))", press="\x18")  # Ctrl-x: the completion menu
    helix.keys("\x0e\r")  # Ctrl-n, Enter
    helix.wait_for("total = sum(range(9))")


def test_emacs_with_eglot(setup: Setup) -> None:
    emacs = start_emacs(setup, "Eglot")
    emacs.wait_for("[eglot:")
    emacs.keys("\x1bxeglot-code-actions\r")
    emacs.wait_for("Pick an action")
    emacs.keys("nano: write docstring\r")
    emacs.wait_for(*DOCSTRING)
    emacs.keys("\x1b> ")
    emacs.wait_for("total = sum(range(9))", press="\x1b\x09")  # M-Tab: completion-at-point


def test_emacs_with_lsp_mode(setup: Setup) -> None:
    emacs = start_emacs(setup, "lsp-mode")
    emacs.keys(".")
    emacs.wait_for("def add(a, b):")
    emacs.keys("\x1b> ")
    emacs.wait_for("total = sum(range(9))", press="\x1bxlsp-inline-completion-display\r")
    emacs.wait_for("Accept: [C-<return>]")
    emacs.keys("\x1b[27;5;13~\x18\x13")  # Ctrl-Return, and Ctrl-x Ctrl-s to save
    code = setup.folder / "project" / "code.py"
    emacs.wait(lambda: code.read_text(encoding="utf-8").endswith("total = sum(range(9))\n"), "the file saved")


def start_emacs(setup: Setup, heading: str) -> Terminal:
    """Emacs with the settings behind a heading of its page, and a Python file."""
    program = cached_editor("emacs", "Emacs")
    init = setup.write(".emacs.d/init.el", setup.settings("emacs.md", "elisp", ':model "{}" ', f"## {heading}"))
    code = setup.write("project/code.py", CODE + "\n\ntotal =")
    setup.write("project/.git/HEAD", "")
    emacs = setup.open(program, "-nw", "-Q", "--eval", NO_COMPILER, "-l", str(init), str(code))
    emacs.wait_for("code.py" if heading == "Eglot" else "Select action:")
    return emacs


def test_vim(setup: Setup) -> None:
    program = cached_editor("vim", "Vim 9")
    setup.write(".vimrc", setup.settings("vim.md", "vim", "'model': '{}', "))
    code = setup.write("code.py", CODE + "\n\ntotal =\n")
    vim = setup.open(program, str(code))
    vim.wait_for("def add(a, b):")
    vim.keys("5GA s")
    vim.wait_for("NEURO-NANO", press="\x7fs")  # the menu
    vim.keys("\x1b")
    vim.keys("gg:ALECodeAction\r")
    vim.wait_for("nano: write docstring")
    vim.keys("2\r")
    vim.wait_for(*DOCSTRING)

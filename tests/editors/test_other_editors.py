"""Helix, Emacs, Vim and Kate on the real server, with the settings that their pages in `editors/` give."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from nano_lsp.editor.statistics import Statistics
from tests.editors.conftest import CHAT, REPLIES
from tests.editors.desktop import Desktop
from tests.editors.places import cached_editor, installed_editor
from tests.editors.terminal import Terminal

pytestmark = pytest.mark.real
PAGES = Path(__file__).parents[2] / "editors"
NO_COMPILER = "(setq native-comp-enable-subr-trampolines nil native-comp-jit-compilation nil)"
DOCSTRING = ('"""Add two numbers.', "a: The first.", "b: The second.")
CODE = "def add(a, b):\n    return a + b\n"
ALLOW, WINDOW, MENU = "LSP server start requested", "code.py", "Kate"  # how titles of Kate's windows begin
ENTRY = 30  # pixels that an entry of a menu takes, at most
TAKEN = re.compile(r'"applied\\?": (true|false)')  # in Kate's log of messages


class Setup:
    """A home with a page's settings in it, and the editor started there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = self.script(REPLIES)
        self._env = {"HOME": str(folder), "NANO_LSP_HOME": str(folder / "nano")}
        self.opened: list[Terminal | Desktop] = []

    def script(self, replies: Mapping[str, object]) -> str:
        return f"scripted:{self.write('script.json', json.dumps(replies))}"

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
        terminal = Terminal(command, self._env, self.folder)
        self.opened.append(terminal)
        return terminal

    def open_windows(self, *command: str, **env: str) -> Desktop:
        desktop = Desktop(command, {**self._env, **env}, self.folder)
        self.opened.append(desktop)
        return desktop


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    it = Setup(tmp_path)
    yield it
    for editor in it.opened:
        editor.close()


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
    helix.keys("\x1b")
    helix.wait_for("NOR")
    helix.keys(":bc!\r")  # closes the document; at its own end, Helix may kill the server at once
    statistics = Statistics(setup.folder / "nano" / "cache")  # acceptance is seen in the text: Helix reports none
    helix.wait(lambda: [record.kept for record in statistics.records()] == [True], "the suggestion counted as kept")


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


def test_kate(setup: Setup) -> None:
    code, kate = start_kate(setup)
    kate.keys("ctrl+End", "Up", "End", "space", "ctrl+space")
    kate.wait(lambda: "sum(range(9))" in kate.log(), "a suggestion in an answer")
    kate.wait(lambda: kate.height(MENU), "the completion menu")
    kate.keys("Return")
    save(kate, code, lambda text: text == CODE + "\n\ntotal = sum(range(9))\n")
    kate.keys("ctrl+Home")
    choose(kate, down=1)  # nano: explain
    kate.wait(lambda: REPLIES["return a + b\n" + CHAT] in kate.log(), "the explanation in a message")
    while not choose_edit(kate, down=2):  # nano: write docstring
        pass
    save(kate, code, lambda text: all(line in text for line in DOCSTRING))


def test_kate_gets_a_late_edit_when_its_action_is_chosen_again(setup: Setup) -> None:
    setup.model = setup.script({**REPLIES, "$batch_ms": 100})
    code, kate = start_kate(setup)
    assert not choose_edit(kate, down=2)
    kate.wait(lambda: "the editor did not accept it" in kate.log(), "the message")
    while not choose_edit(kate, down=2):
        pass
    save(kate, code, lambda text: all(line in text for line in DOCSTRING))


def start_kate(setup: Setup) -> tuple[Path, Desktop]:
    """A Python file, and Kate with the settings of its page; the server has been allowed to start, and is ready."""
    installed_editor("Xvfb", "Xvfb", "on Debian, apt install xvfb")
    installed_editor("xdotool", "xdotool", "on Debian, apt install xdotool")
    program = installed_editor("kate", "Kate", "on Debian, apt install kate")
    setup.write(".config/kate/lspclient/settings.json", setup.settings("kate.md", "json", 'model": "{}", "'))
    code = setup.write("code.py", CODE + "\n\ntotal =\n")
    xdg = {
        f"XDG_{name}": str(setup.folder / folder)
        for name, folder in {"CONFIG_HOME": ".config", "CACHE_HOME": ".cache", "DATA_HOME": ".local/share"}.items()
    }
    kate = setup.open_windows(program, "--block", str(code), LSPCLIENT_DEBUG="1", **xdg)
    kate.wait(lambda: kate.height(ALLOW), "the question whether the server may start")
    kate.focus(ALLOW)
    kate.keys("Return")
    kate.wait(lambda: not kate.height(ALLOW), "the answer taken")
    kate.focus(WINDOW)
    kate.wait(lambda: "json is ready." in kate.log(), "the model ready")
    return code, kate


def choose(kate: Desktop, down: int) -> None:
    """A code action: Alt+Return, and so many times Down."""
    kate.keys("alt+Return")
    kate.wait(lambda: kate.height(MENU) > 2 * ENTRY, "the code actions")
    kate.keys(*["Down"] * down, "Return")
    kate.wait(lambda: not kate.height(MENU), "the menu closed")


def choose_edit(kate: Desktop, down: int) -> bool:
    """Choose a code action that edits; whether Kate has taken the edit: it does for two seconds after a choice."""
    before = len(TAKEN.findall(kate.log()))
    choose(kate, down)
    kate.wait(lambda: len(TAKEN.findall(kate.log())) > before, "Kate's answer to an edit")
    return bool(TAKEN.findall(kate.log())[-1] == "true")


def save(kate: Desktop, code: Path, right: Callable[[str], bool]) -> None:
    kate.keys("ctrl+s")
    kate.wait(lambda: right(code.read_text(encoding="utf-8")), "the right file saved")

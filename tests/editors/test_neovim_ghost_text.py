"""Ghost text in real Neovims: keys go in, cells of the screen and the buffer's text come out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.conftest import Start, starting
from tests.editors.neovim import Neovim

pytestmark = pytest.mark.real
ADD = "def add(a, b):\n    return"
STACK = "class Stack:"
KINDS = pytest.mark.parametrize(("version", "kind"), [("0.11", "extmarks"), ("0.12", "builtin")])


@pytest.fixture(
    scope="module",
    params=[("0.11", "extmarks"), ("0.12", "builtin"), ("0.12", "extmarks")],
    ids="-".join,
)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neovim]:
    """A Neovim whose server is ready, and what draws suggestions in it."""
    version, kind = request.param
    with starting(tmp_path_factory.mktemp("neovim")) as start:
        it = start(version, ghost_text=kind)
        it.edit("code.py", "")
        it.wait_for_state("ready")
        yield it


@pytest.fixture
def neovim(opened: Neovim) -> Iterator[Neovim]:
    """The same, with an empty file."""
    yield opened
    opened.keys("<Esc>")
    opened.wait(lambda: opened.nvim.api.get_mode()["mode"] == "n", "Normal mode")
    opened.nvim.command("bdelete!")
    opened.edit("code.py", "")


def write(neovim: Neovim, text: str) -> None:
    """Put a text before the cursor and go on after it, as if typed."""
    neovim.nvim.current.buffer[:] = text.split("\n")
    neovim.keys("<Esc>GA")


def shown(neovim: Neovim, *lines: str) -> None:
    """Wait until the screen begins with these lines, and nothing else of a suggestion."""
    neovim.wait(lambda: neovim.screen()[: len(lines) + 1] == [*lines, "~"], f"{lines} on the screen")


def stats(neovim: Neovim) -> dict[str, int]:
    return dict(neovim.lua("return require('nano.client').get():request_sync('nano/stats', {}, 5000, 0).result"))


def test_a_suggestion_is_shown_and_is_not_in_the_text(neovim: Neovim) -> None:
    write(neovim, ADD)
    neovim.keys(" ")
    shown(neovim, "def add(a, b):", "    return a + b")
    assert neovim.text() == ADD + " "
    neovim.keys("<Esc>")
    shown(neovim, "def add(a, b):", "    return")


def test_all_of_it_is_accepted_and_undone_alone(neovim: Neovim) -> None:
    accepted = stats(neovim)["accepted"]
    write(neovim, STACK)
    neovim.keys("<CR>")
    shown(neovim, STACK, "    def __init__(self):", "        self.items = []")
    neovim.keys("<M-l>")
    whole = f"{STACK}\n    def __init__(self):\n        self.items = []"
    neovim.wait(lambda: neovim.text() == whole, "the suggestion in the text")
    assert neovim.nvim.current.window.cursor == (3, len("        self.items = []"))
    neovim.wait(lambda: stats(neovim)["accepted"] == accepted + 1, "the server told")
    neovim.keys("<Esc>u")
    neovim.wait(lambda: neovim.text().rstrip() == STACK, "the suggestion undone")


def test_word_by_word_without_waiting(neovim: Neovim) -> None:
    accepted = stats(neovim)["accepted"]
    write(neovim, "total =")
    neovim.keys(" ")
    shown(neovim, "total = sum(range(9))")
    neovim.keys("<M-Right>")
    neovim.wait(lambda: neovim.text() == "total = sum", "a word")
    shown(neovim, "total = sum(range(9))")
    neovim.keys("<M-Right><M-Right>")
    neovim.wait(lambda: neovim.text() == "total = sum(range", "two more")
    shown(neovim, "total = sum(range(9))")
    neovim.keys("<M-Right><M-Right><M-Right>")
    neovim.wait(lambda: neovim.text() == "total = sum(range(9))", "all words")
    neovim.wait(lambda: stats(neovim)["accepted"] == accepted + 1, "the server told, once")


def test_line_by_line(neovim: Neovim) -> None:
    write(neovim, STACK)
    neovim.keys("<CR>")
    shown(neovim, STACK, "    def __init__(self):", "        self.items = []")
    neovim.keys("<M-Down>")
    neovim.wait(lambda: neovim.text() == f"{STACK}\n    def __init__(self):", "a line")
    shown(neovim, STACK, "    def __init__(self):", "        self.items = []")
    neovim.keys("<M-Down>")
    neovim.wait(lambda: neovim.text().endswith("self.items = []"), "the other line")


@KINDS
def test_line_by_line_in_a_file_with_windows_line_breaks(
    start: Start, tmp_path: Path, version: str, kind: str
) -> None:
    script = tmp_path / "windows.json"
    script.write_text(json.dumps({"Stack:\r\n": "    def __init__(self):\r\n        self.items = []\r\n"}))
    neovim = start(version, ghost_text=kind, settings={"model": f"scripted:{script}"})
    neovim.edit("code.py", "")
    neovim.wait_for_state("ready")
    neovim.nvim.command("set fileformat=dos")
    write(neovim, STACK)
    neovim.keys("<CR>")
    shown(neovim, STACK, "    def __init__(self):", "        self.items = []")
    neovim.keys("<M-Down>")
    neovim.wait(lambda: neovim.text() == f"{STACK}\n    def __init__(self):", "a line")
    shown(neovim, STACK, "    def __init__(self):", "        self.items = []")
    neovim.keys("<M-l>")
    whole = f"{STACK}\n    def __init__(self):\n        self.items = []"
    neovim.wait(lambda: neovim.text() == whole, "the rest")


def test_typing_along_keeps_it(neovim: Neovim) -> None:
    write(neovim, "total =")
    neovim.keys(" ")
    shown(neovim, "total = sum(range(9))")
    asked = stats(neovim)["model"]
    for n, key in enumerate("sum(range", start=1):
        neovim.keys(key)
        typed = "total = " + "sum(range"[:n]
        neovim.wait(lambda typed=typed: neovim.text() == typed, "the key")  # type: ignore[misc]
        assert neovim.screen()[0] == "total = sum(range(9))"
    neovim.keys("<M-l>")  # at once: what has been typed is not put in again
    neovim.wait(lambda: neovim.text() == "total = sum(range(9))", "the rest")
    assert stats(neovim)["model"] <= asked + 1  # the one that follows what was accepted


COUNT_REQUESTS = """
local client = require("nano.client").get()
local request = client.request
n_sent = 0
client.request = function(self, method, ...)
  n_sent = n_sent + (method == "textDocument/inlineCompletion" and 1 or 0)
  return request(self, method, ...)
end
"""


@KINDS
def test_each_key_sends_one_request(start: Start, version: str, kind: str) -> None:
    neovim = start(version, ghost_text=kind)
    neovim.edit("code.py", "")
    neovim.wait_for_state("ready")
    neovim.lua(COUNT_REQUESTS)
    write(neovim, "y")
    for n, key in enumerate(["", "m", "a", "x"], start=1):
        neovim.keys(key)
        neovim.wait(lambda n=n: neovim.lua("return n_sent") >= n, f"request {n}")  # type: ignore[misc]
    assert neovim.lua("return n_sent") == 4  # at the beginning, and after three keys


@KINDS
def test_what_is_typed_fast_is_answered_by_the_request_in_flight(
    start: Start, tmp_path: Path, version: str, kind: str
) -> None:
    script = tmp_path / "slow.json"
    script.write_text(json.dumps({"total = ": "sum(range(9))\n", "$batch_ms": 100}))
    neovim = start(version, ghost_text=kind, settings={"model": f"scripted:{script}", "prefetch": False})
    neovim.edit("code.py", "")
    neovim.wait_for_state("ready")
    write(neovim, "total =")
    neovim.wait(lambda: stats(neovim)["model"] == 1, "the request to the model")
    neovim.keys(" su")
    shown(neovim, "total = sum(range(9))")
    assert neovim.text() == "total = su"
    assert stats(neovim)["model"] == 1


def test_typing_something_else_takes_it_away(neovim: Neovim) -> None:
    write(neovim, "total =")
    neovim.keys(" ")
    shown(neovim, "total = sum(range(9))")
    neovim.keys("m")
    shown(neovim, "total = m")
    neovim.keys("<BS>")
    shown(neovim, "total = sum(range(9))")
    neovim.keys("<Home>")
    neovim.wait(lambda: not neovim.shows("sum"), "the cursor elsewhere, nothing shown")


def test_cycling_asks_for_others(neovim: Neovim) -> None:
    write(neovim, ADD)
    neovim.keys(" ")
    shown(neovim, "def add(a, b):", "    return a + b")
    neovim.keys("<M-]>")
    second = neovim.wait(lambda: next((s for s in neovim.screen() if s.endswith("(2/2)")), ""), "another")
    neovim.keys("<M-]>")
    shown(neovim, "def add(a, b):", "    return a + b (1/2)")
    neovim.keys("<M-[>")
    neovim.wait_for(second)
    neovim.keys("<M-l>")
    accepted = "def add(a, b):\n" + second.removesuffix(" (2/2)")
    neovim.wait(lambda: neovim.text() == accepted, "the second in the text")


def test_asking_where_none_is_shown(neovim: Neovim) -> None:
    write(neovim, "total =")
    neovim.keys(" ")
    shown(neovim, "total = sum(range(9))")
    neovim.keys("<C-]>")
    shown(neovim, "total =")
    neovim.keys("<M-]>")
    neovim.wait_for("total = sum(range(9))")


def test_dismissed_it_stays_away_until_something_is_typed(neovim: Neovim) -> None:
    write(neovim, ADD)
    neovim.keys(" ")
    shown(neovim, "def add(a, b):", "    return a + b")
    neovim.keys("<C-]>")
    shown(neovim, "def add(a, b):", "    return")
    shown_before = stats(neovim)["requests"]
    neovim.keys("<M-l>")  # nothing to accept: this does nothing
    neovim.keys("a")
    shown(neovim, "def add(a, b):", "    return a + b")
    assert neovim.text() == ADD + " a"
    assert stats(neovim)["requests"] > shown_before


def test_letters_of_many_bytes_and_tabs(neovim: Neovim) -> None:
    write(neovim, 'größe = "🙂"; total =')
    neovim.keys(" ")
    neovim.wait_for('größe = "🙂"; total = sum(range(9))')
    neovim.keys("<M-l>")
    neovim.wait(lambda: neovim.text() == 'größe = "🙂"; total = sum(range(9))', "accepted")


WORDS = "entries = entrance = 1\nx = "


@pytest.fixture
def with_options(neovim: Neovim) -> Iterator[Neovim]:
    """The same; its options are Neovim's own again afterwards."""
    yield neovim
    neovim.keys("<Esc>")
    neovim.nvim.command("set completeopt&")
    neovim.lua("if vim.fn.exists('+autocomplete') == 1 then vim.o.autocomplete = false end")


def test_a_suggestion_continues_the_entry_selected_in_the_menu(with_options: Neovim) -> None:
    neovim = with_options
    neovim.nvim.command("set completeopt=menuone,noinsert")
    write(neovim, WORDS)
    neovim.keys("en")
    neovim.wait_for("x = enumerate([5])")
    neovim.keys("<C-n>")  # selects the first entry, and leaves the text as it is
    neovim.wait_for("x = entries + 9")
    assert neovim.text() == WORDS + "en"
    neovim.keys("<Down>")
    neovim.wait_for("x = entrance - 7")
    assert neovim.text() == WORDS + "en"
    neovim.keys("<M-l>")
    neovim.wait(lambda: neovim.text() == WORDS + "entrance - 7", "the entry and what follows it")


def test_an_entry_that_is_chosen_keeps_what_follows_it(with_options: Neovim) -> None:
    neovim = with_options
    neovim.nvim.command("set completeopt=menuone,noinsert")
    write(neovim, WORDS)
    neovim.keys("en<C-n>")
    neovim.wait_for("x = entries + 9")
    asked = stats(neovim)["model"]
    neovim.keys("<C-y>")
    neovim.wait(lambda: neovim.text() == WORDS + "entries", "the entry in the text")
    neovim.wait_for("x = entries + 9")
    neovim.keys("<M-l>")
    neovim.wait(lambda: neovim.text() == WORDS + "entries + 9", "what follows it")
    assert stats(neovim)["model"] <= asked + 1  # the one that follows what was accepted


def test_an_entry_that_the_menu_has_put_into_the_text_is_completed(neovim: Neovim) -> None:
    write(neovim, WORDS)
    neovim.keys("en<C-n>")  # by Neovim's defaults, an entry is inserted when it is selected
    neovim.wait(lambda: neovim.text() == WORDS + "entries", "the entry in the text")
    neovim.wait_for("x = entries + 9")
    neovim.keys("<C-n>")
    neovim.wait_for("x = entrance - 7")


def test_with_no_entry_selected_what_is_typed_is_completed(with_options: Neovim) -> None:
    neovim = with_options
    neovim.nvim.command("set completeopt=menuone,noselect")
    write(neovim, WORDS)
    neovim.keys("en<C-n>")
    neovim.wait(neovim.nvim.funcs.pumvisible, "the menu")
    neovim.wait_for("x = enumerate([5])")


@pytest.mark.parametrize("opened", [("0.12", "builtin"), ("0.12", "extmarks")], ids="-".join, indirect=True)
def test_with_a_menu_that_opens_by_itself(with_options: Neovim) -> None:
    """With the option `autocomplete`, which Neovim has since 0.12."""
    neovim = with_options
    neovim.nvim.command("set autocomplete")
    write(neovim, WORDS)
    neovim.keys("en")
    neovim.wait(neovim.nvim.funcs.pumvisible, "the menu")
    neovim.wait_for("x = enumerate([5])")


def test_the_server_is_told_where_the_cursor_is(neovim: Neovim) -> None:
    """So that the model reads the code there before the first key."""
    neovim.lua(
        """local rpc = require("nano.client").get().rpc
        local notify = rpc.notify
        rpc.notify = function(method, params)
          if method == "nano/didMoveCursor" then
            _G.told = params.position
          end
          return notify(method, params)
        end"""
    )
    write(neovim, "x = 1\ny = 2")
    neovim.keys("<Esc>gg$")
    neovim.wait(lambda: neovim.lua("return _G.told") == {"line": 0, "character": 4}, "the server told")

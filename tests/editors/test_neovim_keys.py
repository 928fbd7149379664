"""Tab and completion menus keep working beside ghost text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.editors.neovim import Neovim

pytestmark = [pytest.mark.real, pytest.mark.parametrize("version", ["0.11", "0.12"])]

OWN_TAB = """
vim.keymap.set("i", "<Tab>", function()
  return vim.fn.pumvisible() == 1 and "<C-n>" or "[own]"
end, { expr = true })
"""
WORDS = "summer = sunday = 1\n"


def ready(neovim: Neovim, text: str) -> Neovim:
    """With a text, the cursor behind it in Insert mode."""
    neovim.edit("code.py", text)
    neovim.wait_for_state("ready")
    neovim.keys("GA")
    return neovim


def test_tab_indents_unless_it_was_chosen(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version, "vim.o.expandtab = true"), "total =")
    neovim.keys(" ")
    neovim.wait_for("total = sum(range(9))")
    neovim.keys("<Tab>")
    neovim.wait(lambda: neovim.text().rstrip() == "total =" and len(neovim.text()) > 8, "blanks")


def test_a_chosen_tab_accepts_and_else_does_what_it_did(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version, OWN_TAB, keys={"accept": "<Tab>"}), "total =")
    neovim.keys("<Tab> ")
    neovim.wait(lambda: neovim.text() == "total =[own] ", "the user's own Tab")
    neovim.keys("<Esc>cctotal = ")
    neovim.wait_for("total = sum(range(9))")
    neovim.keys("<Tab>")
    neovim.wait(lambda: neovim.text() == "total = sum(range(9))", "accepted")


def test_a_menu_has_tab_while_it_is_open(version: str, start: Callable[..., Neovim]) -> None:
    before = OWN_TAB + "vim.o.completeopt = 'menu,menuone,noselect'"
    neovim = ready(start(version, before, keys={"accept": "<Tab>", "accept_word": "<M-w>"}), WORDS + "total =")
    neovim.keys(" ")
    neovim.wait_for("total = sum(range(9))")
    neovim.keys("su<C-n>")
    neovim.wait(neovim.nvim.funcs.pumvisible, "the menu")
    neovim.wait_for("sunday", "total = sum(range(9))")  # both
    neovim.keys("<Tab>")
    neovim.wait(lambda: neovim.text().endswith(("= summer", "= sunday")), "the menu's first word")
    assert neovim.nvim.funcs.pumvisible()
    neovim.keys("<C-e>")
    neovim.wait(lambda: neovim.text().endswith("total = su"), "the menu gone")


def test_accepting_closes_the_menu(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version, "vim.o.completeopt = 'menu,menuone,noselect'"), WORDS + "total =")
    neovim.keys(" ")
    neovim.wait_for("total = sum(range(9))")
    neovim.keys("su<C-n>")
    neovim.wait(neovim.nvim.funcs.pumvisible, "the menu")
    neovim.keys("<M-l>")
    neovim.wait(lambda: neovim.text() == WORDS + "total = sum(range(9))", "the suggestion, once")
    assert not neovim.nvim.funcs.pumvisible()
    neovim.keys("!")
    neovim.wait(lambda: neovim.text() == WORDS + "total = sum(range(9))!", "typing goes on")


@pytest.mark.parametrize(
    "menu", ["package.loaded['cmp'] = {{ visible = {} }}", "package.loaded['blink.cmp'] = {{ is_menu_visible = {} }}"]
)
def test_menus_of_plugins_have_tab_as_well(version: str, menu: str, start: Callable[..., Neovim]) -> None:
    """What these two tell of themselves is enough; their windows are no popup menu of Neovim's."""
    neovim = ready(start(version, OWN_TAB, keys={"accept": "<Tab>"}), "total =")
    neovim.keys(" ")
    neovim.wait_for("total = sum(range(9))")
    neovim.lua(menu.format("function() return true end"))
    neovim.keys("<Tab>")
    neovim.wait(lambda: neovim.text() == "total = [own]", "the other plugin's Tab")


MENUS = {
    "cmp": "package.loaded['cmp'] = { visible = function() return true end, get_selected_entry = function() "
    "return { completion_item = ITEM } end }",
    "blink.cmp": "package.loaded['blink.cmp'] = { is_menu_visible = function() return true end, "
    "get_selected_item = function() return ITEM end }",
}


@pytest.mark.parametrize("menu", MENUS)
def test_a_suggestion_continues_the_entry_that_a_plugin_has_selected(
    version: str, menu: str, start: Callable[..., Neovim]
) -> None:
    neovim = ready(start(version), "entries = 1\nx = ent")
    neovim.lua(MENUS[menu].replace("ITEM", "{ label = 'entries' }"))
    neovim.keys("r")
    neovim.wait_for("x = entries + 9")
    neovim.lua(MENUS[menu].replace("ITEM", "{ label = 'entry~', insertText = 'entry($1)', insertTextFormat = 2 }"))
    neovim.keys("<Esc>cctotal = ")
    neovim.wait_for("total = sum(range(9))")


def test_in_a_snippet_tab_goes_to_the_next_placeholder(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version, keys={"accept": "<Tab>"}), "")
    neovim.lua("vim.snippet.expand('$1\\ntotal = $2\\n$0')")
    neovim.keys("x<Tab>")
    neovim.wait_for("total = sum(range(9))")
    neovim.keys("<Tab>")
    neovim.wait(lambda: neovim.nvim.current.window.cursor[0] == 3, "the last placeholder")
    assert neovim.text() == "x\ntotal = \n"


def test_a_map_with_a_function_is_kept(version: str, start: Callable[..., Neovim]) -> None:
    before = "vim.keymap.set('i', '<M-l>', function() vim.g.called = 1 end)"
    neovim = ready(start(version, before), "x")
    neovim.keys("<M-l>")
    neovim.wait(lambda: neovim.lua("return vim.g.called") == 1, "the user's function")
    assert neovim.nvim.api.get_mode()["mode"] == "i"


def test_keys_can_be_left_alone(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version, keys=False), "total =")
    neovim.keys(" ")
    neovim.wait_for("total = sum(range(9))")
    assert neovim.lua("return vim.fn.maparg('<M-l>', 'i')") == ""
    assert neovim.lua("return require('nano').is_shown()")
    neovim.keys("<Cmd>lua require('nano').accept('word')<CR>")
    neovim.wait(lambda: neovim.text() == "total = sum", "a word")


def test_a_map_with_an_expression_may_accept(version: str, start: Callable[..., Neovim]) -> None:
    """As blink.cmp's are: the text is locked meanwhile."""
    expression = "function() return require('nano').accept() and '' or '[none]' end"
    before = f"vim.keymap.set('i', '<F2>', {expression}, {{ expr = true }})"
    neovim = ready(start(version, before), "total =")
    neovim.keys(" ")
    neovim.wait_for("total = sum(range(9))")
    neovim.keys("<F2>")
    neovim.wait(lambda: neovim.text() == "total = sum(range(9))", "accepted")
    neovim.keys("<Esc>cc<F2>")
    neovim.wait(lambda: neovim.text() == "[none]", "nothing to accept")

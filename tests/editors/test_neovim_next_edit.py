"""The next edit in real Neovims: keys go in, cells of the screen and the buffer's text come out."""

from __future__ import annotations

import pytest

from tests.editors.conftest import Start

pytestmark = pytest.mark.real
AREA = "def area(w, h):\n    total = w * h\n    check(h)\n    print(w)\n    check(h)\n    return total + w"
FIRST = AREA.replace("(w,", "(width,").replace("w *", "width *")
SECOND = FIRST.replace("(w)", "(width)")


@pytest.mark.parametrize("version", ["0.11", "0.12"])
def test_a_key_leads_from_a_renamed_parameter_to_its_uses(start: Start, version: str) -> None:
    it = start(version, settings={"nextEdit": True})
    it.edit("code.py", AREA)
    it.wait_for_state("ready")
    it.keys("<Esc>gg0fwcwwidth<Esc>")
    it.wait_for("<M-e>: next edit in line 2", "total = width * h")
    it.keys("<M-e>")
    it.wait(lambda: it.nvim.current.window.cursor[0] == 2 and not it.shows("next edit"), "the cursor at the edit")
    it.keys("<M-e>")
    it.wait(lambda: it.text() == FIRST, "the first use renamed")
    it.wait_for("next edit in line 4")
    it.keys("<M-e>")
    it.wait(lambda: it.nvim.current.window.cursor[0] == 4, "the cursor at the edit")
    it.keys("<M-e>")
    it.wait(lambda: it.text() == SECOND, "the second use renamed")
    it.wait_for("next edit in line 6")
    it.lua("require('nano').dismiss()")
    it.wait(lambda: not it.shows("next edit"), "no next edit")
    it.keys("u")
    it.wait(lambda: it.text() == FIRST, "the second use undone")
    assert not it.lua("return require('nano').next_edit()")


def test_without_the_setting_nothing_is_asked(start: Start) -> None:
    it = start("0.12")
    it.edit("code.py", AREA)
    it.wait_for_state("ready")
    it.keys("<Esc>gg0fwcwwidth<Esc>")
    it.wait(lambda: it.text() == AREA.replace("(w,", "(width,"), "the parameter renamed")
    assert not it.lua("return vim.api.nvim_get_autocmds({ event = 'TextChanged', buffer = 0 })[1]")

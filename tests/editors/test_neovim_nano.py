"""The real model in real Neovims, set up as the plugin's README says."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_nano import CODE
from tests.editors.neovim import PLUGIN, Neovim, find_neovim

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("models")]
LIMIT_S = 300
STATUS_LINE = "vim.o.statusline = \"%t [%{v:lua.require'nano'.statusline()}]\"\n"
BEFORE, AFTER = CODE.split("|")


def readme_setup() -> str:
    """What the README has users put into init.lua."""
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    return str(re.findall(r"```lua\n(.*?)```", readme, re.DOTALL)[0])


@pytest.fixture(params=["0.11", "0.12"])
def neovim(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Iterator[Neovim]:
    it = Neovim(
        find_neovim(request.param),
        tmp_path / "neovim",
        STATUS_LINE + readme_setup(),
        env={"NANO_LSP_HOME": str(home)},
        limit_s=LIMIT_S,
    )
    yield it
    it.close()


def test_ghost_text_docstring_and_explanation(neovim: Neovim) -> None:
    neovim.edit("shapes.py", (BEFORE + AFTER).replace("return \n", "return\n"))
    neovim.wait_for("[nano]")
    neovim.nvim.current.window.cursor = [BEFORE.count("\n") + 1, 0]
    neovim.keys("A ")
    neovim.wait_for("        return math.pi * self.radius ** 2", "[nano]")
    for cells in "        return math.pi", "        return math.pi * self":
        neovim.keys("<M-Right>" if cells.endswith("self") else "math.pi")
        neovim.wait_for("        return math.pi * self.radius ** 2")
    if picture := os.environ.get("SCREENSHOTS"):
        neovim.draw(Path(picture) / f"ghost-text-0.{neovim.lua('return vim.version().minor')}.svg")
    neovim.keys("<M-l>")
    neovim.wait(lambda: "return math.pi * self.radius ** 2" in neovim.text(), "the suggestion in the text")
    neovim.keys("<Esc>kdd")
    neovim.wait(lambda: "Its area." not in neovim.text(), "the old docstring gone")
    neovim.nvim.command("Nano docstring")
    neovim.wait(lambda: neovim.text().count('"""') == CODE.count('"""'), "a docstring")
    found = ast.get_docstring(ast.parse(neovim.text()).body[2].body[2])  # type: ignore[attr-defined]
    assert found
    assert "Returns:" in found
    neovim.wait_for_state("ready")
    neovim.nvim.command("Nano explain")
    neovim.wait(lambda: any(line.count("│") == 2 and "area" in line for line in neovim.screen()), "words about it")
    neovim.keys("q")  # has heard enough
    neovim.wait_for_state("ready")

"""What `:Nano` does, what the status line says, and what happens when something is wrong, in real Neovims."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nano_lsp.code.document import MAX_BYTES
from tests.editors.conftest import REPLIES
from tests.editors.neovim import PLUGIN, Neovim

pytestmark = [pytest.mark.real, pytest.mark.parametrize("version", ["0.11", "0.12"])]

ADD = "def add(a, b):\n    return a + b\n"
STATUS_LINE = """vim.o.statusline = "[%{v:lua.require'nano'.statusline()}]" """


def ready(neovim: Neovim, text: str = ADD) -> Neovim:
    """With a file, its server ready."""
    neovim.edit("code.py", text)
    neovim.wait_for_state("ready")
    return neovim


def says(neovim: Neovim, *texts: str) -> None:
    """Wait until the messages have these texts."""
    neovim.wait(lambda: all(text in neovim.messages() for text in texts), f"the messages {texts}")


def test_a_docstring_is_written_into_the_text(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version))
    neovim.nvim.command("Nano docstring")
    neovim.wait_for(
        "def add(a, b):",
        '    """Add two numbers.',
        "        a: The first.",
        "        b: The second.",
        "    Returns:",
        "    return a + b",
    )
    neovim.nvim.command("undo")
    neovim.wait(lambda: neovim.text() + "\n" == ADD, "the text as it was")


def test_an_explanation_streams_into_a_window(version: str, start: Callable[..., Neovim], tmp_path: Path) -> None:
    slow = tmp_path / "slow.json"
    slow.write_text(json.dumps({**REPLIES, "$batch_ms": 30}))
    neovim = ready(start(version, settings={"model": f"scripted:{slow}"}))
    neovim.nvim.command("Nano explain")
    part = neovim.wait(lambda: next((line for line in neovim.screen() if "It adds" in line), ""), "its beginning")
    assert "their sum" not in part
    neovim.wait_for("explain", "It adds two numbers and gives their sum.")
    neovim.wait_for_state("ready")
    neovim.keys("q")
    neovim.wait(lambda: not neovim.shows("It adds"), "the window closed")
    assert neovim.text() + "\n" == ADD


def test_closing_its_window_calls_an_explanation_off(
    version: str, start: Callable[..., Neovim], tmp_path: Path
) -> None:
    endless = tmp_path / "endless.json"
    endless.write_text(json.dumps({**REPLIES, "$batch_ms": 1000}))
    neovim = ready(start(version, settings={"model": f"scripted:{endless}"}))
    neovim.nvim.command("1,2Nano explain")
    neovim.wait_for_state("busy")
    neovim.keys("<Esc>")
    neovim.wait_for_state("ready")
    assert neovim.lua("return vim.tbl_count(require('nano.client').streams)") == 0
    assert len(neovim.nvim.windows) == 1


def test_the_status_line_follows_pause_and_resume(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version, STATUS_LINE), "total =")
    neovim.wait_for("[nano]")
    neovim.keys("A ")
    neovim.wait_for("total = sum(range(9))")
    neovim.keys("<Cmd>Nano pause<CR>")
    neovim.wait_for("[nano paused]")
    neovim.wait(lambda: not neovim.shows("sum("), "no suggestion")
    neovim.keys("<Esc>:Nano resume<CR>A<BS> ")
    neovim.wait_for("[nano]", "total = sum(range(9))")


def test_the_status_line_says_that_a_buffer_gets_no_suggestions_and_the_status_why(
    version: str, start: Callable[..., Neovim]
) -> None:
    neovim = ready(start(version, STATUS_LINE, settings={"exclude": ["code.py"]}), "total =")
    neovim.wait_for("[nano]")
    neovim.keys("A ")
    neovim.wait_for("[nano quiet]")
    neovim.keys("<Esc>")
    neovim.nvim.command("Nano status")
    neovim.wait_for("nano.exclude has the pattern code.py", "Change nano.exclude.")
    neovim.keys("q")
    neovim.edit("other.py", "total =")
    neovim.keys("A ")
    neovim.wait_for("total = sum(range(9))")
    neovim.wait(lambda: not neovim.shows("quiet"), "no reason any more")


def test_a_killed_server_is_started_again_while_the_user_types(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version, STATUS_LINE), "total =")
    neovim.lua(
        "vim.g.states = ''; vim.api.nvim_create_autocmd('User', {pattern = 'NanoStatus', "
        "callback = function(args) vim.g.states = vim.g.states .. ' ' .. args.data.state end})"
    )
    (server,) = neovim.servers()
    neovim.keys("A ")
    neovim.wait_for("total = sum(range(9))")
    server.kill()
    says(neovim, "nano: the server crashed (signal 9) and is being restarted.")
    neovim.wait(lambda: " starting starting loading" in neovim.lua("return vim.g.states"), "its states")
    neovim.wait_for_state("ready")
    neovim.wait_for("[nano]")
    assert neovim.nvim.api.get_mode()["mode"] == "i"
    neovim.keys("<BS> ")
    neovim.wait_for("total = sum(range(9))")
    for _ in range(3):  # one that keeps ending when it is ready is given up as well
        neovim.wait_for_state("ready")
        (again,) = neovim.servers()
        assert again.pid != server.pid
        server = again
        server.kill()
        neovim.wait(lambda: neovim.lua("return require('nano.status').current.state") != "ready", "its end")
    neovim.wait_for("[nano error]")
    says(neovim, "nano: the server keeps crashing. See :Nano log, then :Nano restart.")
    neovim.keys("<Esc>:Nano restart<CR>")
    neovim.wait_for("[nano]")


def test_a_server_that_keeps_ending_is_left_alone(version: str, start: Callable[..., Neovim]) -> None:
    neovim = start(version, STATUS_LINE, cmd=[sys.executable, "-c", "exit(3)"])
    neovim.edit("code.py", "")
    neovim.keys("i")
    says(neovim, "nano: the server keeps crashing. See :Nano log, then :Nano restart.")
    neovim.wait_for("[nano error]")
    neovim.keys("x = 1<Esc>")
    neovim.wait(lambda: neovim.text() == "x = 1", "the editor usable")
    neovim.nvim.command("Nano log")
    assert neovim.nvim.current.buffer.name.endswith("lsp.log")


def test_a_missing_program_is_named_once(version: str, start: Callable[..., Neovim]) -> None:
    neovim = start(version, STATUS_LINE, cmd=["no-such-nano-lsp", "server"])
    neovim.edit("code.py", "")
    says(neovim, "nano: no-such-nano-lsp cannot be run; see :help nano-install.")
    neovim.edit("other.py", "")
    neovim.wait_for("[nano error]")
    assert neovim.messages().count("cannot be run") == 1
    neovim.keys("ix = 1<Esc>")
    neovim.wait(lambda: neovim.text() == "x = 1", "the editor usable")
    neovim.nvim.command("Nano explain")
    says(neovim, "no server is attached to this buffer; see :checkhealth nano.")
    neovim.nvim.command("checkhealth nano")
    neovim.wait(lambda: "no-such-nano-lsp cannot be run" in neovim.text(), "the report")


def test_a_program_that_is_not_on_path_is_found_in_the_shared_environment(
    version: str, start: Callable[..., Neovim], tmp_path: Path
) -> None:
    program = tmp_path / "neovim0/data/nano-lsp/venv/bin/nano-lsp"
    program.parent.mkdir(parents=True)
    program.symlink_to(Path(sys.executable).with_name("nano-lsp"))
    neovim = ready(start(version, "vim.env.PATH = '/usr/bin:/bin'"))
    (server,) = neovim.servers()
    assert str(program) in server.cmdline()


def test_a_missing_model_is_told_with_its_remedy(version: str, start: Callable[..., Neovim]) -> None:
    neovim = start(version, STATUS_LINE + "vim.o.cmdheight = 3", settings={"model": "nano"})
    neovim.edit("code.py", "total =")
    status = neovim.wait_for_state("error")
    assert "nano-lsp model pull nano" in status["remedy"]
    says(neovim, "The model nano is not on this machine. Run `nano-lsp model pull nano`")
    neovim.keys("A 1<Esc>")
    neovim.wait(lambda: neovim.text() == "total = 1", "the editor usable")
    neovim.nvim.command("Nano status")
    neovim.wait_for("error: The model nano is not on this machine.")


def test_model_statistics_and_restart(version: str, start: Callable[..., Neovim], tmp_path: Path) -> None:
    neovim = ready(start(version))
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"total = ": "42\n"}))
    neovim.nvim.command(f"Nano model scripted:{other}")
    neovim.wait(lambda: neovim.wait_for_state("ready")["message"].startswith(f"scripted:{other}"), "the other model")
    neovim.nvim.command("Nano stats")
    neovim.wait_for("statistics", "accepted           0", "evaluated_tokens")
    neovim.keys("q")
    (server,) = neovim.servers()
    neovim.nvim.command("Nano restart")
    neovim.wait(lambda: not server.is_running(), "its end")
    neovim.wait_for_state("ready")
    assert "ended" not in neovim.messages()


def test_training_needs_a_folder(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version))
    neovim.nvim.command("Nano train")
    says(neovim, "nano: There is no code to train on: open a folder of this machine.")
    neovim.nvim.command("Nano train stop")
    says(neovim, "nano: No training is in progress.")


def test_what_cannot_be_served_leaves_the_editor_usable(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version, STATUS_LINE + "vim.cmd('syntax off')"))
    neovim.nvim.command("setlocal nomodifiable")
    neovim.nvim.command("Nano docstring")
    says(neovim, "nano: this buffer is not modifiable ('modifiable' is off).")
    neovim.edit("huge.py", "x = 1\n" * (MAX_BYTES // 6) + "total =")
    neovim.keys("GA 1<Esc>")
    neovim.wait(lambda: neovim.nvim.current.line == "total = 1", "the key")
    neovim.edit("small.py", "total =")
    neovim.keys("A ")
    neovim.wait_for("total = sum(range(9))", "[nano]")


def test_one_server_for_all_projects(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version))
    for project in ("one", "two"):
        neovim.edit(f"{project}/pyproject.toml", "")
        neovim.edit(f"{project}/code.py", "")
        neovim.wait(lambda: neovim.lua("return #vim.lsp.get_clients({ bufnr = 0 })") == 1, "the server of a file")
    assert len(neovim.servers()) == 1


def test_options_that_cannot_be_used_are_named(version: str, start: Callable[..., Neovim]) -> None:
    neovim = start(version, "vim.o.cmdheight = 10", colour="red", filetypes="python", keys={"accpet": "x"})
    says(
        neovim,
        "unknown option colour.",
        'filetypes must be a list of strings, not "python".',
        "unknown key accpet.",
    )
    ready(neovim)


def test_unknown_commands_and_completion_of_known_ones(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version))
    neovim.keys(":Nano unknown<CR>")
    says(neovim, "unknown command :Nano unknown; see :help :Nano.")
    found = neovim.nvim.funcs.getcompletion("Nano re", "cmdline")
    assert found == ["restart", "resume"]


def test_checkhealth_finds_nothing_wrong(version: str, start: Callable[..., Neovim]) -> None:
    neovim = ready(start(version))
    neovim.nvim.command("checkhealth nano")
    neovim.wait(lambda: "accept a word of the suggestion" in neovim.text(), "the whole report")
    report = neovim.text()
    assert "The server is running and ready" in report
    assert "nano-lsp 0" in report
    # The home of this test has no model, and that is all.
    assert [line for line in report.split("\n") if "ERROR" in line] == [
        "- ❌ ERROR model: The model nano is not on this machine."
    ]


def test_help_has_all_commands_and_options(version: str, start: Callable[..., Neovim], tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    shutil.copytree(PLUGIN, plugin)
    neovim = start(version)
    neovim.nvim.command("filetype plugin off")  # help's needs a parser that Debian's package lacks
    neovim.nvim.command(f"helptags {plugin / 'doc'}")
    neovim.lua("vim.opt.runtimepath:prepend(...)", str(plugin))
    for topic in ("nano", ":Nano", "nano-setup", "nano-install", "nano-menus"):
        neovim.nvim.command(f"help {topic}")
        neovim.wait_for("nano.txt")
    text = neovim.text()
    for command in neovim.nvim.funcs.getcompletion("Nano ", "cmdline"):
        assert f":Nano {command}" in text
    for option in neovim.lua("return vim.tbl_keys(require('nano.config').defaults)"):
        assert f"*nano-{option}*" in text

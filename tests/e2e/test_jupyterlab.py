"""Tests of the extension in a real JupyterLab and a real Notebook 7, with a browser."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.e2e.jupyter_browser import Book, notebook, open_book, write_settings
from tests.e2e.workbench import LIMIT_S, until
from tests.jupyter_process import open_jupyter

pytestmark = pytest.mark.real
SCREENSHOTS = Path(os.environ.get("NANO_LSP_SCREENSHOTS", os.devnull))  # folder for the documentation's screenshots
PAGES = {"lab": "lab/tree/book.ipynb", "notebook": "notebooks/book.ipynb"}
CHAT = "```\nassistant\n"
PATTERN = 'import re\nprint(re.match("(?P<word>[a-z]+", "ab")["word"])'
FIXED = 'import re\nprint(re.match("(?P<word>[a-z]+)", "ab")["word"])'
MUL = "def mul(a, b):\n    return a * b"
AREA = "def area(w, h):\n    return w * h"
CALL = "area(w=3, h=4)"
REPLIES = {
    "\n\ndef area(width, h):\n": "    return width * h\n",  # below edits, as the next lines
    "+    return width * h\n\n": "area(width=3, h=4)\n",
    "# m2\n\n": "area(width=3, h=4)\n",
    "x = ": "first + second\n",
    "y = ": "2\n",
    "def steps(x):": "\n    a = x + 1\n    b = a * 2\n    return b\n\n\n",
    "return a * b\n" + CHAT: "It multiplies **two** numbers. ![seen](http://127.0.0.1:9/seen.png) <img src=x>",
    "what was wrong.\nassistant\n": f"```python\n{FIXED}\n```\nWhy: The group is not closed.",
    f"{PATTERN}\n{CHAT}": "It has `(?P<word>` twice:\n\n```python\n(?P<word>![a]<br>)\n```",
    'def mul(a, b):\n    """': "Multiply two numbers.\n",
    "        a:": " The first.\n",
    "        b:": " The second.\n",
    "    Returns:\n    ": "    The product.\n",
}
Open = Callable[..., Book]


@pytest.fixture
def open_page(tmp_path: Path) -> Iterator[Open]:
    """Opens a notebook with these cells, with the scripted model unless the settings choose another."""
    with ExitStack() as stack:

        def begin(*cells: str, app: str = "lab", page: str = "", batch_ms: int = 0, **settings: Any) -> Book:  # noqa: ANN401
            root, home = tmp_path / "root", tmp_path / "jupyter"
            root.mkdir()
            (root / "book.ipynb").write_text(notebook(*cells))
            (root / "app.py").write_text("")
            (root / "area.py").write_text(AREA)
            script = tmp_path / "script.json"
            script.write_text(json.dumps({**REPLIES, "$batch_ms": batch_ms}))
            chosen = {"model": f"scripted:{script}", "debounceMs": 0, "latencyMs": 0, **settings}
            write_settings(home / "settings", **chosen)
            jupyter = stack.enter_context(open_jupyter(root, home, app=app))
            return stack.enter_context(open_book(jupyter, page or PAGES[app], tmp_path / "last.png"))

        yield begin


@pytest.mark.parametrize("app", PAGES)
def test_ghost_text_is_accepted_typed_through_and_dismissed(open_page: Open, app: str) -> None:
    it = open_page("", "", app=app)
    it.click(0)
    it.type("x = ")
    assert it.wait_for_ghost_text() == "first + second"
    it.type("fi")
    it.wait_for_ghost_text(lambda text: text == "rst + second")
    it.press("Alt+ArrowRight")
    it.wait_for_cell(0, lambda code: code == "x = first")
    it.wait_for_ghost_text(lambda text: text == " + second")
    it.press("Tab")
    it.wait_for_cell(0, lambda code: code == "x = first + second")
    # The server detects in the next request that a suggestion was accepted in parts.
    until(it.page, lambda: counter(it, "accepted") == 1, "the suggestion counted as accepted")
    it.click(1)
    it.type("y = ")
    it.wait_for_ghost_text()
    it.type("7")
    it.wait_for_no_ghost_text()
    it.wait_for_cell(1, lambda code: code == "y = 7")


@pytest.mark.parametrize("app", PAGES)
def test_the_code_around_the_cursor_is_read_before_the_first_key(open_page: Open, app: str) -> None:
    it = open_page("".join(f"a{i} = {i}\n" for i in range(60)), "x = ", app=app, warmUp="always")
    it.click(1)
    until(it.page, lambda: counter(it, "evaluated_tokens") > 300, "the code around the cursor was read")
    assert counter(it, "model") == 0


def test_a_cell_is_explained_and_documented_but_changed_only_on_apply(open_page: Open) -> None:
    it = open_page(MUL)
    it.wait_for_status("ready")
    requested: list[str] = []
    it.page.on("request", lambda request: requested.append(request.url))
    it.choose_of_cell(0, "Explain this cell")
    shown = it.wait_for_panel(lambda text: "two numbers." in text and "Working" not in text)
    assert "multiplies two numbers" in shown  # rendered: no asterisks
    assert it.page.locator("#neuro-nano-panel img").count() == 0
    assert all(url.startswith((it.jupyter.address, "data:", "blob:")) for url in requested), requested
    it.choose_from_menu(0, "Docstring")
    it.wait_for_panel(lambda text: "Nothing has been changed yet." in text)
    it.wait_for_cell(0, lambda code: code == MUL)
    it.apply()
    assert "Multiply two numbers." in it.wait_for_cell(0, lambda code: '"""' in code)
    it.click(0)
    it.press("Control+Z")
    it.wait_for_cell(0, lambda code: code == MUL)


def test_code_in_the_panel_is_shown_unchanged(open_page: Open) -> None:
    it = open_page(PATTERN)
    it.wait_for_status("ready")
    it.choose_of_cell(0, "Explain this cell")
    shown = it.wait_for_panel(lambda text: "twice" in text and "Working" not in text)
    assert "It has (?P<word> twice:" in shown
    assert "(?P<word>![a]<br>)" in shown


def test_a_fix_is_shown_as_a_diff_and_changes_the_cell_on_apply(open_page: Open) -> None:
    it = open_page(PATTERN)
    it.wait_for_status("ready")
    it.run(0)
    it.choose_of_cell(0, "Fix the error in this cell")
    it.wait_for_panel(lambda text: "Apply" in text and "(?P<word>" in text)
    it.screenshot(SCREENSHOTS / "lab-diff.png")
    diff = it.page.locator("#neuro-nano-panel .cm-editor")
    removed, added = diff.locator(".cm-deletedChunk"), diff.locator(".cm-insertedLine, .cm-changedLine")
    assert {*removed.all_inner_texts()} == {PATTERN.split("\n")[1]}
    assert {*added.all_inner_texts()} == {FIXED.split("\n")[1]}  # a line may have both classes
    diff.locator(".cm-content").click()
    it.page.keyboard.type("x")  # the diff is read-only
    assert {*added.all_inner_texts()} == {FIXED.split("\n")[1]}
    it.wait_for_cell(0, lambda code: code == PATTERN)
    it.apply()
    it.wait_for_cell(0, lambda code: code == FIXED)


def test_a_proposal_for_a_changed_cell_is_not_applied(open_page: Open) -> None:
    it = open_page(MUL)
    it.wait_for_status("ready")
    it.choose_from_menu(0, "Docstring")
    it.wait_for_panel(lambda text: "Apply" in text)
    it.click(0)
    it.type("  # mine")
    it.apply()
    it.wait_for_panel(lambda text: "has changed since" in text)
    it.wait_for_cell(0, lambda code: code == f"{MUL}  # mine")


def test_the_status_bar_has_the_reason_for_no_suggestions(open_page: Open) -> None:
    it = open_page("", exclude=["*.ipynb"])
    it.wait_for_status("ready")
    it.click(0)
    it.type("x = ")
    it.wait_for_status("quiet")
    title = it.page.locator(".jp-NeuroNano-status").get_attribute("title") or ""
    assert "nano.exclude has the pattern *.ipynb" in title
    assert "Change nano.exclude." in title


def test_the_status_bar_item_pauses_and_resumes(open_page: Open) -> None:
    it = open_page("")
    it.wait_for_status("ready")
    it.page.locator(".jp-NeuroNano-status").click()
    it.wait_for_status("paused")
    it.page.locator(".jp-NeuroNano-status").click()
    it.wait_for_status("ready")


def test_a_missing_model_is_an_error_with_a_remedy(open_page: Open) -> None:
    it = open_page(MUL, model="nano")
    it.wait_for_status("error")
    it.choose_of_cell(0, "Explain this cell")
    it.wait_for_panel(lambda text: "nano-lsp model pull nano" in text)


def test_files_get_ghost_text(open_page: Open) -> None:
    it = open_page("")
    it.wait_for_status("ready")
    it.page.locator(".jp-DirListing-item", has_text="app.py").dblclick()
    it.page.locator(".jp-FileEditor .cm-content").click()
    it.type("y = ")
    assert it.wait_for_ghost_text() == "2"
    it.press("Tab")
    it.press("Control+S")
    until(it.page, lambda: (it.jupyter.root / "app.py").read_text() == "y = 2", "the file as wanted")


@pytest.mark.parametrize("app", PAGES)
def test_a_renamed_parameter_leads_to_its_uses_in_all_cells(open_page: Open, app: str) -> None:
    it = open_page(AREA, "# Rooms", CALL, app=app, nextEdit=True)
    until(it.page, lambda: status(it)["state"] == "ready", "the model is there")
    it.click(0)
    rename_parameter(it)
    it.wait_for_hint("next edit in line 2")
    it.press("Tab")
    it.wait_for_hint("")
    it.press("Tab")
    it.wait_for_cell(0, lambda code: code == AREA.replace("w", "width"))
    it.wait_for_hint("next edit in cell 3, line 1")
    assert it.page.locator(".jp-NeuroNano-added").inner_text() == "idth"
    it.screenshot(SCREENSHOTS / f"{app}-next-edit.png")
    it.press("Tab")
    it.wait_for_hint("")
    it.wait_for_cell(2, lambda code: code == CALL)
    it.press("Tab")
    it.wait_for_cell(2, lambda code: code == "area(width=3, h=4)")
    it.press("Control+Z")
    it.wait_for_cell(2, lambda code: code == CALL)
    it.wait_for_cell(0, lambda code: code == AREA.replace("w", "width"))
    it.click(0)
    it.type("  # m2")
    it.wait_for_hint("next edit in cell 3, line 1")
    it.press("Escape")
    it.wait_for_hint("")
    with it.page.expect_response(re.compile("/nano-lsp/next-edit\\?")) as answer:
        it.type(".")  # in edit mode still
    assert answer.value.json() == {"edit": None}
    it.wait_for_cell(0, lambda code: code.endswith("# m2."))
    it.wait_for_cell(2, lambda code: code == CALL)


def test_ghost_text_goes_before_the_next_edit_which_ends_when_a_cell_is_moved(open_page: Open) -> None:
    it = open_page(AREA, "", nextEdit=True)
    it.wait_for_status("ready")
    it.click(0)
    rename_parameter(it)
    it.wait_for_hint("next edit in line 2")
    it.click(1)
    it.wait_for_hint("next edit in cell 1, line 2")
    with it.page.expect_response(re.compile("/nano-lsp/next-edit\\?")) as answer:
        it.type("x = ")
    assert it.wait_for_ghost_text() == "first + second"
    assert answer.value.json() == {"edit": None}
    it.press("Tab")
    it.wait_for_cell(1, lambda code: code == "x = first + second")
    it.wait_for_hint("next edit in cell 1, line 2")
    it.page.locator('.jp-cell-toolbar [data-command="notebook:move-cell-up"]').click()
    it.wait_for_hint("")
    it.wait_for_cell(1, lambda code: code == AREA.replace("(w", "(width"))


def test_a_file_has_next_edits(open_page: Open) -> None:
    it = open_page("", nextEdit=True)
    it.wait_for_status("ready")
    it.page.locator(".jp-DirListing-item", has_text="area.py").dblclick()
    it.page.locator(".jp-FileEditor .cm-content").click()
    rename_parameter(it)
    it.wait_for_hint("next edit in line 2")
    it.press("Tab")
    it.wait_for_hint("")
    it.press("Tab")
    it.press("Control+S")
    wanted = AREA.replace("w", "width")
    until(it.page, lambda: (it.jupyter.root / "area.py").read_text() == wanted, "the file as wanted")


def rename_parameter(it: Book) -> None:
    """Rename the first parameter of `AREA` in the editor with the cursor."""
    it.press("Control+Home")
    for _ in "def area(w":
        it.press("ArrowRight")
    it.type("idth")


@pytest.mark.parametrize("app", PAGES)
def test_a_suggestion_of_several_lines_is_streamed(open_page: Open, app: str) -> None:
    it = open_page("", app=app, batch_ms=50)  # a model that writes a line in about a second
    until(it.page, lambda: status(it)["state"] == "ready", "the model is there")
    it.click(0)
    it.record_ghost_texts()
    it.type("def steps(x):")
    it.wait_for_ghost_text(lambda text: "return b" in text)
    lines = ("    a = x + 1", "    b = a * 2", "    return b")
    assert it.ghost_texts[-3:] == list(accumulate(lines))  # a line at a time, never shortened
    it.press("Tab")
    it.wait_for_cell(0, lambda code: code == "def steps(x):\n    a = x + 1\n    b = a * 2\n    return b")


@pytest.mark.parametrize("of", ["a console of its own", "a notebook"])
def test_consoles_get_ghost_text_at_each_prompt(open_page: Open, of: str) -> None:
    it = open_page("")
    it.wait_for_status("ready")
    if of == "a notebook":
        it.page.get_by_text("| Idle").first.wait_for()  # without a kernel JupyterLab asks for one
        it.choose_from_menu(0, "New Console for Notebook")
        it.enter_prompt()
    else:
        it.open_console()
    it.type("first, second = 40, 2")
    it.press("Shift+Enter")
    it.wait_for_prompt("")
    it.type("x = ")
    assert it.wait_for_ghost_text() == "first + second"
    it.press("Tab")
    it.wait_for_prompt("x = first + second")
    it.press("Shift+Enter")
    it.wait_for_prompt("")
    it.type("x")
    it.press("Shift+Enter")
    it.wait_for_output("42")


def kernel_state(it: Book, home: Path) -> str:
    """The parts of a kernel's state that executed code changes."""
    (file,) = (home / "jupyter/runtime").glob("kernel-*.json")
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=LIMIT_S)
        ip = "get_ipython()"
        state = f"({ip}.execution_count, len(In), sorted(Out), sorted(k for k in globals()), repr(_))"
        kept = f"list({ip}.history_manager.get_range(raw=False))"
        message = client.execute("", silent=True, store_history=False, user_expressions={"s": state, "k": kept})
        while (reply := client.get_shell_msg(timeout=LIMIT_S))["parent_header"].get("msg_id") != message:
            pass
        results = reply["content"]["user_expressions"]
        assert {one["status"] for one in results.values()} == {"ok"}, results
        return str({name: one["data"]["text/plain"] for name, one in results.items()})
    finally:
        client.stop_channels()


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("app", PAGES)
def test_nano_completes_with_executed_cells_and_kernel_variables(open_page: Open, tmp_path: Path, app: str) -> None:
    it = open_page("", "measured_heights = [1.62, 1.80, 1.75]\n41 + 1", app=app, model="nano", latencyMs=0)
    until(it.page, lambda: status(it)["state"] == "ready", "nano is loaded")
    it.run(1)
    before = kernel_state(it, tmp_path)

    # A variable of an executed cell below.
    it.click(0)
    it.type("average_height = sum(")
    text = it.wait_for_ghost_text(lambda text: "measured_heights" in text)
    it.screenshot(SCREENSHOTS / f"{app}-ghost-text.png")
    it.press("Alt+ArrowRight")
    it.wait_for_cell(0, lambda code: code == "average_height = sum(measured_heights")
    it.wait_for_ghost_text()
    it.press("Tab")
    it.wait_for_cell(0, lambda code: code == f"average_height = sum({text}")

    # Another key dismisses it; with a warm cache only the typed text is evaluated.
    it.press("Enter")
    it.type("lowest = ")
    shown = it.wait_for_ghost_text()
    idle(it)
    evaluated, n_requests = counter(it, "evaluated_tokens"), counter(it, "model")
    it.type("9")
    until(it.page, lambda: not it.ghost_text.startswith(shown), "another ghost text, or none")
    idle(it)
    assert counter(it, "model") - n_requests <= 1
    assert counter(it, "evaluated_tokens") - evaluated <= len("9") + 2
    assert kernel_state(it, tmp_path) == before


@pytest.mark.usefixtures("models")
def test_nano_completes_in_a_console(open_page: Open) -> None:
    it = open_page("", model="nano", latencyMs=0)
    until(it.page, lambda: status(it)["state"] == "ready", "nano is loaded")
    it.open_console()
    it.type("measured_heights = [1.62, 1.80, 1.75]")
    it.press("Shift+Enter")
    it.wait_for_prompt("")
    it.type("average_height = sum(")
    text = it.wait_for_ghost_text(lambda text: "measured_heights" in text)
    it.press("Tab")
    it.wait_for_prompt(f"average_height = sum({text}")


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("app", PAGES)
def test_nano_offers_alternatives_on_request(open_page: Open, app: str) -> None:
    it = open_page("", app=app, model="nano", latencyMs=0)
    until(it.page, lambda: status(it)["state"] == "ready", "nano is loaded")
    it.click(0)
    it.type("def read_rows(path):")
    it.press("Enter")
    idle(it)
    it.press("Alt+Backslash")
    first = it.wait_for_ghost_text()
    it.press("Alt+BracketRight")
    second = it.wait_for_ghost_text(lambda text: text not in {"", first})
    it.press("Alt+BracketLeft")
    it.wait_for_ghost_text(lambda text: text == first)
    it.press("Alt+BracketRight")
    it.wait_for_ghost_text(lambda text: text == second)
    it.press("Tab")
    it.wait_for_cell(0, lambda code: "".join(code.split()).endswith("".join(second.split())))


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("app", PAGES)
def test_nano_fixes_an_error_on_apply(open_page: Open, app: str) -> None:
    broken = "def mean(values):\n    return sum(values) / lenn(values)\n\n\nmean([1, 2])"
    it = open_page(broken, app=app, model="nano", latencyMs=0)
    until(it.page, lambda: status(it)["state"] == "ready", "nano is loaded")
    it.run(0)
    it.choose_of_cell(0, "Fix the error in this cell")
    it.wait_for_panel(lambda text: "Apply" in text)
    it.screenshot(SCREENSHOTS / {"lab": "lab-fix.png", "notebook": "notebook7.png"}[app])
    it.wait_for_cell(0, lambda code: code == broken)
    it.apply()
    assert "len(values)" in it.wait_for_cell(0, lambda code: "lenn" not in code)
    it.click(0)
    it.press("Control+Z")
    it.wait_for_cell(0, lambda code: code == broken)


def status(it: Book) -> dict[str, Any]:
    with it.jupyter.client() as client:
        return dict(client.get("status").json())


def counter(it: Book, name: str) -> int:
    return int(status(it)["counters"][name])


def idle(it: Book) -> None:
    """Wait until the model has no pending requests."""
    until(it.page, lambda: status(it)["counters"]["pending"] == 0, "the model is idle")

"""Page object for JupyterLab and Notebook 7 in a browser."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.e2e.workbench import LIMIT_S, until
from tests.editors.places import installed_editor
from tests.jupyter_process import TOKEN, Jupyter

_VIEWPORT: ViewportSize = {"width": 1300, "height": 620}
_GHOST_TEXT = ".jp-GhostText"
_HINT = ".jp-NeuroNano-hint"
_FOLLOWED = ".jp-mod-completer-enabled"  # an editor with an attached completer
_PRESS_AGAIN_S = 10.0
_PANEL = "#neuro-nano-panel"
_PROMPT = ".jp-CodeConsole-promptCell"


def notebook(*sources: str) -> str:
    """A notebook file with these code cells, not executed."""
    empty: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**empty, "id": f"cell-{i}", "source": source} for i, source in enumerate(sources)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


class Book:
    """A page with a notebook, its user actions and its state.

    Attributes:
        page: The browser page.
        jupyter: The Jupyter server.
    """

    def __init__(self, page: Page, jupyter: Jupyter, address: str) -> None:
        self.page = page
        self.jupyter = jupyter
        page.set_default_timeout(LIMIT_S * 1000)
        page.goto(f"{jupyter.address}{address}")
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.wait_for()
        self.wait_for_kernel()

    # User actions

    def click(self, index: int) -> None:
        """Move the cursor to the end of a cell."""
        self.page.locator(f".jp-Notebook .jp-Cell >> nth={index}").locator(".cm-content").click()
        self.press("Control+End")

    def run(self, index: int) -> None:
        """Run a cell and wait until the kernel is idle.

        While JupyterLab connects to the kernel it may ignore a run (the prompt stays empty): the keys are repeated.
        """
        self.click(index)
        prompt = self.page.locator(f".jp-Notebook .jp-Cell >> nth={index}").locator(".jp-InputPrompt")
        pressed = 0.0

        def ran() -> bool:
            nonlocal pressed
            shown = prompt.inner_text()
            has_run = any(c.isdigit() for c in shown)
            if not has_run and "*" not in shown and time.monotonic() > pressed + _PRESS_AGAIN_S:
                self.press("Control+Enter")
                pressed = time.monotonic()
            return has_run

        until(self.page, ran, "it ran")
        self.wait_for_kernel()

    def type(self, text: str) -> None:
        """Type at the cursor, once the completer is attached to the editor: it ignores earlier keys."""
        self.page.locator(f"{_FOLLOWED}:focus-within").first.wait_for(state="attached")
        self.page.keyboard.type(text, delay=30)

    def press(self, key: str) -> None:
        """Press a key, or several at once."""
        self.page.keyboard.press(key)

    def choose_of_cell(self, index: int, title: str) -> None:
        """Click a button of a cell's toolbar."""
        self.click(index)
        self.page.locator(f'.jp-cell-toolbar jp-button[title="{title}"]').first.click()

    def choose_from_menu(self, index: int, title: str) -> None:
        """Choose from a cell's context menu."""
        self.page.locator(f".jp-Notebook .jp-Cell >> nth={index}").locator(".cm-content").click(button="right")
        self.page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{title}$")).click()

    def open_console(self) -> None:
        """Open a console from the launcher, with the cursor in its prompt."""
        self.page.locator('[data-command="launcher:create"]').first.click()
        self.page.locator('.jp-LauncherCard[data-category="Console"]').first.click()
        self.enter_prompt()

    def enter_prompt(self) -> None:
        """Move the cursor to a console's prompt."""
        self.page.locator(f"{_PROMPT} .cm-content").click()

    def apply(self) -> None:
        """Click Apply in the panel."""
        self.page.locator(f"{_PANEL} button", has_text="Apply").click()

    # State of the page

    @property
    def ghost_text(self) -> str:
        """The ghost text; empty if none is shown."""
        found = self.page.locator(_GHOST_TEXT)
        return (found.first.text_content() or "") if found.count() else ""

    def wait_for_ghost_text(self, has: Callable[[str], bool] = bool) -> str:
        """Wait for ghost text that satisfies a condition; returns it."""
        return until(self.page, lambda: text if has(text := self.ghost_text) else "", "ghost text")

    def record_ghost_texts(self) -> None:
        """Record each ghost text from now on, for `ghost_texts`."""
        self.page.evaluate(
            """selector => {
                window.ghostTexts = [];
                new MutationObserver(() => {
                    const text = document.querySelector(selector)?.textContent;
                    if (text && text !== window.ghostTexts.at(-1)) window.ghostTexts.push(text);
                }).observe(document.body, {subtree: true, childList: true, characterData: true});
            }""",
            _GHOST_TEXT,
        )

    @property
    def ghost_texts(self) -> list[str]:
        """The ghost texts shown since `record_ghost_texts`, in order."""
        return list(self.page.evaluate("window.ghostTexts"))

    def wait_for_no_ghost_text(self) -> None:
        """Wait until no ghost text is shown."""
        until(self.page, lambda: not self.ghost_text, "no ghost text")

    def wait_for_hint(self, part: str) -> None:
        """Wait until the hint at the cursor contains a text; without one, until there is no hint."""

        def is_there() -> bool:
            texts = self.page.locator(_HINT).all_inner_texts()
            return any(part in text for text in texts) if part else not texts

        until(self.page, is_there, f"the hint {part!r}")

    def cell(self, index: int) -> str:
        """Save the notebook; returns the code of a cell on disk."""
        self.press("Control+S")
        try:
            source = json.loads((self.jupyter.root / "book.ipynb").read_text())["cells"][index]["source"]
        except json.JSONDecodeError:  # it is being written
            return ""
        return source if isinstance(source, str) else "".join(source)

    def wait_for_cell(self, index: int, has: Callable[[str], bool]) -> str:
        """Wait for a cell's code that satisfies a condition; returns it."""
        return until(self.page, lambda: text if has(text := self.cell(index)) else "", f"cell {index} as wanted")

    def wait_for_prompt(self, code: str) -> None:
        """Wait until a console's prompt has this code."""
        prompt = self.page.locator(f"{_PROMPT} .cm-content")
        until(self.page, lambda: prompt.inner_text().strip() == code, f"the prompt has {code!r}")

    def wait_for_output(self, text: str) -> None:
        """Wait until this is the newest output of a console."""
        outputs = self.page.locator(".jp-CodeConsole .jp-OutputArea-output")
        until(self.page, lambda: outputs.count() and outputs.last.inner_text().strip() == text, f"output {text!r}")

    def wait_for_panel(self, has: Callable[[str], bool]) -> str:
        """Wait for a panel text that satisfies a condition; returns it."""

        def find() -> str:
            panel = self.page.locator(_PANEL)
            text = panel.inner_text() if panel.count() else ""
            return text if has(text) else ""

        return until(self.page, find, "panel as wanted")

    def wait_for_status(self, part: str) -> None:
        """Wait until the status bar item contains a text."""
        self.page.locator(".jp-NeuroNano-status", has_text=part).first.wait_for()

    def wait_for_kernel(self) -> None:
        """Wait until the kernel is idle."""
        self.page.locator('[data-status="idle"], .jp-Toolbar-kernelStatus[title*="Idle"]').first.wait_for(
            state="attached"
        )

    def screenshot(self, file: Path) -> None:
        """Save a screenshot if the folder exists."""
        if file.parent.is_dir():
            self.page.screenshot(path=file)


def write_settings(folder: Path, **settings: Any) -> None:  # noqa: ANN401
    """Write the user's settings of the extension, and switch off JupyterLab's news."""
    news = {"fetchNews": "false", "checkForUpdates": False}
    plugins = {"neuro-nano-jupyter/plugin": settings, "@jupyterlab/apputils-extension/notification": news}
    for plugin, chosen in plugins.items():
        file = folder / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(chosen))


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a browser; it is closed at the end of the block."""
    remedy = "on Debian, apt install chromium"
    program = shutil.which("chromium") or installed_editor("chromium-browser", "Chromium", remedy)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_book(jupyter: Jupyter, address: str, failed: Path) -> Iterator[Book]:
    """Open a page of a Jupyter server; it is closed at the end of the block.

    Args:
        jupyter: The server.
        address: Path of the page below the base URL.
        failed: File for a last screenshot, which helps to diagnose a failed test.
    """
    with open_browser() as browser:
        page = browser.new_page(viewport=_VIEWPORT, extra_http_headers={"Authorization": f"token {TOKEN}"})
        try:
            yield Book(page, jupyter, address)
        finally:
            page.screenshot(path=failed)

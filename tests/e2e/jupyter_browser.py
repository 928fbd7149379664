"""A browser that somebody sits at, with JupyterLab or Notebook 7."""

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
_FOLLOWED = ".jp-mod-completer-enabled"  # an editor that the completer follows
_PRESS_AGAIN_S = 10.0
_PANEL = "#neuro-nano-panel"
_PROMPT = ".jp-CodeConsole-promptCell"


def notebook(*sources: str) -> str:
    """A notebook with these code cells, none of which has run."""
    empty: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**empty, "id": f"cell-{i}", "source": source} for i, source in enumerate(sources)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


class Book:
    """A page with a notebook, and what somebody does in it.

    Attributes:
        page: of the browser.
        jupyter: the server behind it.
    """

    def __init__(self, page: Page, jupyter: Jupyter, address: str) -> None:
        self.page = page
        self.jupyter = jupyter
        page.set_default_timeout(LIMIT_S * 1000)
        page.goto(f"{jupyter.address}{address}")
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.wait_for()
        self.wait_for_kernel()

    # What is done

    def click(self, index: int) -> None:
        """Put the cursor to the end of a cell."""
        self.page.locator(f".jp-Notebook .jp-Cell >> nth={index}").locator(".cm-content").click()
        self.press("Control+End")

    def run(self, index: int) -> None:
        """Run a cell; returns once the kernel is idle.

        While it connects to the kernel JupyterLab loses a run (the prompt stays empty): the keys are pressed again.
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
        """Type at the cursor, once JupyterLab's completer follows the editor: of a key before that it asks nobody."""
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
        """Put the cursor into a console's prompt."""
        self.page.locator(f"{_PROMPT} .cm-content").click()

    def apply(self) -> None:
        """Take over what the panel proposes."""
        self.page.locator(f"{_PANEL} button", has_text="Apply").click()

    # What is seen

    @property
    def ghost_text(self) -> str:
        """The grey text; empty for none."""
        found = self.page.locator(_GHOST_TEXT)
        return (found.first.text_content() or "") if found.count() else ""

    def wait_for_ghost_text(self, has: Callable[[str], bool] = bool) -> str:
        """The grey text, once it is as wanted."""
        return until(self.page, lambda: text if has(text := self.ghost_text) else "", "ghost text")

    def record_ghost_texts(self) -> None:
        """Remember each grey text from now on, for `ghost_texts`."""
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
        """The grey texts that were there since `record_ghost_texts`, one after the other."""
        return list(self.page.evaluate("window.ghostTexts"))

    def wait_for_no_ghost_text(self) -> None:
        """Returns once no grey text is there."""
        until(self.page, lambda: not self.ghost_text, "no ghost text")

    def cell(self, index: int) -> str:
        """The code of a cell as it is on disk after saving."""
        self.press("Control+S")
        try:
            source = json.loads((self.jupyter.root / "book.ipynb").read_text())["cells"][index]["source"]
        except json.JSONDecodeError:  # it is being written
            return ""
        return source if isinstance(source, str) else "".join(source)

    def wait_for_cell(self, index: int, has: Callable[[str], bool]) -> str:
        """The code of a cell, once it is as wanted."""
        return until(self.page, lambda: text if has(text := self.cell(index)) else "", f"cell {index} as wanted")

    def wait_for_prompt(self, code: str) -> None:
        """Returns once a console's prompt has this code."""
        prompt = self.page.locator(f"{_PROMPT} .cm-content")
        until(self.page, lambda: prompt.inner_text().strip() == code, f"the prompt has {code!r}")

    def wait_for_output(self, text: str) -> None:
        """Returns once the newest output in a console is this."""
        outputs = self.page.locator(".jp-CodeConsole .jp-OutputArea-output")
        until(self.page, lambda: outputs.count() and outputs.last.inner_text().strip() == text, f"output {text!r}")

    def wait_for_panel(self, has: Callable[[str], bool]) -> str:
        """What the panel shows, once it is as wanted."""

        def find() -> str:
            panel = self.page.locator(_PANEL)
            text = panel.inner_text() if panel.count() else ""
            return text if has(text) else ""

        return until(self.page, find, "panel as wanted")

    def wait_for_status(self, part: str) -> None:
        """Returns once the item in the status bar says this."""
        self.page.locator(".jp-NeuroNano-status", has_text=part).first.wait_for()

    def wait_for_kernel(self) -> None:
        """Returns once the kernel is idle, and its names are known."""
        self.page.locator('[data-status="idle"], .jp-Toolbar-kernelStatus[title*="Idle"]').first.wait_for(
            state="attached"
        )

    def screenshot(self, file: Path) -> None:
        """Keep what is seen, where somebody wants it."""
        if file.parent.is_dir():
            self.page.screenshot(path=file)


def write_settings(folder: Path, **settings: Any) -> None:  # noqa: ANN401
    """Have JupyterLab ask nobody for news, and the extension go by these settings of the user."""
    news = {"fetchNews": "false", "checkForUpdates": False}
    plugins = {"neuro-nano-jupyter/plugin": settings, "@jupyterlab/apputils-extension/notification": news}
    for plugin, chosen in plugins.items():
        file = folder / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(chosen))


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser, until the end of the block."""
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
    """A page of a Jupyter server, until the end of the block.

    Args:
        jupyter: the server.
        address: of the page, below the base URL.
        failed: keeps a picture of the end, which tells why a test failed.
    """
    with open_browser() as browser:
        page = browser.new_page(viewport=_VIEWPORT, extra_http_headers={"Authorization": f"token {TOKEN}"})
        try:
            yield Book(page, jupyter, address)
        finally:
            page.screenshot(path=failed)

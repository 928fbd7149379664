"""Page object for a real VS Code workbench: code-server with the packaged extension, in a browser."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import psutil
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Frame, Page, sync_playwright

from tests.processes import end_with_all_below

LIMIT_S = 300  # generous, for a busy machine; an idle one needs a few seconds
POLL_MS = 50
T = TypeVar("T")
_STATUS_ITEM = '.statusbar-item[id="neuro-nano.neuro-nano.nano"] [aria-label]'
_GHOST_TEXT = ".monaco-editor [class*=ghost-text]"
_USER_SETTINGS = {  # the editor's lists, hints, hovers and brackets keep their defaults
    "workbench.startupEditor": "none",  # would cover the opened file
    "workbench.welcomePage.walkthroughs.openOnInstall": False,  # the same
    "workbench.secondarySideBar.defaultVisibility": "hidden",  # leaves room for the file and a view beside it
    "chat.disableAIFeatures": True,  # no other ghost text
    "security.workspace.trust.startupPrompt": "never",  # a modal dialog; tests of trust use the editor
    "telemetry.telemetryLevel": "off",  # nothing leaves the machine
    "extensions.ignoreRecommendations": True,  # notifications like those of the extension
    "git.enabled": False,  # the same, where git is missing
}


@dataclass(frozen=True)
class CodeServer:
    """Programs and folders of a workbench.

    Attributes:
        node: Node itself, not a wrapper, whose end would leave the server running.
        entry: Script that starts code-server.
        extensions: Folder that the extension is installed in.
        browser: Path of Chromium.
    """

    node: Path
    entry: Path
    extensions: Path
    browser: str

    def install(self, vsix: Path, data: Path) -> None:
        """Install an extension as users do."""
        done = subprocess.run(
            [*self._command(data), "--install-extension", str(vsix)],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "successfully installed" in done.stdout, done.stdout + done.stderr

    @contextmanager
    def open(
        self,
        folder: Path,
        data: Path,
        settings: Mapping[str, object],
        env: Mapping[str, str],
        *,
        trusted: bool = True,
    ) -> Iterator[Workbench]:
        """Open a folder in a workbench; it and its child processes end with the block.

        Args:
            folder: Folder to open.
            data: Empty folder for code-server's data.
            settings: The user's settings.
            env: Environment variables of the extension and its child processes.
            trusted: False opens the folder in restricted mode.
        """
        for part in ("User", "Machine"):
            (data / part).mkdir(parents=True)
        (data / "User/settings.json").write_text(
            json.dumps({**_USER_SETTINGS, **settings, "security.workspace.trust.enabled": not trusted})
        )
        (data / "Machine/settings.json").write_text(json.dumps(settings))
        log = data / "code-server.log"
        switches = ["--disable-telemetry", "--disable-update-check", "--disable-getting-started-override"]
        if trusted:
            switches.append("--disable-workspace-trust")
        with log.open("w") as output:
            process = subprocess.Popen(
                [*self._command(data), "--auth", "none", "--bind-addr", "127.0.0.1:0", *switches],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,
            )
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=self.browser, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1100, "height": 620})
                try:
                    yield Workbench(page, folder, process.pid, _address(page, process, log))
                finally:
                    page.screenshot(path=data / "last.png")  # helps to diagnose a failed test
                    browser.close()
        finally:
            end_with_all_below(process, grace_s=0)

    def _command(self, data: Path) -> list[str]:
        folders = ["--user-data-dir", str(data), "--extensions-dir", str(self.extensions)]
        return [str(self.node), str(self.entry), *folders, "--config", str(data / "config.yaml")]


def _address(page: Page, process: subprocess.Popen[bytes], log: Path) -> str:
    """The address of code-server, whose port is chosen by the system to avoid conflicts."""

    def find() -> str:
        assert process.poll() is None, log.read_text()
        found = re.search(r"listening on (http://127\.0\.0\.1:\d+)", log.read_text())
        return found[1] if found else ""

    return until(page, find, "code-server listens")


def until(page: Page, find: Callable[[], T], what: str) -> T:
    """Poll a function until it returns a true value; returns that.

    Raises:
        AssertionError: The time limit is exceeded; the message has `what`.
    """
    limit = time.monotonic() + LIMIT_S
    while not (found := find()):
        assert time.monotonic() < limit, f"{what}: not within {LIMIT_S} s"
        page.wait_for_timeout(POLL_MS)
    return found


class Workbench:
    """A window of VS Code, its user actions and its state.

    Attributes:
        page: The browser page.
        folder: The open folder.
        process_id: Process id of code-server.
    """

    def __init__(self, page: Page, folder: Path, process_id: int, address: str) -> None:
        self.page = page
        self.folder = folder
        self.process_id = process_id
        page.set_default_timeout(LIMIT_S * 1000)
        page.goto(f"{address}/?folder={quote(str(folder))}")
        page.wait_for_selector(".explorer-folders-view .monaco-list-row")

    # User actions

    def open_file(self, name: str) -> None:
        """Open a file of the folder, from its tree, with the cursor at its end."""
        self.page.locator(f'.explorer-folders-view .monaco-list-row[aria-label^="{name}"]').first.dblclick()
        self.page.wait_for_selector(f'.tab.active[data-resource-name="{name}"]')
        self.page.wait_for_selector(".editor-instance .monaco-editor .view-line")
        self.page.locator(".editor-instance .monaco-editor .view-lines").first.click()
        self.press("Control+End")

    def type(self, text: str) -> None:
        """Type at the cursor."""
        self.page.keyboard.type(text, delay=20)

    def press(self, key: str) -> None:
        """Press a key, or several at once as `Control+S`."""
        self.page.keyboard.press(key)

    def command(self, title: str) -> None:
        """Choose a command from the palette."""
        self.press("F1")
        box = self.page.locator(".quick-input-widget input[aria-autocomplete]")
        box.wait_for()
        box.fill(f">{title}")
        self.choose(title)

    def choose(self, title: str) -> None:
        """Choose an entry of the open list."""
        self.page.locator(".quick-input-list .monaco-list-row").filter(has_text=title).first.click()

    def choose_action(self, title: str) -> None:
        """Choose a code action from the open menu."""
        self.page.locator(".action-widget .monaco-list-row").filter(has_text=title).first.click()

    def back_to(self, name: str) -> None:
        """Move the cursor to the end of an open file."""
        self.page.locator(f'.tab[data-resource-name="{name}"]').first.click()
        self.page.locator(".editor-instance .monaco-editor .view-lines").first.click()
        self.press("Control+End")

    def close_tab(self, title: str) -> None:
        """Close an editor."""
        self.page.locator(f'.tab[aria-label^="{title}"] .action-label[aria-label^="Close"]').first.click()

    def open_notebook(self, name: str) -> None:
        """Open a notebook of the folder, with the cursor at the end of its first cell."""
        self.page.locator(f'.explorer-folders-view .monaco-list-row[aria-label^="{name}"]').first.dblclick()
        self.page.locator(".notebookOverlay .code-cell-row .view-lines").first.click()
        self.press("Control+End")

    def choose_file(self, name: str) -> None:
        """Choose a file of the folder in the file dialog."""
        self.page.locator(".quick-input-list .monaco-list-row").filter(has_text=name).first.click()
        self.page.locator(".quick-input-widget").wait_for(state="hidden")

    def trust_folder(self) -> None:
        """Trust the folder."""
        self.page.get_by_text("Manage", exact=True).first.click()
        self.page.locator(".workspace-trust-editor .monaco-button").filter(has_text="Trust").first.click()

    def click_status(self) -> None:
        """Open the menu of the status bar item."""
        self.page.locator(_STATUS_ITEM).first.click()

    def click_button(self, title: str) -> None:
        """Click a button of a notification."""
        self.page.locator(f'.notifications-toasts .monaco-button:has-text("{title}")').first.click()

    # State of the window

    def wait_for_status(self, *parts: str) -> str:
        """Wait until the status bar item's label contains all parts; returns the label."""
        label = ""

        def find() -> bool:
            nonlocal label
            item = self.page.locator(_STATUS_ITEM)
            label = (item.first.get_attribute("aria-label") or "") if item.count() else ""
            return all(part in label for part in parts)

        until(self.page, find, f"status {parts}")
        return label

    def wait_for_other_status(self, part: str) -> None:
        """Wait until the status bar item's label does not contain a text."""

        def find() -> bool:
            item = self.page.locator(_STATUS_ITEM)
            return part not in (item.first.get_attribute("aria-label") or part)

        until(self.page, find, f"status other than {part}")

    def wait_for_message(self, text: str) -> str:
        """Wait for a notification that contains a text; returns its text."""
        found = self.page.locator(".notifications-toasts .notification-list-item").filter(has_text=text).first
        found.wait_for()
        return found.inner_text()

    @property
    def ghost_text(self) -> str:
        """The ghost text; empty if none is shown."""
        script = (
            "parts => parts.filter(p => !p.querySelector('[class*=ghost-text]')).map(p => p.textContent).join('')"
        )
        return str(self.page.locator(_GHOST_TEXT).evaluate_all(script)).replace("\xa0", " ")

    def wait_for_ghost_text(self, text: str = "") -> str:
        """Wait for ghost text that contains a text; returns it."""
        return until(self.page, lambda: self.ghost_text if text in self.ghost_text else "", f"ghost text {text!r}")

    def wait_for_no_ghost_text(self) -> None:
        """Wait until no ghost text is shown."""
        until(self.page, lambda: not self.ghost_text, "no ghost text")

    @property
    def decorations(self) -> str:
        """The texts that extensions have put behind code, such as the hint that leads to the next edit."""
        script = "spans => spans.map(span => getComputedStyle(span, '::after').content).join('')"
        found = str(self.page.locator(".monaco-editor .view-line span").evaluate_all(script))
        return found.replace("none", "").replace("normal", "").replace('"', "").replace("\xa0", " ")

    def wait_for_decoration(self, text: str) -> None:
        """Wait for a text that an extension has put behind code."""
        until(self.page, lambda: text in self.decorations, f"decoration {text!r}")

    def wait_for_no_decoration(self) -> None:
        """Wait until extensions have put no text behind code."""
        until(self.page, lambda: not self.decorations, "no decoration")

    def wait_for_document(self, name: str, has: Callable[[str], bool]) -> str:
        """Wait for a document that satisfies a condition, saved to disk; returns its text."""

        def find() -> str:
            self.press("Control+S")
            text = (self.folder / name).read_text()
            return text if has(text) else ""

        return until(self.page, find, f"{name} as wanted")

    def wait_for_view(self, text: str) -> str:
        """Wait until the view beside the editor contains a text; returns its whole text."""

        def find() -> str:
            shown = [_text_of(frame) for frame in self.page.frames if frame != self.page.main_frame]
            return next((one for one in shown if text in one), "")

        return until(self.page, find, f"view with {text!r}")

    def wait_for_restricted_mode(self) -> None:
        """Wait until the window shows restricted mode."""
        self.page.locator(".statusbar-item").filter(has_text="Restricted Mode").first.wait_for()

    def wait_for_list(self, entry: str) -> None:
        """Wait until the completion list is open with this entry selected."""
        row = self.page.locator(".suggest-widget.visible .monaco-list-row.focused")
        row.filter(has_text=entry).first.wait_for()

    def wait_for_no_list(self) -> None:
        """Wait until the completion list is closed."""
        self.page.locator(".suggest-widget.visible").wait_for(state="hidden")

    def screenshot(self, file: Path) -> None:
        """Save a screenshot if the folder exists."""
        if file.parent.is_dir():
            self.page.mouse.move(0, 0)
            self.page.screenshot(path=file)

    def server_processes(self) -> list[psutil.Process]:
        """The running language servers of this workbench."""
        below = psutil.Process(self.process_id).children(recursive=True)
        return [child for child in below if _is_server(child)]


def _text_of(frame: Frame) -> str:
    try:
        return frame.locator("main").inner_text(timeout=1000) if frame.locator("main").count() else ""
    except PlaywrightError:  # the frame is being replaced
        return ""


def _is_server(process: psutil.Process) -> bool:
    try:
        command = process.cmdline()
    except psutil.NoSuchProcess:
        return False
    return any("nano-lsp" in part for part in command) and command[-1:] == ["server"]

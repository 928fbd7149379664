"""A real VS Code workbench: code-server with the packaged extension, and a browser that somebody sits at."""

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

LIMIT_S = 300  # on a machine that does other things as well; on an idle one, a few seconds
POLL_MS = 50
T = TypeVar("T")
_STATUS_ITEM = '.statusbar-item[id="neuro-nano.neuro-nano.nano"] [aria-label]'
_GHOST_TEXT = ".monaco-editor [class*=ghost-text]"
_USER_SETTINGS = {  # nothing of the editor itself: its lists, hints, hovers and brackets are those that users have
    "workbench.startupEditor": "none",  # a page in front of the file that is opened
    "workbench.welcomePage.walkthroughs.openOnInstall": False,  # the same
    "workbench.secondarySideBar.defaultVisibility": "hidden",  # the page has room for the file and a view beside it
    "chat.disableAIFeatures": True,  # nothing else draws ghost text
    "security.workspace.trust.startupPrompt": "never",  # a dialog before everything; tests of trust use the editor
    "telemetry.telemetryLevel": "off",  # nothing leaves the machine
    "extensions.ignoreRecommendations": True,  # messages that would be taken for ours
    "git.enabled": False,  # the same, where git is missing
}


@dataclass(frozen=True)
class CodeServer:
    """What a workbench is made of.

    Attributes:
        node: the program itself; killing a wrapper would leave the server behind.
        entry: of code-server.
        extensions: folder that the extension is installed in.
        browser: program.
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
        """A workbench on a folder, until the end of the block; whatever it has started ends with it.

        Args:
            folder: to open.
            data: empty folder for what code-server keeps.
            settings: of the user.
            env: environment of the extension, and of all that it starts.
            trusted: False opens it in restricted mode.
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
                    page.screenshot(path=data / "last.png")  # tells why a test failed
                    browser.close()
        finally:
            end_with_all_below(process, grace_s=0)

    def _command(self, data: Path) -> list[str]:
        folders = ["--user-data-dir", str(data), "--extensions-dir", str(self.extensions)]
        return [str(self.node), str(self.entry), *folders, "--config", str(data / "config.yaml")]


def _address(page: Page, process: subprocess.Popen[bytes], log: Path) -> str:
    """Where code-server listens: on a port that the system chose, so that no other one answers for it."""

    def find() -> str:
        assert process.poll() is None, log.read_text()
        found = re.search(r"listening on (http://127\.0\.0\.1:\d+)", log.read_text())
        return found[1] if found else ""

    return until(page, find, "code-server listens")


def until(page: Page, find: Callable[[], T], what: str) -> T:
    """What a function finds, once that is something.

    Raises:
        AssertionError: nothing came in time; says what was waited for.
    """
    limit = time.monotonic() + LIMIT_S
    while not (found := find()):
        assert time.monotonic() < limit, f"{what}: not within {LIMIT_S} s"
        page.wait_for_timeout(POLL_MS)
    return found


class Workbench:
    """A window of VS Code, and what somebody does in it.

    Attributes:
        page: of the browser.
        folder: that is open.
        process_id: of code-server.
    """

    def __init__(self, page: Page, folder: Path, process_id: int, address: str) -> None:
        self.page = page
        self.folder = folder
        self.process_id = process_id
        page.set_default_timeout(LIMIT_S * 1000)
        page.goto(f"{address}/?folder={quote(str(folder))}")
        page.wait_for_selector(".explorer-folders-view .monaco-list-row")

    # What is done

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
        """Choose an entry of the list that is open."""
        self.page.locator(".quick-input-list .monaco-list-row").filter(has_text=title).first.click()

    def choose_action(self, title: str) -> None:
        """Choose a code action from the menu that is open."""
        self.page.locator(".action-widget .monaco-list-row").filter(has_text=title).first.click()

    def back_to(self, name: str) -> None:
        """Put the cursor to the end of a file that is open."""
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
        """Choose a file of the folder in the dialog for files."""
        self.page.locator(".quick-input-list .monaco-list-row").filter(has_text=name).first.click()
        self.page.locator(".quick-input-widget").wait_for(state="hidden")

    def trust_folder(self) -> None:
        """Say that the authors of the folder are trusted."""
        self.page.get_by_text("Manage", exact=True).first.click()
        self.page.locator(".workspace-trust-editor .monaco-button").filter(has_text="Trust").first.click()

    def click_status(self) -> None:
        """Open the menu behind the status bar item."""
        self.page.locator(_STATUS_ITEM).first.click()

    def click_button(self, title: str) -> None:
        """Click a button of a message."""
        self.page.locator(f'.notifications-toasts .monaco-button:has-text("{title}")').first.click()

    # What is seen

    def wait_for_status(self, *parts: str) -> str:
        """The status bar item, for screen readers, once it says all of this."""
        label = ""

        def find() -> bool:
            nonlocal label
            item = self.page.locator(_STATUS_ITEM)
            label = (item.first.get_attribute("aria-label") or "") if item.count() else ""
            return all(part in label for part in parts)

        until(self.page, find, f"status {parts}")
        return label

    def wait_for_other_status(self, part: str) -> None:
        """Returns once the status bar item does not say this."""

        def find() -> bool:
            item = self.page.locator(_STATUS_ITEM)
            return part not in (item.first.get_attribute("aria-label") or part)

        until(self.page, find, f"status other than {part}")

    def wait_for_message(self, text: str) -> str:
        """A message that holds a text."""
        found = self.page.locator(".notifications-toasts .notification-list-item").filter(has_text=text).first
        found.wait_for()
        return found.inner_text()

    @property
    def ghost_text(self) -> str:
        """The grey text; empty for none."""
        script = (
            "parts => parts.filter(p => !p.querySelector('[class*=ghost-text]')).map(p => p.textContent).join('')"
        )
        return str(self.page.locator(_GHOST_TEXT).evaluate_all(script)).replace("\xa0", " ")

    def wait_for_ghost_text(self, text: str = "") -> str:
        """The grey text, once it holds this."""
        return until(self.page, lambda: self.ghost_text if text in self.ghost_text else "", f"ghost text {text!r}")

    def wait_for_no_ghost_text(self) -> None:
        """Returns once no grey text is there."""
        until(self.page, lambda: not self.ghost_text, "no ghost text")

    def wait_for_document(self, name: str, has: Callable[[str], bool]) -> str:
        """A document's text once it is as wanted: what is on disk after saving, not what is drawn."""

        def find() -> str:
            self.press("Control+S")
            text = (self.folder / name).read_text()
            return text if has(text) else ""

        return until(self.page, find, f"{name} as wanted")

    def wait_for_view(self, text: str) -> str:
        """What the view beside the editor shows, once it holds a text."""

        def find() -> str:
            shown = [_text_of(frame) for frame in self.page.frames if frame != self.page.main_frame]
            return next((one for one in shown if text in one), "")

        return until(self.page, find, f"view with {text!r}")

    def wait_for_restricted_mode(self) -> None:
        """Returns once the window says that the folder is not trusted."""
        self.page.locator(".statusbar-item").filter(has_text="Restricted Mode").first.wait_for()

    def wait_for_list(self, entry: str) -> None:
        """Returns once the list of completions is open, with this entry selected."""
        row = self.page.locator(".suggest-widget.visible .monaco-list-row.focused")
        row.filter(has_text=entry).first.wait_for()

    def wait_for_no_list(self) -> None:
        """Returns once no list of completions is open."""
        self.page.locator(".suggest-widget.visible").wait_for(state="hidden")

    def screenshot(self, file: Path) -> None:
        """Keep what is seen, where somebody wants it."""
        if file.parent.is_dir():
            self.page.mouse.move(0, 0)
            self.page.screenshot(path=file)

    def server_processes(self) -> list[psutil.Process]:
        """The language servers that run in this workbench."""
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

"""Tests of the packaged extension in a real VS Code workbench, where it finds and starts the server itself.

Most use the scripted model, whose suggestions are known; assertions on a document use its text on disk.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from nano_lsp import __version__
from nano_lsp.cli.bundle_parts import package_extension
from tests.e2e.workbench import CodeServer, Workbench, until
from tests.editors.places import missing

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "editors/vscode"
SERVER = Path(sys.executable).parent / "nano-lsp"
SCREENSHOTS = Path(os.environ.get("NANO_LSP_SCREENSHOTS", os.devnull))  # folder for the README's screenshots
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
CHAT = "```\nassistant\n"
NUMBERS = " ".join(str(n * n) for n in range(100, 300))  # without repetitions, which would be decoded speculatively
REPLIES = {
    "def add(a, b):\n    ": "total = a + b\n    return total\n",
    "def sub(a, b):\n    ": "return a - b\n",
    "x = ": "1\n",
    "y = ": "2\n",
    'def mul(a, b):\n    """': "Multiply two numbers.\n",
    "        a:": " The first.\n",
    "        b:": " The second.\n",
    "    Returns:\n    ": "    The product.\n",
    "return a * b\n" + CHAT: "It multiplies **two** numbers.",
    "return a / b\n" + CHAT: f"It divides: {NUMBERS}",
}
PYTHON_EXTENSION = """
const { Uri } = require("vscode");
exports.activate = () => ({ environments: {
  getActiveEnvironmentPath: () => ({ id: "venv", path: "PYTHON" }),
  resolveEnvironment: async ({ path }) => ({ executable: { uri: Uri.file(path) } }),
  onDidChangeActiveEnvironmentPath: () => ({ dispose() {} }),
} });
"""  # the part used of https://github.com/microsoft/vscode-python/tree/main/pythonExtensionApi
MUL = "def mul(a, b):\n    return a * b\n"


@pytest.fixture(scope="session")
def code_server(tmp_path_factory: pytest.TempPathFactory) -> CodeServer:
    """code-server with the packaged and installed extension."""
    folders = sorted((_cache() / "nano-lsp-tests").glob("code-server-*/complete"))
    if not folders:
        missing("code-server", "run .ci/code-server, which takes 2 to 15 minutes")
    folder = folders[-1].parent
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or ""
    if not browser:
        missing("Chromium", "on Debian, apt install chromium")
    data = tmp_path_factory.mktemp("code-server")
    node = folder / "nodejs/bin/node"
    vsix = package_extension(EXTENSION, str(folder / "node/bin/npm"), lambda _step: None)
    entry = folder / "node_modules/code-server/out/node/entry.js"
    it = CodeServer(node, entry, data / "extensions", browser)
    it.install(vsix, data / "installing")
    return it


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


class Open(Protocol):
    """Opens the test's folder in a workbench, with these files, settings and environment."""

    def __call__(
        self,
        files: Mapping[str, str],
        settings: Mapping[str, object] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        trusted: bool = True,
        code_server: CodeServer | None = None,
    ) -> Workbench: ...


@pytest.fixture
def open_workbench(code_server: CodeServer, tmp_path: Path) -> Iterator[Open]:
    installed = code_server
    script = tmp_path / "script.json"
    script.write_text(json.dumps(REPLIES))
    scripted = {"nano.model": f"scripted:{script}", "nano.debounceMs": 0, "nano.latencyMs": 0}
    with ExitStack() as stack:

        def begin(
            files: Mapping[str, str],
            settings: Mapping[str, object] | None = None,
            *,
            env: Mapping[str, str] | None = None,
            trusted: bool = True,
            code_server: CodeServer | None = None,
        ) -> Workbench:
            folder = tmp_path / "project"
            for name, text in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)
            surroundings = {
                **os.environ,
                "PATH": f"{SERVER.parent}:{SYSTEM_PATH}",
                "VSCODE_CLI": "1",  # uses this environment instead of a login shell's
                **(env or {}),
            }
            data = tmp_path / "data"
            chosen = {**scripted, **(settings or {})}
            server = code_server or installed
            return stack.enter_context(server.open(folder, data, chosen, surroundings, trusted=trusted))

        yield begin


def test_steps_reached_before_the_walkthrough_opens_are_complete(open_workbench: Open) -> None:
    it = open_workbench({"app.py": "x = "})
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.command("NEURO-NANO: Getting Started")
    for step in "server", "model":
        it.page.locator(f'[data-done-step-id$="#{step}"].complete').first.wait_for()
    assert it.page.locator('[data-done-step-id$="#type"]:not(.complete)').count()


def test_ghost_text_is_accepted_whole_by_word_and_by_line(open_workbench: Open) -> None:
    it = open_workbench({"app.py": ""})
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.type("def sub(a, b):\n")
    assert it.wait_for_ghost_text() == "return a - b"
    it.press("Tab")
    it.wait_for_document("app.py", lambda text: text == "def sub(a, b):\n    return a - b")
    it.type("\n")
    it.press("Shift+Tab")
    it.type("def add(a, b):\n")
    it.wait_for_ghost_text("total")
    before = "def sub(a, b):\n    return a - b\ndef add(a, b):\n    "
    it.press("Control+ArrowRight")
    it.wait_for_document("app.py", lambda text: text == before + "total")
    it.wait_for_ghost_text("a + b")
    it.press("Control+Alt+ArrowRight")
    it.wait_for_document("app.py", lambda text: text == before + "total = a + b\n")
    it.wait_for_ghost_text("return total")
    it.press("Escape")
    it.wait_for_no_ghost_text()


AREA = "def area(w, h):\n    total = w * h\n    check(h)\n    print(w)\n    check(h)\n    return total + w\n"
USES = {
    "def area(width, h):\n": "    total = width * h\n",
    "* h\n    check(h)\n": "    print(width)\n",
    ")\n    check(h)\n": "    return total + width\n",
}


def test_tab_leads_from_a_renamed_parameter_to_its_uses(open_workbench: Open, tmp_path: Path) -> None:
    it = open_workbench({"app.py": AREA}, {**scripted(tmp_path, USES), "nano.nextEdit": True})
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.press("Control+Home")
    for key in ["ArrowRight"] * len("def area(") + ["Delete"]:
        it.press(key)
    it.type("width")
    it.press("Escape")  # closes the completion list, if it is open
    it.wait_for_decoration("next edit in line 2")
    it.screenshot(SCREENSHOTS / "vscode-next-edit.png")
    it.press("Tab")
    until(it.page, lambda: "line 2" not in it.decorations, "the cursor at the edit")
    it.press("Tab")
    first = AREA.replace("(w,", "(width,").replace("w *", "width *")
    it.wait_for_document("app.py", lambda text: text == first)
    it.wait_for_decoration("next edit in line 4")
    it.press("Tab")
    until(it.page, lambda: "line 4" not in it.decorations, "the cursor at the edit")
    it.press("Tab")
    second = first.replace("(w)", "(width)")
    it.wait_for_document("app.py", lambda text: text == second)
    it.wait_for_decoration("next edit in line 6")
    it.press("Escape")
    it.wait_for_no_decoration()
    it.press("Control+Z")
    it.wait_for_document("app.py", lambda text: text == first)
    it.press("Control+Shift+Z")
    it.wait_for_document("app.py", lambda text: text == second)
    it.press("Tab")  # types: there is no next edit
    it.wait_for_document("app.py", lambda text: text != second and text.replace(" ", "") == second.replace(" ", ""))


BANK = "from bank import Account, Entry\n\n\n"
BEHIND_ENTRIES = {
    "for Account": " in Entry:\n",
    "for Entry": " in Account:\n",
    "for entry": " in (Entry,):\n",
}


def scripted(folder: Path, replies: Mapping[str, object]) -> dict[str, object]:
    """Settings for a scripted model with these replies."""
    script = folder / "own.json"
    script.write_text(json.dumps(replies))
    return {"nano.model": f"scripted:{script}"}


def test_a_suggestion_continues_the_entry_that_the_list_has_selected(open_workbench: Open, tmp_path: Path) -> None:
    it = open_workbench({"app.py": BANK}, scripted(tmp_path, BEHIND_ENTRIES))
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.type("for En")  # the model has no suggestion for it, so VS Code opens its list
    it.wait_for_list("Entry")
    assert it.wait_for_ghost_text("in Account").startswith("try in Account:")
    it.screenshot(SCREENSHOTS / "vscode-list.png")
    it.press("Tab")  # accepts the entry; the rest stays
    it.wait_for_no_list()
    it.wait_for_document("app.py", lambda text: text == f"{BANK}for Entry")
    assert it.wait_for_ghost_text("in Account").startswith(" in Account:")
    it.press("Tab")
    it.wait_for_document("app.py", lambda text: text == f"{BANK}for Entry in Account:")


def test_a_suggestion_follows_the_selection_through_the_list(open_workbench: Open, tmp_path: Path) -> None:
    it = open_workbench({"app.py": BANK}, scripted(tmp_path, BEHIND_ENTRIES))
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.type("for ")
    it.press("Control+Space")
    it.wait_for_list("Account")
    it.wait_for_ghost_text("Account in Entry:")
    it.press("ArrowDown")
    while not it.page.locator(".suggest-widget .monaco-list-row.focused", has_text="Entry").count():
        it.press("ArrowDown")
    it.wait_for_ghost_text("Entry in Account:")


def test_text_in_another_case_than_the_entry_gets_a_suggestion(open_workbench: Open, tmp_path: Path) -> None:
    it = open_workbench({"app.py": BANK}, scripted(tmp_path, BEHIND_ENTRIES))
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.type("for entry")
    assert it.wait_for_ghost_text("in (Entry").startswith(" in (Entry,):")


def test_docstring_explanation_statistics_and_doctor(open_workbench: Open) -> None:
    it = open_workbench({"app.py": MUL})
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.press("Control+Home")
    it.command("NEURO-NANO: Explain")
    assert it.wait_for_view("numbers.") == "It multiplies two numbers."  # rendered: no asterisks
    it.command("NEURO-NANO: Write or Update Docstring")
    text = it.wait_for_document("app.py", lambda text: '"""' in text)
    assert "Multiply two numbers.\n\n    Args:\n        a: The first.\n        b: The second." in text
    it.command("NEURO-NANO: Show Statistics")
    assert "requests" in it.wait_for_view("Since the start")
    it.command("NEURO-NANO: Run Doctor")
    assert f"nano-lsp {__version__}" in it.wait_for_view("versions")


def test_code_actions_are_in_the_light_bulb_menu(open_workbench: Open) -> None:
    it = open_workbench({"app.py": MUL})
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.press("Control+Home")
    it.press("Control+.")
    it.choose_action("nano: write docstring")
    it.wait_for_document("app.py", lambda text: "Multiply two numbers." in text)


def test_an_explanation_is_streamed_and_cancelled_when_its_view_is_closed(
    open_workbench: Open, tmp_path: Path
) -> None:
    slow = tmp_path / "slow.json"
    slow.write_text(json.dumps({**REPLIES, "$batch_ms": 1000}))
    code = "def div(a, b):\n    return a / b\n"
    it = open_workbench({"app.py": code}, {"nano.model": f"scripted:{slow}"})
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.press("Control+Home")
    it.command("NEURO-NANO: Explain")
    shown = it.wait_for_view("It div")
    assert len(shown) < 200  # the whole text would take minutes
    it.wait_for_status("busy", "Explaining")
    it.close_tab("Explanation")
    it.wait_for_status("ready")


def test_suggestions_pause_everywhere_and_in_a_language(open_workbench: Open) -> None:
    it = open_workbench({"app.py": ""})
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.command("NEURO-NANO: Pause Suggestions")
    it.wait_for_status("paused")
    it.type("x = ")
    asked = requests(it)
    it.back_to("app.py")
    it.type("2\ny = ")
    assert requests(it) == asked
    it.back_to("app.py")
    it.command("NEURO-NANO: Resume Suggestions")
    it.wait_for_status("ready")
    it.type("\nx = ")
    assert it.wait_for_ghost_text() == "1"
    it.click_status()
    it.choose("Disable suggestions in python")
    it.wait_for_status("off", "python")
    it.click_status()
    it.choose("Enable suggestions in python")
    it.wait_for_status("ready")
    it.back_to("app.py")
    it.type("3\ny = ")
    assert it.wait_for_ghost_text() == "2"


def test_the_reason_for_no_suggestions_is_shown_for_its_file(open_workbench: Open) -> None:
    settings = json.dumps({"nano.exclude": ["app.py"]})
    it = open_workbench({"app.py": "", "other.py": "", ".vscode/settings.json": settings})
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.type("x = ")
    it.wait_for_status("off", "nano.exclude has the pattern app.py")
    it.open_file("other.py")
    it.wait_for_status("ready")
    it.type("x = ")
    assert it.wait_for_ghost_text() == "1"


def requests(it: Workbench) -> str:
    """The statistics' line with the number of requests."""
    it.command("NEURO-NANO: Show Statistics")
    shown = it.wait_for_view("requests")
    return next(line for line in shown.split("\n") if line.startswith("requests"))


def test_a_killed_server_is_restarted(open_workbench: Open) -> None:
    it = open_workbench({"app.py": ""})
    it.open_file("app.py")
    it.wait_for_status("ready")
    first = kill_server(it)
    it.wait_for_status("ready")
    it.type("x = ")
    assert it.wait_for_ghost_text() == "1"
    assert first not in {process.pid for process in it.server_processes()}


def test_a_server_that_crashes_repeatedly_is_not_restarted_until_the_user_does(open_workbench: Open) -> None:
    it = open_workbench({"app.py": ""})
    it.open_file("app.py")
    for _ in range(5):
        it.wait_for_status("ready")
        kill_server(it)
    it.wait_for_status("error", "not restarted any more")
    assert it.server_processes() == []
    it.wait_for_message("The server crashes repeatedly")
    it.click_button("Restart")
    it.wait_for_status("ready")
    it.back_to("app.py")
    it.type("x = ")
    assert it.wait_for_ghost_text() == "1"


def kill_server(it: Workbench) -> int:
    """Kill the language server and wait until the status changes; returns its process id."""
    (process,) = until(it.page, it.server_processes, "a server")
    process.kill()
    psutil.wait_procs([process])
    it.wait_for_other_status("ready")
    return process.pid


def test_the_server_in_the_python_extensions_environment_is_used(
    code_server: CodeServer, tmp_path: Path, open_workbench: Open
) -> None:
    stub = tmp_path / "python.vsix"
    with zipfile.ZipFile(stub, "w") as packed:
        manifest = {"name": "python", "publisher": "ms-python", "version": "9.9.9", "main": "main.js"}
        packed.writestr("extension/package.json", json.dumps({**manifest, "engines": {"vscode": "^1.100.0"}}))
        packed.writestr("extension/main.js", PYTHON_EXTENSION.replace("PYTHON", sys.executable))
    own = replace(code_server, extensions=tmp_path / "extensions")
    for vsix in (stub, EXTENSION / "neuro-nano.vsix"):
        own.install(vsix, tmp_path / "installing")
    it = open_workbench({"app.py": ""}, env={"PATH": SYSTEM_PATH}, code_server=own)
    it.open_file("app.py")
    it.wait_for_status("ready")
    (process,) = it.server_processes()
    assert str(SERVER) in process.cmdline()


def test_without_a_server_the_editor_works_and_shows_the_remedy(open_workbench: Open) -> None:
    it = open_workbench({"app.py": ""}, env={"PATH": SYSTEM_PATH})
    it.open_file("app.py")
    it.wait_for_status("missing")
    message = it.wait_for_message("nano-lsp was not found")
    assert "Install it, or set nano.server.path to its full path." in message
    assert "Install…" in message
    it.type("x = 1")
    it.wait_for_document("app.py", lambda text: text == "x = 1")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (None, "which is not the full path of a program"),
        ("#!/bin/sh\necho 'No module named nano_lsp' >&2\nexit 1\n", "does not run: No module named nano_lsp"),
    ],
)
def test_an_invalid_server_is_an_error(open_workbench: Open, tmp_path: Path, program: str | None, said: str) -> None:
    path = tmp_path / "wrong"
    if program:
        path.write_text(program)
        path.chmod(0o755)
    it = open_workbench({"app.py": ""}, {"nano.server.path": str(path)})
    it.open_file("app.py")
    it.wait_for_status("error")
    assert said in it.wait_for_message(str(path))


def test_a_missing_model_can_be_pulled_from_the_notification(open_workbench: Open, tmp_path: Path) -> None:
    unreachable = {
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "PIP_INDEX_URL": "http://127.0.0.1:9",
        "PIP_CONFIG_FILE": os.devnull,
    }
    it = open_workbench({"app.py": ""}, {"nano.model": "nano"}, env=unreachable)
    it.open_file("app.py")
    it.wait_for_status("error")
    it.wait_for_message("nano-lsp model pull nano")
    it.click_button("Pull nano")
    message = it.wait_for_message("From a file…")
    assert "Try Again" in message


def test_cells_of_notebooks_get_ghost_text(open_workbench: Open) -> None:
    cell: dict[str, object] = {
        "cell_type": "code",
        "metadata": {},
        "source": ["x = 0"],
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"language_info": {"name": "python"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    it = open_workbench({"app.py": "", "book.ipynb": json.dumps(notebook)})
    it.open_file("app.py")
    it.wait_for_status("ready")  # before its extensions are loaded, VS Code opens notebooks as text
    it.open_notebook("book.ipynb")
    it.type("\ny = ")
    assert it.wait_for_ghost_text() == "2"
    it.press("Tab")
    it.wait_for_document("book.ipynb", lambda text: "y = 2" in text)


def test_an_untrusted_folder_cannot_choose_a_program_or_a_model(open_workbench: Open, tmp_path: Path) -> None:
    evil = {"nano.server.path": str(tmp_path / "evil"), "nano.model": str(tmp_path / "evil.gguf")}
    files = {"app.py": "", ".vscode/settings.json": json.dumps(evil)}
    it = open_workbench(files, trusted=False)
    it.wait_for_restricted_mode()
    it.open_file("app.py")
    it.wait_for_status("ready")
    it.type("x = ")
    assert it.wait_for_ghost_text() == "1"
    it.trust_folder()
    it.wait_for_status("error", str(tmp_path / "evil"))


def test_settings_reach_the_server_without_a_restart(open_workbench: Open) -> None:
    it = open_workbench({"app.py": "", ".vscode/settings.json": "{}"})
    it.open_file("app.py")
    it.wait_for_status("ready")
    (before,) = it.server_processes()
    (it.folder / ".vscode/settings.json").write_text(json.dumps({"nano.maxTokens": 0}))
    it.wait_for_message("nano.maxTokens is 0")
    assert [process.pid for process in it.server_processes()] == [before.pid]


SHAPES = '''"""Shapes."""

import math


class Circle:
    """A circle."""

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def circumference(self) -> float:
        return 2 * math.pi * self.radius

    def area(self) -> float:
        return '''
REAL = {"nano.model": "nano", "nano.latencyMs": 0}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server and its dependencies as wheels."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "-w", str(folder), str(ROOT)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        missing("a package index", f"`pip wheel .` says {done.stderr.strip()[-500:]}")
    return folder


def test_a_first_installation_without_a_network_leads_to_ghost_text(
    open_workbench: Open, nano_file: Path, wheels: Path
) -> None:
    settings = {**REAL, "nano.server.wheels": str(wheels)}
    offline = {"PATH": SYSTEM_PATH, "HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1"}
    it = open_workbench({"shapes.py": SHAPES}, settings, env=offline)
    (it.folder / "nano.gguf").symlink_to(nano_file)
    it.open_file("shapes.py")
    it.wait_for_message("nano-lsp was not found")
    it.click_button("Install…")
    it.wait_for_status("error", "nano")
    it.wait_for_message("nano-lsp model pull nano")
    it.command("NEURO-NANO: Import Model from File…")
    it.choose_file("nano.gguf")
    it.wait_for_status("ready", "nano")
    it.back_to("shapes.py")
    it.type("math.")
    assert it.wait_for_ghost_text().startswith("pi * self.radius")
    it.press("Tab")
    it.wait_for_document("shapes.py", lambda text: "return math.pi * self.radius" in text)


@pytest.mark.usefixtures("models")
def test_nano_completes_offers_alternatives_documents_and_explains(open_workbench: Open) -> None:
    it = open_workbench({"shapes.py": SHAPES}, REAL)
    it.open_file("shapes.py")
    it.wait_for_status("ready", "nano")
    it.type("math.")
    first = it.wait_for_ghost_text("pi * self.radius")
    it.screenshot(SCREENSHOTS / "ghost-text.png")
    it.press("Alt+]")
    until(it.page, lambda: it.ghost_text not in {"", first}, "another suggestion")
    it.press("Alt+[")
    it.wait_for_ghost_text(first)
    it.press("Tab")
    it.wait_for_document("shapes.py", lambda text: text == f"{SHAPES}math.{first}")
    it.command("NEURO-NANO: Write or Update Docstring")
    text = it.wait_for_document("shapes.py", lambda text: "Returns:" in text)
    ast.parse(text)
    it.command("NEURO-NANO: Explain")
    it.wait_for_status("busy", "Explaining")
    it.wait_for_status("ready")
    assert "area" in it.wait_for_view("circle").lower()
    it.screenshot(SCREENSHOTS / "explanation.png")

"""Workspaces with several folders, and files that change on disk: imported signatures follow them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.raw_client import RawClient, inline

WATCHES = {"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}}


class Project:
    """Two folders, an editor with them, and a document of the second one."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.one, self.two = folder / "one", folder / "two"
        for root in (self.one, self.two):
            root.mkdir()
        self.prompts = folder / "prompts.json"
        self.script = folder / "script.json"
        self.script.write_text(json.dumps({" = ": "1\n", "$prompts": str(self.prompts)}))
        self.write("def reserve(count): ...\n")
        self.client = RawClient(home=folder / "home", forked=True)
        self.engine = engine
        self._version = itertools.count(2)
        self.uri = (self.two / "app.py").as_uri()

    def start(self, *roots: Path) -> None:
        options = {"model": f"scripted:{self.script}", "engine": self.engine, "debounceMs": 0, "latencyMs": 0}
        folders = [{"uri": root.as_uri(), "name": root.name} for root in roots]
        params = {"capabilities": WATCHES, "workspaceFolders": folders, "initializationOptions": options}
        self.client.request(1, "initialize", params)
        self.client.notify("initialized", {})
        self.client.wait_for_state("ready")
        self.client.open("", self.uri)

    def write(self, text: str) -> None:
        (self.two / "shelf.py").write_text(text)

    def changed(self, kind: int) -> None:
        changes = [{"uri": (self.two / "shelf.py").as_uri(), "type": kind}]
        self.client.notify("workspace/didChangeWatchedFiles", {"changes": changes})

    def ask(self) -> str:
        """The prompt for a line that was not completed before."""
        version = next(self._version)
        whole = {"text": f"from shelf import reserve\nx{version} = "}
        document = {"uri": self.uri, "version": version}
        self.client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [whole]})
        params = {**inline(1, len(f"x{version} = ")), "textDocument": {"uri": self.uri}}
        answer: dict[str, Any] = self.client.request(version, "textDocument/inlineCompletion", params)
        if not answer["result"]["items"]:
            return ""
        return next(str(prompt) for prompt in json.loads(self.prompts.read_text()) if f"x{version} =" in prompt)

    def until(self, text: str) -> None:
        """Request completions until a text is in the prompt: files are read in the background."""
        assert any(text in self.ask() for _ in range(200))


@pytest.fixture(params=["in-process", "shared"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    it = Project(tmp_path, request.param)
    yield it
    it.client.close()


def test_documents_of_each_folder_know_what_they_import(project: Project) -> None:
    project.start(project.one, project.two)
    project.until("def reserve(count): ...")
    registered = [m for m in project.client.seen if m["method"] == "client/registerCapability"]
    assert registered
    project.write("def reserve(count, hall): ...\n")
    project.client.notify("textDocument/didSave", {"textDocument": {"uri": (project.two / "shelf.py").as_uri()}})
    assert "def reserve(count, hall): ..." in project.ask()
    project.write("def reserve(shelf_number): ...\n")
    project.changed(2)
    assert "def reserve(shelf_number): ..." in project.ask()
    (project.two / "shelf.py").unlink()
    project.changed(3)
    assert "def reserve" not in project.ask()


def test_an_added_folder_is_indexed_and_its_project_settings_apply(project: Project) -> None:
    project.start(project.one)
    assert "def reserve" not in project.ask()
    added = {"added": [{"uri": project.two.as_uri(), "name": "two"}], "removed": []}
    project.client.notify("workspace/didChangeWorkspaceFolders", {"event": added})
    project.until("def reserve(count): ...")
    settings = project.two / "pyproject.toml"
    settings.write_text('[tool.nano-lsp]\nexclude = ["app.py"]\n')
    project.client.notify("textDocument/didSave", {"textDocument": {"uri": settings.as_uri()}})
    assert project.ask() == ""


def test_a_folder_that_is_renamed_is_followed(project: Project) -> None:
    project.start(project.one, project.two)
    project.until("def reserve(count): ...")
    (project.two / "shelf.py").rename(project.two / "other.py")
    moved = {"oldUri": (project.two / "shelf.py").as_uri(), "newUri": (project.two / "other.py").as_uri()}
    project.client.notify("workspace/didRenameFiles", {"files": [moved]})
    assert "def reserve" not in project.ask()

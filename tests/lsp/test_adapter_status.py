"""An editor's suggestions use the adapter of the workspace, and the status names it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nano_lsp.config import find_folders
from nano_lsp.models.adapter_file import BASE_KEY
from nano_lsp.models.adapters import AdapterStore
from tests.gguf_files import write_tiny_adapter
from tests.raw_client import RawClient, inline

OTHER = "0" * 64


def suggest(client: RawClient, file: Path) -> str:
    """The suggestion after `x = ` in a file that is opened."""
    client.open("x = \n", file.as_uri())
    params = {**inline(0, 4, invoked=False), "textDocument": {"uri": file.as_uri()}}
    (item,) = client.request(50, "textDocument/inlineCompletion", params)["result"]["items"]
    return str(item["insertText"])


@pytest.mark.parametrize(
    ("base", "setting", "text", "said"),
    [
        ("", "auto", "adapted()", "is ready, with the adapter mine."),
        (OTHER, "auto", "1 + 1", "is ready. The adapter "),
        (OTHER, "none", "1 + 1", "is ready."),
    ],
)
def test_the_adapter_of_the_workspace_is_used_and_named(
    tmp_path: Path, home: Path, *, base: str, setting: str, text: str, said: str
) -> None:
    project, script = tmp_path / "project", tmp_path / "script.json"
    project.mkdir()
    script.write_text(json.dumps({"x = ": "1 + 1\n", "$adapter": {"x = ": "adapted()\n"}}))
    store = AdapterStore(find_folders().adapters)
    file = write_tiny_adapter(tmp_path / "mine.gguf", {BASE_KEY: base} if base else {})
    store.choose(store.install(file), project)
    client = RawClient(home=home, forked=True)
    try:
        settings = {"model": f"scripted:{script}", "adapter": setting, "debounceMs": 0, "latencyMs": 0}
        client.initialize(root=project, **settings)
        client.wait_for_state("ready")
        assert suggest(client, project / "a.py") == text
        (status, *_) = [
            message["params"]
            for message in client.seen
            if message["method"] == "nano/status" and message["params"]["state"] == "ready"
        ]
        assert said in status["message"]
        assert ("another model" in status["message"]) == (base == OTHER and setting == "auto")
    finally:
        client.close()


def test_each_folder_of_a_workspace_has_its_own_adapter(tmp_path: Path, home: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"x = ": "1 + 1\n", "$adapter": {"x = ": "adapted()\n"}}))
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    store = AdapterStore(find_folders().adapters)
    store.choose(store.install(write_tiny_adapter(tmp_path / "mine.gguf")), two)
    client = RawClient(home=home)
    try:
        options = {"model": f"scripted:{script}", "debounceMs": 0, "latencyMs": 0}
        folders = [{"uri": root.as_uri(), "name": root.name} for root in (one, two)]
        params = {"capabilities": {}, "workspaceFolders": folders, "initializationOptions": options}
        client.request(1, "initialize", params)
        client.notify("initialized", {})
        status = client.wait_for_state("ready")
        assert "is ready, with the adapters none in one, mine in two." in status["message"]
        assert [suggest(client, folder / "a.py") for folder in (one, two)] == ["1 + 1", "adapted()"]
    finally:
        client.close()

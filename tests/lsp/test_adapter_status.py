"""An editor's suggestions use the adapter of the workspace, and the status names it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from nano_lsp.config import find_folders
from nano_lsp.models.adapter_file import BASE_KEY
from nano_lsp.models.adapters import AdapterStore
from tests.gguf_files import write_tiny_adapter
from tests.raw_client import RawClient, inline

OTHER = "0" * 64


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
        found: list[str] = []
        while found != [text]:  # the folder may be added a moment after the model is ready
            client.open("x = \n", uri := (project / f"{time.monotonic_ns()}.py").as_uri())
            params = {**inline(0, 4, invoked=False), "textDocument": {"uri": uri}}
            items = client.request(50, "textDocument/inlineCompletion", params)["result"]["items"]
            found = [item["insertText"] for item in items]
        (status, *_) = [
            message["params"]
            for message in client.seen
            if message["method"] == "nano/status" and message["params"]["state"] == "ready"
        ]
        assert said in status["message"]
        assert ("another model" in status["message"]) == (base == OTHER and setting == "auto")
    finally:
        client.close()

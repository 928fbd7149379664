"""The status has the reason that a document gets no suggestions, if the user can change it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nano_lsp.editor.statistics import Record, Statistics
from tests.raw_client import RawClient, inline

Starts = Callable[..., RawClient]
CODE = "x = "


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starts]:
    """Starts a server in a project, with a model that has a suggestion."""
    clients = []
    (tmp_path / "project").mkdir()

    def begin(replies: dict[str, object] | None = None, **options: Any) -> RawClient:  # noqa: ANN401
        script = tmp_path / "script.json"
        script.write_text(json.dumps(replies or {CODE: "len(str(9))\n"}))
        client = RawClient(home=tmp_path / "home", forked=True)
        clients.append(client)
        model = {"model": f"scripted:{script}", "debounceMs": 0, "latencyMs": 0}
        client.initialize(root=tmp_path / "project", **{**model, **options})
        client.wait_for_state("ready")
        return client

    yield begin
    for client in clients:
        client.close()


def told(client: RawClient, method: str = "nano/status") -> list[dict[str, Any]]:
    return [message["params"] for message in client.seen if message["method"] == method]


def ask(client: RawClient, uri: str, *, column: int = 4) -> list[str]:
    params = {**inline(0, column, invoked=False), "textDocument": {"uri": uri}}
    found = client.request(50, "textDocument/inlineCompletion", params)
    client.request(51, "nano/stats", {})  # what was told until then is read
    return [item["insertText"] for item in found["result"]["items"]]


def open_document(client: RawClient, folder: Path, name: str, language: str = "python", text: str = CODE) -> str:
    uri = (folder / "project" / name).as_uri()
    item = {"uri": uri, "languageId": language, "version": 1, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": item})
    return uri


@pytest.mark.parametrize(
    ("settings", "name", "reason", "said", "remedy"),
    [
        ({"enabled": False}, "a.py", "disabled", "nano.enabled is false", "Set nano.enabled to true."),
        ({"languages": {"python": False}}, "a.py", "language", "in python", "Set python to true in nano.languages."),
        ({"exclude": ["#", "gen/*"]}, "gen/a.py", "excluded", "the pattern gen/*", "Change nano.exclude."),
        ({}, ".env", "secret", "usually hold secrets", ""),
        ({"minMeanProbability": 1}, "a.py", "confidence", "below nano.minMeanProbability, 1.00", "to a lower value"),
    ],
)
def test_the_status_has_the_reason_until_another_document_gets_suggestions(
    start: Starts, tmp_path: Path, *, settings: dict[str, object], name: str, reason: str, said: str, remedy: str
) -> None:
    client = start({CODE: "len(str(9))\n", "$unsure": True}, **settings)
    uri = open_document(client, tmp_path, name)
    before = len(told(client))
    for _ in range(3):
        assert ask(client, uri) == []
    (status,) = [found for found in told(client)[before:] if found["quiet"]]  # once, not at each key
    assert (status["state"], status["quiet"], status["document"]) == ("ready", reason, uri)
    assert said in status["message"]
    assert remedy in status["remedy"]
    (logged,) = told(client, "window/logMessage")  # for editors that show no status
    assert said in logged["message"]
    assert told(client, "window/showMessage") == []
    everything = {"enabled": True, "languages": {}, "exclude": [], "minMeanProbability": 0}
    client.notify("workspace/didChangeConfiguration", {"settings": {"nano": everything}})
    other = open_document(client, tmp_path, "other.py")
    assert ask(client, other) == ["len(str(9))"]
    assert (told(client)[-1]["quiet"], told(client)[-1]["document"]) == ("", "")
    assert "is ready" in told(client)[-1]["message"]


@pytest.mark.skipif("sys.platform == 'win32'", reason="symbolic links")
def test_a_link_to_a_secret_is_one(start: Starts, tmp_path: Path) -> None:
    client = start()
    (tmp_path / "project" / ".env").write_text("KEY=1")
    (tmp_path / "project" / "config.py").symlink_to(".env")
    (tmp_path / "project" / "turns.py").symlink_to("turns.py")
    uri = open_document(client, tmp_path, "config.py")
    assert ask(client, uri) == []
    assert told(client)[-1]["quiet"] == "secret"
    assert ask(client, open_document(client, tmp_path, "turns.py")) == ["len(str(9))"]


@pytest.mark.skipif("sys.platform == 'win32'", reason="symbolic links")
def test_a_pattern_applies_by_the_name_of_a_folder_and_by_that_of_its_link(start: Starts, tmp_path: Path) -> None:
    client = start(exclude=["gen/*"])
    (tmp_path / "link").symlink_to("project")
    added = {"added": [{"uri": (tmp_path / "link").as_uri(), "name": "link"}], "removed": []}
    client.notify("workspace/didChangeWorkspaceFolders", {"event": added})
    root = {"uri": (tmp_path / "project").as_uri(), "name": "project"}
    client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": [root]}})
    assert ask(client, open_document(client, tmp_path, "gen/a.py")) == []
    assert told(client)[-1]["quiet"] == "excluded"


@pytest.mark.skipif("sys.platform != 'linux'", reason="names of files that are not UTF-8")
def test_a_folder_whose_name_is_not_utf8_has_settings_of_its_own(start: Starts, tmp_path: Path) -> None:
    client, folder = start(), tmp_path / os.fsdecode(b"caf\xe9")
    (folder / "project").mkdir(parents=True)
    (folder / "project" / "pyproject.toml").write_text('[tool.nano-lsp]\nexclude = ["gen/*"]\nodd = 1\n')
    added = {"added": [{"uri": (folder / "project").as_uri(), "name": "x"}], "removed": []}
    client.notify("workspace/didChangeWorkspaceFolders", {"event": added})
    assert ask(client, open_document(client, folder, os.fsdecode(b"gen/\xff.py"))) == []
    assert told(client)[-1]["quiet"] == "excluded"
    assert "?.py gets no suggestions" in told(client)[-1]["message"]  # many JSON parsers refuse lone surrogates
    assert "?.py gets no suggestions" in told(client, "window/logMessage")[-1]["message"]
    assert ask(client, open_document(client, folder, "app.py")) == ["len(str(9))"]
    (folder / "project" / "pyproject.toml").write_text("[")
    client.notify("textDocument/didSave", {"textDocument": {"uri": (folder / "project" / "pyproject.toml").as_uri()}})
    client.request(60, "nano/stats", {})
    assert "caf?/project/pyproject.toml cannot be read" in told(client, "window/showMessage")[-1]["message"]


def test_the_reason_is_that_of_the_last_requested_document(start: Starts, tmp_path: Path) -> None:
    client = start(languages={"sql": False})
    query, secret = open_document(client, tmp_path, "a.sql", "sql"), open_document(client, tmp_path, ".env", "dotenv")
    code = open_document(client, tmp_path, "a.py")
    before = len(told(client))
    for uri, expected in ((query, "language"), (secret, "secret"), (code, ""), (query, "language")):
        ask(client, uri)
        assert told(client)[-1]["quiet"] == expected
    client.notify("textDocument/didClose", {"textDocument": {"uri": query}})
    client.request(60, "nano/stats", {})
    assert told(client)[-1]["quiet"] == ""
    assert len(told(client)) - before == 5
    assert len(told(client, "window/logMessage")) == 2


def test_pausing_is_reported_and_resuming_clears_the_reason(start: Starts, tmp_path: Path) -> None:
    client = start()
    uri = open_document(client, tmp_path, "a.py")
    client.command(60, "nano.pause")
    assert (told(client)[-1]["state"], told(client)[-1]["message"]) == ("paused", "Suggestions are paused.")
    assert ask(client, uri) == []
    assert told(client)[-1]["quiet"] == "paused"
    client.command(61, "nano.resume")
    assert (told(client)[-1]["state"], told(client)[-1]["quiet"]) == ("ready", "")
    assert ask(client, uri) == ["len(str(9))"]


def test_pausing_and_resuming_without_a_model_reports_that_it_is_missing(tmp_path: Path) -> None:
    client = RawClient(home=tmp_path, forked=True)
    client.initialize(model="nano")
    remedy = client.wait_for_state("error")["remedy"]
    client.command(60, "nano.pause")
    client.command(61, "nano.resume")
    assert (told(client)[-1]["state"], told(client)[-1]["remedy"]) == ("error", remedy)
    assert len(told(client, "window/showMessage")) == 1
    client.close()


def test_a_hidden_suggestion_is_the_status_reason_until_one_is_shown(start: Starts, tmp_path: Path) -> None:
    known = [Record("2026-01-31", "python", 9, 0.97 if i % 2 else 0.9, i % 2 == 1, i % 2 == 1) for i in range(1000)]
    known += [Record("2026-01-31", "python", 9, 0.99) for _ in range(50)]
    Statistics(tmp_path / "home" / "cache").add(known)
    sure = {CODE: "len(str(9))\n"}
    client = start({**sure, "$unsure": True})
    hidden = 0
    for i in range(20):
        uri = open_document(client, tmp_path, f"a{i}.py")
        n_items = len(ask(client, uri))
        status = told(client)[-1]
        assert (status["quiet"] == "confidence") == (n_items == 0)
        if not n_items:
            hidden += 1
            assert "you rarely keep those with a confidence below 0.9" in status["message"]
            assert status["remedy"] == "To see all, set nano.adaptiveThreshold to false."
    assert hidden <= 10
    assert client.request(60, "nano/stats", {})["result"]["hidden"] == hidden
    client.notify("workspace/didChangeConfiguration", {"settings": {"nano": {"adaptiveThreshold": False}}})
    for i in range(20):
        assert ask(client, (tmp_path / "project" / f"a{i}.py").as_uri()) == ["len(str(9))"]
    assert told(client)[-1]["quiet"] == ""
    if hidden == 0:
        pytest.fail("The threshold has hidden nothing.")

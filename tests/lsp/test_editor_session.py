"""Editing sessions: which keystrokes need the model, what is counted, and what is not read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nano_lsp.editor.statistics import Statistics
from tests.raw_client import URI, RawClient, inline

Starts = Callable[..., RawClient]
REQUEST_CANCELLED = -32800  # LSP, LSPErrorCodes


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starts]:
    """Starts a server with given answers of the model."""
    clients = []

    def begin(replies: dict[str, object], root: Path | None = None, **options: Any) -> RawClient:  # noqa: ANN401
        script = tmp_path / "script.json"
        script.write_text(json.dumps(replies))
        client = RawClient(home=tmp_path / "home", forked=True)
        clients.append(client)
        client.initialize(root=root, **{"model": f"scripted:{script}", "debounceMs": 0, "latencyMs": 0, **options})
        client.wait_for_state("ready")
        return client

    yield begin
    for client in clients:
        client.close()


class Typist:
    """Types at the end of a document, and requests a suggestion after each key."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.lines = [""]
        self.version = 1
        client.open("")

    def type(self, text: str) -> None:
        self.version += 1
        at = {"line": len(self.lines) - 1, "character": len(self.lines[-1])}
        changes = [{"range": {"start": at, "end": at}, "text": text}]
        identifier = {"uri": URI, "version": self.version}
        self.client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": changes})
        self.lines = ("\n".join(self.lines) + text).split("\n")

    def shown(self) -> str:
        params = inline(len(self.lines) - 1, len(self.lines[-1]), invoked=False)
        found = self.client.request(50, "textDocument/inlineCompletion", params)["result"]["items"]
        return str(found[0]["insertText"]) if found else ""

    def accept(self) -> None:
        params = inline(len(self.lines) - 1, len(self.lines[-1]), invoked=False)
        (item,) = self.client.request(51, "textDocument/inlineCompletion", params)["result"]["items"]
        self.type(item["insertText"])
        self.client.command(52, item["command"]["command"], *item["command"]["arguments"])

    def stats(self) -> dict[str, Any]:
        return dict(self.client.request(53, "nano/stats", {})["result"])

    def idle(self) -> None:
        """Wait until no prefetch is running."""
        while self.stats()["pending"]:
            pass


def test_a_change_makes_a_request_stale_also_if_the_editor_does_not_cancel_it(start: Starts) -> None:
    typist = Typist(start({"x = ": "1\n"}, debounceMs=5000))
    typist.type("x = ")
    request = inline(0, 4, invoked=False)
    typist.client.send({"jsonrpc": "2.0", "id": 60, "method": "textDocument/inlineCompletion", "params": request})
    assert typist.stats()["stale"] == 0
    typist.type("!")
    assert typist.client.answer(60)["result"]["items"] == []
    stats = typist.stats()
    assert (stats["stale"], stats["model"]) == (1, 0)


def test_a_cancelled_request_is_answered_as_such_and_the_next_one_works(start: Starts) -> None:
    typist = Typist(start({"x = ": "1\n"}, debounceMs=5000))
    typist.type("x = ")
    request = inline(0, 4, invoked=False)
    typist.client.send(
        {"jsonrpc": "2.0", "id": "the one", "method": "textDocument/inlineCompletion", "params": request}
    )
    typist.client.notify("$/cancelRequest", {"id": "the one"})
    assert typist.client.answer("the one")["error"]["code"] == REQUEST_CANCELLED
    assert typist.client.suggest(61, 0, 4)[0] == "1"


def test_a_typing_session_asks_the_model_only_for_what_is_new(start: Starts) -> None:
    n = 6
    replies = {}
    for i in range(n):
        replies[f"value_{i} = "] = f"len(str({i}))\n"
        replies[f"len(str({i}))\n"] = f"print(value_{i})\n"
    typist = Typist(start(dict(reversed(replies.items()))))
    there_already = 0
    for i in range(n):
        typist.type(f"value_{i} = ")
        assert typist.shown() == f"len(str({i}))"
        asked = typist.stats()["model"]
        for key in "len(":
            typist.type(key)
            assert typist.shown()
        typist.accept()
        typist.idle()
        assert typist.stats()["model"] == asked  # typing along and accepting need no model
        typist.type("\n")
        assert typist.shown() == f"print(value_{i})"
        there_already += typist.stats()["model"] == asked
        typist.accept()
        typist.type("\n")
    assert there_already == n
    stats = typist.stats()
    assert stats["accepted"] == 2 * n
    assert stats["cached"] > stats["model"]


def test_the_status_has_the_model_and_does_not_change_with_each_suggestion(start: Starts) -> None:
    client = start({"x = ": "len(str(9))\n"})
    typist = Typist(client)
    before = statuses(client)
    typist.type("x = ")
    assert typist.shown() == "len(str(9))"
    typist.idle()
    assert statuses(client) == before
    assert {status["model"].partition(":")[0] for status in before} == {"scripted"}
    assert not any("speed" in status for status in before)


def statuses(client: RawClient) -> list[dict[str, Any]]:
    return [message["params"] for message in client.seen if message["method"] == "nano/status"]


def test_statistics_are_numbers_only(start: Starts, tmp_path: Path) -> None:
    client = start({"x = ": "secret_name\n", "y = ": "2\n"}, statistics=True)
    typist = Typist(client)
    typist.type("x = ")
    typist.accept()
    typist.type("\ny = ")
    assert typist.shown() == "2"
    client.request(60, "shutdown")
    client.notify("exit", None)
    assert client.process.wait(20) == 0
    statistics = Statistics(tmp_path / "home" / "cache")
    found = [(record.chars, record.accepted, record.kept) for record in statistics.records()]
    assert found == [(len("secret_name"), True, True), (1, False, False)]
    assert "secret" not in statistics.path.read_text()


def test_acceptance_is_detected_in_editors_that_do_not_report_it(start: Starts, tmp_path: Path) -> None:
    """Helix ignores a menu item's command, VS Code does not run it where a word or a line is accepted."""
    client = start({"x = ": "len(str(9))\n", "y = ": "2\n"}, statistics=True)
    typist = Typist(client)
    typist.type("x = ")
    assert typist.shown() == "len(str(9))"
    for piece in ("len", "(str", "(9))"):
        typist.type(piece)
        typist.shown()
    assert typist.stats()["accepted"] == 1
    typist.type("\nyy = ")
    end = {"line": 1, "character": 5}
    position = {"textDocument": {"uri": URI}, "position": end}
    (item,) = client.request(60, "textDocument/completion", position)["result"]["items"]
    edit = item["textEdit"]
    assert edit["newText"] == "2"
    typist.type(edit["newText"])
    assert typist.stats()["accepted"] == 2
    whole = {"text": "x = len(str(9))\ny = 2\n"}  # one that sends the whole document
    client.notify("textDocument/didChange", {"textDocument": {"uri": URI, "version": 99}, "contentChanges": [whole]})
    assert typist.stats()["accepted"] == 2
    client.request(61, "shutdown")
    statistics = Statistics(tmp_path / "home" / "cache")
    assert [record.accepted for record in statistics.records()] == [True, True]


def test_four_hundred_rejected_suggestions_do_not_disable_suggestions(start: Starts, tmp_path: Path) -> None:
    def shown(n: int) -> int:
        client = start({" = ": "len(names)\n", "$unsure": True}, statistics=True, prefetch=False)
        client.open("")
        n_shown = 0
        for i in range(n):
            whole = {"text": f"value_{i} = \n"}
            identifier = {"uri": URI, "version": i + 2}
            client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [whole]})
            params = inline(0, len(f"value_{i} = "), invoked=False)
            n_shown += bool(client.request(100 + i, "textDocument/inlineCompletion", params)["result"]["items"])
        stats = client.request(60, "nano/stats", {})["result"]
        assert (stats["shown"], stats["accepted"], stats["hidden"]) == (n_shown, 0, 0)
        assert client.request(61, "shutdown")["result"] is None
        client.notify("exit", None)
        assert client.process.wait(20) == 0
        return n_shown

    assert shown(400) == 400
    assert len({record.confidence for record in Statistics(tmp_path / "home" / "cache").records()}) > 200
    assert shown(100) >= 90


def test_without_consent_nothing_is_recorded(start: Starts, tmp_path: Path) -> None:
    client = start({"x = ": "1\n"}, statistics=False)
    typist = Typist(client)
    typist.type("x = ")
    assert typist.shown() == "1"
    client.request(60, "shutdown")
    assert not (tmp_path / "home" / "cache" / "statistics.jsonl").exists()


@pytest.mark.parametrize(
    ("settings", "reads"), [({}, True), ({"trusted": False}, False), ({"workspace": False}, False)]
)
def test_files_that_are_not_open_are_read_in_a_trusted_workspace_only(
    start: Starts, tmp_path: Path, settings: dict[str, Any], reads: bool
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "shelf.py").write_text("def reserve(count): ...\n")
    start({"x = ": "1\n"}, root, **settings).request(60, "shutdown")
    assert any((tmp_path / "home").rglob("index/*")) == reads


def test_a_selected_model_is_loaded(start: Starts, tmp_path: Path) -> None:
    client = start({"x = ": "1\n"})
    other = tmp_path / "other.json"
    other.write_text('{"x = ": "2\\n"}')
    assert client.command(60, "nano.selectModel", f"scripted:{other}")["result"] == f"scripted:{other}"
    client.wait_for_state("ready")
    client.open("x = ")
    assert client.suggest(61, 0, 4)[0] == "2"
    client.replies["window/showMessageRequest"] = None
    assert client.command(62, "nano.selectModel")["result"] == f"scripted:{other}"
    (asked,) = [m for m in client.seen if m["method"] == "window/showMessageRequest"]
    assert asked["params"]["actions"] == []  # no model is here


def test_project_settings_apply(start: Starts, tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text('[tool.nano-lsp]\nexclude = ["generated/**"]\nmodel = "x"\n')
    client = start({"x = ": "1\n"}, root)
    uri = (root / "generated" / "a.py").as_uri()
    client.open("x = ", uri)
    params = {**inline(), "textDocument": {"uri": uri}}
    assert client.request(60, "textDocument/inlineCompletion", params)["result"]["items"] == []
    told = [m["params"]["message"] for m in client.seen if m["method"] == "window/showMessage"]
    assert any("model cannot be set by a project" in message for message in told)

"""The model reads the code around a resting cursor before the first key; a real server on the scripted model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import engines_of
from tests.raw_client import URI, RawClient, inline

CODE = "".join(f"def f{i}(a):\n    return a + {i}\n\n\n" for i in range(30))
AT = {"line": 120, "character": 4}


def start(folder: Path, **settings: object) -> RawClient:
    script = folder / "script.json"
    script.write_text(json.dumps({"x = ": "1 + 1\n"}))
    it = RawClient(home=folder / "home", forked=True)
    options: dict[str, Any] = {"debounceMs": 0, "prefetch": False, "warmUp": "always", "statistics": True, **settings}
    it.initialize(model=f"scripted:{script}", **options)
    it.wait_for_state("ready")
    return it


@pytest.fixture
def client(tmp_path: Path) -> Iterator[RawClient]:
    it = start(tmp_path)
    yield it
    it.close()


def evaluated(client: RawClient) -> int:
    return int(client.request(60, "nano/stats", {})["result"]["evaluated_tokens"])


def hover(uri: str, line: int = 120) -> tuple[str, dict[str, object]]:
    return "textDocument/hover", {"textDocument": {"uri": uri}, "position": {"line": line, "character": 4}}


def code_action(uri: str) -> tuple[str, dict[str, object]]:
    return "textDocument/codeAction", {"textDocument": {"uri": uri}, "range": {"start": AT, "end": AT}}


@pytest.mark.parametrize("said_by", ["notification", "code action", "hover"])
def test_the_first_key_after_a_rest_evaluates_only_what_was_typed(client: RawClient, said_by: str) -> None:
    """By the notification of our clients, or by a request that editors send by themselves."""
    client.open(CODE + "x = \n" + CODE)
    if said_by == "notification":
        client.notify("nano/didMoveCursor", {"uri": URI, "position": AT})
    else:
        client.request(2, *(code_action if said_by == "code action" else hover)(URI))
    while evaluated(client) < 400:  # the whole window
        pass
    before = evaluated(client)
    answer = client.request(3, "textDocument/inlineCompletion", inline(120, 4, invoked=False))
    assert [item["insertText"] for item in answer["result"]["items"]] == ["1 + 1"]
    assert evaluated(client) - before < 10


@pytest.mark.parametrize("uri", ["file:///work/.env", "git:/w/secrets.yaml?%7B%7D", "file:///never_opened.py"])
def test_secrets_and_unknown_documents_are_not_read(client: RawClient, uri: str) -> None:
    if "never" not in uri:
        client.open("password = 1\n" * 121, uri)
    client.request(2, *hover(uri))
    client.notify("nano/didMoveCursor", {"uri": uri, "position": AT})
    client.request(3, *code_action(uri))
    client.open(CODE + "x = \n")
    client.notify("nano/didMoveCursor", {"uri": URI, "position": AT})  # read afterwards
    while evaluated(client) < 300:
        pass
    assert evaluated(client) < 900  # nothing but this


def test_the_mouse_is_not_the_cursor_of_an_editor_that_reports_it(client: RawClient) -> None:
    client.open(CODE + "x = \n" + CODE)
    client.notify("nano/didMoveCursor", {"uri": URI, "position": AT})
    assert client.request(2, *hover(URI, 4))["result"] is None
    while evaluated(client) < 400:  # the whole window
        pass
    before = evaluated(client)
    assert client.suggest(3, 120, 4, invoked=False) == ["1 + 1"]
    assert evaluated(client) - before < 10


def use_and_leave(client: RawClient, *, uri: str = URI, closes: bool) -> None:
    """Ask for a suggestion, and end the editor's session."""
    client.open(CODE + "x = \n" + CODE, uri)
    client.notify("nano/didMoveCursor", {"uri": uri, "position": AT})
    if closes:
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    client.request(9, "shutdown")
    client.close()


@pytest.mark.parametrize("closes", [True, False])
def test_a_document_that_is_opened_again_is_read_where_it_was_left(tmp_path: Path, *, closes: bool) -> None:
    use_and_leave(start(tmp_path), closes=closes)
    client = start(tmp_path)
    client.open(CODE + "x = \n" + CODE)
    client.open("y = 1\n" * 200, "file:///never_opened_before.py")
    while evaluated(client) < 400:  # the whole window
        pass
    before = evaluated(client)
    assert client.suggest(3, 120, 4, invoked=False) == ["1 + 1"]
    assert evaluated(client) - before < 10
    client.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an engine that is terminated there saves nothing")
def test_what_an_engine_has_read_is_not_read_again_by_the_next_one(tmp_path: Path) -> None:
    for is_first in (True, False):
        client = start(tmp_path, engine="shared")
        client.open(CODE + "x = \n" + CODE)
        assert client.suggest(3, 120, 4, invoked=False) == ["1 + 1"]
        assert (evaluated(client) < 10) is not is_first
        client.request(9, "shutdown")
        client.close()
        (engine,) = engines_of(tmp_path / "home")
        engine.terminate()
        engine.wait()


@pytest.mark.parametrize(
    ("uri", "settings"),
    [
        (URI, {"statistics": False}),
        (URI, {"exclude": ["*.py"]}),
        ("file:///work/.env", {}),
        ("untitled:a.py", {}),
        ("git:/a.py?%7B%7D", {}),
    ],
)
def test_no_place_is_kept_of_other_documents(tmp_path: Path, uri: str, settings: dict[str, object]) -> None:
    use_and_leave(start(tmp_path, **settings), uri=uri, closes=True)
    assert not (tmp_path / "home/cache/places.json").exists()


@pytest.mark.parametrize("params", [None, {}, {"uri": 1, "position": 2}, {"uri": URI}, {"uri": URI, "position": {}}])
def test_odd_notifications_are_ignored(client: RawClient, params: object) -> None:
    client.open(CODE + "x = \n")
    client.notify("nano/didMoveCursor", params)
    assert client.suggest(3, 120, 4, invoked=False) == ["1 + 1"]

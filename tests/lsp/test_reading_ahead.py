"""The model reads the code around a resting cursor before the first key; a real server on the scripted model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.raw_client import URI, RawClient, inline

CODE = "".join(f"def f{i}(a):\n    return a + {i}\n\n\n" for i in range(30))
AT = {"line": 120, "character": 4}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[RawClient]:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"x = ": "1 + 1\n"}))
    it = RawClient(home=tmp_path / "home", forked=True)
    it.initialize(model=f"scripted:{script}", debounceMs=0, prefetch=False, warmUp="always")
    it.wait_for_state("ready")
    yield it
    it.close()


def evaluated(client: RawClient) -> int:
    return int(client.request(60, "nano/stats", {})["result"]["evaluated_tokens"])


def code_action(uri: str) -> tuple[str, dict[str, object]]:
    return "textDocument/codeAction", {"textDocument": {"uri": uri}, "range": {"start": AT, "end": AT}}


@pytest.mark.parametrize("is_told", [True, False])
def test_the_first_key_after_a_rest_evaluates_only_what_was_typed(client: RawClient, *, is_told: bool) -> None:
    """By the notification of our clients, or by the request for code actions that editors send by themselves."""
    client.open(CODE + "x = \n" + CODE)
    if is_told:
        client.notify("nano/didMoveCursor", {"uri": URI, "position": AT})
    else:
        client.request(2, *code_action(URI))
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
    client.notify("nano/didMoveCursor", {"uri": uri, "position": AT})
    client.request(2, *code_action(uri))
    client.open(CODE + "x = \n")
    client.notify("nano/didMoveCursor", {"uri": URI, "position": AT})  # read afterwards
    while evaluated(client) < 300:
        pass
    assert evaluated(client) < 900  # nothing but this


@pytest.mark.parametrize("params", [None, {}, {"uri": 1, "position": 2}, {"uri": URI}, {"uri": URI, "position": {}}])
def test_odd_notifications_are_ignored(client: RawClient, params: object) -> None:
    client.open(CODE + "x = \n")
    client.notify("nano/didMoveCursor", params)
    assert client.suggest(3, 120, 4, invoked=False) == ["1 + 1"]

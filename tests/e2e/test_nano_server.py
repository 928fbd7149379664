"""The real model behind the real server, in a namespace without a network."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.test_nano import CODE
from tests.processes import without_network
from tests.raw_client import URI, RawClient

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("models")]


@pytest.fixture(scope="module")
def client() -> Iterator[RawClient]:
    it = RawClient(prefix=without_network() if sys.platform == "linux" else ())
    it.initialize(model="nano", debounceMs=0, latencyMs=0)
    it.wait_for_state("ready")
    yield it
    it.close()


def test_nano_completes_what_is_typed_and_thinks_on(client: RawClient) -> None:
    before, after = CODE.split("|")
    client.open(before + after)
    line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
    assert client.suggest(2, line, column, invoked=False) == ["math.pi * self.radius ** 2"]
    at = {"line": line, "character": column}
    change = {"range": {"start": at, "end": at}, "text": "math."}
    client.send(
        {
            "jsonrpc": "2.0",
            "method": "textDocument/didChange",
            "params": {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [change]},
        }
    )
    assert client.suggest(3, line, column + 5, invoked=False) == ["pi * self.radius ** 2"]
    stats = client.request(4, "nano/stats", {})["result"]
    assert (stats["model"], stats["cached"]) == (1, 1)
    assert stats["evaluated_tokens"] > 50


def test_who_asks_is_offered_alternatives(client: RawClient) -> None:
    before = CODE.split("|")[0]
    line, column = before.count("\n"), len(before) - before.rfind("\n") - 1 + 5
    offered = client.suggest(5, line, column)
    assert offered[0] == "pi * self.radius ** 2"
    assert len(set(offered)) == len(offered) > 1


ACCOUNT = """import json


class Account:
    def withdraw(self, amount: float, overdraft=False) -> float:
        if amount <= 0:
            raise ValueError("amount must be positive")
        if amount > self.balance and not overdraft:
            raise LookupError(self.owner)
        self.balance -= amount
        return self.balance
"""
RESOLVES = {
    "workspace": {"workspaceEdit": {"documentChanges": True, "resourceOperations": ["create"]}},
    "textDocument": {"codeAction": {"resolveSupport": {"properties": ["edit"]}}},
}


@pytest.fixture(scope="module", params=["nano", "smol"])
def resolving(request: pytest.FixtureRequest) -> Iterator[RawClient]:
    it = RawClient(prefix=without_network() if sys.platform == "linux" else ())
    it.initialize(RESOLVES, model=request.param, debounceMs=0)
    it.wait_for_state("ready")
    assert sum(message["method"] == "nano/status" for message in it.seen) < 250  # loading and verifying, per cent
    it.open(ACCOUNT)
    yield it
    it.close()


def chosen(client: RawClient, title: str, line: int) -> list[dict[str, Any]]:
    """The changes of a code action."""
    at = {"line": line, "character": 8}
    params = {"textDocument": {"uri": URI}, "range": {"start": at, "end": at}, "context": {"diagnostics": []}}
    (action,) = [a for a in client.request(1, "textDocument/codeAction", params)["result"] if a["title"] == title]
    found = client.request(2, "codeAction/resolve", action)
    return list(found["result"].get("edit", {}).get("documentChanges", []))


def test_a_docstring_says_what_the_code_does(resolving: RawClient) -> None:
    (change,) = chosen(resolving, "nano: write docstring", 5)
    (edit,) = change["edits"]
    docstring = edit["newText"]
    names = [line.split(":")[0].strip() for line in docstring.split("\n")[2:] if ":" in line]
    assert names == ["Args", "amount", "overdraft", "Returns", "Raises", "ValueError", "LookupError"]
    lines = ACCOUNT.split("\n")
    lines[edit["range"]["start"]["line"]] += docstring
    ast.parse("\n".join(lines))


def test_type_hints_and_tests_parse(resolving: RawClient) -> None:
    for change in chosen(resolving, "nano: add type hints", 5):
        assert [edit["newText"] for edit in change["edits"]] == [": bool = "]
    made = chosen(resolving, "nano: write a test for this function", 5)
    if made:  # the small model has none
        ast.parse(made[-1]["edits"][0]["newText"])


def test_an_explanation_is_about_the_code(client: RawClient) -> None:
    client.open(ACCOUNT)
    about = {"uri": URI, "range": {"start": {"line": 5, "character": 0}, "end": {"line": 5, "character": 0}}}
    text = client.command(9, "nano.explain", {**about, "partialResultToken": "words"})["result"]
    assert "withdraw" in text
    hover = {"textDocument": {"uri": URI}, "position": {"line": 8, "character": 12}}
    assert client.request(10, "textDocument/hover", hover)["result"]["contents"]["value"] == text

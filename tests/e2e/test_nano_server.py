"""The real model behind the real server, in a namespace without a network."""

from __future__ import annotations

import sys
from collections.abc import Iterator

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
    assert (stats["model"], stats["known"]) == (1, 1)
    assert stats["evaluated_tokens"] > 50


def test_who_asks_is_offered_alternatives(client: RawClient) -> None:
    before = CODE.split("|")[0]
    line, column = before.count("\n"), len(before) - before.rfind("\n") - 1 + 5
    offered = client.suggest(5, line, column)
    assert offered[0] == "pi * self.radius ** 2"
    assert len(set(offered)) == len(offered) > 1

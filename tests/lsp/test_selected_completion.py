"""Suggestions while an entry is selected in the editor's completion list (`context.selectedCompletionInfo`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nano_lsp.editor.statistics import Statistics
from tests.raw_client import URI, RawClient, inline

REPLIES = {
    "for entry": " in (Entry,):\n",
    "for Entry": " in Account:\n",
    "for Account": " in Entry:\n",
    "console.log": '("done")\n',
    '"🙂" + total': " * 2\n",
}
BANK = "from bank import Account, Entry\n\n\n"
METHOD = "textDocument/inlineCompletion"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[RawClient]:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(REPLIES))
    it = RawClient(home=tmp_path / "home", forked=True)
    settings: dict[str, Any] = {"debounceMs": 0, "latencyMs": 0, "prefetch": False, "statistics": True}
    it.initialize(model=f"scripted:{script}", **settings)
    it.wait_for_state("ready")
    yield it
    it.close()


def ask(
    client: RawClient, place: tuple[int, int], text: object, start: int, end: int | None = None, **position: int
) -> list[dict[str, Any]]:
    """The response while an entry with this text is selected that replaces the columns from start to end."""
    line, column = place
    ends = {"line": line, "character": column if end is None else end}
    info = {"range": {"start": {"line": line, "character": start}, "end": {**ends, **position}}, "text": text}
    params = inline(line, column, invoked=False)
    params["context"]["selectedCompletionInfo"] = info
    found = client.request(50, METHOD, params)
    return list(found["result"]["items"])


def plain(client: RawClient, line: int, column: int) -> list[str]:
    found = client.request(51, METHOD, inline(line, column, invoked=False))
    return [item["insertText"] for item in found["result"]["items"]]


def stats(client: RawClient) -> dict[str, Any]:
    return dict(client.request(60, "nano/stats", {})["result"])


def change(client: RawClient, text: str, version: int) -> None:
    identifier = {"uri": URI, "version": version}
    client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [{"text": text}]})


def configure(client: RawClient, **settings: object) -> None:
    client.notify("workspace/didChangeConfiguration", {"settings": {"nano": settings}})


@pytest.mark.parametrize("typed", ["", "E", "Ent", "Entry", "entry", "nt"])
def test_the_item_replaces_what_the_entry_replaces_and_begins_with_the_entry(client: RawClient, typed: str) -> None:
    client.open(f"{BANK}for {typed}\n")
    column = 4 + len(typed)
    (item,) = ask(client, (3, column), "Entry", 4)
    assert item["insertText"] == "Entry in Account:"
    assert item["range"] == {"start": {"line": 3, "character": 4}, "end": {"line": 3, "character": column}}


def test_without_a_selected_entry_suggestions_are_unchanged(client: RawClient) -> None:
    client.open(f"{BANK}for entry\n")
    params = inline(3, 9, invoked=False)
    params["context"]["selectedCompletionInfo"] = None
    (item,) = client.request(50, METHOD, params)["result"]["items"]
    assert item["insertText"] == " in (Entry,):"
    assert plain(client, 3, 9) == [" in (Entry,):"]


def test_an_entry_may_replace_text_around_the_cursor(client: RawClient) -> None:
    client.open("console = None\nconsole.\n")
    (item,) = ask(client, (1, 8), ".log", 7)
    assert item["insertText"] == '.log("done")'
    assert item["range"]["start"] == {"line": 1, "character": 7}
    client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    client.open(f"{BANK}for Entries\n")
    (item,) = ask(client, (3, 7), "Entry", 4, 11)  # the editor overwrites the rest of the word
    assert item["insertText"] == "Entry in Account:"
    assert item["range"]["end"] == {"line": 3, "character": 11}


def test_columns_are_utf_16(client: RawClient) -> None:
    client.open('total = 2\nx = "🙂" + to\n')
    (item,) = ask(client, (1, 13), "total", 11)
    assert item["insertText"] == "total * 2"
    assert item["range"] == {"start": {"line": 1, "character": 11}, "end": {"line": 1, "character": 13}}


@pytest.mark.parametrize(
    ("start", "end", "position"),
    [(0, 2, {}), (9, 9, {"line": 4}), (9, 4, {}), (4, None, {"line": 99})],
    ids=["elsewhere", "several lines", "backwards", "behind the end"],
)
def test_an_entry_that_is_not_at_the_cursor_changes_nothing(
    client: RawClient, start: int, end: int | None, position: dict[str, int]
) -> None:
    client.open(f"{BANK}for entry\nelse\n")
    (item,) = ask(client, (3, 9), "Entry", start, end, **position)
    assert item["insertText"] == " in (Entry,):"
    assert item["range"] == {"start": {"line": 3, "character": 9}, "end": {"line": 3, "character": 9}}


@pytest.mark.parametrize("text", ["for x in y:\n    pass", "for ${1:x} in $2:", "print($0)", "Entry\r\n"])
def test_a_snippet_gets_no_suggestion(client: RawClient, text: str) -> None:
    client.open(f"{BANK}for entry\n")
    assert ask(client, (3, 9), text, 4) == []
    assert stats(client)["model"] == 0


def test_an_empty_entry_is_none(client: RawClient) -> None:
    client.open(f"{BANK}for entry\n")
    assert [item["insertText"] for item in ask(client, (3, 9), "", 4)] == [" in (Entry,):"]


def test_secrets_get_nothing(client: RawClient) -> None:
    uri = "file:///w/.env"
    client.open("total = \n", uri)
    params = inline(0, 8, invoked=False)
    at = {"start": {"line": 0, "character": 8}, "end": {"line": 0, "character": 8}}
    params |= {"textDocument": {"uri": uri}}
    params["context"]["selectedCompletionInfo"] = {"range": at, "text": "Entry"}
    assert client.request(50, METHOD, params)["result"]["items"] == []
    assert stats(client)["requests"] == 0


def test_moving_through_the_list_evaluates_only_the_entries(client: RawClient) -> None:
    client.open(f"{BANK}for \n")
    assert ask(client, (3, 4), "Entry", 4)
    before = stats(client)
    (item,) = ask(client, (3, 4), "Account", 4)
    assert item["insertText"] == "Account in Entry:"
    after = stats(client)
    assert after["evaluated_tokens"] - before["evaluated_tokens"] <= len("Account") + 1  # a token a byte here
    assert ask(client, (3, 4), "Entry", 4)
    assert stats(client)["model"] == after["model"]  # what was shown before is known


def test_typing_and_choosing_the_entry_need_no_model(client: RawClient) -> None:
    client.open(f"{BANK}for \n")
    assert ask(client, (3, 4), "Entry", 4)
    asked = stats(client)["model"]
    for n in range(1, 6):
        change(client, f"{BANK}for {'Entry'[:n]}\n", n + 1)
        (item,) = ask(client, (3, 4 + n), "Entry", 4)
        assert item["insertText"] == "Entry in Account:"
    assert plain(client, 3, 9) == [" in Account:"]  # the list has closed
    change(client, f"{BANK}for Entry in\n", 10)
    assert plain(client, 3, 12) == [" Account:"]
    assert stats(client)["model"] == asked


def test_the_document_has_changed_in_the_meantime(client: RawClient) -> None:
    client.open(f"{BANK}for E\n")
    info = {"range": {"start": {"line": 3, "character": 4}, "end": {"line": 3, "character": 5}}, "text": "Entry"}
    params = inline(3, 5, invoked=False)
    params["context"]["selectedCompletionInfo"] = info
    configure(client, debounceMs=5000)  # the request waits for the change
    client.send({"jsonrpc": "2.0", "id": 70, "method": METHOD, "params": params})
    change(client, f"{BANK}for Ac\n", 2)
    assert client.answer(70)["result"]["items"] == []
    configure(client, debounceMs=0)
    (item,) = ask(client, (3, 6), "Account", 4)
    assert item["insertText"] == "Account in Entry:"


def test_what_follows_an_entry_counts_once_and_is_accepted_with_it(client: RawClient, tmp_path: Path) -> None:
    client.open(f"{BANK}for \n")
    for entry in ("Entry", "Account", "Entry"):
        assert ask(client, (3, 4), entry, 4)
    assert (stats(client)["shown"], stats(client)["accepted"]) == (1, 0)
    change(client, f"{BANK}for Entry\n", 2)  # the entry is chosen; what follows it is shown again
    assert plain(client, 3, 9) == [" in Account:"]
    assert (stats(client)["shown"], stats(client)["accepted"]) == (1, 0)
    change(client, f"{BANK}for Entry in Account:\n", 3)
    assert (stats(client)["shown"], stats(client)["accepted"]) == (1, 1)
    client.request(80, "shutdown")
    (record,) = Statistics(tmp_path / "home" / "cache").records()
    assert (record.chars, record.accepted, record.kept) == (len(" in Account:"), True, True)

"""Code actions, explanations, lenses and hovers of the real server process, on a scripted model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.raw_client import URI, RawClient

CODE = "def add(a, b):\n    return a + b\n"
LIST = "values = []\nfor v in found:\n    values.append(v)\n"
CHAT = "```\nassistant\n"
REPLIES = {
    'def add(a, b):\n    """': "Add two numbers.\n",
    "        a:": " The first.\n",
    "        b:": " The second.\n",
    "    Returns:\n    ": "    The sum.\n",
    "return a + b\n" + CHAT: "It adds two numbers.",
    "values.append(v)\n" + CHAT: "```python\nvalues = list(found)\n```",
    "retrun a\n" + CHAT: "```python\ndef f(a):\n    return a\n```",
    "return (\n" + CHAT: "```python\nreturn (\n```",
    "def add(a:": " int, b)",
    "def add(a: int, b:": " int)",
    "def add(a: int, b: int) ->": " int:",
}
FULL = {
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "workspace": {
        "workspaceEdit": {
            "documentChanges": True,
            "resourceOperations": ["create"],
            "changeAnnotationSupport": {"groupsOnLabel": True},
        },
        "applyEdit": True,
    },
    "textDocument": {"codeAction": {"resolveSupport": {"properties": ["edit"]}, "dataSupport": True}},
}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RawClient]]:
    """Starts a server for an editor with given capabilities."""
    clients = []

    def begin(capabilities: object = FULL, replies: dict[str, Any] = REPLIES, **options: Any) -> RawClient:  # noqa: ANN401 - settings of any type
        script = tmp_path / "script.json"
        script.write_text(json.dumps(replies))
        client = RawClient(home=tmp_path / "home", forked=True)
        clients.append(client)
        client.initialize(capabilities, model=f"scripted:{script}", **options)
        client.wait_for_state("ready")
        return client

    yield begin
    for client in clients:
        client.close()


def span(line: int, column: int, end_line: int | None = None, end_column: int = 0) -> dict[str, Any]:
    end = {"line": line, "character": column} if end_line is None else {"line": end_line, "character": end_column}
    return {"start": {"line": line, "character": column}, "end": end}


def actions(client: RawClient, at: dict[str, Any], **context: object) -> dict[str, dict[str, Any]]:
    params = {"textDocument": {"uri": URI}, "range": at, "context": {"diagnostics": [], **context}}
    found = client.request(900, "textDocument/codeAction", params)["result"]
    return {action["title"]: action for action in found}


def resolved(client: RawClient, action: dict[str, Any]) -> dict[str, Any]:
    return dict(client.request(901, "codeAction/resolve", action)["result"])


def new_text(edit: dict[str, Any]) -> str:
    """The new text of the only edit of a document."""
    (change,) = edit["documentChanges"]
    (only,) = change["edits"]
    return str(only["newText"])


def test_a_docstring_is_generated_when_its_action_is_chosen(start: Callable[..., RawClient]) -> None:
    client = start()
    client.open(CODE)
    action = actions(client, span(1, 6))["nano: write docstring"]
    assert action["kind"] == "refactor.rewrite"
    assert "edit" not in action
    edit = resolved(client, action)["edit"]
    assert new_text(edit) == (
        '\n    """Add two numbers.\n\n    Args:\n        a: The first.\n        b: The second.\n\n'
        '    Returns:\n        The sum.\n    """'
    )
    assert edit["documentChanges"][0]["textDocument"] == {"uri": URI, "version": 1}
    assert edit["changeAnnotations"]["nano"]["needsConfirmation"] is False
    kinds = {m["params"]["value"]["kind"] for m in client.seen if m["method"] == "$/progress"}
    assert kinds == {"begin", "report", "end"}
    states = [m["params"]["state"] for m in client.seen if m["method"] == "nano/status"]
    assert states[-2:] == ["busy", "ready"]


def test_an_undescribed_docstring_is_a_todo_skeleton_with_a_note(start: Callable[..., RawClient]) -> None:
    client = start(docstringStyle="sphinx")
    client.open("def other():\n    do(1)\n")
    edit = resolved(client, actions(client, span(0, 0))["nano: write docstring"])["edit"]
    assert new_text(edit) == '\n    """TODO: describe."""'
    assert "TODO" in edit["changeAnnotations"]["nano"]["description"]


def test_all_missing_docstrings_at_once(start: Callable[..., RawClient]) -> None:
    client = start()
    client.open(f'"""Sums."""\n\n\n{CODE}\n\ndef other():\n    do(1)\n')
    action = actions(client, span(0, 0), only=["source"])
    assert list(action) == ["nano: write all missing docstrings"]
    edit = resolved(client, action["nano: write all missing docstrings"])["edit"]
    assert len(edit["documentChanges"][0]["edits"]) == 2


def test_a_documentation_comment_is_written_and_updated(start: Callable[..., RawClient]) -> None:
    client = start(replies={"/**\n * ": "Add two numbers.\n", "@param b -": " The second.\n"})
    client.open("export function add(a, b) {\n  a + b;\n}\n", language="typescript")
    titles = actions(client, span(1, 2))
    assert "nano: write all missing documentation comments" in titles
    assert "nano: add type hints" not in titles
    edit = resolved(client, titles["nano: write documentation comment"])["edit"]
    written = "/**\n * Add two numbers.\n *\n * @param a - TODO: describe.\n * @param b - The second.\n */\n"
    assert new_text(edit) == written
    assert "TODO" in edit["changeAnnotations"]["nano"]["description"]
    whole = {"text": "/** It adds. */\nfunction add(b) {}\n"}
    client.notify("textDocument/didChange", {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [whole]})
    edit = resolved(client, actions(client, span(0, 5))["nano: update documentation comment"])["edit"]
    assert new_text(edit) == "/**\n * It adds.\n *\n * @param b - The second.\n */"
    bash = "f() { echo; }\n"
    client.open(bash, "file:///a.sh", "shellscript")
    params = {"textDocument": {"uri": "file:///a.sh"}, "range": span(0, 0), "context": {"diagnostics": []}}
    found = client.request(902, "textDocument/codeAction", params)["result"]
    assert [action["title"] for action in found] == ["nano: explain", "nano: write a test for this function"]


def test_a_test_is_written_in_the_framework_of_the_project(start: Callable[..., RawClient], tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "package.json").write_text('{"devDependencies": {"vitest": "3"}}')
    answer = 'test("adds", () => {\n  expect(add(1, 2)).toBe(3);\n});'
    client = start(replies={CHAT: f"```ts\n{answer}\n```"}, root=folder)
    uri = (folder / "sums.ts").as_uri()
    client.open("export function add(a: number, b: number) {\n  return a + b;\n}\n", uri, "typescript")
    params = {"textDocument": {"uri": uri}, "range": span(1, 2), "context": {"diagnostics": []}}
    found = {each["title"]: each for each in client.request(903, "textDocument/codeAction", params)["result"]}
    edit = resolved(client, found["nano: write a test for this function"])["edit"]
    created, inserted = edit["documentChanges"]
    assert (created["kind"], created["uri"]) == ("create", (folder / "sums.test.ts").as_uri())
    text = f'import {{ expect, test }} from "vitest";\nimport {{ add }} from "./sums";\n\n{answer}\n'
    assert inserted["edits"][0]["newText"] == text
    whole = {"text": "function add() {}\n"}
    client.notify("textDocument/didChange", {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [whole]})
    params["range"] = span(0, 3)
    found = {each["title"]: each for each in client.request(904, "textDocument/codeAction", params)["result"]}
    assert resolved(client, found["nano: write a test for this function"]).get("edit") is None
    told = [m["params"]["message"] for m in client.seen if m["method"] == "window/showMessage"]
    assert any("add is not exported, so that a test cannot import it" in message for message in told)


def test_an_editor_without_resolve_support_is_sent_the_edit(start: Callable[..., RawClient]) -> None:
    client = start({"workspace": {"applyEdit": True}})
    client.replies["workspace/applyEdit"] = {"applied": True}
    client.open(CODE)
    command = actions(client, span(0, 4))["nano: write docstring"]["command"]
    assert client.command(2, command["command"], *command["arguments"])["result"] is True
    (sent,) = [m for m in client.seen if m["method"] == "workspace/applyEdit"]
    assert "Add two numbers." in sent["params"]["edit"]["changes"][URI][0]["newText"]
    assert client.command(3, "nano.docstring", {"uri": URI, "range": span(1, 4)})["result"] is True


@pytest.mark.parametrize("refusal", [{"applied": False}, None, {}])
def test_a_rejected_edit_is_reused_when_the_action_is_chosen_again(
    start: Callable[..., RawClient], refusal: object
) -> None:
    client = start({"workspace": {"applyEdit": True}})
    client.open(CODE)
    command = actions(client, span(0, 4))["nano: write docstring"]["command"]
    for request, applied in ((2, False), (3, True)):
        client.replies["workspace/applyEdit"] = {"applied": True} if applied else refusal
        assert client.command(request, command["command"], *command["arguments"])["result"] is applied
    first, second = [m["params"]["edit"] for m in client.seen if m["method"] == "workspace/applyEdit"]
    assert first == second
    states = [m["params"]["state"] for m in client.seen if m["method"] == "nano/status"]
    assert states.count("busy") == 1
    (said,) = [m["params"]["message"] for m in client.seen if m["method"] == "window/showMessage"]
    assert "Choose the action again" in said


@pytest.mark.parametrize("at", [span(0, 4, 0, 7), span(0, 0, 1, 0), span(1, 4, 1, 10)])
def test_a_word_or_a_header_does_not_count_as_a_selection(
    start: Callable[..., RawClient], at: dict[str, Any]
) -> None:
    client = start({})
    client.open(CODE)
    found = actions(client, at)
    command = found["nano: explain"]["command"]
    assert client.command(2, command["command"], *command["arguments"])["result"] == "It adds two numbers."
    assert ("nano: simplify selection" in found) == (at == span(0, 0, 1, 0))


def test_a_document_that_has_changed_gets_no_old_edit(start: Callable[..., RawClient]) -> None:
    client = start()
    client.open(CODE)
    action = actions(client, span(0, 4))["nano: write docstring"]
    changes = [{"text": f"# more\n{CODE}"}]
    params = {"textDocument": {"uri": URI, "version": 2}, "contentChanges": changes}
    client.notify("textDocument/didChange", params)
    assert client.request(2, "codeAction/resolve", action)["error"]["code"] == -32801
    for data in (None, 7, {}, {"uri": URI}, {**action["data"], "kind": "delete"}, {**action["data"], "start": "x"}):
        assert "error" in client.request(3, "codeAction/resolve", {**action, "data": data})


def test_a_quick_fix_changes_the_range_of_its_diagnostic(start: Callable[..., RawClient]) -> None:
    client = start()
    client.open("x = 1\n\n\ndef f(a):\n    retrun a\n")
    at = span(4, 4, 4, 10)
    found = actions(client, at, diagnostics=[{"range": at, "message": "Expected expression", "source": "other"}])
    fix = found["nano: fix “Expected expression”"]
    assert fix["kind"] == "quickfix"
    assert fix["diagnostics"][0]["message"] == "Expected expression"
    edit = resolved(client, fix)["edit"]
    assert new_text(edit) == "def f(a):\n    return a"
    assert edit["changeAnnotations"]["nano"]["needsConfirmation"] is True
    assert found["nano: explain “Expected expression”"]["command"]["arguments"][0]["diagnostic"]


def test_a_selection_is_simplified_unless_that_breaks_it(start: Callable[..., RawClient]) -> None:
    client = start()
    client.open(f"def f(found):\n    {LIST.strip().replace(chr(10), chr(10) + '    ')}\n    return values\n")
    edit = resolved(client, actions(client, span(1, 4, 3, 10))["nano: simplify selection"])["edit"]
    assert new_text(edit) == "    values = list(found)"
    client.notify(
        "textDocument/didChange",
        {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": "def g():\n    return (\n"}]},
    )
    assert resolved(client, actions(client, span(1, 0, 1, 12))["nano: simplify selection"]).get("edit") is None


def test_type_hints_are_all_that_changes(start: Callable[..., RawClient]) -> None:
    client = start()
    client.open(CODE)
    (change,) = resolved(client, actions(client, span(1, 6))["nano: add type hints"])["edit"]["documentChanges"]
    assert [edit["newText"] for edit in change["edits"]] == [": int", ": int", " -> int"]


def test_an_explanation_is_streamed_or_shown_and_then_hovered(
    start: Callable[..., RawClient], tmp_path: Path
) -> None:
    client = start()
    client.replies["window/showDocument"] = {"success": True}
    client.open(CODE)
    hover = {"textDocument": {"uri": URI}, "position": {"line": 1, "character": 6}}
    assert client.request(2, "textDocument/hover", hover)["result"] is None
    about = {"uri": URI, "range": span(1, 6), "partialResultToken": "words"}
    assert client.command(3, "nano.explain", about)["result"] == "It adds two numbers."
    parts = [m["params"]["value"]["text"] for m in client.seen if m.get("params", {}).get("token") == "words"]
    assert len(parts) > 3
    assert "It adds two numbers.".startswith(parts[0])
    assert client.request(4, "textDocument/hover", hover)["result"]["contents"]["value"] == "It adds two numbers."
    del about["partialResultToken"]
    client.command(5, "nano.explain", about)
    (shown,) = [m["params"]["uri"] for m in client.seen if m["method"] == "window/showDocument"]
    (file,) = (tmp_path / "home").rglob("*.md")
    assert shown == file.as_uri()
    assert "It adds two numbers." in file.read_text()
    assert not file.stat().st_mode & 0o222
    for odd in ((), (None,), ({"uri": 7},), ({"uri": URI, "range": {"start": 1}},), ({"uri": "file:///x"},)):
        assert client.command(6, "nano.explain", *odd)["result"] is None


@pytest.mark.parametrize("work_token", ["mine", None])  # that of the editor, or one that the server creates
def test_cancelling_the_progress_cancels_the_job(start: Callable[..., RawClient], work_token: str | None) -> None:
    client = start(replies={CHAT: "word " * 300, "$batch_ms": 200})  # would take a minute if it were not cancelled
    client.open("def endless():\n    pass\n")
    arguments = [{"uri": URI, "range": span(1, 6), "workDoneToken": work_token}]
    params = {"command": "nano.explain", "arguments": arguments}
    client.send({"jsonrpc": "2.0", "id": 2, "method": "workspace/executeCommand", "params": params})
    while (shown := client.wait_for("$/progress"))["value"].get("title") != "Explaining":
        pass
    client.notify("window/workDoneProgress/cancel", {"token": shown["token"]})
    assert client.answer(2)["result"] is None
    stats = client.command(3, "nano.showStats")["result"]
    assert stats["state"] == "ready"
    assert stats["generated_tokens"] < 300


def test_cancelling_the_request_cancels_its_command(start: Callable[..., RawClient]) -> None:
    client = start(replies={CHAT: "word " * 300, "$batch_ms": 200})  # would take a minute if it were not cancelled
    client.open("def endless():\n    pass\n")
    params = {"command": "nano.explain", "arguments": [{"uri": URI, "range": span(1, 6)}]}
    client.send({"jsonrpc": "2.0", "id": 2, "method": "workspace/executeCommand", "params": params})
    client.wait_for_state("busy")
    client.notify("$/cancelRequest", {"id": 2})
    assert client.answer(2)["error"]["code"] == -32800
    client.wait_for_state("ready")
    assert client.command(3, "nano.showStats")["result"]["generated_tokens"] < 300


def test_lenses_are_shown_if_enabled(start: Callable[..., RawClient]) -> None:
    params = {"textDocument": {"uri": URI}}
    client = start()
    client.open(CODE)
    assert client.request(2, "textDocument/codeLens", params)["result"] == []
    other = start(codeLens=True)
    other.open(CODE)
    found = other.request(2, "textDocument/codeLens", params)["result"]
    assert [lens["command"]["title"] for lens in found] == ["explain", "document"]


def test_only_code_of_open_documents_without_secrets(start: Callable[..., RawClient]) -> None:
    client = start(exclude=["/secret/**"])
    client.open("KEY=1\n", "file:///.env")
    params = {"textDocument": {"uri": "file:///.env"}, "range": span(0, 0), "context": {"diagnostics": []}}
    assert client.request(2, "textDocument/codeAction", params)["result"] == []
    assert client.command(3, "nano.explain", {"uri": "file:///.env", "range": span(0, 0)})["result"] is None
    assert actions(client, span(0, 0)) == {}


@pytest.mark.parametrize("resolves", [True, False])
def test_changing_the_document_cancels_the_job_with_a_message(
    start: Callable[..., RawClient], *, resolves: bool
) -> None:
    capabilities = FULL if resolves else {"workspace": {"applyEdit": True}}
    client = start(capabilities, {**REPLIES, "$batch_ms": 100})
    client.open(CODE)
    action = actions(client, span(0, 4))["nano: write docstring"]
    method = "codeAction/resolve" if resolves else "workspace/executeCommand"
    client.send({"jsonrpc": "2.0", "id": 50, "method": method, "params": action if resolves else action["command"]})
    whole = {"text": CODE + "\n"}
    client.notify("textDocument/didChange", {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [whole]})
    answer = client.answer(50)
    assert answer["error"]["code"] == -32801 if resolves else answer["result"] is False
    told = [m["params"]["message"] for m in client.seen if m["method"] == "window/showMessage"]
    assert any("the document has changed in the meantime" in message for message in told)
    again = client.request(51, method, action if resolves else action["command"])
    assert ("error" in again) == resolves  # the action is of the version before
    client.request(52, "nano/stats")
    told = [m["params"]["message"] for m in client.seen if m["method"] == "window/showMessage"]
    assert any("has changed since. Choose the action again" in message for message in told)

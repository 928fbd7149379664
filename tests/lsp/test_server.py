"""The real server process over stdio, on the scripted model."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_lsp
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

pytestmark = pytest.mark.asyncio(loop_scope="module")
REPLIES = {
    "def add(a, b):\n    return ": "a + b\n",
    "return a + b\n\n\n": "def sub(a, b):\n    return a - b\n",
    'x = "🙂" + ': '"12"\n',
    "total = ": "sum(range(9))\n",
}
URI = "file:///work/code.py"


# As Helix 25.07 introduces itself (helix-lsp/src/client.rs), what this server looks at.
HELIX = types.ClientCapabilities(
    workspace=types.WorkspaceClientCapabilities(
        configuration=True,
        apply_edit=True,
        workspace_edit=types.WorkspaceEditClientCapabilities(
            document_changes=True,
            resource_operations=[
                types.ResourceOperationKind.Create,
                types.ResourceOperationKind.Rename,
                types.ResourceOperationKind.Delete,
            ],
        ),
    ),
    text_document=types.TextDocumentClientCapabilities(
        completion=types.CompletionClientCapabilities(),
        code_action=types.CodeActionClientCapabilities(
            data_support=True,
            resolve_support=types.ClientCodeActionResolveOptions(properties=["edit", "command"]),
        ),
    ),
    window=types.WindowClientCapabilities(work_done_progress=True),
    general=types.GeneralClientCapabilities(
        position_encodings=[
            types.PositionEncodingKind.Utf8,
            types.PositionEncodingKind.Utf32,
            types.PositionEncodingKind.Utf16,
        ]
    ),
)


class Client:
    """An editor with one document."""

    def __init__(self, lsp: LanguageClient) -> None:
        self.lsp = lsp
        self.version = 0
        self.opened: set[str] = set()
        self.encoding = ""
        self.settings: dict[str, object] = {}
        self.statuses: list[str] = []
        self.edits: list[types.ApplyWorkspaceEditParams] = []

    def open(self, text: str, uri: str = URI, language: str = "python") -> None:
        self.opened.add(uri)
        item = types.TextDocumentItem(uri, language, self.version, text)
        self.lsp.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def type(self, line: int, column: int, text: str) -> None:
        self.version += 1
        at = types.Position(line, column)
        self.lsp.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(version=self.version, uri=URI),
                [types.TextDocumentContentChangePartial(types.Range(at, at), text)],
            )
        )

    async def suggest(self, line: int, column: int, *, invoked: bool = False, uri: str = URI) -> list[str]:
        kinds = types.InlineCompletionTriggerKind
        context = types.InlineCompletionContext(kinds.Invoked if invoked else kinds.Automatic)
        params = types.InlineCompletionParams(
            context, types.TextDocumentIdentifier(uri), types.Position(line, column)
        )
        found = await self.lsp.text_document_inline_completion_async(params)
        return [str(item.insert_text) for item in found.items]  # type: ignore[union-attr]

    async def configure(self, **settings: object) -> None:
        """Change settings, and wait until the server has read them."""
        self.lsp.set_configuration({"nano": settings})
        workspace = self.lsp.capabilities.workspace if self.lsp.capabilities else None
        pulls = workspace is not None and workspace.configuration
        params = types.DidChangeConfigurationParams(settings={} if pulls else {"nano": settings})
        self.lsp.workspace_did_change_configuration(params)
        await self.stats()

    async def stats(self) -> dict[str, Any]:
        found = await self.lsp.workspace_execute_command_async(types.ExecuteCommandParams("nano.showStats"))
        return dict(found) if isinstance(found, dict) else dict(found._asdict())  # type: ignore[union-attr]

    async def ready(self) -> None:
        while "ready" not in self.statuses:
            await self.lsp.wait_for_notification("nano/status")


@pytest_lsp.fixture(  # type: ignore[untyped-decorator]
    config=ClientServerConfig(server_command=[sys.executable, "-m", "nano_lsp", "server"]),
    params=["visual-studio-code", "neovim", "emacs", "helix", "bare"],
    scope="module",
)
async def lsp(
    request: pytest.FixtureRequest, lsp_client: LanguageClient, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[None]:
    folder = tmp_path_factory.mktemp("server")
    script = folder / "script.json"
    script.write_text(json.dumps(REPLIES))
    client = Client(lsp_client)
    lsp_client.nano = client  # type: ignore[attr-defined]

    @lsp_client.feature("nano/status")  # type: ignore[untyped-decorator]
    def on_status(params: Any) -> None:  # noqa: ANN401 - a notification of our own
        client.statuses.append(params.state)

    @lsp_client.feature(types.WORKSPACE_APPLY_EDIT)  # type: ignore[untyped-decorator]
    def on_edit(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        client.edits.append(params)
        return types.ApplyWorkspaceEditResult(applied=True)

    own = {"helix": HELIX, "bare": types.ClientCapabilities()}
    capabilities = own.get(request.param) or client_capabilities(request.param)
    client.settings = {"model": f"scripted:{script}", "debounceMs": 0, "statistics": False}
    found = await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=capabilities,
            root_uri=folder.as_uri(),
            initialization_options={**client.settings, "unknown": 1, "nThreads": "two"},
        )
    )
    client.encoding = str(
        getattr(found.capabilities.position_encoding, "value", found.capabilities.position_encoding)
    )
    await client.ready()
    yield
    await lsp_client.shutdown_session()


@pytest.fixture
def client(lsp: LanguageClient) -> Iterator[Client]:
    """An editor without an open document."""
    it: Client = lsp.nano  # type: ignore[attr-defined]
    yield it
    for uri in it.opened:
        lsp.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
    it.opened.clear()


async def test_ghost_text(client: Client) -> None:
    client.open("def add(a, b):\n    return \n")
    assert await client.suggest(1, 11) == ["a + b"]
    assert "b" in (await client.suggest(1, 11, invoked=True))[0]


async def test_typing_through_a_suggestion_needs_no_model(client: Client) -> None:
    client.open("def add(a, b):\n    return \n")
    assert await client.suggest(1, 11) == ["a + b"]
    asked = (await client.stats())["model"]
    for i, key in enumerate("a + "):
        client.type(1, 11 + i, key)
        assert await client.suggest(1, 12 + i) == ["a + b"[i + 1 :]]
    after = await client.stats()
    assert after["model"] == asked
    assert after["cached"] >= 4


async def test_columns_are_the_editors(client: Client) -> None:
    client.open('x = "🙂" + \n')
    column = {"utf-8": 13, "utf-16": 11, "utf-32": 10}[client.encoding]
    assert await client.suggest(0, column) == ['"12"']


async def test_secrets_and_closed_documents_get_nothing(client: Client) -> None:
    client.open("total = \n", uri="file:///work/.env", language="dotenv")
    assert await client.suggest(0, 8, uri="file:///work/.env", invoked=True) == []
    assert await client.suggest(0, 8, uri="file:///work/never_opened.py") == []


async def test_untitled_documents_have_a_language(client: Client) -> None:
    client.open("total = \n", uri="untitled:Untitled-1")
    assert await client.suggest(0, 8, uri="untitled:Untitled-1") == ["sum(range(9))"]


async def test_pause_and_resume(client: Client) -> None:
    client.open("total = \n")
    for command, expected in (("nano.pause", []), ("nano.resume", ["sum(range(9))"])):
        await client.lsp.workspace_execute_command_async(types.ExecuteCommandParams(command))
        assert await client.suggest(0, 8) == expected


async def test_invalid_settings_are_reported_and_the_others_apply(client: Client) -> None:
    said = " ".join(message.message for message in client.lsp.messages)
    assert "nano.unknown" in said
    assert "nano.nThreads is 'two'; it takes a whole number" in said


async def test_changed_settings_apply(client: Client) -> None:
    client.open("total = \n")
    for enabled, expected in ((False, []), (True, ["sum(range(9))"])):
        await client.configure(enabled=enabled)
        assert await client.suggest(0, 8) == expected


async def test_invalid_requests_are_answered(client: Client) -> None:
    for method, params in (
        ("nano/unknown", {}),
        (types.INITIALIZE, types.InitializeParams(types.ClientCapabilities())),
    ):
        with pytest.raises(JsonRpcException):
            await client.lsp.protocol.send_request_async(method, params)  # type: ignore[no-untyped-call]
    client.open("total = \n")
    assert await client.suggest(0, 8) == ["sum(range(9))"]
    assert await client.suggest(99, 99) is not None


async def test_a_docstring_comes_as_the_editor_takes_edits(client: Client) -> None:
    client.open("é = '🙂'; total = (\n)\ndef add(a, b):\n    return a + b\n")
    at = types.Position(2, 4)
    params = types.CodeActionParams(
        types.TextDocumentIdentifier(URI), types.Range(at, at), types.CodeActionContext(diagnostics=[])
    )
    found = await client.lsp.text_document_code_action_async(params)
    (action,) = [a for a in found or () if a.title == "nano: write docstring"]
    if isinstance(action, types.CodeAction) and action.command is None:
        edit = (await client.lsp.code_action_resolve_async(action)).edit
    else:  # this editor resolves nothing
        about = {"uri": URI, "range": {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 4}}}
        await client.lsp.workspace_execute_command_async(types.ExecuteCommandParams("nano.docstring", [about]))
        edit = client.edits[-1].edit
    assert edit is not None
    changes: list[Any] = [*(edit.changes or {}).values()]
    changes += [change.edits for change in edit.document_changes or () if isinstance(change, types.TextDocumentEdit)]
    ((only,),) = changes
    assert only.new_text.startswith('\n    """')
    assert only.range.start == types.Position(2, 14)

"""`nano-lsp server`: the handlers. They translate; what to suggest is decided in `features`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from lsprotocol import types
from pygls import uris
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from nano_lsp import __version__
from nano_lsp.adapters.lsp.documents import Documents, TextDocument
from nano_lsp.adapters.lsp.protocol import NanoProtocol
from nano_lsp.adapters.lsp.session import Session, State, Status
from nano_lsp.adapters.lsp.settings import read_settings
from nano_lsp.config import Folders
from nano_lsp.context.positions import Encoding
from nano_lsp.errors import NanoError
from nano_lsp.features.completion import CompletionTask
from nano_lsp.features.ghost_text import GhostText

STATUS = "nano/status"
STATS = "nano/stats"
ACCEPTED = "nano.accepted"
_PROGRESS_TOKEN = "nano-lsp-loading"  # noqa: S105 - names a progress bar
_PARENT_CHECK_S = 0.5
_EDITOR_ANSWERS_S = 5.0

logger = logging.getLogger(__name__)


class NanoServer(LanguageServer):
    """The server and what its handlers share.

    Args:
        folders: of this user.
    """

    protocol: NanoProtocol

    def __init__(self, folders: Folders) -> None:
        super().__init__(
            "nano-lsp",
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            protocol_cls=NanoProtocol,
            max_workers=2,
        )
        self.documents = Documents()
        self.session = Session(folders, self.show_status)
        self.status = Status(State.LOADING, "Starting.")
        self.n_accepted = 0
        self._progress_shown = False
        self._told: set[str] = set()

    def report_server_error(self, error: Exception, source: object) -> None:
        """Log a mistake; a dialog for each would bury the editor."""
        logger.error("%s: %s", source, error)

    def show_status(self, status: Status) -> None:
        """Tell the editor what the server is at."""
        self.status = status
        self.protocol.notify(STATUS, {**asdict(status), "state": status.state.value})
        if status.state is State.ERROR:
            self.warn(f"{status.message} {status.remedy}".strip(), types.MessageType.Error)
        window = self.client_capabilities.window
        if window is not None and window.work_done_progress:
            self._show_progress(status)

    def warn(self, message: str, kind: types.MessageType = types.MessageType.Warning) -> None:
        """Show a message, each only once."""
        if message not in self._told:
            self._told.add(message)
            self.window_show_message(types.ShowMessageParams(kind, message))

    def _show_progress(self, status: Status) -> None:
        progress = self.work_done_progress
        if status.state is not State.LOADING:
            if self._progress_shown:
                progress.end(_PROGRESS_TOKEN, types.WorkDoneProgressEnd(message=status.message))
                progress.tokens.pop(_PROGRESS_TOKEN, None)
                self._progress_shown = False
        elif not self._progress_shown:
            self._progress_shown = True
            progress.create(_PROGRESS_TOKEN)
            progress.begin(_PROGRESS_TOKEN, types.WorkDoneProgressBegin("NEURO-NANO", percentage=0))
        else:
            percentage = int(100 * status.share)
            progress.report(
                _PROGRESS_TOKEN, types.WorkDoneProgressReport(message=status.message, percentage=percentage)
            )


def create_server(folders: Folders) -> NanoServer:
    """A server with its handlers; it loads nothing before an editor has introduced itself."""
    server = NanoServer(folders)
    _register_lifecycle(server)
    _register_documents(server)
    _register_suggestions(server)
    return server


def _register_lifecycle(server: NanoServer) -> None:
    @server.feature(types.INITIALIZE)
    def on_initialize(params: types.InitializeParams) -> None:
        server.documents.encoding = Encoding(server.workspace.position_encoding or "utf-16")
        opened = [folder.uri for folder in params.workspace_folders or ()]
        if not opened and params.root_uri:
            opened = [params.root_uri]
        server.session.roots = [Path(path) for uri in opened if (path := uris.to_fs_path(uri))]
        server.session.settings, warnings = read_settings(params.initialization_options)
        for warning in warnings:
            server.warn(warning)
        if params.process_id:
            _leave_with(params.process_id)

    @server.feature(types.INITIALIZED)
    async def on_initialized(_params: types.InitializedParams) -> None:
        await _fetch_settings(server)
        server.session.start()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def on_did_change_configuration(params: types.DidChangeConfigurationParams) -> None:
        if not await _fetch_settings(server):
            _apply(server, params.settings)

    @server.feature(types.SHUTDOWN)
    def on_shutdown(_params: None) -> None:
        server.session.stop()

    @server.feature(STATS)
    def on_stats(_params: Any) -> dict[str, object]:  # noqa: ANN401 - of a method that pygls does not know
        return _stats(server)

    @server.command("nano.showStats")
    def on_show_stats() -> dict[str, object]:
        return _stats(server)

    @server.command("nano.pause")
    def on_pause() -> None:
        server.session.paused = True
        server.show_status(Status(State.PAUSED, "Paused; nano.resume goes on."))

    @server.command("nano.resume")
    def on_resume() -> None:
        server.session.paused = False
        loaded = server.session.ghost_text is not None
        server.show_status(Status(State.READY, "Ready.") if loaded else Status(State.LOADING, "Loading."))

    @server.command("nano.reload")
    async def on_reload() -> None:
        server._told.clear()
        server.session.start()


def _register_documents(server: NanoServer) -> None:
    documents = server.documents

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def on_did_open(params: types.DidOpenTextDocumentParams) -> None:
        documents.open(params.text_document)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def on_did_change(params: types.DidChangeTextDocumentParams) -> None:
        changed = documents.change(params)
        if changed and server.session.ghost_text:
            document, end = changed
            server.session.ghost_text.changed(document.task(end))

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def on_did_close(params: types.DidCloseTextDocumentParams) -> None:
        document = documents.close(params.text_document.uri)
        if document and server.session.ghost_text:
            server.session.ghost_text.close(document.name)


def _register_suggestions(server: NanoServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def on_inline_completion(params: types.InlineCompletionParams) -> types.InlineCompletionList:
        document = server.documents.get(params.text_document.uri)
        if document is None or server.session.refuses(document):
            return types.InlineCompletionList([])
        invoked = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
        texts = await _suggest(server, document, params.position, invoked=invoked)
        at = types.Range(params.position, params.position)
        report = types.Command("Accepted", ACCEPTED)
        return types.InlineCompletionList(
            [types.InlineCompletionItem(text, range=at, command=report) for text in texts]
        )

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(resolve_provider=True))
    async def on_completion(params: types.CompletionParams) -> types.CompletionList:
        document = server.documents.get(params.text_document.uri)
        capabilities = server.client_capabilities.text_document
        has_ghost_text = capabilities is not None and capabilities.inline_completion is not None
        wanted = not has_ghost_text or server.session.settings.completion_item
        if document is None or not wanted or server.session.refuses(document):
            return types.CompletionList(is_incomplete=False, items=[])
        texts = await _suggest(server, document, params.position, invoked=False)
        items = [_completion_item(document, document.offset(params.position), text) for text in texts]
        return types.CompletionList(is_incomplete=True, items=items)

    @server.feature(types.COMPLETION_ITEM_RESOLVE)
    def on_resolve(item: types.CompletionItem) -> types.CompletionItem:
        data = item.data if isinstance(item.data, dict) else {}
        code = f"```{data.get('language', '')}\n{data.get('code', '')}\n```"
        item.documentation = types.MarkupContent(types.MarkupKind.Markdown, code)
        return item

    @server.command(ACCEPTED)
    def on_accepted() -> None:
        server.n_accepted += 1


async def _suggest(
    server: NanoServer, document: TextDocument, position: types.Position, *, invoked: bool
) -> Sequence[str]:
    """Suggestions at a position; none where the document has changed in the meantime, or the model is not there."""
    ghost_text = server.session.ghost_text
    task = document.task(document.offset(position))

    def stale() -> bool:
        return server.documents.get(document.uri) is not document

    try:
        if ghost_text is None:
            if not invoked:
                return []  # while the model loads, typing goes on undisturbed
            ghost_text = await server.session.wait()
        if not invoked and ghost_text.find(task) is None:
            await asyncio.sleep(server.session.settings.debounce_ms / 1000)
            if stale():
                return []
        texts = await _answer(ghost_text, task, invoked=invoked)
    except NanoError as error:
        server.show_status(Status(State.ERROR, error.message, error.remedy))
        return []
    return [] if stale() else texts


async def _answer(ghost_text: GhostText, task: CompletionTask, *, invoked: bool) -> Sequence[str]:
    if invoked:
        return await ghost_text.offer(task)
    text = await ghost_text.suggest(task)
    return [text] if text else []


def _completion_item(document: TextDocument, offset: int, text: str) -> types.CompletionItem:
    """A suggestion for the menu; it replaces the word before the cursor, so that editors match it with that word."""
    start = offset
    while start and (document.text[start - 1].isalnum() or document.text[start - 1] == "_"):
        start -= 1
    word = document.text[start:offset]
    first, *others = (word + text).strip().split("\n")
    return types.CompletionItem(
        label=first + (" …" if others else ""),
        kind=types.CompletionItemKind.Text,
        detail="NEURO-NANO",
        sort_text="\0",
        filter_text=word + text,
        preselect=True,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(document.range(start, offset), word + text),
        data={"language": document.language, "code": word + text},
        command=types.Command("Accepted", ACCEPTED),
    )


async def _fetch_settings(server: NanoServer) -> bool:
    """Ask the editor for its settings; False where it cannot be asked."""
    workspace = server.client_capabilities.workspace
    if workspace is None or not workspace.configuration:
        return False
    items = [types.ConfigurationItem(section="nano")]
    # An editor that refuses, or does not answer, keeps the settings there are.
    with contextlib.suppress(JsonRpcException, asyncio.TimeoutError):
        asked = server.workspace_configuration_async(types.ConfigurationParams(items))
        found = await asyncio.wait_for(asked, _EDITOR_ANSWERS_S)
        if found and found[0]:
            _apply(server, found[0])
    return True


def _apply(server: NanoServer, given: object) -> None:
    settings, warnings = read_settings(given)
    for warning in warnings:
        server.warn(warning)
    server.session.apply(settings)


def _stats(server: NanoServer) -> dict[str, object]:
    ghost_text = server.session.ghost_text
    stats: dict[str, Any] = {"accepted": server.n_accepted, "state": server.status.state.value}
    if ghost_text:
        totals = asdict(ghost_text.assistant.totals)
        stats |= {**asdict(ghost_text.stats), **{name: n for name, n in totals.items() if name.endswith("_tokens")}}
    return stats


def _leave_with(process_id: int) -> None:
    """End this process when the editor's is gone, however it went."""

    def watch() -> None:
        gone = threading.Event()
        while psutil.pid_exists(process_id):
            gone.wait(_PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, name="nano-lsp-parent", daemon=True).start()

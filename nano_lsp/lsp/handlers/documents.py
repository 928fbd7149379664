"""Handlers for documents, notebooks and files: opened, changed, saved, closed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from lsprotocol import types

from nano_lsp.code.uris import file_path
from nano_lsp.lsp.documents import TextDocument
from nano_lsp.lsp.handlers.lifecycle import apply_settings
from nano_lsp.lsp.lenient_parsing import read_argument, read_position
from nano_lsp.lsp.server import NanoServer

_FILES = types.FileOperationRegistrationOptions(
    [types.FileOperationFilter(types.FileOperationPattern("**/*"), scheme="file")]
)
DID_MOVE_CURSOR = "nano/didMoveCursor"
logger = logging.getLogger(__name__)


def register(server: NanoServer) -> None:
    """Add these handlers to a server."""
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(_on_did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(_on_did_change)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(_on_did_close)
    server.feature(DID_MOVE_CURSOR)(_on_did_move_cursor)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)(_on_did_open_notebook)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)(
        lambda params: _on_text_changed(server, server.documents.change_notebook(params))
    )
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)(_on_did_close_notebook)
    server.protocol.on_unreadable_text = partial(_on_unreadable_text, server)

    files_changed = partial(_on_files_changed, server)
    server.feature(types.TEXT_DOCUMENT_DID_SAVE, types.SaveOptions(include_text=False))(
        lambda params: files_changed([params.text_document.uri])
    )
    server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(
        lambda params: files_changed([change.uri for change in params.changes])
    )
    for method in (types.WORKSPACE_DID_CREATE_FILES, types.WORKSPACE_DID_DELETE_FILES):
        server.feature(method, _FILES)(lambda params: files_changed([file.uri for file in params.files]))
    server.feature(types.WORKSPACE_DID_RENAME_FILES, _FILES)(
        lambda params: files_changed([uri for file in params.files for uri in (file.old_uri, file.new_uri)])
    )


def _on_did_open(server: NanoServer, params: types.DidOpenTextDocumentParams) -> None:
    uri = params.text_document.uri
    server.documents.open(params.text_document)
    server.cancel_jobs(uri)
    if server.reports_cursor:  # it does so for this document, too
        return
    document = server.enabled_document(uri)
    place = server.find_place(document) if document else None
    if document and place is not None:  # when editors restore a session, the document that is opened last
        server.suggester.moved(server.documents.completion_input(document, place))


def _on_did_change(server: NanoServer, params: types.DidChangeTextDocumentParams) -> None:
    identifier = params.text_document
    changed = server.documents.change(identifier.uri, params.content_changes, identifier.version)
    if changed is None and server.documents.get(identifier.uri) is None:
        logger.warning("Ignored a change of %s: the document is not open.", identifier.uri)
    _on_text_changed(server, changed)


def _on_did_close(server: NanoServer, params: types.DidCloseTextDocumentParams) -> None:
    server.leave(params.text_document.uri)
    document = server.documents.close(params.text_document.uri)
    _forget(server, params.text_document.uri)
    server.refresh_quiet()
    if document:
        server.suggester.close(document.name)


def _on_did_move_cursor(server: NanoServer, params: object) -> None:
    """The cursor of the document `uri` is at `position`, which the Language Server Protocol has no message for."""
    argument = read_argument([params])
    document, position = server.enabled_document(argument.get("uri")), read_position(argument.get("position"))
    if document is not None and position is not None and server.documents.is_code(document):
        server.reports_cursor = True
        server.suggester.moved(server.at_cursor(document, document.offset(position)))


def _on_did_open_notebook(server: NanoServer, params: types.DidOpenNotebookDocumentParams) -> None:
    server.documents.open_notebook(params)


def _on_did_close_notebook(server: NanoServer, params: types.DidCloseNotebookDocumentParams) -> None:
    name = server.documents.close_notebook(params)
    for cell in params.cell_text_documents:
        _forget(server, cell.uri)
    server.refresh_quiet()
    if name:
        server.suggester.close(name)


def _on_unreadable_text(server: NanoServer, uri: str | None) -> None:
    """The text of a document, or of any for None, is not known any more: it gets no suggestions and no edits."""
    lost = server.documents.lose(uri)
    for document in lost:
        _forget(server, document.uri)
        server.suggester.close(document.name)
    if lost:
        server.is_quiet(lost[-1])  # says why


def _forget(server: NanoServer, uri: str) -> None:
    """End the jobs for the text of a document, and forget what was shown and edited in it."""
    server.cancel_jobs(uri)
    server.session.acceptance.close(uri)
    server.next_edits.forget(uri)


def _on_text_changed(server: NanoServer, changed: tuple[TextDocument, int] | None) -> None:
    if changed:
        document, end = changed
        server.cancel_jobs(document.uri)
        server.suggester.changed(server.at_cursor(document, end))


def _on_files_changed(server: NanoServer, uris: Iterable[str]) -> None:
    """Reload files that have changed on disk: a project's settings, and modules that documents import."""
    paths = [path for uri in uris if (path := file_path(uri))]
    if any(path.name == "pyproject.toml" and path.parent in server.session.roots for path in paths):
        apply_settings(server)
    server.session.files_changed(paths)

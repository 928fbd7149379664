"""What the editor has open."""

from __future__ import annotations

import time

from lsprotocol import types

from nano_lsp.adapters.lsp.documents import TextDocument
from nano_lsp.adapters.lsp.server import NanoServer


def register(server: NanoServer) -> None:
    """Add these handlers to a server."""
    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(_on_did_open)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(_on_did_change)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(_on_did_close)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)(_on_did_open_notebook)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)(_on_did_change_notebook)
    server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)(_on_did_close_notebook)


def _on_did_open(server: NanoServer, params: types.DidOpenTextDocumentParams) -> None:
    server.documents.open(params.text_document)


def _on_did_change(server: NanoServer, params: types.DidChangeTextDocumentParams) -> None:
    identifier = params.text_document
    _follow(server, server.documents.change(identifier.uri, params.content_changes, identifier.version))


def _on_did_close(server: NanoServer, params: types.DidCloseTextDocumentParams) -> None:
    document = server.documents.close(params.text_document.uri)
    server.session.acceptance.close(params.text_document.uri)
    server.refresh_quiet()
    if document and server.session.ghost_text:
        server.session.ghost_text.close(document.name)


def _on_did_open_notebook(server: NanoServer, params: types.DidOpenNotebookDocumentParams) -> None:
    server.documents.open_notebook(params)


def _on_did_change_notebook(server: NanoServer, params: types.DidChangeNotebookDocumentParams) -> None:
    _follow(server, server.documents.change_notebook(params))


def _on_did_close_notebook(server: NanoServer, params: types.DidCloseNotebookDocumentParams) -> None:
    name = server.documents.close_notebook(params)
    for cell in params.cell_text_documents:
        server.session.acceptance.close(cell.uri)
    server.refresh_quiet()
    if name and server.session.ghost_text:
        server.session.ghost_text.close(name)


def _follow(server: NanoServer, changed: tuple[TextDocument, int] | None) -> None:
    server.pace.observe(time.monotonic())
    if changed and server.session.ghost_text:
        document, end = changed
        server.session.ghost_text.changed(server.documents.task(document, end))

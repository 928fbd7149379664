"""The next edit, asked for as GitHub Copilot's language server is asked: `textDocument/copilotInlineEdit`.

The method is not part of the Language Server Protocol; sidekick.nvim and copilot.el send it. Some clients make all
edits of an answer at once, so there is one at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from lsprotocol import types

from nano_lsp.editor.closed_files import digest, is_unchanged
from nano_lsp.editor.session import State, Status
from nano_lsp.errors import NanoError
from nano_lsp.lsp.documents import TextDocument
from nano_lsp.lsp.lenient_parsing import read_argument, read_position, read_range
from nano_lsp.lsp.server import NanoServer
from nano_lsp.next_edit.place import Place
from nano_lsp.next_edit.renames import Source

INLINE_EDIT = "textDocument/copilotInlineEdit"
ACCEPTED, REJECTED = "nano.nextEditAccepted", "nano.nextEditRejected"
_MAX_DOCUMENTS = 8  # that are searched, the one of the request first
_MAX_DIAGNOSTICS = 200


def register(server: NanoServer) -> None:
    """Add these handlers to a server."""
    server.feature(INLINE_EDIT)(_on_inline_edit)
    server.command(ACCEPTED)(lambda *_: None)  # known by the document's change; clients run it after that
    server.command(REJECTED)(_on_rejected)


async def _on_inline_edit(server: NanoServer, params: object) -> dict[str, list[dict[str, Any]]]:
    argument = read_argument([params])
    identifier, position = read_argument([argument.get("textDocument")]), read_position(argument.get("position"))
    asked = server.enabled_document(identifier.get("uri"))
    if asked is None or not server.next_edits.is_on(asked.name) or not server.documents.is_code(asked):
        return {"edits": []}
    searched = _documents_to_search(server, asked)
    opened = [each.uri for each in server.documents] if argument.get("closedFiles") is True else None
    problems = _read_problems(argument.get("diagnostics"), searched)
    sources = [
        Source(each.uri, each.text, each.language, each.notebook, tuple(problems.get(each.uri, ())))
        for each in searched
    ]
    try:
        found = await server.next_edits.find(sources, opened)
    except NanoError as error:
        server.show_status(Status(State.ERROR, error.message, error.remedy))
        return {"edits": []}
    if found is None or (position and server.ghost_text_at == server.at_cursor(asked, asked.offset(position))):
        return {"edits": []}  # the suggestion at the cursor goes first
    place, source = found
    document = next((each for each in searched if each.uri == source.name), None)
    if document is None and await asyncio.to_thread(is_unchanged, source) and not server.documents.get(source.name):
        closed = TextDocument(source.name, source.language, 0, source.text, server.documents.encoding)
        identifier = {"uri": source.name, "version": None}
        return {"edits": [{**_to_lsp(closed, place), "textDocument": identifier, "sha256": digest(source.text)}]}
    if document is None or server.documents.get(document.uri) is not document:
        return {"edits": []}
    return {"edits": [_to_lsp(document, place)]}


def _documents_to_search(server: NanoServer, asked: TextDocument) -> list[TextDocument]:
    """The document of the request and the other open ones, without those that get no suggestions."""
    others = [each for each in server.documents if each.uri != asked.uri and server.enabled_document(each.uri)]
    return [asked, *filter(server.documents.is_code, others[-_MAX_DOCUMENTS + 1 :])]


def _read_problems(value: object, documents: Sequence[TextDocument]) -> dict[str, list[tuple[int, int]]]:
    """Starts and ends of the diagnostics that a client has sent, by the URI of their document.

    A range may be that of an older text: what is found there is compared with what was edited.
    """
    by_uri = {document.uri: document for document in documents}
    found: dict[str, list[tuple[int, int]]] = {}
    for each in value[:_MAX_DIAGNOSTICS] if isinstance(value, list) else ():
        diagnostic = read_argument([each])
        uri, span = diagnostic.get("uri"), read_range(diagnostic.get("range"))
        document = by_uri.get(uri) if isinstance(uri, str) else None
        if document and span:
            start, end = sorted((document.offset(span.start), document.offset(span.end)))
            found.setdefault(document.uri, []).append((start, end))
    return found


def _to_lsp(document: TextDocument, place: Place) -> dict[str, Any]:
    """An edit of whole lines, without the line break at their end where both sides have one."""
    old, text = place.sides
    command = types.Command("Accepted", ACCEPTED, arguments=[old, text])
    return {
        "text": text,
        "range": document.range(place.start, place.start + len(old)),
        "textDocument": {"uri": document.uri, "version": document.version},
        "command": command,
    }


def _on_rejected(server: NanoServer, *arguments: Any) -> None:  # noqa: ANN401 - sent by a client
    if len(arguments) == 2 and all(isinstance(each, str) for each in arguments):
        server.next_edits.reject(*arguments)

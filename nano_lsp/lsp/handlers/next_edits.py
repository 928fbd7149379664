"""The next edit, asked for as GitHub Copilot's language server is asked: `textDocument/copilotInlineEdit`.

The method is not part of the Language Server Protocol; sidekick.nvim and copilot.el send it. Some clients make all
edits of an answer at once, so there is one at most.
"""

from __future__ import annotations

from typing import Any

from lsprotocol import types

from nano_lsp.editor.session import State, Status
from nano_lsp.errors import NanoError
from nano_lsp.lsp.documents import TextDocument
from nano_lsp.lsp.lenient_parsing import read_argument, read_position
from nano_lsp.lsp.server import NanoServer
from nano_lsp.next_edit.places import Place
from nano_lsp.next_edit.renames import Source

INLINE_EDIT = "textDocument/copilotInlineEdit"
ACCEPTED, REJECTED = "nano.nextEditAccepted", "nano.nextEditRejected"
_MAX_DOCUMENTS = 8  # that are searched, the one of the request first


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
    try:
        sources = [Source(each.uri, each.text, each.language, each.notebook) for each in searched]
        found = await server.next_edits.find(sources)
    except NanoError as error:
        server.show_status(Status(State.ERROR, error.message, error.remedy))
        return {"edits": []}
    document = next((each for each in searched if found and each.uri == found.place.document), None)
    if found is None or document is None or server.documents.get(document.uri) is not document:
        return {"edits": []}
    if position and server.ghost_text_at == server.at_cursor(asked, asked.offset(position)):
        return {"edits": []}  # the suggestion at the cursor goes first
    return {"edits": [_to_lsp(document, found.place)]}


def _documents_to_search(server: NanoServer, asked: TextDocument) -> list[TextDocument]:
    """The document of the request and the other open ones, without those that get no suggestions."""
    others = [each for each in server.documents if each.uri != asked.uri and server.enabled_document(each.uri)]
    return [asked, *filter(server.documents.is_code, others[-_MAX_DOCUMENTS + 1 :])]


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

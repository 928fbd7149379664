"""Inline suggestions (ghost text), and the completion menu for editors without them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.editor.quiet_reason import hidden_reason
from nano_lsp.editor.session import State, Status
from nano_lsp.errors import NanoError
from nano_lsp.lsp import selected_completion
from nano_lsp.lsp.documents import TextDocument
from nano_lsp.lsp.selected_completion import SelectedEntry
from nano_lsp.lsp.server import NanoServer

if TYPE_CHECKING:  # the server answers an editor before the assistant is imported
    from nano_lsp.editor.ghost_text import Suggestion

ACCEPTED = "nano.accepted"


def register(server: NanoServer) -> None:
    """Add these handlers to a server."""
    server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())(_on_inline_completion)
    server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(resolve_provider=True))(_on_completion)
    server.feature(types.COMPLETION_ITEM_RESOLVE)(_on_resolve)
    server.command(ACCEPTED)(_on_accepted)


async def _on_inline_completion(
    server: NanoServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    document = server.documents.get(params.text_document.uri)
    if document is None or not server.documents.is_code(document) or server.is_quiet(document):
        return types.InlineCompletionList([])
    invoked = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
    entry = selected_completion.from_lsp(document, params)
    if entry is not None and entry.is_snippet:
        return types.InlineCompletionList([])
    typed, found = server.at_cursor(document, document.offset(params.position)), None
    with _error_as_status(server):
        found = await server.suggester.suggest(typed, entry.insert(typed) if entry else None, invoked=invoked)
    shown = _show(server, document, typed, found, entry)
    return types.InlineCompletionList([_inline_item(params.position, entry, each) for each in shown])


async def _on_completion(server: NanoServer, params: types.CompletionParams) -> types.CompletionList:
    document = server.documents.get(params.text_document.uri)
    capabilities = server.client_capabilities.text_document
    has_ghost_text = capabilities is not None and capabilities.inline_completion is not None
    is_enabled = not has_ghost_text or server.session.settings.completion_item
    if document is None or not is_enabled or not server.documents.is_code(document) or server.is_quiet(document):
        return types.CompletionList(is_incomplete=False, items=[])
    if server.session.ghost_text is None:  # the menu shows other servers' items without waiting for the model
        return types.CompletionList(is_incomplete=True, items=[])
    typed, found = server.at_cursor(document, document.offset(params.position)), None
    with _error_as_status(server):
        found = await server.suggester.suggest(typed, invoked=False)
    shown = _show(server, document, typed, found)
    items = [_completion_item(document, typed.offset, each, rank) for rank, each in enumerate(shown)]
    return types.CompletionList(is_incomplete=True, items=items)


def _on_resolve(item: types.CompletionItem) -> types.CompletionItem:
    data = item.data if isinstance(item.data, dict) else {}
    code = f"```{data.get('language', '')}\n{data.get('code', '')}\n```"
    item.documentation = types.MarkupContent(types.MarkupKind.Markdown, code)
    return item


def _on_accepted(server: NanoServer, *arguments: Any) -> None:  # noqa: ANN401 - sent by a client
    suggestion_id = arguments[0] if arguments and isinstance(arguments[0], int) else 0
    server.session.acceptance.accept(suggestion_id)


@contextlib.contextmanager
def _error_as_status(server: NanoServer) -> Iterator[None]:
    try:
        yield
    except NanoError as error:
        server.show_status(Status(State.ERROR, error.message, error.remedy))


def _show(
    server: NanoServer,
    document: TextDocument,
    typed: CompletionInput,
    found: Sequence[Suggestion] | None,
    entry: SelectedEntry | None = None,
) -> Sequence[Suggestion]:
    """The suggestions to show; none if the request has become stale (`Suggester.suggest`).

    With an entry selected in the editor's completion list, they continue the document as if it had been accepted.
    """
    if found is None or server.documents.get(document.uri) is not document:  # opened anew
        return []
    server.show_quiet(document.uri, next(filter(None, map(hidden_reason, found)), None))
    shown = [suggestion for suggestion in found if suggestion.text]
    server.ghost_text_at = typed if shown else None
    start, text = (entry.start, entry.text) if entry else (typed.offset, "")
    for suggestion in shown:
        server.session.acceptance.show(document.uri, document.text, start, typed.language, suggestion, entry=text)
    return shown


def _accepted_command(suggestion: Suggestion) -> types.Command:
    return types.Command("Accepted", ACCEPTED, arguments=[suggestion.id])


def _inline_item(
    position: types.Position, entry: SelectedEntry | None, suggestion: Suggestion
) -> types.InlineCompletionItem:
    span, text = (entry.range, entry.text) if entry else (types.Range(position, position), "")
    return types.InlineCompletionItem(text + suggestion.text, range=span, command=_accepted_command(suggestion))


def _completion_item(document: TextDocument, offset: int, suggestion: Suggestion, rank: int) -> types.CompletionItem:
    """A menu item that replaces the word before the cursor, so that editors match it against that word."""
    start = offset
    while start and (document.text[start - 1].isalnum() or document.text[start - 1] == "_"):
        start -= 1
    word, text = document.text[start:offset], suggestion.text
    first, *others = (word + text).strip().split("\n")
    return types.CompletionItem(
        label=first + (" …" if others else ""),
        kind=types.CompletionItemKind.Text,
        detail="NEURO-NANO",
        sort_text=f"\0{rank}",  # before all others, the best first
        filter_text=word + text,
        preselect=rank == 0,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(document.range(start, offset), word + text),
        data={"language": document.language, "code": word + text},
        command=_accepted_command(suggestion),
    )

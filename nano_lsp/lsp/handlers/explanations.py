"""Explanations: streamed or shown as a document; the hover shows those generated before."""

from __future__ import annotations

import re
import stat
from textwrap import dedent
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from nano_lsp.code.definitions import definition_at
from nano_lsp.lines import line_end, line_start
from nano_lsp.lsp.documents import TextDocument
from nano_lsp.lsp.lenient_parsing import read_argument, read_range
from nano_lsp.lsp.server import NanoServer

EXPLAIN = "nano.explain"


def register(server: NanoServer) -> None:
    """Add these handlers to a server."""
    server.feature(types.TEXT_DOCUMENT_HOVER)(_on_hover)
    server.command(EXPLAIN)(_on_explain)


def _on_hover(server: NanoServer, params: types.HoverParams) -> types.Hover | None:
    """Show an explanation that was generated before; the hover never generates one."""
    document = server.documents.get(params.text_document.uri)
    if document is None:
        return None
    is_enabled = server.enabled_document(document.uri) is not None and server.documents.is_code(document)
    if is_enabled and not server.reports_cursor:  # some ask at the cursor, others where the mouse rests
        server.suggester.moved(server.documents.completion_input(document, document.offset(params.position)))
    if not server.explanations:
        return None
    text = server.explanations.get(_code_at(document, types.Range(params.position, params.position)))
    return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, text)) if text else None


async def _on_explain(server: NanoServer, *arguments: Any) -> str | None:  # noqa: ANN401 - sent by a client
    """Show and return an explanation of `{uri, range, diagnostic?, partialResultToken?, workDoneToken?}`."""
    from nano_lsp.chat import Explain  # noqa: PLC0415 - the server answers an editor before the assistant is imported

    argument = read_argument(arguments)
    token, progress = (_read_token(argument.get(name)) for name in ("partialResultToken", "workDoneToken"))
    document, span = server.enabled_document(argument.get("uri")), read_range(argument.get("range"))
    if document is None or span is None:
        server.show_message_once(
            f"There is nothing to explain: {EXPLAIN} takes the uri of an open document and a range."
        )
        return None
    code, diagnostic = _code_at(document, span), str(argument.get("diagnostic") or "")

    def send(text: str) -> None:
        if token is not None:
            server.protocol.notify(types.PROGRESS, types.ProgressParams(token, {"text": text}))

    text = "" if diagnostic else server.explanations.get(code)
    if not text:
        job = Explain(code, document.language, diagnostic)
        text = await server.run_job("Explaining", job, send, progress) or ""
        if text and not diagnostic:
            server.explanations.add(code, text)
    if text and token is None:
        await _show(server, document, code, text)
    return text or None


def _read_token(value: object) -> types.ProgressToken | None:
    """A progress token in a command's argument; None for anything else."""
    return value if isinstance(value, (str, int)) else None


async def _show(server: NanoServer, document: TextDocument, code: str, text: str) -> None:
    """Show an explanation as a read-only Markdown file; as a message if the editor cannot show documents."""
    window = server.client_capabilities.window
    if window is None or window.show_document is None or not window.show_document.support:
        server.window_show_message(types.ShowMessageParams(types.MessageType.Info, text))
        return
    folder = server.session.folders.cache / "explanations"
    title = next((line.strip() for line in code.strip().split("\n")), "")
    path = folder / f"{re.sub(r'[^a-zA-Z0-9]+', '-', title)[:40].strip('-') or 'explanation'}.md"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.chmod(stat.S_IWUSR | stat.S_IRUSR)
        path.write_text(f"# {title}\n\n{text}\n\n```{document.language}\n{dedent(code)}\n```\n", encoding="utf-8")
        path.chmod(stat.S_IRUSR)
        shown = await server.window_show_document_async(types.ShowDocumentParams(path.as_uri(), take_focus=True))
        done = shown.success
    except (OSError, JsonRpcException):
        done = False
    if not done:
        server.window_show_message(types.ShowMessageParams(types.MessageType.Info, text))


def _code_at(document: TextDocument, span: types.Range) -> str:
    """The selected code. For no selection, a word or a header: the function or class around it, else the line.

    Without a selection, Kate sends the word at the cursor, older versions its line.
    """
    text = document.text
    start, end = sorted((document.offset(span.start), document.offset(span.end)))
    selected = text[start:end].strip()
    found = definition_at(document.tree, start) if document.tree else None
    in_header = found is not None and text.find(selected, start) + len(selected) <= found.header_end
    if not selected or selected.isidentifier() or in_header:
        start, end = (found.start, found.end) if found and found.name else (start, line_end(text, start))
    return text[line_start(text, start) : end]

"""Code actions and code lenses. An edit is made when an action is chosen, not when it is listed.

An editor that resolves edits asks for them with `codeAction/resolve`; for others, an action is a command, and the
server sends the edit to apply.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from nano_lsp.code.definitions import Definition, DefinitionKind, definition_at, find_definitions, is_sound
from nano_lsp.code.languages import PYTHON, is_stub
from nano_lsp.lines import line_number
from nano_lsp.lsp.chosen_action import ActionKind, ChosenAction, read_chosen_action, run
from nano_lsp.lsp.command_arguments import read_argument, read_range
from nano_lsp.lsp.documents import TextDocument
from nano_lsp.lsp.handlers.explanations import EXPLAIN
from nano_lsp.lsp.server import NanoServer

DOCSTRING = "nano.docstring"
APPLY = "nano.apply"
EXPLAIN_KIND = "nano.explain"
SOURCE_DOCSTRINGS = "source.nano.docstrings"
_REWRITE = types.CodeActionKind.RefactorRewrite
_CONTENT_MODIFIED = -32801  # LSP, ErrorCodes.ContentModified
_MAX_TITLE = 60


def register(server: NanoServer) -> None:
    """Add these handlers to a server."""
    kinds = [_REWRITE, types.CodeActionKind.QuickFix, SOURCE_DOCSTRINGS, EXPLAIN_KIND]
    options = types.CodeActionOptions(code_action_kinds=kinds, resolve_provider=True)
    server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)(_on_code_action)
    server.feature(types.CODE_ACTION_RESOLVE)(_on_resolve)
    server.feature(types.TEXT_DOCUMENT_CODE_LENS, types.CodeLensOptions(resolve_provider=False))(_on_code_lens)
    server.command(DOCSTRING)(_on_docstring)
    server.command(APPLY)(_on_apply)


def _on_code_action(server: NanoServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    document = server.served(params.text_document.uri)
    if document is None or not server.documents.is_code(document):
        return []
    only = params.context.only
    found = []
    for action in _actions(document, params):
        kind = str(getattr(action.kind, "value", action.kind))
        if only and not any(_is_kind(kind, str(getattr(wanted, "value", wanted))) for wanted in only):
            continue
        if action.data is not None and not _resolves_edits(server):
            action.command = types.Command(action.title, APPLY, arguments=[action.data])
            action.data = None
        found.append(action)
    return found


async def _on_resolve(server: NanoServer, action: types.CodeAction) -> types.CodeAction:
    ordered = _find_ordered(server, action.data)
    if isinstance(ordered, str):
        server.warn_again(ordered)  # editors show no error of this kind
        raise JsonRpcException(ordered, code=_CONTENT_MODIFIED)
    action.edit = await run(server, *ordered)
    if action.edit is None and isinstance(_find_ordered(server, asdict(ordered[1])), str):
        raise JsonRpcException("The document has changed meanwhile.", code=_CONTENT_MODIFIED)
    return action


def _on_code_lens(server: NanoServer, params: types.CodeLensParams) -> list[types.CodeLens]:
    document = server.served(params.text_document.uri)
    if document is None or not server.session.settings_of(document.name).code_lens:
        return []
    tree = document.tree
    lenses = []
    for definition in find_definitions(tree) if tree else ():
        if tree and definition.kind is not DefinitionKind.MODULE and is_sound(tree, definition):
            at = document.position(definition.start)
            span = types.Range(at, at)
            about = {"uri": document.uri, "range": {"start": _plain(at), "end": _plain(at)}}
            lenses.append(types.CodeLens(span, types.Command("explain", EXPLAIN, arguments=[about])))
            if document.takes_docstrings:
                lenses.append(types.CodeLens(span, types.Command("document", DOCSTRING, arguments=[about])))
    return lenses


async def _on_docstring(server: NanoServer, *arguments: Any) -> bool:  # noqa: ANN401 - sent by a client
    """Write or update the docstring of what stands at `{uri, range}`."""
    given = read_argument(arguments)
    document, span = server.served(given.get("uri")), read_range(given.get("range"))
    if document is None or span is None or document.language != PYTHON.name:
        server.warn(f"There is nothing to document: {DOCSTRING} takes the uri of an open Python file and a range.")
        return False
    if is_stub(document.name):
        server.warn("This is a stub; docstrings belong in its module.")
        return False
    offset = document.offset(span.start)
    order = ChosenAction(
        document.uri, document.version, ActionKind.DOCSTRING.value, offset, offset, "nano: write docstring"
    )
    return await _apply(server, document, order)


async def _on_apply(server: NanoServer, *arguments: Any) -> bool:  # noqa: ANN401 - sent by a client
    ordered = _find_ordered(server, read_argument(arguments))
    if isinstance(ordered, str):
        server.warn_again(ordered)
        return False
    return await _apply(server, *ordered)


def _find_ordered(server: NanoServer, data: object) -> tuple[TextDocument, ChosenAction] | str:
    """An order and its document; in a sentence why there is none."""
    order = read_chosen_action(data)
    if order is None:
        return "This is no action of this server; list the actions again."
    document = server.documents.get(order.uri)
    if document is None:
        return f"{order.title}: the document is not open any more."
    if document.version != order.version:
        return f"{order.title}: the document has changed since; choose the action again."
    if server.served(order.uri) is None:
        return f"{order.title}: this document gets no suggestions and no actions; ask for a suggestion to see why."
    return document, order


async def _apply(server: NanoServer, document: TextDocument, order: ChosenAction) -> bool:
    edit = server.refused.pop(order, None) or await run(server, document, order)
    if edit is None:
        return False
    answer = await server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(edit, order.title))
    if not answer.applied:  # Kate takes edits for two seconds after a choice, and the model may need longer
        server.refused = {order: edit}
        server.warn_again(f"{order.title}: ready now, but the editor did not take it. Choose it again.")
    return answer.applied


def _actions(document: TextDocument, params: types.CodeActionParams) -> Iterator[types.CodeAction]:
    start, end = sorted((document.offset(params.range.start), document.offset(params.range.end)))
    tree = document.tree
    definition = definition_at(tree, start) if tree else None
    if tree is not None and definition is not None and not is_sound(tree, definition):
        definition = None  # what does not parse has no parts that an edit could be made of

    def action(
        title: str,
        kind: types.CodeActionKind | str,
        work: ActionKind,
        about: str = "",
        span: tuple[int, int] = (start, end),
    ) -> types.CodeAction:
        order = ChosenAction(document.uri, document.version, work.value, *span, title, about)
        return types.CodeAction(title, kind=kind, data=asdict(order))

    for diagnostic in params.context.diagnostics:
        message = diagnostic.message.split("\n")[0]
        short = message if len(message) <= _MAX_TITLE else message[: _MAX_TITLE - 1] + "…"
        span = document.offset(diagnostic.range.start), document.offset(diagnostic.range.end)
        fix = action(f"nano: fix “{short}”", types.CodeActionKind.QuickFix, ActionKind.FIX, message, span)
        fix.diagnostics = [diagnostic]
        yield fix
        yield _explain(document, diagnostic.range, f"nano: explain “{short}”", message)
    yield _explain(document, params.range, "nano: explain")
    if definition is not None and document.takes_docstrings and _is_shown_for(definition, document, start):
        title = "nano: update docstring" if definition.docstring else "nano: write docstring"
        yield action(title, _REWRITE, ActionKind.DOCSTRING)
    if not document.is_documented:
        yield action("nano: write all missing docstrings", SOURCE_DOCSTRINGS, ActionKind.DOCSTRINGS)
    selected = document.text[start:end].strip()
    if selected and not selected.isidentifier():  # Kate sends the word at the cursor where nothing is selected
        yield action("nano: simplify selection", _REWRITE, ActionKind.SIMPLIFY)
    if definition is not None and definition.kind is DefinitionKind.FUNCTION:
        untyped = any(not parameter.annotation for parameter in definition.parameters)
        if untyped or not definition.result:
            yield action("nano: add type hints", _REWRITE, ActionKind.TYPE_HINTS)
        if not document.notebook:  # nothing imports from a notebook
            yield action("nano: write a test for this function", _REWRITE, ActionKind.TEST)


def _explain(document: TextDocument, span: types.Range, title: str, diagnostic: str = "") -> types.CodeAction:
    about: dict[str, object] = {
        "uri": document.uri,
        "range": {"start": _plain(span.start), "end": _plain(span.end)},
        "diagnostic": diagnostic,
    }
    return types.CodeAction(title, kind=EXPLAIN_KIND, command=types.Command(title, EXPLAIN, arguments=[about]))


def _plain(position: types.Position) -> dict[str, int]:
    return {"line": position.line, "character": position.character}


def _is_shown_for(definition: Definition, document: TextDocument, offset: int) -> bool:
    """A module's docstring is offered at its beginning only: elsewhere nobody thinks of it."""
    if definition.kind is not DefinitionKind.MODULE:
        return True
    end = definition.docstring[1] if definition.docstring else definition.body_start
    return line_number(document.text, offset) <= line_number(document.text, end)


def _is_kind(kind: str, wanted: str) -> bool:
    return not wanted or kind == wanted or kind.startswith(f"{wanted}.")


def _resolves_edits(server: NanoServer) -> bool:
    known = server.client_capabilities.text_document
    support = known.code_action.resolve_support if known and known.code_action else None
    return support is not None and "edit" in support.properties

"""Code actions and code lenses. An edit is built when an action is chosen, not when it is listed.

Editors that support it request the edit with `codeAction/resolve`; for others, an action is a command, and the server
sends the edit with `workspace/applyEdit`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from nano_lsp.code.definitions import Definition, DefinitionKind, definition_at, find_definitions, is_sound
from nano_lsp.code.languages import PYTHON, is_stub
from nano_lsp.edits.frameworks import has_framework
from nano_lsp.lines import line_number
from nano_lsp.lsp.chosen_action import ActionKind, ChosenAction, read_chosen_action, run
from nano_lsp.lsp.documents import TextDocument
from nano_lsp.lsp.handlers.explanations import EXPLAIN
from nano_lsp.lsp.lenient_parsing import read_argument, read_range
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
    document = server.enabled_document(params.text_document.uri)
    if document is None or not server.documents.is_code(document):
        return []
    if params.range.start == params.range.end:  # editors list actions whenever the cursor has moved
        server.reports_cursor |= params.context.trigger_kind != types.CodeActionTriggerKind.Invoked
        server.suggester.moved(server.at_cursor(document, document.offset(params.range.end)))
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
    chosen = _find_chosen(server, action.data)
    if isinstance(chosen, str):
        server.show_message(chosen)  # editors do not show errors of this kind
        raise JsonRpcException(chosen, code=_CONTENT_MODIFIED)
    action.edit = await run(server, *chosen)
    if action.edit is None and isinstance(_find_chosen(server, asdict(chosen[1])), str):
        raise JsonRpcException("The document has changed in the meantime.", code=_CONTENT_MODIFIED)
    return action


def _on_code_lens(server: NanoServer, params: types.CodeLensParams) -> list[types.CodeLens]:
    document = server.enabled_document(params.text_document.uri)
    if document is None or not server.session.settings_of(document.name).code_lens:
        return []
    tree = document.tree
    lenses = []
    for definition in find_definitions(tree) if tree else ():
        if tree and definition.kind is not DefinitionKind.MODULE and is_sound(tree, definition):
            start = document.position(definition.start)
            span = types.Range(start, start)
            argument = {"uri": document.uri, "range": _range_to_json(span)}
            lenses.append(types.CodeLens(span, types.Command("explain", EXPLAIN, arguments=[argument])))
            if document.supports_docstrings:
                lenses.append(types.CodeLens(span, types.Command("document", DOCSTRING, arguments=[argument])))
    return lenses


async def _on_docstring(server: NanoServer, *arguments: Any) -> bool:  # noqa: ANN401 - sent by a client
    """Write or update the docstring of the definition at `{uri, range}`."""
    argument = read_argument(arguments)
    document, span = server.enabled_document(argument.get("uri")), read_range(argument.get("range"))
    if document is not None and is_stub(document.name):
        server.show_message_once("This is a stub file; docstrings belong in its module.")
        return False
    if document is None or span is None or not document.supports_docstrings:
        server.show_message_once(
            f"There is nothing to document: {DOCSTRING} takes a range and the uri of an open file, in Python or "
            "another language with documentation comments."
        )
        return False
    offset = document.offset(span.start)
    action = ChosenAction(
        uri=document.uri,
        version=document.version,
        kind=ActionKind.DOCSTRING.value,
        start=offset,
        end=offset,
        title=f"nano: write {_documentation(document)}",
    )
    return await _apply(server, document, action)


async def _on_apply(server: NanoServer, *arguments: Any) -> bool:  # noqa: ANN401 - sent by a client
    chosen = _find_chosen(server, read_argument(arguments))
    if isinstance(chosen, str):
        server.show_message(chosen)
        return False
    return await _apply(server, *chosen)


def _find_chosen(server: NanoServer, data: object) -> tuple[TextDocument, ChosenAction] | str:
    """The chosen action and its document; a message if the action cannot be run."""
    action = read_chosen_action(data)
    if action is None:
        return "This action does not come from this server. List the actions again."
    document = server.documents.get(action.uri)
    if document is None:
        return f"{action.title}: the document has been closed. Open it and choose the action again."
    if document.version != action.version:
        return f"{action.title}: the document has changed since. Choose the action again."
    if server.enabled_document(action.uri) is None:
        return f"{action.title}: disabled in this document. Request a suggestion to see the reason."
    return document, action


async def _apply(server: NanoServer, document: TextDocument, action: ChosenAction) -> bool:
    edit = server.rejected_edits.pop(action, None) or await run(server, document, action)
    if edit is None:
        return False
    applied = False
    with contextlib.suppress(JsonRpcException):  # the editor has answered with an error
        response = await server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(edit, action.title))
        applied = response.applied
    if not applied:  # Kate accepts edits for two seconds after a choice, and the model may take longer
        server.rejected_edits = {action: edit}
        server.show_message(
            f"{action.title}: the edit is ready, but the editor did not accept it. Choose the action again."
        )
    return applied


def _actions(document: TextDocument, params: types.CodeActionParams) -> Iterator[types.CodeAction]:
    start, end = sorted((document.offset(params.range.start), document.offset(params.range.end)))
    tree = document.tree
    definition = definition_at(tree, start) if tree else None
    if tree is not None and definition is not None and not is_sound(tree, definition):
        definition = None  # with syntax errors, its parts are not known

    def action(
        title: str,
        kind: types.CodeActionKind | str,
        action_kind: ActionKind,
        diagnostic: str = "",
        span: tuple[int, int] = (start, end),
    ) -> types.CodeAction:
        data = ChosenAction(document.uri, document.version, action_kind.value, *span, title, diagnostic)
        return types.CodeAction(title, kind=kind, data=asdict(data))

    for diagnostic in params.context.diagnostics:
        message = diagnostic.message.split("\n")[0]
        short = message if len(message) <= _MAX_TITLE else message[: _MAX_TITLE - 1] + "…"
        span = document.offset(diagnostic.range.start), document.offset(diagnostic.range.end)
        fix = action(f"nano: fix “{short}”", types.CodeActionKind.QuickFix, ActionKind.FIX, message, span)
        fix.diagnostics = [diagnostic]
        yield fix
        yield _explain(document, diagnostic.range, f"nano: explain “{short}”", message)
    yield _explain(document, params.range, "nano: explain")
    if definition is not None and document.supports_docstrings and _is_offered_for(definition, document, start):
        verb = "update" if definition.docstring else "write"
        yield action(f"nano: {verb} {_documentation(document)}", _REWRITE, ActionKind.DOCSTRING)
    if document.lacks_docstrings:
        title = f"nano: write all missing {_documentation(document)}s"
        yield action(title, SOURCE_DOCSTRINGS, ActionKind.DOCSTRINGS)
    selected = document.text[start:end].strip()
    if selected and not selected.isidentifier():  # without a selection, Kate sends the word at the cursor
        yield action("nano: simplify selection", _REWRITE, ActionKind.SIMPLIFY)
    if definition is not None and definition.kind is DefinitionKind.FUNCTION:
        is_python = document.language == PYTHON.name
        untyped = any(not parameter.annotation for parameter in definition.parameters)
        if is_python and (untyped or not definition.result):
            yield action("nano: add type hints", _REWRITE, ActionKind.TYPE_HINTS)
        if not document.notebook and (is_python or has_framework(definition.language)):  # notebooks are not imported
            yield action("nano: write a test for this function", _REWRITE, ActionKind.TEST)


def _documentation(document: TextDocument) -> str:
    return "docstring" if document.language == PYTHON.name else "documentation comment"


def _explain(document: TextDocument, span: types.Range, title: str, diagnostic: str = "") -> types.CodeAction:
    argument: dict[str, object] = {"uri": document.uri, "range": _range_to_json(span), "diagnostic": diagnostic}
    return types.CodeAction(title, kind=EXPLAIN_KIND, command=types.Command(title, EXPLAIN, arguments=[argument]))


def _range_to_json(span: types.Range) -> dict[str, dict[str, int]]:
    ends = (("start", span.start), ("end", span.end))
    return {name: {"line": end.line, "character": end.character} for name, end in ends}


def _is_offered_for(definition: Definition, document: TextDocument, offset: int) -> bool:
    """Whether to offer the docstring action; for a module, only at its beginning, where a user expects it."""
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

"""Builds workspace edits for the Language Server Protocol, with confirmation where the editor supports it."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from nano_lsp.code.document import TextEdit
from nano_lsp.lsp.documents import TextDocument

_ID = "nano"


def to_lsp_edit(
    document: TextDocument,
    edits: Sequence[TextEdit],
    capabilities: types.ClientCapabilities,
    *,
    label: str = "",
    description: str = "",
    confirm: bool = False,
) -> types.WorkspaceEdit:
    """A workspace edit of a document; for the document's version, if the editor supports versioned edits.

    The edits do not overlap. The label, the description and the confirmation are for editors with change annotations.
    """
    known = capabilities.workspace and capabilities.workspace.workspace_edit
    changes = [(document.range(edit.start, edit.end), edit.text) for edit in edits]
    if not known or not known.document_changes:
        return types.WorkspaceEdit(changes={document.uri: [types.TextEdit(*change) for change in changes]})
    identifier = types.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    if not known.change_annotation_support:
        plain = types.TextDocumentEdit(identifier, [types.TextEdit(*change) for change in changes])
        return types.WorkspaceEdit(document_changes=[plain])
    annotated = types.TextDocumentEdit(identifier, [types.AnnotatedTextEdit(_ID, *change) for change in changes])
    annotation = types.ChangeAnnotation(label, needs_confirmation=confirm, description=description or None)
    return types.WorkspaceEdit(document_changes=[annotated], change_annotations={_ID: annotation})


def to_lsp_new_file(
    uri: str, text: str, capabilities: types.ClientCapabilities, *, label: str
) -> types.WorkspaceEdit | None:
    """A workspace edit that creates a file; None if the editor does not support that."""
    known = capabilities.workspace and capabilities.workspace.workspace_edit
    operations = (known and known.resource_operations) or ()
    if not known or not known.document_changes or types.ResourceOperationKind.Create not in operations:
        return None
    start = types.Range(types.Position(0, 0), types.Position(0, 0))
    identifier = types.OptionalVersionedTextDocumentIdentifier(uri=uri)
    if not known.change_annotation_support:
        content = types.TextDocumentEdit(identifier, [types.TextEdit(start, text)])
        return types.WorkspaceEdit(document_changes=[types.CreateFile(uri), content])
    annotated = types.TextDocumentEdit(identifier, [types.AnnotatedTextEdit(_ID, start, text)])
    return types.WorkspaceEdit(
        document_changes=[types.CreateFile(uri, annotation_id=_ID), annotated],
        change_annotations={_ID: types.ChangeAnnotation(label, needs_confirmation=True)},
    )

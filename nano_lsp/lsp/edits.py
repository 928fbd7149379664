"""Changes of documents as editors take them: workspace edits, with what is worth confirming marked."""

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
    """Edits of a document in its version, where the editor can tell versions apart.

    Args:
        document: that they are for.
        edits: that do not overlap.
        capabilities: of the editor.
        label: what they do.
        description: what to know of them.
        confirm: the user is to confirm them.
    """
    known = capabilities.workspace and capabilities.workspace.workspace_edit
    places = [(document.range(edit.start, edit.end), edit.text) for edit in edits]
    if not known or not known.document_changes:
        return types.WorkspaceEdit(changes={document.uri: [types.TextEdit(*place) for place in places]})
    identifier = types.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    if not known.change_annotation_support:
        change = types.TextDocumentEdit(identifier, [types.TextEdit(*place) for place in places])
        return types.WorkspaceEdit(document_changes=[change])
    change = types.TextDocumentEdit(identifier, [types.AnnotatedTextEdit(_ID, *place) for place in places])
    annotation = types.ChangeAnnotation(label, needs_confirmation=confirm, description=description or None)
    return types.WorkspaceEdit(document_changes=[change], change_annotations={_ID: annotation})


def to_lsp_new_file(
    uri: str, text: str, capabilities: types.ClientCapabilities, *, label: str
) -> types.WorkspaceEdit | None:
    """A file that does not exist yet; None where the editor cannot make one."""
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

"""Builds the workspace edit of a code action once the user has chosen it."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from nano_lsp.code.definitions import definition_at
from nano_lsp.code.document import TextEdit
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.uris import file_path, innermost, path_within
from nano_lsp.errors import DocumentError
from nano_lsp.lsp.documents import TextDocument
from nano_lsp.lsp.edits import to_lsp_edit, to_lsp_new_file
from nano_lsp.lsp.server import NanoServer

if TYPE_CHECKING:
    from nano_lsp.assistant.job import Job

_TODO_NOTE = "Parts that the model could not describe are marked TODO."


class ActionKind(StrEnum):
    """What an action does."""

    DOCSTRING = "docstring"
    DOCSTRINGS = "docstrings"
    FIX = "fix"
    SIMPLIFY = "simplify"
    TYPE_HINTS = "type hints"
    TEST = "test"


@dataclass(frozen=True)
class ChosenAction:
    """A listed code action with what is needed to build its edit later.

    Attributes:
        uri: URI of the document.
        version: Version of the document that the action was listed for.
        kind: Value of an `ActionKind`.
        start: Start of the range that the action is about, as an offset in code points.
        end: End of that range.
        title: Title of the action.
        diagnostic: Message of the diagnostic to fix; empty for other actions.
    """

    uri: str
    version: int
    kind: str
    start: int
    end: int
    title: str
    diagnostic: str = ""


def read_chosen_action(data: object) -> ChosenAction | None:
    """Read the data of a code action that the client sends back; None for anything else."""
    fields = data if isinstance(data, Mapping) else getattr(data, "_asdict", dict)()
    try:
        action = ChosenAction(**fields)
    except TypeError:
        return None
    field_types = {"uri": str, "version": int, "kind": str, "start": int, "end": int, "title": str, "diagnostic": str}
    is_valid = all(isinstance(getattr(action, name), kind) for name, kind in field_types.items())
    return action if is_valid and action.kind in {kind.value for kind in ActionKind} else None


async def run(server: NanoServer, document: TextDocument, action: ChosenAction) -> types.WorkspaceEdit | None:
    """Build the edit of an action.

    Returns:
        The edit; None if the action was cancelled, failed or found no valid change, or if the document has changed
        since. A message says why, unless the user has cancelled it.
    """
    edit = await _build_edit(server, document, action)
    if server.documents.get(document.uri) is document:
        return edit
    server.show_message(
        f"{action.title}: the document has changed in the meantime and was left as it is. Choose the action again."
    )
    return None


async def _build_edit(server: NanoServer, document: TextDocument, action: ChosenAction) -> types.WorkspaceEdit | None:
    # The server answers an editor before the assistant is imported.
    from nano_lsp.docstrings import WriteDocstrings  # noqa: PLC0415
    from nano_lsp.edits.rewrite import AddTypeHints, Fix, Simplify  # noqa: PLC0415

    kind = ActionKind(action.kind)
    if kind is ActionKind.TEST:
        if document.tree is None:
            return None
        write = _write_test if document.language == PYTHON.name else _write_framework_test
        return await write(server, document, document.tree, action)
    text, language = document.text, document.language
    if kind in {ActionKind.DOCSTRING, ActionKind.DOCSTRINGS}:
        offset = action.start if kind is ActionKind.DOCSTRING else None
        style = server.session.settings_of(document.name).docstring_style
        source = document.tree.text if document.tree else text  # there, a cell's magics are comments
        name = document.tree.language.name if document.tree else language
        job = WriteDocstrings(source, offset, style=style, language=name)
        docstrings = await server.run_job(action.title, job, document=document)
        if docstrings is None or not _has_changes(server, docstrings, action):
            return None
        return to_lsp_edit(
            document,
            [docstring.edit for docstring in docstrings],
            server.client_capabilities,
            label=action.title,
            description=_TODO_NOTE if any(docstring.skeleton for docstring in docstrings) else "",
        )
    start, end = sorted(min(max(0, offset), len(text)) for offset in (action.start, action.end))
    if kind is ActionKind.TYPE_HINTS:
        rewrite: Job[list[TextEdit]] = AddTypeHints(text, start)
    elif kind is ActionKind.SIMPLIFY:
        rewrite = Simplify(text, start, end, language)
    elif kind is ActionKind.FIX:
        rewrite = Fix(text, start, end, action.diagnostic, language)
    else:
        raise AssertionError(f"No edit is known for {kind}.")
    edits = await server.run_job(action.title, rewrite, document=document)
    return _to_confirmed_edit(server, document, edits, action)


async def _write_test(
    server: NanoServer, document: TextDocument, tree: SyntaxTree, action: ChosenAction
) -> types.WorkspaceEdit | None:
    from nano_lsp.edits.rewrite import WriteTest  # noqa: PLC0415 - as above

    path = file_path(document.uri) or Path("code.py")
    definition = definition_at(tree, action.start)
    root = innermost(server.session.roots, path)
    module = _module_name(path, root or path.parent)
    text = await server.run_job(action.title, WriteTest(document.text, action.start, module), document=document)
    if text is None or not _has_changes(server, text, action):
        return None
    tests = root / "tests" if root and (root / "tests").is_dir() else path.parent
    name = definition.name.rsplit(".", 1)[-1].lower()
    for target in (tests / f"test_{path.stem}.py", tests / f"test_{path.stem}_{name}.py"):
        if not target.exists() and server.documents.get(target.as_uri()) is None:
            edit = to_lsp_new_file(target.as_uri(), text, server.client_capabilities, label=action.title)
            if edit:
                return edit
    end = len(document.text)  # where the editor cannot create files, the test is appended to the code
    blank_lines = "\n\n" if document.text.endswith("\n") else "\n\n\n"
    return _to_confirmed_edit(server, document, [TextEdit(end, end, blank_lines + text)], action)


async def _write_framework_test(
    server: NanoServer, document: TextDocument, tree: SyntaxTree, action: ChosenAction
) -> types.WorkspaceEdit | None:
    from nano_lsp.edits.framework_tests import WriteFrameworkTest  # noqa: PLC0415 - as above
    from nano_lsp.edits.frameworks import find_test_place  # noqa: PLC0415 - as above

    path, language = file_path(document.uri), tree.language.name
    definition = definition_at(tree, action.start)
    if path is None:
        server.show_message(f"{action.title}: a test needs a file that it can import. Save the document first.")
        return None
    root = innermost(server.session.roots, path) or path.parent
    try:
        place = find_test_place(path, root, language, document.text, definition.name)
    except DocumentError as error:
        server.show_message(f"{action.title}: {error}")
        return None
    name = definition.name.rsplit(".", 1)[-1]
    targets = [place.target, place.target.with_name(f"{name}_{place.target.name}")]
    target = next((each for each in targets if not each.exists() and not server.documents.get(each.as_uri())), path)
    is_own = place.target == path
    if target == path and not is_own:
        server.show_message(
            f"{action.title}: {place.target.name} exists already. Rename it, or write the test there."
        )
        return None
    job = WriteFrameworkTest(
        document.text, definition.name, language, place.framework, place.prelude, target.name.partition(".")[0]
    )
    edits = await server.run_job(action.title, job, document=document)
    if is_own or not edits:
        return _to_confirmed_edit(server, document, edits, action)
    edit = to_lsp_new_file(target.as_uri(), edits[0].text, server.client_capabilities, label=action.title)
    if edit is None:
        server.show_message(f"{action.title}: this editor cannot create {target.name}.")
    return edit


def _to_confirmed_edit(
    server: NanoServer, document: TextDocument, edits: list[TextEdit] | None, action: ChosenAction
) -> types.WorkspaceEdit | None:
    if edits is None or not _has_changes(server, edits, action):
        return None
    return to_lsp_edit(document, edits, server.client_capabilities, label=action.title, confirm=True)


def _has_changes(server: NanoServer, changes: Sized, action: ChosenAction) -> bool:
    """Whether the model has found a change; if not, show a message."""
    if not changes:
        server.show_message(f"{action.title}: no valid change was found.", types.MessageType.Info)
    return bool(changes)


def _module_name(path: Path, root: Path) -> str:
    """The dotted name to import a file by when `root` is on the path; a leading `src` folder is not part of it."""
    parts = list((path_within(root, path) or Path(path.name)).with_suffix("").parts)
    if parts and parts[0] == "src":
        parts = parts[1:]
    if len(parts) > 1 and parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)

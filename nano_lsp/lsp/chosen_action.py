"""What code actions do once they are chosen: an order becomes the edit that carries it out."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from nano_lsp.code.definitions import definition_at
from nano_lsp.code.document import TextEdit
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.uris import file_path, innermost
from nano_lsp.lsp.documents import TextDocument
from nano_lsp.lsp.edits import to_lsp_edit, to_lsp_new_file
from nano_lsp.lsp.server import NanoServer

if TYPE_CHECKING:
    from nano_lsp.assistant.job import Job

_SKELETON = "The model had no words for some of it: these say TODO."


class ActionKind(str, Enum):
    """What an action does."""

    DOCSTRING = "docstring"
    DOCSTRINGS = "docstrings"
    FIX = "fix"
    SIMPLIFY = "simplify"
    TYPE_HINTS = "type hints"
    TEST = "test"


@dataclass(frozen=True)
class ChosenAction:
    """An action that may be carried out later.

    Attributes:
        uri: of the document.
        version: of it that the action was listed for.
        work: to do.
        start: offset of what it is about, in code points.
        end: of what it is about.
        title: of the action.
        about: what the diagnostic says.
    """

    uri: str
    version: int
    work: str
    start: int
    end: int
    title: str
    about: str = ""


def read_chosen_action(data: object) -> ChosenAction | None:
    """An order as the client sends it back; None for anything else."""
    given = data if isinstance(data, Mapping) else getattr(data, "_asdict", dict)()
    try:
        order = ChosenAction(**given)
    except TypeError:
        return None
    kinds = {"uri": str, "version": int, "work": str, "start": int, "end": int, "title": str, "about": str}
    sound = all(isinstance(getattr(order, name), kind) for name, kind in kinds.items())
    return order if sound and order.work in {work.value for work in ActionKind} else None


async def run(server: NanoServer, document: TextDocument, order: ChosenAction) -> types.WorkspaceEdit | None:
    """The edit of an order; None where it was called off, failed, came too late, or nothing valid was found.

    A message says which, unless the user has called it off.
    """
    edit = await _make_edit(server, document, order)
    if server.documents.get(document.uri) is document:
        return edit
    server.warn_again(
        f"{order.title}: the document has changed meanwhile, so nothing was changed in it. Choose the action again."
    )
    return None


async def _make_edit(server: NanoServer, document: TextDocument, order: ChosenAction) -> types.WorkspaceEdit | None:
    # An editor is answered before the assistant is imported.
    from nano_lsp.docstrings import WriteDocstrings  # noqa: PLC0415
    from nano_lsp.edits.rewrite import AddTypeHints, Fix, Simplify  # noqa: PLC0415

    work = ActionKind(order.work)
    if work is ActionKind.TEST:
        return await _write_test(server, document, document.tree, order) if document.tree else None
    text, language = document.text, document.language
    if work in {ActionKind.DOCSTRING, ActionKind.DOCSTRINGS}:
        offset = order.start if work is ActionKind.DOCSTRING else None
        style = server.session.settings_of(document.name).docstring_style
        source = document.tree.text if document.tree else text  # a cell's magics are comments there
        writing = WriteDocstrings(source, offset, style=style)
        found = await server.work(order.title, writing, document=document)
        if found is None or not _is_of_use(server, found, order):
            return None
        return to_lsp_edit(
            document,
            [one.edit for one in found],
            server.client_capabilities,
            label=order.title,
            description=_SKELETON if any(one.skeleton for one in found) else "",
        )
    start, end = sorted(min(max(0, offset), len(text)) for offset in (order.start, order.end))
    if work is ActionKind.TYPE_HINTS:
        job: Job[list[TextEdit]] = AddTypeHints(text, start)
    elif work is ActionKind.SIMPLIFY:
        job = Simplify(text, start, end, language)
    else:
        job = Fix(text, start, end, order.about, language)
    edits = await server.work(order.title, job, document=document)
    return _confirmed(server, document, edits, order)


async def _write_test(
    server: NanoServer, document: TextDocument, tree: SyntaxTree, order: ChosenAction
) -> types.WorkspaceEdit | None:
    from nano_lsp.edits.rewrite import WriteTest  # noqa: PLC0415 - as above

    path = file_path(document.uri) or Path("code.py")
    definition = definition_at(tree, order.start)
    root = innermost(server.session.roots, path)
    module = _module_name(path, root or path.parent)
    text = await server.work(order.title, WriteTest(document.text, order.start, module), document=document)
    if text is None or not _is_of_use(server, text, order):
        return None
    tests = root / "tests" if root and (root / "tests").is_dir() else path.parent
    name = definition.name.rsplit(".", 1)[-1].lower()
    for target in (tests / f"test_{path.stem}.py", tests / f"test_{path.stem}_{name}.py"):
        if not target.exists() and server.documents.get(target.as_uri()) is None:
            made = to_lsp_new_file(target.as_uri(), text, server.client_capabilities, label=order.title)
            if made:
                return made
    end = len(document.text)  # an editor that makes no files gets the test behind the code
    lead = "\n\n" if document.text.endswith("\n") else "\n\n\n"
    return _confirmed(server, document, [TextEdit(end, end, lead + text)], order)


def _confirmed(
    server: NanoServer, document: TextDocument, edits: list[TextEdit] | None, order: ChosenAction
) -> types.WorkspaceEdit | None:
    if edits is None or not _is_of_use(server, edits, order):
        return None
    return to_lsp_edit(document, edits, server.client_capabilities, label=order.title, confirm=True)


def _is_of_use(server: NanoServer, found: Sized, order: ChosenAction) -> bool:
    """Whether there is something to change; where there is nothing, a message says so."""
    if not found:
        server.warn_again(f"{order.title}: nothing to change, or nothing that holds.", types.MessageType.Info)
    return bool(found)


def _module_name(path: Path, root: Path) -> str:
    """The dotted name that a file is imported by, with the folder on the path; `src` is no package."""
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts and parts[0] == "src":
        parts = parts[1:]
    if len(parts) > 1 and parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)

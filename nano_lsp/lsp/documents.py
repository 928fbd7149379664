"""The documents that an editor has open, as it sends their changes.

pygls keeps documents as well, but splits lines as Python does, at form feeds and U+2028 too, where no editor has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from lsprotocol import types

from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.code.definitions import is_sound, undocumented
from nano_lsp.code.languages import PYTHON, is_stub
from nano_lsp.code.notebook import Cell, as_python, build_notebook_text
from nano_lsp.code.positions import Encoding, Positions
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.uris import file_path
from nano_lsp.lsp.lenient import UNKNOWN_VERSION


@dataclass(frozen=True)
class TextDocument:
    """A version of a document. Immutable: a change gives another one.

    Attributes:
        uri: as the editor names it.
        language: as the editor calls it (`languageId`).
        version: of the document, as the editor counts.
        text: its content.
        encoding: what the editor's columns count.
        notebook: URI of the notebook that it is a cell of; empty for none.
    """

    uri: str
    language: str
    version: int
    text: str
    encoding: Encoding
    notebook: str = ""

    @cached_property
    def positions(self) -> Positions:
        """The places of its text."""
        return Positions(self.text, self.encoding)

    @cached_property
    def name(self) -> str:
        """Its path, a cell's notebook's; its URI where it is no file."""
        return name_of(self.notebook or self.uri)

    @cached_property
    def tree(self) -> SyntaxTree | None:
        """The syntax tree of Python, whose offsets are those of the text; None for other languages.

        What only IPython understands in a notebook's cell is a comment there.
        """
        if self.language != PYTHON.name:
            return None
        return SyntaxTree.parse(as_python(self.text) if self.notebook else self.text, PYTHON)

    @property
    def takes_docstrings(self) -> bool:
        """Whether docstrings belong in it."""
        return self.tree is not None and not is_stub(self.name)

    @cached_property
    def is_documented(self) -> bool:
        """Whether nothing public in it is without a docstring that belongs there and could be written."""
        tree = self.tree
        if tree is None or not self.takes_docstrings:
            return True
        return not any(is_sound(tree, definition) for definition in undocumented(tree))

    def offset(self, position: types.Position) -> int:
        """The offset in code points of a position."""
        return self.positions.offset(position.line, position.character)

    def position(self, offset: int) -> types.Position:
        """The position of an offset in code points."""
        return types.Position(*self.positions.place(offset))

    def range(self, start: int, end: int) -> types.Range:
        """The range between two offsets."""
        return types.Range(self.position(start), self.position(end))

    def changed(
        self, changes: Iterable[types.TextDocumentContentChangeEvent], version: int
    ) -> tuple[TextDocument, int]:
        """The document after some changes, and the offset where the last one ended."""
        document, end = self, 0
        for change in changes:
            text, start, stop = document.text, 0, len(document.text)
            if isinstance(change, types.TextDocumentContentChangePartial):
                start, stop = sorted((document.offset(change.range.start), document.offset(change.range.end)))
            end = start + len(change.text)
            text = text[:start] + change.text + text[stop:]
            document = replace(document, version=version, text=text)
        return document, end


class Documents:
    """The open documents by their URIs, and the notebooks that some are cells of.

    Args:
        on_change: Is given the URI and the text after each single change of a document.
    """

    def __init__(self, on_change: Callable[[str, str], None] = lambda _uri, _text: None) -> None:
        self._on_change = on_change
        self.encoding = Encoding.UTF16
        self._open: dict[str, TextDocument] = {}
        self._notebooks: dict[str, list[types.NotebookCell]] = {}

    def __iter__(self) -> Iterator[TextDocument]:
        return iter(self._open.values())

    def get(self, uri: str) -> TextDocument | None:
        """An open document; None for one that is not open."""
        return self._open.get(uri)

    def task(self, document: TextDocument, offset: int) -> CompletionInput:
        """What to complete at an offset in a document; in a cell, with the notebook's other cells around it."""
        text, language = document.text, document.language
        listed = self._notebooks.get(document.notebook, [])
        code = {cell.document: cell for cell in listed if cell.kind is types.NotebookCellKind.Code}
        if document.uri in code:
            opened = {
                uri: Cell(found.text, found.language, _execution_count(cell))
                for uri, cell in code.items()
                if (found := self._open.get(uri))
            }
            index = list(opened).index(document.uri)
            text, offset, language = build_notebook_text(list(opened.values()), index, offset)
        return CompletionInput(document.name, text, offset, language)

    def is_code(self, document: TextDocument) -> bool:
        """Whether a document is code: not so a Markdown cell."""
        cells = {cell.document: cell.kind for cell in self._notebooks.get(document.notebook, [])}
        return cells.get(document.uri) is not types.NotebookCellKind.Markup

    def open(self, item: types.TextDocumentItem, notebook: str = "") -> None:
        """An editor has opened a document."""
        self._open[item.uri] = TextDocument(
            item.uri, item.language_id, item.version, item.text, self.encoding, notebook
        )

    def change(
        self, uri: str, changes: Iterable[types.TextDocumentContentChangeEvent], version: int
    ) -> tuple[TextDocument, int] | None:
        """An editor has changed a document: what it is now, and where the change ended; None where it is not open."""
        document = self._open.get(uri)
        if document is None:
            return None
        if version == UNKNOWN_VERSION:
            version = document.version + 1
        end = 0
        for change in changes:
            document, end = document.changed([change], version)
            self._on_change(uri, document.text)
        self._open[uri] = document
        return document, end

    def close(self, uri: str) -> TextDocument | None:
        """An editor has closed a document."""
        return self._open.pop(uri, None)

    def open_notebook(self, params: types.DidOpenNotebookDocumentParams) -> None:
        """An editor has opened a notebook; one that was open already is replaced, with its cells."""
        notebook = params.notebook_document
        for known in self._notebooks.get(notebook.uri, ()):
            self._close_cell(known.document, notebook.uri)
        self._notebooks[notebook.uri] = list(notebook.cells)
        for item in params.cell_text_documents:
            self.open(item, notebook.uri)

    def change_notebook(self, params: types.DidChangeNotebookDocumentParams) -> tuple[TextDocument, int] | None:
        """An editor has changed a notebook: the cell whose text has changed last, and where the change ended."""
        uri, cells = params.notebook_document.uri, params.change.cells
        listed = self._notebooks.get(uri)
        if listed is None or cells is None:
            return None
        if structure := cells.structure:
            array = structure.array
            start = min(array.start, len(listed))
            listed[start : start + array.delete_count] = array.cells or []
            for closed in structure.did_close or ():
                self._close_cell(closed.uri, uri)
            for item in structure.did_open or ():  # a cell that is moved or gets another language is in both
                self.open(item, uri)
        for cell in cells.data or ():
            listed[:] = [cell if known.document == cell.document else known for known in listed]
        changed = None
        for content in cells.text_content or ():
            changed = self.change(content.document.uri, content.changes, content.document.version)
        return changed

    def close_notebook(self, params: types.DidCloseNotebookDocumentParams) -> str | None:
        """An editor has closed a notebook: its name; None where it was not open."""
        uri = params.notebook_document.uri
        known = self._notebooks.pop(uri, None)
        for cell in [*(known or ()), *params.cell_text_documents]:
            self._close_cell(cell.document if isinstance(cell, types.NotebookCell) else cell.uri, uri)
        return name_of(uri) if known is not None else None

    def _close_cell(self, uri: str, notebook: str) -> None:
        """Close a cell, unless another notebook has it by now."""
        document = self._open.get(uri)
        if document is not None and document.notebook in {"", notebook}:
            self.close(uri)


def name_of(uri: str) -> str:
    """The path of a file; the URI of what is no file."""
    return str(file_path(uri) or uri)


def _execution_count(cell: types.NotebookCell) -> int | None:
    return cell.execution_summary.execution_order if cell.execution_summary else None

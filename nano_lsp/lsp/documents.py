"""The documents and notebooks that an editor has open, kept up to date with its changes.

pygls keeps documents as well, but breaks lines as Python does, at form feeds and U+2028 too, where editors do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from lsprotocol import types

from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.code.definitions import has_documentation, is_sound, undocumented
from nano_lsp.code.languages import PYTHON, is_stub, language_of
from nano_lsp.code.notebook import Cell, as_python, build_notebook_text
from nano_lsp.code.positions import Encoding, Positions
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.uris import file_path
from nano_lsp.lsp.lenient_parsing import UNKNOWN_VERSION


@dataclass(frozen=True)
class TextDocument:
    """One version of a document. Immutable: a change returns a new one.

    Attributes:
        uri: URI of the document.
        language: The editor's `languageId`.
        version: The editor's version number.
        text: Content of the document.
        encoding: Position encoding that the client and the server agreed on.
        notebook: URI of the notebook that this document is a cell of; empty for none.
    """

    uri: str
    language: str
    version: int
    text: str
    encoding: Encoding
    notebook: str = ""

    @cached_property
    def positions(self) -> Positions:
        """Converts between positions and offsets in the text."""
        return Positions(self.text, self.encoding)

    @cached_property
    def name(self) -> str:
        """The path of the file, for a cell that of its notebook; the URI where it is not a file."""
        return name_of(self.notebook or self.uri)

    @cached_property
    def tree(self) -> SyntaxTree | None:
        """The syntax tree, with the text's offsets; None for a language without a grammar.

        In notebook cells, IPython syntax is replaced by comments; those of other languages than Python have no tree.
        """
        if self.notebook:
            return SyntaxTree.parse(as_python(self.text), PYTHON) if self.language == PYTHON.name else None
        return SyntaxTree.parse(self.text, language_of(self.name, self.language, self.text))

    @property
    def supports_docstrings(self) -> bool:
        """Whether its language has docstrings or documentation comments; a stub of Python has none."""
        return self.tree is not None and has_documentation(self.tree.language) and not is_stub(self.name)

    @cached_property
    def lacks_docstrings(self) -> bool:
        """Whether a public definition without syntax errors has no docstring."""
        tree = self.tree
        if tree is None or not self.supports_docstrings:
            return False
        return any(is_sound(tree, definition) for definition in undocumented(tree))

    def offset(self, position: types.Position) -> int:
        """The offset in code points of a position."""
        return self.positions.offset(position.line, position.character)

    def position(self, offset: int) -> types.Position:
        """The position of an offset in code points."""
        return types.Position(*self.positions.place(offset))

    def range(self, start: int, end: int) -> types.Range:
        """The range between two offsets."""
        return types.Range(self.position(start), self.position(end))

    def apply_change(self, change: types.TextDocumentContentChangeEvent, version: int) -> tuple[TextDocument, int]:
        """The document after a change, and the offset where the inserted text ends."""
        start, end = 0, len(self.text)
        if isinstance(change, types.TextDocumentContentChangePartial):
            start, end = sorted((self.offset(change.range.start), self.offset(change.range.end)))
        text = self.text[:start] + change.text + self.text[end:]
        return replace(self, version=version, text=text), start + len(change.text)


class Documents:
    """The open documents by URI, and the open notebooks with their cells.

    Args:
        on_change: Receives a document's URI and text after each single change.
        on_edit: Receives a document before and after all changes of one message.
    """

    def __init__(
        self,
        on_change: Callable[[str, str], None] = lambda _uri, _text: None,
        on_edit: Callable[[TextDocument, TextDocument], None] = lambda _before, _after: None,
    ) -> None:
        self._on_change = on_change
        self._on_edit = on_edit
        self.encoding = Encoding.UTF16
        self._open: dict[str, TextDocument] = {}
        self._out_of_sync: set[str] = set()  # URIs of documents and notebooks with a change that could not be read
        self._notebooks: dict[str, list[types.NotebookCell]] = {}

    def __iter__(self) -> Iterator[TextDocument]:
        return iter(self._open.values())

    def get(self, uri: str) -> TextDocument | None:
        """An open document; None for one that is not open."""
        return self._open.get(uri)

    def completion_input(self, document: TextDocument, offset: int) -> CompletionInput:
        """The completion input at an offset of a document; for a cell, it includes the notebook's other cells."""
        text, language = document.text, document.language
        cells = self._notebooks.get(document.notebook, [])
        code_cells = {cell.document: cell for cell in cells if cell.kind is types.NotebookCellKind.Code}
        if document.uri in code_cells:
            opened = {
                uri: Cell(found.text, found.language, _execution_count(cell))
                for uri, cell in code_cells.items()
                if (found := self._open.get(uri))
            }
            index = list(opened).index(document.uri)
            text, offset, language = build_notebook_text(list(opened.values()), index, offset)
        return CompletionInput(document.name, text, offset, language)

    def is_code(self, document: TextDocument) -> bool:
        """Whether a document is anything but a Markdown cell."""
        cells = {cell.document: cell.kind for cell in self._notebooks.get(document.notebook, [])}
        return cells.get(document.uri) is not types.NotebookCellKind.Markup

    def is_in_sync(self, document: TextDocument) -> bool:
        """Whether a document's text is the editor's: all changes of it, and of its notebook, could be read."""
        return self._out_of_sync.isdisjoint({document.uri, document.notebook})

    def lose(self, uri: str | None) -> list[TextDocument]:
        """A change of a document or notebook could not be read: the text is unknown until it is sent as a whole.

        Args:
            uri: Its URI; None if that could not be read either, so that it may be any.

        Returns:
            The open documents whose text is unknown now.
        """
        found = [each for each in self if uri in {None, each.uri, each.notebook}]
        self._out_of_sync |= {uri} if uri and found else {each.notebook or each.uri for each in found}
        for document in found:
            self._open[document.uri] = replace(document)  # what runs for the version before is stale
        return found

    def open(self, item: types.TextDocumentItem, notebook: str = "") -> None:
        """Add a document that the editor has opened."""
        self._out_of_sync.discard(item.uri)
        self._open[item.uri] = TextDocument(
            uri=item.uri,
            language=item.language_id,
            version=item.version,
            text=item.text,
            encoding=self.encoding,
            notebook=notebook,
        )

    def change(
        self, uri: str, changes: Iterable[types.TextDocumentContentChangeEvent], version: int
    ) -> tuple[TextDocument, int] | None:
        """Apply the editor's changes to a document; after `lose`, those from a change of the whole text on.

        Returns:
            The new version and the offset where the last change ended; None if the document is not open, or its text
            stays unknown.
        """
        before = document = self._open.get(uri)
        if before is None or document is None:
            return None
        if version == UNKNOWN_VERSION:
            version = before.version + 1
        end, texts, was_in_sync = 0, [], uri not in self._out_of_sync
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangeWholeDocument):
                self._out_of_sync.discard(uri)
            if uri not in self._out_of_sync:
                document, end = document.apply_change(change, version)
                texts.append(document.text)
        self._open[uri] = document
        if uri in self._out_of_sync:
            return None
        if was_in_sync:
            for text in texts:
                self._on_change(uri, text)
            self._on_edit(before, document)
        return document, end

    def close(self, uri: str) -> TextDocument | None:
        """Remove and return a document that the editor has closed; None if it was not open."""
        self._out_of_sync.discard(uri)
        return self._open.pop(uri, None)

    def open_notebook(self, params: types.DidOpenNotebookDocumentParams) -> None:
        """Add a notebook that the editor has opened; one that was open already is replaced, with its cells."""
        notebook = params.notebook_document
        for cell in self._notebooks.get(notebook.uri, ()):
            self._close_cell(cell.document, notebook.uri)
        self._out_of_sync.discard(notebook.uri)
        self._notebooks[notebook.uri] = list(notebook.cells)
        for item in params.cell_text_documents:
            self.open(item, notebook.uri)

    def change_notebook(self, params: types.DidChangeNotebookDocumentParams) -> tuple[TextDocument, int] | None:
        """Apply the editor's changes to a notebook.

        Returns:
            The cell whose text was changed last, and the offset where the change ended; None if no text was changed.
        """
        uri, changes = params.notebook_document.uri, params.change.cells
        cells = self._notebooks.get(uri)
        if cells is None or changes is None:
            return None
        if structure := changes.structure:
            array = structure.array
            start = min(array.start, len(cells))
            cells[start : start + array.delete_count] = array.cells or []
            for closed in structure.did_close or ():
                self._close_cell(closed.uri, uri)
            for item in structure.did_open or ():  # a cell that is moved or gets another language is in both
                self.open(item, uri)
        for changed in changes.data or ():
            cells[:] = [changed if cell.document == changed.document else cell for cell in cells]
        result = None
        for content in changes.text_content or ():
            result = self.change(content.document.uri, content.changes, content.document.version)
        return result

    def close_notebook(self, params: types.DidCloseNotebookDocumentParams) -> str | None:
        """Remove a notebook that the editor has closed, and return its name; None if it was not open."""
        uri = params.notebook_document.uri
        self._out_of_sync.discard(uri)
        cells = self._notebooks.pop(uri, None)
        for cell in [*(cells or ()), *params.cell_text_documents]:
            self._close_cell(cell.document if isinstance(cell, types.NotebookCell) else cell.uri, uri)
        return name_of(uri) if cells is not None else None

    def _close_cell(self, uri: str, notebook: str) -> None:
        """Close a cell unless it belongs to another notebook by now."""
        document = self._open.get(uri)
        if document is not None and document.notebook in {"", notebook}:
            self.close(uri)


def name_of(uri: str) -> str:
    """The path of a file by its URI; the URI itself where it is not a file."""
    return str(file_path(uri) or uri)


def _execution_count(cell: types.NotebookCell) -> int | None:
    return cell.execution_summary.execution_order if cell.execution_summary else None

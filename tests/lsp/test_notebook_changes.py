"""Notebooks with random changes: the text of each cell equals the client's."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

from nano_lsp.code.ipython_syntax import find_cell_magic
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.notebook import as_python
from nano_lsp.code.positions import Encoding
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.lsp.documents import Documents


class Client:
    """A client's notebook, and its change notifications."""

    def __init__(self, documents: Documents, uri: str) -> None:
        self.documents, self.uri = documents, uri
        self.cells: list[tuple[str, str, str]] = []  # URI, language, text
        self.n = 0

    def _cell(self, cell: tuple[str, str, str]) -> types.NotebookCell:
        kind = types.NotebookCellKind.Markup if cell[1] == "markdown" else types.NotebookCellKind.Code
        return types.NotebookCell(kind, cell[0])

    def _item(self, cell: tuple[str, str, str]) -> types.TextDocumentItem:
        return types.TextDocumentItem(cell[0], cell[1], 1, cell[2])

    def new(self, language: str, text: str) -> tuple[str, str, str]:
        self.n += 1
        return f"{self.uri}#{self.n}", language, text

    def open(self) -> None:
        notebook = types.NotebookDocument(self.uri, "jupyter-notebook", 1, list(map(self._cell, self.cells)))
        items = list(map(self._item, self.cells))
        self.documents.open_notebook(types.DidOpenNotebookDocumentParams(notebook, items))

    def splice(self, start: int, n: int, cells: list[tuple[str, str, str]]) -> None:
        """Replace cells; those removed and added in one message are closed and opened in it, as VS Code does."""
        gone = self.cells[start : start + n]
        self.cells[start : start + n] = cells
        array = types.NotebookCellArrayChange(start, n, list(map(self._cell, cells)))
        closed = [types.TextDocumentIdentifier(cell[0]) for cell in gone]
        structure = types.NotebookDocumentCellChangeStructure(array, list(map(self._item, cells)), closed)
        self._send(types.NotebookDocumentCellChanges(structure=structure))

    def move(self, source: int, target: int) -> None:
        """Move a cell with two changes of the list, without opening or closing a document."""
        cell = self.cells.pop(source)
        self.cells.insert(target, cell)
        for array in (
            types.NotebookCellArrayChange(source, 1),
            types.NotebookCellArrayChange(target, 0, [self._cell(cell)]),
        ):
            structure = types.NotebookDocumentCellChangeStructure(array)
            self._send(types.NotebookDocumentCellChanges(structure=structure))

    def type(self, index: int, start: int, end: int, text: str) -> None:
        uri, language, before = self.cells[index]
        document = self.documents.get(uri)
        assert document is not None
        change = types.TextDocumentContentChangePartial(document.range(start, end), text)
        self.cells[index] = uri, language, before[:start] + text + before[end:]
        content = types.NotebookDocumentCellContentChanges(types.VersionedTextDocumentIdentifier(2, uri), [change])
        self._send(types.NotebookDocumentCellChanges(text_content=[content]))

    def _send(self, cells: types.NotebookDocumentCellChanges) -> None:
        notebook = types.VersionedNotebookDocumentIdentifier(2, self.uri)
        change = types.NotebookDocumentChangeEvent(cells=cells)
        self.documents.change_notebook(types.DidChangeNotebookDocumentParams(notebook, change))

    def check(self) -> None:
        """Each cell's text equals the client's, positions map both ways, and a prompt contains the cursor's cell."""
        for uri, language, text in self.cells:
            document = self.documents.get(uri)
            assert document is not None
            assert (document.text, document.language) == (text, language)
            for offset in range(len(text) + 1):
                assert document.offset(document.position(offset)) == offset
            task = self.documents.completion_input(document, len(text))
            start = task.offset - len(text)
            assert task.text[start : task.offset] in {text, as_python(text)}
            if language == "python" and task.language == "python":
                for _, other_language, other in self.cells:
                    assert other_language != "python" or find_cell_magic(other) or as_python(other) in task.text
                tree = SyntaxTree.parse(task.text, PYTHON)
                assert tree is not None
                assert not tree.root.has_error


TEXTS = st.sampled_from(
    ["x = 1", "", "%time f()\ny = 2", "%%bash\nls 🙂", "if x:\n    !ls\n", "é = [\n'🙂']", "print(a\n% (b, c))"]
)
LANGUAGES = st.sampled_from(["python", "python", "sql", "markdown"])


@settings(deadline=None)
@given(st.data())
def test_no_cell_is_lost_whatever_a_client_does_with_its_notebooks(data: st.DataObject) -> None:
    documents = Documents()
    documents.encoding = data.draw(st.sampled_from(list(Encoding)))
    clients = [Client(documents, uri) for uri in ("file:///a.ipynb", "file:///b.ipynb")]
    for client in clients:
        client.open()
    for _ in range(data.draw(st.integers(1, 8))):
        client = data.draw(st.sampled_from(clients))
        size = len(client.cells)
        what = data.draw(st.sampled_from(["insert", "delete", "retype", "move", "split", "type", "open again"]))
        if what == "open again":
            client.open()
        elif what == "insert" or not size:
            cell = client.new(data.draw(LANGUAGES), data.draw(TEXTS))
            client.splice(data.draw(st.integers(0, size)), 0, [cell])
        else:
            index = data.draw(st.integers(0, size - 1))
            uri, language, text = client.cells[index]
            if what == "delete":
                client.splice(index, 1, [])
            elif what == "retype":  # the same document in another language, closed and opened in one message
                client.splice(index, 1, [(uri, data.draw(LANGUAGES), text)])
            elif what == "move":
                client.move(index, data.draw(st.integers(0, size - 1)))
            elif what == "split":
                client.splice(index, 1, [(uri, language, "a = 1"), client.new(language, "b = 2")])
            else:
                client.type(index, 0, len(text), data.draw(TEXTS))
        for client in clients:
            client.check()


def test_closing_a_notebook_leaves_a_cell_that_another_one_has() -> None:
    documents = Documents()
    first, second = Client(documents, "file:///a.ipynb"), Client(documents, "file:///b.ipynb")
    first.cells = second.cells = [("untitled:cell", "python", "x = 1")]
    first.open()
    second.open()
    notebook = types.NotebookDocumentIdentifier("file:///a.ipynb")
    identifier = types.TextDocumentIdentifier("untitled:cell")
    documents.close_notebook(types.DidCloseNotebookDocumentParams(notebook, [identifier]))
    second.check()

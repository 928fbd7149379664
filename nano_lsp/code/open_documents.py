"""State of the documents being edited: each keeps its syntax tree from one request to the next."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from nano_lsp.code.cursor_context import CursorContext, find_cursor_context
from nano_lsp.code.embedded import find_part
from nano_lsp.code.file_outline import imports_of
from nano_lsp.code.imported_signatures import build_imported
from nano_lsp.code.languages import Language, language_of
from nano_lsp.code.outline import Import
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.window import Anchor, CountTokens
from nano_lsp.code.workspace import Workspace

_MAX_DOCUMENTS = 16


@dataclass
class OpenDocument:
    """State of a document that is being edited.

    Attributes:
        name: Path or URI of the document.
        language: Language of the document.
        text: Text of the last update.
        tree: Syntax tree of that text; None if it cannot be parsed.
        anchor: Anchor of its last context window.
        small_anchor: Anchor of its last small window, for suggestions before the whole one is evaluated.
        imported: Signatures of the names that it imports from the workspace.
    """

    name: str
    language: Language
    text: str = ""
    tree: SyntaxTree | None = None
    anchor: Anchor = field(default_factory=Anchor)
    small_anchor: Anchor = field(default_factory=Anchor)
    imported: str = ""
    _imports: tuple[Import, ...] = ()
    _n_indexed: int = -1

    def update(self, text: str, part: tuple[int, int] | None = None) -> None:
        """Set a new text and parse it, or a part of it: incrementally where it is still the whole."""
        if self.tree is None or part or self.tree.part:
            self.tree = SyntaxTree.parse(text, self.language, part)
        else:
            self.tree = self.tree.edited(text)
        self.text = text

    def cursor(self, offset: int) -> CursorContext:
        """Return the syntactic context of a cursor at an offset in code points."""
        return find_cursor_context(self.text, offset, self.language, self.tree)

    def look_up_imports(self, workspace: Workspace, budget_tokens: int, count: CountTokens) -> None:
        """Update `imported` if the imports have changed or the workspace was indexed since."""
        if self.tree is None:
            return
        imports, n_indexed = tuple(imports_of(self.tree)), workspace.n_indexed
        if (imports, n_indexed) != (self._imports, self._n_indexed):
            self._imports, self._n_indexed = imports, n_indexed
            self.imported = build_imported(
                imports, self.name, workspace, budget_tokens, count, language=self.language
            )


class OpenDocuments:
    """The most recently used documents, at most 16.

    A notebook has one document for each language of its cells.
    """

    def __init__(self) -> None:
        self._documents: OrderedDict[tuple[str, str], OpenDocument] = OrderedDict()

    def update(self, name: str, text: str, language: str = "", offset: int = 0) -> OpenDocument:
        """Update the document with a name, and return it, in the language of the code at an offset.

        Args:
            name: Path or URI of the document.
            text: Its text.
            language: LSP language id of the document; empty to derive it from the name.
            offset: Offset of the cursor, in code points.
        """
        part = find_part(text, offset, language_of(name, language, text))
        found = part.language
        document = self._documents.pop((name, found.name), None) or OpenDocument(name, found)
        document.update(text, part.range_in(text))
        self._documents[name, found.name] = document
        if len(self._documents) > _MAX_DOCUMENTS:
            self._documents.popitem(last=False)
        return document

    def close(self, name: str) -> None:
        """Remove a document, in all its languages."""
        for key in [key for key in self._documents if key[0] == name]:
            del self._documents[key]

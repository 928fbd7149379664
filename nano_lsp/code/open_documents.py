"""Documents as they are edited: each keeps its syntax tree from one request to the next."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from nano_lsp.code.cursor_context import CursorContext, find_cursor_context
from nano_lsp.code.imported_signatures import build_imported
from nano_lsp.code.languages import PYTHON, Language, language_of
from nano_lsp.code.outline import Import, read_imports
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.window import Anchor, CountTokens
from nano_lsp.code.workspace import Workspace

_MAX_DOCUMENTS = 16


@dataclass
class OpenDocument:
    """A document.

    Attributes:
        name: of its file.
        language: it is written in.
        text: as it was seen last.
        tree: of that text; None where it cannot be parsed.
        anchor: where its window starts.
        imported: signatures of what it imports from the workspace.
    """

    name: str
    language: Language
    text: str = ""
    tree: SyntaxTree | None = None
    anchor: Anchor = field(default_factory=Anchor)
    imported: str = ""
    _imports: tuple[Import, ...] = ()
    _n_indexed: int = -1

    def update(self, text: str) -> None:
        """Take over a new text; what has not changed is not parsed again."""
        self.tree = self.tree.edited(text) if self.tree else SyntaxTree.parse(text, self.language)
        self.text = text

    def cursor(self, offset: int) -> CursorContext:
        """What the cursor is in, at an offset in code points."""
        return find_cursor_context(self.text, offset, self.language, self.tree)

    def look_up_imports(self, workspace: Workspace, budget_tokens: int, count: CountTokens) -> None:
        """Renew `imported` where the imports have changed, or the workspace was indexed since."""
        if self.tree is None or self.language is not PYTHON:
            return
        imports, n_indexed = tuple(read_imports(self.tree)), workspace.n_indexed
        if (imports, n_indexed) != (self._imports, self._n_indexed):
            self._imports, self._n_indexed = imports, n_indexed
            self.imported = build_imported(imports, self.name, workspace, budget_tokens, count)


class OpenDocuments:
    """The documents seen last, at most 16 of them.

    A notebook has one for each language that its cells are written in.
    """

    def __init__(self) -> None:
        self._documents: OrderedDict[tuple[str, str], OpenDocument] = OrderedDict()

    def update(self, name: str, text: str, language: str = "") -> OpenDocument:
        """The document with a name and a language, with a new text.

        Args:
            name: The document's path or URI.
            text: The whole text.
            language: The language as LSP calls it; empty for the one that the name's ending says.
        """
        found = language_of(name, language)
        document = self._documents.pop((name, found.name), None) or OpenDocument(name, found)
        document.update(text)
        self._documents[name, found.name] = document
        if len(self._documents) > _MAX_DOCUMENTS:
            self._documents.popitem(last=False)
        return document

    def close(self, name: str) -> None:
        """Forget a document, in all its languages."""
        for key in [key for key in self._documents if key[0] == name]:
            del self._documents[key]

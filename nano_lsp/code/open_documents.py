"""State of the documents being edited: each keeps its syntax tree from one request to the next."""

from __future__ import annotations

import re
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
_LINES_BELOW = 1000
"""Below the cursor, that are parsed of a text with at least as many more: with an open bracket, a key in 10,000 lines
took up to 155 ms, most of it to recover from that error in what follows (`tests.bench.bench_languages`)."""
_BETWEEN_BLOCKS = re.compile(r"\n\s*\n(?=[^\W\d]|[@#/\[])")  # nothing is indented there


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
        """Set a new text and parse it, or a part of it: incrementally where it is still the same part."""
        tree = self.tree
        if tree and (tree.part is None or part is not None) and part == _same_part(tree, text):
            self.tree = tree.edited(text)
        else:
            self.tree = SyntaxTree.parse(text, self.language, part)
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


def _same_part(tree: SyntaxTree, text: str) -> tuple[int, int] | None:
    """Where the parsed part of a text is after a change in it; None for all of it, or if it is not known."""
    if tree.part is None:
        return None
    start, end = tree.part
    below = tree.text[end:]
    is_same = text.startswith(tree.text[:start]) and text.endswith(below) and len(text) - len(below) >= start
    return (start, len(text) - len(below)) if is_same else None


def _part_near(text: str, offset: int, tree: SyntaxTree | None) -> tuple[int, int] | None:
    """The part of a long text that is parsed: up to some 1,000 lines below the cursor; None for all of it."""
    known = _same_part(tree, text) if tree else None
    if known and known[1] >= offset and _LINES_BELOW // 2 <= text.count("\n", offset, known[1]) <= 2 * _LINES_BELOW:
        return known
    end = offset
    for _ in range(_LINES_BELOW):
        end = text.find("\n", end) + 1
        if not end:
            return None
    found = _BETWEEN_BLOCKS.search(text, end)
    return (0, found.end()) if found and text.count("\n", found.end()) >= _LINES_BELOW else None


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
        document.update(text, part.range_in(text) or _part_near(text, offset, document.tree))
        self._documents[name, found.name] = document
        if len(self._documents) > _MAX_DOCUMENTS:
            self._documents.popitem(last=False)
        return document

    def close(self, name: str) -> None:
        """Remove a document, in all its languages."""
        for key in [key for key in self._documents if key[0] == name]:
            del self._documents[key]

"""The documents that an editor has open, as it sends their changes.

pygls keeps documents as well, but splits lines as Python does, at form feeds and U+2028 too, where no editor has one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from lsprotocol import types
from pygls import uris

from nano_lsp.context.positions import Encoding, Positions
from nano_lsp.features.completion import CompletionTask


@dataclass(frozen=True)
class TextDocument:
    """A version of a document. Immutable: a change gives another one.

    Attributes:
        uri: as the editor names it.
        language: as the editor calls it (`languageId`).
        version: of the document, as the editor counts.
        text: its content.
        encoding: what the editor's columns count.
    """

    uri: str
    language: str
    version: int
    text: str
    encoding: Encoding

    @cached_property
    def positions(self) -> Positions:
        """The places of its text."""
        return Positions(self.text, self.encoding)

    @cached_property
    def name(self) -> str:
        """Its path; its URI where it is no file."""
        return uris.to_fs_path(self.uri) or self.uri

    def offset(self, position: types.Position) -> int:
        """The offset in code points of a position."""
        return self.positions.offset(position.line, position.character)

    def position(self, offset: int) -> types.Position:
        """The position of an offset in code points."""
        return types.Position(*self.positions.place(offset))

    def task(self, offset: int) -> CompletionTask:
        """What to complete at an offset."""
        return CompletionTask(self.name, self.text, offset, self.language)

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
            document = TextDocument(self.uri, self.language, version, text, self.encoding)
        return document, end


class Documents:
    """The open documents by their URIs."""

    def __init__(self) -> None:
        self.encoding = Encoding.UTF16
        self._open: dict[str, TextDocument] = {}

    def get(self, uri: str) -> TextDocument | None:
        """An open document; None for one that is not open."""
        return self._open.get(uri)

    def open(self, item: types.TextDocumentItem) -> None:
        """An editor has opened a document."""
        self._open[item.uri] = TextDocument(item.uri, item.language_id, item.version, item.text, self.encoding)

    def change(self, params: types.DidChangeTextDocumentParams) -> tuple[TextDocument, int] | None:
        """An editor has changed a document: what it is now, and where the change ended; None where it is not open."""
        document = self._open.get(params.text_document.uri)
        if document is None:
            return None
        changed, end = document.changed(params.content_changes, params.text_document.version)
        self._open[changed.uri] = changed
        return changed, end

    def close(self, uri: str) -> TextDocument | None:
        """An editor has closed a document."""
        return self._open.pop(uri, None)

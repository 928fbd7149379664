"""Documents after random changes of an editor, compared with a reference model that works on code units."""

from __future__ import annotations

import re

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from lsprotocol import types

from nano_lsp.code.positions import Encoding
from nano_lsp.lsp.documents import Documents

CODECS = {Encoding.UTF8: ("utf-8", 1), Encoding.UTF16: ("utf-16-le", 2), Encoding.UTF32: ("utf-32-le", 4)}
TEXTS = st.text(st.sampled_from("ab \n\ré🙂\u2028\x0c\t"), max_size=12)
PLACES = st.tuples(st.integers(0, 6), st.integers(0, 12))
URI = "file:///a.py"
URIS = st.sampled_from([URI, "file:///b.py", "untitled:c"])


def byte_offset(data: bytes, encoding: Encoding, line: int, column: int) -> int:
    """The byte offset of a position in the encoded text, as the protocol defines it."""
    codec, size = CODECS[encoding]
    text = data.decode(codec)
    ends = [(m.start(), m.end()) for m in re.finditer(r"\r\n|\n|\r", text)] + [(len(text), len(text))]
    if line >= len(ends):
        return len(data)
    start = ends[line - 1][1] if line else 0
    at = 0
    for char in text[start : ends[line][0]]:
        width = len(char.encode(codec)) // size
        if at + width > column:
            break
        at += width
    return len(text[:start].encode(codec)) + at * size


class Editor(RuleBasedStateMachine):
    """An editor that opens, changes, renames and closes documents, with the expected bytes of each."""

    def __init__(self) -> None:
        super().__init__()
        self.documents = Documents()
        self.expected: dict[str, bytes] = {}
        self.version = 0

    @initialize(encoding=st.sampled_from(list(Encoding)))
    def introduce(self, encoding: Encoding) -> None:
        self.documents.encoding = encoding
        self.codec, _ = CODECS[encoding]

    @rule(uri=URIS, text=TEXTS)
    def open(self, uri: str, text: str) -> None:
        self.documents.open(types.TextDocumentItem(uri, "python", self.version, text))
        self.expected[uri] = text.encode(self.codec)

    @rule(uri=URIS, edits=st.lists(st.tuples(PLACES, PLACES, TEXTS, st.booleans()), min_size=1, max_size=4))
    def change(self, uri: str, edits: list[tuple[tuple[int, int], tuple[int, int], str, bool]]) -> None:
        self.version += 1
        changes: list[types.TextDocumentContentChangeEvent] = []
        data, new = self.expected.get(uri, b""), ""
        for first, second, new, whole in edits:
            if whole:
                changes.append(types.TextDocumentContentChangeWholeDocument(new))
                data = new.encode(self.codec)
                continue
            start, end = sorted((first, second))
            span = types.Range(types.Position(*start), types.Position(*end))
            changes.append(types.TextDocumentContentChangePartial(span, new))
            encoding = self.documents.encoding
            places = byte_offset(data, encoding, *start), byte_offset(data, encoding, *end)
            data = data[: places[0]] + new.encode(self.codec) + data[places[1] :]
        changed = self.documents.change(uri, changes, self.version)
        assert (changed is not None) == (uri in self.expected)
        if changed is not None:
            self.expected[uri] = data
            document, offset = changed
            assert document.text[:offset].endswith(new)
            assert document.version == self.version

    @rule(old=URIS, new=URIS)
    def rename(self, old: str, new: str) -> None:
        """Editors close a renamed document and open another one."""
        document = self.documents.close(old)
        data = self.expected.pop(old, None)
        assert (document is None) == (data is None)
        if document is not None and data is not None:
            self.open(new, document.text)

    @rule(uri=URIS)
    def close(self, uri: str) -> None:
        assert (self.documents.close(uri) is None) == (self.expected.pop(uri, None) is None)

    @invariant()
    def documents_are_those_of_the_editor(self) -> None:
        assert {document.uri: document.text.encode(self.codec) for document in self.documents} == self.expected


TestEditor = Editor.TestCase


def test_a_document_that_is_not_open_does_not_change() -> None:
    documents = Documents()
    assert documents.change(URI, [types.TextDocumentContentChangeWholeDocument("x")], 1) is None
    assert documents.close(URI) is None
    assert documents.get(URI) is None

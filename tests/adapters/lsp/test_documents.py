"""Documents follow an editor's changes, whatever they are: against a model that works on code units."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from nano_lsp.adapters.lsp.documents import Documents
from nano_lsp.context.positions import Encoding

CODECS = {Encoding.UTF8: ("utf-8", 1), Encoding.UTF16: ("utf-16-le", 2), Encoding.UTF32: ("utf-32-le", 4)}
TEXTS = st.text(st.sampled_from("ab \n\ré🙂\u2028\x0c\t"), max_size=12)
PLACES = st.tuples(st.integers(0, 6), st.integers(0, 12))
URI = "file:///a.py"


def byte_offset(data: bytes, encoding: Encoding, line: int, column: int) -> int:
    """Where a place is in the encoded text, by the words of the protocol."""
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


@given(TEXTS, st.sampled_from(list(Encoding)), st.lists(st.tuples(PLACES, PLACES, TEXTS, st.booleans()), max_size=6))
def test_documents_are_what_the_editor_has(
    text: str, encoding: Encoding, edits: list[tuple[tuple[int, int], tuple[int, int], str, bool]]
) -> None:
    documents = Documents()
    documents.encoding = encoding
    documents.open(types.TextDocumentItem(URI, "python", 0, text))
    codec, _ = CODECS[encoding]
    data = text.encode(codec)
    for version, (first, second, new, whole) in enumerate(edits, 1):
        start, end = sorted((first, second))
        change: types.TextDocumentContentChangeEvent
        if whole:
            change, data = types.TextDocumentContentChangeWholeDocument(new), new.encode(codec)
        else:
            change = types.TextDocumentContentChangePartial(
                types.Range(types.Position(*start), types.Position(*end)), new
            )
            places = byte_offset(data, encoding, *start), byte_offset(data, encoding, *end)
            data = data[: places[0]] + new.encode(codec) + data[places[1] :]
        changed = documents.change(URI, [change], version)
        assert changed is not None
        document, offset = changed
        assert document.text.encode(codec) == data
        assert document.text[:offset].endswith(new)
        assert document.version == version


def test_what_is_not_open_does_not_change() -> None:
    documents = Documents()
    assert documents.change(URI, [types.TextDocumentContentChangeWholeDocument("x")], 1) is None
    assert documents.close(URI) is None
    assert documents.get(URI) is None

"""Places as editors name them, against the definition."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.code.positions import Encoding, Positions

TEXTS = st.text(st.sampled_from("ab\n\ré🙂\u2028\x0b\x85\u0301\t"), max_size=30)
ENCODINGS = st.sampled_from(list(Encoding))
BYTES = {Encoding.UTF8: ("utf-8", 1), Encoding.UTF16: ("utf-16-le", 2), Encoding.UTF32: ("utf-32-le", 4)}


def units(text: str, encoding: Encoding) -> int:
    codec, size = BYTES[encoding]
    return len(text.encode(codec)) // size


@given(TEXTS, ENCODINGS, st.data())
def test_a_place_leads_back_to_its_offset(text: str, encoding: Encoding, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    positions = Positions(text, encoding)
    line, column = positions.place(offset)
    before = re.split(r"\r\n|\n|\r", text[:offset])
    if not (text[:offset].endswith("\r") and text[offset:].startswith("\n")):  # no place is within a line's end
        assert (line, column) == (len(before) - 1, units(before[-1], encoding))
        assert positions.offset(line, column) == offset


@given(TEXTS, ENCODINGS, st.integers(-2, 40), st.integers(-2, 40))
def test_every_place_has_an_offset(text: str, encoding: Encoding, line: int, column: int) -> None:
    offset = Positions(text, encoding).offset(line, column)
    assert 0 <= offset <= len(text)
    lines = re.split(r"\r\n|\n|\r", text)
    if 0 <= line < len(lines) and column >= 0:
        start = Positions(text, encoding).offset(line, 0)
        assert units(text[start:offset], encoding) <= max(0, column)
        assert offset - start <= len(lines[line])
    elif line >= len(lines):
        assert offset == len(text)


@pytest.mark.parametrize(("encoding", "column"), [(Encoding.UTF8, 5), (Encoding.UTF16, 3), (Encoding.UTF32, 2)])
def test_columns_count_code_units(encoding: Encoding, column: int) -> None:
    assert Positions("x\na🙂b", encoding).offset(1, column) == 4
    assert Positions("x\na🙂b", encoding).place(4) == (1, column)


def test_a_column_within_a_character_is_its_start() -> None:
    assert Positions("🙂b", Encoding.UTF16).offset(0, 1) == 0
    assert Positions("🙂b", Encoding.UTF8).offset(0, 3) == 0

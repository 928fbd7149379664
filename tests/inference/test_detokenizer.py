"""Incremental detokenization."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.inference.detokenizer import Detokenizer
from nano_lsp.schema import Token


def fill(detokenizer: Detokenizer, data: bytes, cuts: list[int]) -> None:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(places):
        detokenizer.append(Token(0, data[start:end], 0.0))


@given(st.text(), st.lists(st.integers(0, 40)))
def test_text_is_whole_however_its_bytes_are_split(text: str, cuts: list[int]) -> None:
    detokenizer = Detokenizer(b"", ())
    fill(detokenizer, text.encode(), cuts)
    assert detokenizer.text == text


@given(
    st.text("ab\n"),
    st.lists(st.text("ab\n", min_size=1, max_size=3), max_size=3),
    st.lists(st.integers(0, 20)),
)
def test_text_ends_before_the_first_stop_string(text: str, stop: list[str], cuts: list[int]) -> None:
    detokenizer = Detokenizer(b"", stop)
    seen = ""
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    for start, end in itertools.pairwise(places):
        if not detokenizer.stopped:
            detokenizer.append(Token(0, text[start:end].encode(), 0.0))
            assert detokenizer.text.startswith(seen), "text that was shown is taken back"
            seen = detokenizer.text
    detokenizer.close()
    text = next(
        (text[:end] for end in places if any(s in text[:end] for s in stop)), text
    )  # what came until it stopped
    ends = [text.find(s) for s in stop if s in text]
    assert detokenizer.text == (text[: min(ends)] if ends else text)
    assert detokenizer.stopped == bool(ends)


@given(st.text(min_size=1), st.integers(0, 10), st.lists(st.integers(0, 20)))
def test_healed_bytes_are_not_part_of_the_text(text: str, n: int, cuts: list[int]) -> None:
    healed = text[:n].encode()
    detokenizer = Detokenizer(healed, ())
    fill(detokenizer, text.encode(), cuts)
    assert detokenizer.text == text[n:]
    assert detokenizer.missing == b""


def test_half_a_character_at_the_end_is_dropped() -> None:
    detokenizer = Detokenizer(b"", ())
    detokenizer.append(Token(0, "aé".encode()[:2], 0.0))
    detokenizer.close()
    assert detokenizer.text == "a"


@given(st.lists(st.text(max_size=3), max_size=6), st.integers(0, 6))
def test_truncate_is_as_if_the_rest_had_never_come(pieces: list[str], n: int) -> None:
    whole, part = Detokenizer(b"", ("zz",)), Detokenizer(b"", ("zz",))
    for piece in pieces:
        whole.append(Token(0, piece.encode(), 0.0))
    for piece in pieces[:n]:
        part.append(Token(0, piece.encode(), 0.0))
    whole.truncate(n)
    assert (whole.text, whole.tokens, whole.stopped) == (part.text, part.tokens, part.stopped)

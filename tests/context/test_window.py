"""The part of a document that goes into a prompt."""

from __future__ import annotations

import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.context.window import cut_window


def count(text: str) -> int:
    """Words, blanks and signs, as a byte-level BPE counts roughly."""
    return len(re.findall(r"\w{1,6}|\s+|[^\w\s]", text))


texts = st.text("ab (\n", max_size=400) | st.integers(0, 300).map(
    lambda n: "".join(f"line_{i} = {i}\n" for i in range(n))
)


@given(texts, st.data(), st.integers(16, 200))
@settings(max_examples=150, deadline=None)
def test_a_window_is_what_surrounds_the_cursor_and_fits(text: str, data: st.DataObject, budget: int) -> None:
    offset = data.draw(st.integers(0, len(text)))
    window = cut_window(text, offset, budget, count)
    assert text[:offset].endswith(window.prefix)
    assert text[offset:].startswith(window.suffix)
    assert count(window.prefix) + count(window.suffix) <= budget
    if count(text) <= budget // 4:
        assert window.prefix + window.suffix == text


def test_the_start_stays_put_while_text_is_typed() -> None:
    text = "".join(f"value_{i} = compute({i})\n" for i in range(400))
    starts = []
    for _ in range(600):
        text += "xy = 1\n"[len(text) % 7]
        starts.append(len(text) - len(cut_window(text, len(text), 1000, count).prefix))
    moves = sum(a != b for a, b in itertools.pairwise(starts))
    assert moves <= 2
    assert starts == sorted(starts)


def test_a_long_file_leaves_most_of_its_room_used() -> None:
    text = "".join(f"value_{i} = compute({i})\n" for i in range(2000))
    window = cut_window(text, len(text) // 2, 1000, count)
    assert count(window.prefix) > 400
    assert count(window.suffix) > 200
    assert window.prefix.startswith("value_")

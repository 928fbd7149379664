"""The part of a document around the cursor that a prompt has room for.

The window's start stays put while the user types, so that a keystroke appends to the end of the prompt and the
KV cache keeps the rest: when the text before the cursor outgrows its room, the window starts at the next of
widely spaced anchors, which depend on the text before it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

CountTokens = Callable[[str], int]

_MAX_CHARS_PER_TOKEN = 8  # longer tokens are rare in code; what is cut away here could hardly have fitted


@dataclass(frozen=True)
class Window:
    """Text around a cursor.

    Attributes:
        prefix: before it.
        suffix: after it.
    """

    prefix: str
    suffix: str


def cut_window(
    text: str, offset: int, budget_tokens: int, count_tokens: CountTokens, suffix_share: float = 0.25
) -> Window:
    """Cut the window of at most so many tokens around an offset.

    Args:
        text: of the document.
        offset: of the cursor, in code points.
        budget_tokens: for both sides together.
        count_tokens: counts the tokens of a text.
        suffix_share: of the budget that the text after the cursor may take.
    """
    suffix_tokens = int(budget_tokens * suffix_share)
    suffix = _cut_end(text[offset : offset + suffix_tokens * _MAX_CHARS_PER_TOKEN], suffix_tokens, count_tokens)
    room = budget_tokens - suffix_tokens  # not what the suffix leaves over: that changes with each edit below
    return Window(_cut_start(text[:offset], room, count_tokens), suffix)


def _cut_end(text: str, budget: int, count_tokens: CountTokens) -> str:
    """As many whole lines from the start as fit; part of a line where not even one does."""
    while (n := count_tokens(text)) > budget:
        shorter = text[: len(text) * budget // n]
        text = shorter[: shorter.rfind("\n") + 1] or shorter[:-1]
    return text


def _cut_start(text: str, budget: int, count_tokens: CountTokens) -> str:
    """The end of a text from the first anchor that fits on."""
    spacing = max(1, budget)  # in characters: a quarter to a third of the room, and as much typing until the next
    start = max(0, len(text) - budget * _MAX_CHARS_PER_TOKEN)
    if start:
        start = _next_anchor(text, start, spacing)
    while count_tokens(text[start:]) > budget:
        start = _next_anchor(text, start, spacing)
    return text[start:]


def _next_anchor(text: str, start: int, spacing: int) -> int:
    """The start of the first line past the next multiple of the spacing; that multiple in an endless line."""
    least = (start // spacing + 1) * spacing
    if least >= len(text):
        return min(len(text), start + max(1, (len(text) - start) // 2))
    line = text.find("\n", least, least + spacing) + 1
    return line or least

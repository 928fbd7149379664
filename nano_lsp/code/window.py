"""The context window around the cursor: the part of a document that fits the token budget of a prompt.

Distant code is left out first: function bodies are elided down to the signature, the most distant first; lines are
left out only if that does not suffice. Code left out before the cursor stays left out while the user types, so that
a keystroke appends to the end of the prompt and the KV cache keeps the rest: the window is cut again, with headroom,
only when it exceeds its budget. A budget that has become smaller since then applies to the next window: cutting this
one again would mean evaluating most of the prompt again.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tree_sitter import Node

from nano_lsp.code.definition_nodes import find_definition_nodes
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.lines import split_lines

CountTokens = Callable[[str], int]

_MAX_CHARS_PER_TOKEN = 8  # longer tokens are rare in code; text beyond this limit could hardly have fitted
_CHARS_BEFORE, _CHARS_AFTER = 128, 32  # text per token of the budget that is looked at: more does not fit if elided
_HEADROOM = 0.25  # share of the budget that is left free for typing when a window is cut
_ELISION = "..."


@dataclass(frozen=True)
class Anchor:
    """How a window has shortened the distant parts of a document.

    The next window shortens them in the same way while they are unchanged, whatever an incomplete statement near the
    cursor does to the syntax tree.

    Attributes:
        head: Beginning of the document that the window shortens.
        shown_head: Shortened text of the head.
        tail: Document after the cursor.
        shown_tail: Shortened text of the tail.
        budget_tokens: Token budget that the window was cut for.
    """

    head: str = ""
    shown_head: str = ""
    tail: str = ""
    shown_tail: str = ""
    budget_tokens: int = 0


@dataclass(frozen=True)
class Window:
    """Context window: text around the cursor."""

    prefix: str
    suffix: str
    anchor: Anchor = Anchor()


def cut_window(
    text: str,
    offset: int,
    budget_tokens: int,
    count_tokens: CountTokens,
    *,
    tree: SyntaxTree | None = None,
    anchor: Anchor = Anchor(),
    suffix_share: float = 0.25,
) -> Window:
    """Cut the context window around an offset so that it fits a token budget.

    Args:
        text: Text of the document.
        offset: Offset of the cursor, in code points.
        budget_tokens: Maximum number of tokens of both sides together.
        count_tokens: Function that counts the tokens of a text.
        tree: Syntax tree of the text; without one, lines are left out instead of function bodies.
        anchor: Anchor of the last window of this document.
        suffix_share: Share of the budget available to the text after the cursor.
    """
    tail_stays = len(text) - offset == len(anchor.tail) and text.endswith(anchor.tail)
    head_stays = len(anchor.head) <= offset and text.startswith(anchor.head)
    kept_tokens = max(budget_tokens, anchor.budget_tokens) if tail_stays and head_stays else budget_tokens
    suffix_tokens = int(kept_tokens * suffix_share)
    room = kept_tokens - suffix_tokens  # without the suffix's unused tokens: their number changes with its text

    def fits(shown: str, tokens: int) -> bool:
        return len(shown) <= tokens * _MAX_CHARS_PER_TOKEN and count_tokens(shown) <= tokens

    suffix = anchor.shown_tail if tail_stays else text[offset : offset + suffix_tokens * _MAX_CHARS_PER_TOKEN + 1]
    head, shown_head = (anchor.head, anchor.shown_head) if head_stays else ("", "")
    prefix = shown_head + text[len(head) : offset]
    keeps = fits(suffix, suffix_tokens), fits(prefix, room)
    if kept_tokens > budget_tokens and not all(keeps):
        anchor = replace(anchor, budget_tokens=0)
        return cut_window(
            text, offset, budget_tokens, count_tokens, tree=tree, anchor=anchor, suffix_share=suffix_share
        )
    if not all(keeps):
        bodies = _bodies(tree, offset, room) if tree else []
        count = _by_lines(count_tokens)
    if not keeps[0]:
        suffix = _cut_suffix(text, offset, [body for body in bodies if body[0] > offset], suffix_tokens, count)
        while count_tokens(suffix) > suffix_tokens:  # counting line by line is not exact
            suffix = suffix[: len(suffix) * 7 // 8]
    if not keeps[1]:
        before = [body for body in bodies if body[1] <= offset]
        start, until = _find_anchor(text, offset, before, int(room * (1 - _HEADROOM)), count)
        head = text[: max(start, until)]
        shown_head = _elide(text, start, len(head), [body for body in before if body[1] <= until])
        prefix = shown_head + text[len(head) : offset]
        while count_tokens(prefix) > room:
            prefix = prefix[len(prefix) // 8 + 1 :]
    return Window(prefix, suffix, Anchor(head, shown_head, text[offset:], suffix, kept_tokens))


def _find_anchor(
    text: str, offset: int, bodies: Sequence[tuple[int, int]], room: int, count: CountTokens
) -> tuple[int, int]:
    """Start of the largest prefix that fits, and the offset up to which function bodies are elided in it."""

    def fits(start: int, n_elided: int) -> bool:
        prefix = _elide(text, start, offset, bodies[:n_elided])
        return len(prefix) <= room * _MAX_CHARS_PER_TOKEN and count(prefix) <= room

    n_elided = bisect_left(range(len(bodies) + 1), True, key=lambda n: fits(0, n))
    if n_elided <= len(bodies):
        return 0, bodies[n_elided - 1][1] if n_elided else 0
    until = bodies[-1][1] if bodies else 0
    nearest = max(0, offset - _CHARS_BEFORE * room)
    starts = [i + 1 for i in range(nearest, offset) if text[i] == "\n"]
    chosen = bisect_left(starts, True, key=lambda start: fits(start, len(bodies)))
    if chosen < len(starts):
        return starts[chosen], until
    line = starts[-1] if starts else 0
    within = range(line, offset + 1)  # the line alone is too long: a part of it
    return within[min(bisect_left(within, True, key=lambda start: fits(start, len(bodies))), len(within) - 1)], until


def _cut_suffix(text: str, offset: int, bodies: Sequence[tuple[int, int]], room: int, count: CountTokens) -> str:
    """The text after the cursor: whole, else with the most distant bodies elided, else as many lines as fit."""
    end = min(len(text), offset + room * _CHARS_AFTER)
    whole = end == len(text)

    def fits(suffix: str) -> bool:
        return len(suffix) <= room * _MAX_CHARS_PER_TOKEN and count(suffix) <= room

    inside = [body for body in bodies if body[1] <= end]
    for n_kept in (len(inside), *range(min(2, len(inside)), -1, -1)):
        suffix = _elide(text, offset, end, inside[n_kept:])
        if whole and fits(suffix):
            return suffix
    lines = split_lines(suffix, keep_ends=True)
    n_lines = bisect_left(range(1, len(lines) + 1), True, key=lambda n: not fits("".join(lines[:n])))
    if n_lines or not lines:
        return "".join(lines[:n_lines])
    line = lines[0][: room * _MAX_CHARS_PER_TOKEN]
    return line[: bisect_left(range(1, len(line) + 1), True, key=lambda n: not fits(line[:n]))]


def _elide(text: str, start: int, end: int, bodies: Sequence[tuple[int, int]]) -> str:
    """Part of a text, with `...` in place of the bodies within it."""
    parts = []
    at = start
    for body_start, body_end in bodies:
        if body_start >= at and body_end <= end:
            parts += [text[at:body_start], _ELISION]
            at = body_end
    return "".join([*parts, text[at:end]])


def _bodies(tree: SyntaxTree, offset: int, room: int) -> list[tuple[int, int]]:
    """Start and end offsets of the function bodies that do not contain the cursor, in order.

    Only those within reach of the room, in tokens.
    """
    cursor = tree.byte_offset(offset)
    start = tree.byte_offset(max(0, offset - _CHARS_BEFORE * room))
    end = tree.byte_offset(min(len(tree.text), offset + _CHARS_AFTER * room))
    return [
        (tree.offset(body.start_byte), tree.offset(body.end_byte))
        for body in _function_bodies(tree.root, tree, (start, max(end, start + 1)))
        if not body.start_byte <= cursor <= body.end_byte
    ]


def _function_bodies(node: Node, tree: SyntaxTree, within: tuple[int, int]) -> Iterator[Node]:
    """Bodies of functions at the top level and in classes; nested functions are part of the outer body."""
    known = {each.whole.id: each for each in find_definition_nodes(tree, node, max_depth=2, within=within)}
    for child in node.named_children:
        if child.end_byte < within[0] or child.start_byte > within[1]:
            continue
        found = known.get(child.id)
        if found is None:
            if child.child_by_field_name("body") is None and child.has_error and child.named_child_count:
                yield from _function_bodies(child, tree, within)
        elif found.kind == "group":
            yield from _function_bodies(found.body or child, tree, within)
        elif found.body is not None and found.kind == "function":
            yield found.body
        elif found.body is not None:
            yield from _function_bodies(found.body, tree, within)


def _by_lines(count_tokens: CountTokens) -> CountTokens:
    """Count tokens line by line with a cache: nearly exact, and cheap for a text with few changed lines."""
    count_line = _line_counter(count_tokens)

    def count(text: str) -> int:
        return sum(map(count_line, split_lines(text, keep_ends=True)))

    return count


@functools.lru_cache(maxsize=4)
def _line_counter(count_tokens: CountTokens) -> CountTokens:
    return functools.lru_cache(maxsize=8192)(count_tokens)

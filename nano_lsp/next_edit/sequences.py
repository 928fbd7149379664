"""Two edits that were made one after the other, and the second one where the first was made again.

After the edits `a` and `b`, an edit like `a` leads to one like `b` near it: a call and the assertion on its result,
the beginning of a block and its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from nano_lsp.lines import split_lines
from nano_lsp.next_edit.history import Edit, line_above, line_below
from nano_lsp.next_edit.patterns import replaced
from nano_lsp.next_edit.place import Place, PlaceKind, anchor
from nano_lsp.next_edit.renames import Source
from nano_lsp.next_edit.transfer import in_other_cases, similarity, split_tokens, words_of

_MIN_SIMILARITY = 0.6
_MAX_LINES_AWAY = 400  # from where the second edit is expected


def find_followers(edits: Sequence[Edit], sources: Sequence[Source]) -> Iterator[Place]:
    """Places of edits that follow from the newest one as others have followed from ones like it.

    Args:
        edits: The newest edits, the newest first.
        sources: The documents to search, with the texts that the edits are in.
    """
    texts = {source.name: source.text for source in sources}
    newest = edits[0]
    for second, first in pairwise(edits[1:]):
        if first.document == second.document and _is_like(first, newest) and not _is_like(second, newest):
            names = _exchanged_words(first, newest)
            distance = _line(second.start, texts[second.document]) - _line(first.start, texts[first.document])
            place = _find_near(second, distance, newest, names, texts)
            if place is not None:
                yield place


def _is_like(first: Edit, second: Edit) -> bool:
    """Whether two edits replace the same, or have similar lines on both sides."""
    if bool(first.old) != bool(second.old) or bool(first.new) != bool(second.new):
        return False
    made = {*replaced(first.old, first.new)}
    if first.old and made and made == {*replaced(second.old, second.new)}:
        return True
    sides = (first.old, second.old), (first.new, second.new)
    return all(similarity(split_tokens(a), split_tokens(b)) >= _MIN_SIMILARITY for a, b in sides if a or b)


def _exchanged_words(first: Edit, second: Edit) -> dict[str, str]:
    """Words of an edit, and those in their places in another one."""
    names: dict[str, str] = {}
    for a, b in ((first.old, second.old), (first.new, second.new)):
        here, there = split_tokens(a), split_tokens(b)
        for tag, i, i_end, j, j_end in SequenceMatcher(None, here, there, autojunk=False).get_opcodes():
            if tag == "replace" and i_end - i == j_end - j:
                for old, new in zip(here[i:i_end], there[j:j_end], strict=True):
                    if words_of(old) == {old} and words_of(new) == {new}:
                        names.update(in_other_cases(old, new))
    return names


def _line(offset: int, text: str) -> int:
    return text.count("\n", 0, offset)


def _find_near(
    edit: Edit, distance: int, newest: Edit, names: Mapping[str, str], texts: Mapping[str, str]
) -> Place | None:
    """Where an edit with other names can be made again, as near as possible to a number of lines from the newest."""

    def renamed(code: str) -> str:
        return "".join(names.get(token, token) for token in split_tokens(code))

    source, text = texts[edit.document], texts[newest.document]
    beside = [renamed(line).strip() for line in (line_above(source, edit.start), line_below(source, edit.end))]
    old, new = renamed(edit.old), renamed(edit.new)
    lines, n, n_new = [split_lines(text, keep_ends=True), *map(len, map(split_lines, (old, new)))]
    stripped = [line.strip() for line in lines]
    wanted, made = ([line.strip() for line in split_lines(side)] for side in (old, new))
    expected = _line(newest.start, text) + distance
    ranked = []
    for i in range(max(0, expected - _MAX_LINES_AWAY), min(len(lines) - n, expected + _MAX_LINES_AWAY) + 1):
        around = stripped[i - 1] if i else "", stripped[i + n] if i + n < len(lines) else ""
        n_same = sum(bool(a) and a == b for a, b in zip(beside, around, strict=True))
        is_done = not n and made in (stripped[i : i + n_new], stripped[max(0, i - n_new) : i])
        if stripped[i : i + n] == wanted and (n or n_same) and not is_done:
            ranked.append((-n_same, abs(i - expected), i))
    if not ranked:
        return None
    n_same, _, i = min(ranked)
    start, share = sum(map(len, lines[:i])), (1 - n_same) / 3
    if not n:
        return Place(newest.document, *anchor(text, start, new), PlaceKind.SEQUENCE, newest, share)
    return Place(newest.document, start, "".join(lines[i : i + n]), new, PlaceKind.SEQUENCE, newest, share)

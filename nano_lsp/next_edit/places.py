"""Finds where the newest edits have to be made again, and the text there, in the code and without a model.

A place has lines like an edit's old lines (`transfer`), tokens that an edit has replaced (`patterns`), uses of a
definition that an edit has renamed (`renames`), errors at a replaced word (`problems`), no line for a new entry of
another list (`mirrors`), or the place of an edit that has followed before (`sequences`). Edited lines are left out,
and so are places where the edit would take back another one.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from nano_lsp.lines import line_end, line_start, split_lines
from nano_lsp.next_edit.history import Edit, line_above, line_below
from nano_lsp.next_edit.mirrors import find_missing
from nano_lsp.next_edit.patterns import Pattern, find_patterns, replaced
from nano_lsp.next_edit.place import Place, PlaceKind
from nano_lsp.next_edit.problems import find_broken
from nano_lsp.next_edit.renames import Source, find_renames, find_uses
from nano_lsp.next_edit.sequences import find_followers
from nano_lsp.next_edit.transfer import similarity, split_tokens, transfer, words_of

_MAX_EDITS = 8  # the newest, that are made again
_MIN_SIMILARITY = 0.5
_MIN_ANCHOR_SIMILARITY = 0.8  # of the line beside added lines
_MAX_COMPARED = 400  # lines with the words that an edit has replaced: 0.2 ms each
_MAX_PLACES = 32  # for one replacement: if there are more, the edit was not about its tokens everywhere

_AGAIN = {PlaceKind.LINES, PlaceKind.TOKENS}


def find_places(edits: Sequence[Edit], sources: Sequence[Source]) -> list[Place]:
    """The places where the newest edits may have to be made again, in no order.

    Args:
        edits: The edits of the session, the newest first.
        sources: The documents to search, with the texts that the edits are in.
    """
    found: dict[tuple[str, int, str], Place] = {}
    newest = edits[:_MAX_EDITS]
    reversals = {(new, old) for edit in edits for old, new in replaced(edit.old, edit.new)}
    edited = [(edit.document, edit.start, edit.end) for edit in edits]
    again = (place for source in sources for place in _find(newest, source, sources))
    led = (find(newest, sources) for find in (find_broken, find_missing, find_followers))
    for place in chain(again, *led):
        key = place.document, place.start, place.new
        is_better = key not in found or _strength(place) > _strength(found[key])
        is_done = not place.is_addition and any(
            place.document == document and place.start < end and start < place.end for document, start, end in edited
        )
        if is_better and not is_done and place.replacements and not place.replacements & reversals:
            found[key] = place
    return _weigh(_joined([*found.values()]), edits, sources)


def removed_words(edits: Sequence[Edit]) -> set[str]:
    """Words of which a document that is searched for places should have one: those that the edits have removed."""
    return {word for edit in edits[:_MAX_EDITS] for word in words_of(edit.old) - words_of(edit.new)}


def _joined(places: Sequence[Place]) -> list[Place]:
    """The places, with one place for lines below each other that repeat the same edit in the same way."""
    places = sorted(places, key=lambda each: (each.document, each.kind, each.edit.start, each.start))
    joined = _join_neighbours(places, _is_alike)
    joined.sort(key=lambda each: (each.document, sorted(each.replacements), each.start))
    return _join_neighbours(joined, _makes_the_same)


def _join_neighbours(places: Sequence[Place], is_alike: Callable[[Place, Place], bool]) -> list[Place]:
    joined: list[Place] = []
    for place in places:
        last = joined[-1] if joined else None
        if last and (last.document, last.end) == (place.document, place.start) and is_alike(last, place):
            share = min(last.similarity, place.similarity)
            joined[-1] = replace(last, old=last.old + place.old, new=last.new + place.new, similarity=share)
        else:
            joined.append(place)
    return joined


def _is_alike(first: Place, second: Place) -> bool:
    is_same = (first.document, first.kind, first.edit) == (second.document, second.kind, second.edit)
    return is_same and (first.kind is PlaceKind.USE or bool(first.replacements & second.replacements))


def _makes_the_same(first: Place, second: Place) -> bool:
    return {first.kind, second.kind} <= _AGAIN and first.replacements == second.replacements


def _strength(place: Place) -> tuple[bool, float]:
    return place.kind not in _AGAIN, place.similarity


def _weigh(places: Sequence[Place], edits: Sequence[Edit], sources: Sequence[Source]) -> list[Place]:
    """The places with what speaks for them and against them."""
    made = [{*replaced(edit.old, edit.new)} for edit in edits]
    texts, newest = {source.name: source.text for source in sources}, edits[0]
    weighed = []
    for place in places:
        like = [each for each in places if place.replacements & each.replacements]
        first, last = sorted((place.start, newest.start))
        weighed.append(
            replace(
                place,
                n_made=sum(place.replacements <= each for each in made),
                n_left=len({(each.document, each.start) for each in like}),
                n_lines=texts[place.document].count("\n", first, last) if place.document == newest.document else None,
                is_behind=all(edit.start < place.start for edit in edits if edit.document == place.document),
            )
        )
    return weighed


def _find(edits: Sequence[Edit], source: Source, sources: Sequence[Source]) -> Iterator[Place]:
    lines = split_lines(source.text, keep_ends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    matched: dict[int, list[tuple[Pattern, Edit]]] = {}
    for edit in edits:
        similar: set[int] = set()
        for old, new, least in _sides(edit, edits, sources):
            for i, window, share in _similar_lines(old, new, lines, least):
                made = transfer(old, new, window)
                if made is not None:
                    similar.add(i)
                    yield Place(source.name, starts[i], window, made, PlaceKind.LINES, edit, share)
            for pattern in find_patterns(old, new) if edit.old else ():
                fitting = _fitting_lines(pattern, lines)
                for i in fitting if len(fitting) <= _MAX_PLACES else ():
                    matched.setdefault(i, []).append((pattern, edit))
        yield from _uses(edit, source, sources)
    for i, found in matched.items():
        for chosen in ([one] for one in found), [found]:
            for patterns in chosen:
                tokens, shares = split_tokens(lines[i]), [0.0]
                for pattern, _ in patterns:
                    tokens, share = pattern.apply(tokens)
                    shares.append(share)
                yield Place(
                    source.name, starts[i], lines[i], "".join(tokens), PlaceKind.TOKENS, patterns[0][1], max(shares)
                )


def _sides(edit: Edit, edits: Sequence[Edit], sources: Sequence[Source]) -> Iterator[tuple[str, str, float]]:
    """Old and new lines to look for: those of the edit, and single ones of them; with the least similarity.

    Added lines are looked for by the line above or below them, once such lines were added twice.
    """
    if edit.old:
        yield edit.old, edit.new, _MIN_SIMILARITY
        old, new = split_lines(edit.old, keep_ends=True), split_lines(edit.new, keep_ends=True)
        if len(old) == len(new) > 1:
            yield from ((*pair, _MIN_SIMILARITY) for pair in zip(old, new, strict=True) if pair[0] != pair[1])
    elif any(other is not edit and not other.old and _are_alike(other.new, edit.new) for other in edits):
        text = next(source.text for source in sources if source.name == edit.document)
        above, below = line_above(text, edit.start), line_below(text, edit.end)
        if above.strip():
            yield above, above + edit.new, _MIN_ANCHOR_SIMILARITY
        if below.strip():
            yield below, edit.new + below, _MIN_ANCHOR_SIMILARITY


def _are_alike(first: str, second: str) -> bool:
    return similarity(split_tokens(first), split_tokens(second)) >= _MIN_ANCHOR_SIMILARITY


def _fitting_lines(pattern: Pattern, lines: Sequence[str]) -> list[int]:
    """Numbers of the lines that a pattern fits, up to one more than are of use."""
    candidates = (i for i, line in enumerate(lines) if pattern.key in line and pattern.fits(split_tokens(line)))
    return [*islice(candidates, _MAX_PLACES + 1)]


def _similar_lines(old: str, new: str, lines: Sequence[str], least: float) -> list[tuple[int, str, float]]:
    """The lines that are most like the old ones: number of the first, their text, their similarity."""
    tokens, n = split_tokens(old), len(split_lines(old))
    gone = words_of("\n".join(side for side, _ in replaced(old, new))) & words_of(old)
    words = gone or {max(words_of(old), key=len, default="")}
    if "" in words:
        return []
    windows = (("".join(lines[i : i + n]), i) for i in range(len(lines) - n + 1) if lines[i].strip())
    having = islice(((window, i) for window, i in windows if all(word in window for word in words)), _MAX_COMPARED)
    shares = [(i, window, similarity(tokens, split_tokens(window))) for window, i in having]
    return heapq.nlargest(_MAX_PLACES, (each for each in shares if each[2] >= least), key=lambda each: each[2])


def _uses(edit: Edit, source: Source, sources: Sequence[Source]) -> Iterator[Place]:
    text = source.text
    home = next((other for other in sources if other.name == edit.document), None)
    for rename in find_renames(edit, home) if home else ():
        by_line: dict[int, list[int]] = {}
        for offset in find_uses(rename, source):
            by_line.setdefault(line_start(text, offset), []).append(offset)
        for start, offsets in by_line.items():
            end = min(len(text), line_end(text, start) + 1)
            made, at = [], start
            for offset in offsets:
                made += [text[at:offset], rename.new]
                at = offset + len(rename.old)
            new = "".join([*made, text[at:end]])
            yield Place(source.name, start, text[start:end], new, PlaceKind.USE, edit, 1.0)

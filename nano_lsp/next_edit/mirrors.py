"""Lines that were added to a list and are missing in another one that has the same entries.

Such lists are the names that are imported and those in `__all__`, the members of an enumeration and the cases of a
`switch`, fields and their assignments in the constructor. A line that was added beside an entry belongs, with other
words, beside the line that has the words of this entry elsewhere, if there are such lines for its neighbours, too.
One is enough where it was added as well: the second list is being typed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from nano_lsp.lines import split_lines
from nano_lsp.next_edit.history import Edit, line_above, line_below
from nano_lsp.next_edit.place import Place, PlaceKind, anchor
from nano_lsp.next_edit.renames import Source
from nano_lsp.next_edit.transfer import in_other_cases, split_tokens, words_of

_MAX_EXCHANGED = 3  # words in which two entries of a list differ: a name, its type and its value
_MAX_NEIGHBOURS = 4  # above, and below
_MIN_MIRRORED = 2  # of the neighbours


@dataclass(frozen=True)
class _Entry:
    """An entry that lines were added beside.

    Attributes:
        edit: The edit that has added them.
        line: The entry, without the blanks around it.
        keys: Its words in whose places each added line has others, in lower case.
        added: Words of it, and those in their places, for each added line.
        neighbours: The same for the entries around it.
        is_above: Whether the lines were added below it.
    """

    edit: Edit
    line: str
    keys: Set[str]
    added: Sequence[Mapping[str, str]]
    neighbours: Sequence[Mapping[str, str]]
    is_above: bool


@dataclass(frozen=True)
class _Mirror:
    """What another list has.

    Attributes:
        new: The added lines as that list has them.
        neighbours: Lines for the entry's neighbours, without the blanks around them.
    """

    new: str
    neighbours: Set[str]


def find_missing(edits: Sequence[Edit], sources: Sequence[Source]) -> Iterator[Place]:
    """Places for lines that are missing in other lists, at most one in each document for each edit.

    Args:
        edits: The newest edits, the newest first.
        sources: The documents to search, with the texts that the edits are in.
    """
    texts = {source.name: source.text for source in sources}
    entries = [entry for edit in edits if not edit.old for entry in _entries(edit, edits, texts[edit.document])]
    for source in sources if entries else ():
        added = [(edit.start, edit.end) for edit in edits if not edit.old and edit.document == source.name]
        lines = split_lines(source.text, keep_ends=True)
        stripped = [line.strip() for line in lines]
        best: dict[Edit, tuple[tuple[int, bool], int, str]] = {}  # how good it is, its offset, the new lines
        start = 0
        for i, line in enumerate(lines):
            folded = line.lower()
            for entry in entries:
                if stripped[i] != entry.line and any(key in folded for key in entry.keys):
                    is_typed = any(first <= start < end for first, end in added)
                    beside = {*stripped[max(0, i - 1) : i], *stripped[i + 1 : i + 2]}
                    found = _mirror(line, entry, stripped, least=0 if is_typed else _MIN_MIRRORED)
                    if found:
                        rank = len(beside & found.neighbours), entry.is_above
                        at = start + len(line) if entry.is_above else start
                        if entry.edit not in best or rank > best[entry.edit][0]:
                            best[entry.edit] = rank, at, found.new
            start += len(line)
        for edit, (_, at, new) in best.items():
            yield Place(source.name, *anchor(source.text, at, new), PlaceKind.MIRROR, edit, 1.0)


def _entries(edit: Edit, edits: Sequence[Edit], text: str) -> Iterator[_Entry]:
    """The entries above and below added lines, unless other edits have words that only the added lines have."""
    elsewhere = {word for other in edits if other is not edit for word in words_of(other.new)}
    above = _lines_from(edit.start, text, line_above, -1)
    below = _lines_from(edit.end, text, line_below, 1)
    for base, others, is_above in (
        (above[:1], [*above[1:], *below], True),
        (below[:1], [*below[1:], *above], False),
    ):
        added = [_exchanged(base[0], line) for line in split_lines(edit.new)] if base else []
        if added and all(added) and not any(elsewhere & {*words.values()} for words in added):
            neighbours = [words for line in others if (words := _exchanged(base[0], line))]
            keys = {word.lower() for word in set.intersection(*map(set, added))}
            yield _Entry(edit, base[0].strip(), keys, added, neighbours, is_above)


def _lines_from(offset: int, text: str, following: Callable[[str, int], str], direction: int) -> list[str]:
    lines: list[str] = []
    while len(lines) < _MAX_NEIGHBOURS and (line := following(text, offset)):
        lines.append(line)
        offset += direction * len(line)
    return lines


def _exchanged(first: str, second: str) -> dict[str, str]:
    """Words of a line, and those in their places in another one; empty where these lines differ in something else."""
    a, b = split_tokens(first.strip()), split_tokens(second.strip())
    pairs = {pair for pair in zip(a, b, strict=False) if pair[0] != pair[1]}
    is_alike = len(a) == len(b) and len(dict(pairs)) == len(pairs) <= _MAX_EXCHANGED
    if not is_alike or any({old} != words_of(old) or {new} != words_of(new) for old, new in pairs):
        return {}
    return {case: other for pair in pairs for case, other in in_other_cases(*pair).items()}


def _mirror(line: str, entry: _Entry, lines: Collection[str], least: int) -> _Mirror | None:
    """What another list has beside an entry; None where it has the added lines already, or where it is none.

    Args:
        line: A line with a word of the entry.
        entry: The entry.
        lines: The lines of the document, without the blanks around them.
        least: Number of the entry's neighbours that the other list must have.
    """
    tokens = split_tokens(line)
    made, others = (
        ["".join(words.get(token, token) for token in tokens) for words in each]
        for each in (entry.added, entry.neighbours)
    )
    mirrored = {other.strip() for other in others if other != line}.intersection(lines)
    is_new = line not in made and not {each.strip() for each in made}.intersection(lines)
    is_list = len(mirrored) >= least and line.endswith(("\n", "\r"))
    return _Mirror("".join(made), mirrored) if is_new and is_list else None

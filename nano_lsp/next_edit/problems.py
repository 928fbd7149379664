"""Places where the editor shows an error at a word that an edit has replaced: a member, a field, a key of a type.

Language servers know what a name refers to. Where they report a word that an edit has just replaced elsewhere, the
error comes from that edit, as a rule, and the new word belongs there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nano_lsp.lines import line_end, line_start
from nano_lsp.next_edit.history import Edit, line_below
from nano_lsp.next_edit.patterns import replaced
from nano_lsp.next_edit.place import Place, PlaceKind
from nano_lsp.next_edit.renames import Source
from nano_lsp.next_edit.transfer import WORD


def find_broken(edits: Sequence[Edit], sources: Sequence[Source]) -> Iterator[Place]:
    """Places with problems at words that edits have replaced by others.

    Args:
        edits: The newest edits, the newest first.
        sources: The documents to search, with the texts that the edits are in.
    """
    pairs = {
        old: (new, edit)
        for edit in reversed(edits)
        for old, new in replaced(edit.old, edit.new)
        if WORD.fullmatch(old) and WORD.fullmatch(new)
    }
    for source in sources:
        text = source.text
        marked: dict[int, dict[int, str]] = {}  # by line: the replaced words with a problem, by their offsets
        for start, end in source.problems:
            first = line_start(text, start)
            for word in WORD.finditer(text, first, line_end(text, start)):
                is_marked = word.start() <= start < word.end() or start <= word.start() < end
                if is_marked and word[0] in pairs:
                    marked.setdefault(first, {})[word.start()] = word[0]
        for first, words in marked.items():
            old = line_below(text, first)
            made, at = [], first
            for offset, name in sorted(words.items()):
                made += [text[at:offset], pairs[name][0]]
                at = offset + len(name)
            new, edit = "".join([*made, text[at : first + len(old)]]), pairs[next(iter(words.values()))][1]
            yield Place(source.name, first, old, new, PlaceKind.PROBLEM, edit, 1.0)

"""Whether a passage bears out a statement: it must have its numbers and names, and most of its other words."""

from __future__ import annotations

import re

_WORD = re.compile(r"\d+(?:[.,:/-]\d+)*|[^\W\d_]+(?:['\u2019][^\W\d_]+)?", re.UNICODE)
_STEM = 5  # letters that two forms of a word share
_ENOUGH = 0.7  # of the other words
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """about above after again against all also although among and another any are because been before being
        between both but can could did does doing down during each either even every few for from further had has
        have having her here hers him his how however into its itself just less like made make many may might more
        most much must near neither nor not now off once one only onto other others our out over own per same shall
        she should since some still such than that the their them then there these they this those through thus too
        under until upon use used uses using very was were what when where whether which while who whom whose why
        will with within without would yet you your document passage text section states says describes""",
    )
)


def key_terms(statement: str) -> tuple[set[str], set[str]]:
    """What a statement is about: numbers and names, as written, and the stems of its other words.

    A name is a word with a capital that does not begin a sentence, or with capitals within.
    """
    exact: set[str] = set()
    stems: set[str] = set()
    for found in _WORD.finditer(statement):
        word = found[0]
        before = statement[: found.start()].rstrip()
        begins = not before or before[-1] in ".!?:\"“'("
        if word[0].isdigit():
            exact.add(_number(word))
        elif len(word) > 1 and (word[1:] != word[1:].lower() or (word[0].isupper() and not begins)):
            exact.add(word.casefold())
        elif len(word) > 2 and word.casefold() not in _COMMON:
            stems.add(_stem(word))
    return exact, stems


def bears_out(passage: str, statement: str) -> bool:
    """Whether a passage has the key terms of a statement."""
    exact, stems = key_terms(statement)
    words = [found[0] for found in _WORD.finditer(passage)]
    known = {_number(word) if word[0].isdigit() else word.casefold() for word in words}
    present = {_stem(word) for word in words}
    # Names come in other cases than the passage has them, as "Vienna's".
    if any(term not in known and _stem(term) not in present for term in exact):
        return False
    if any(term[0].isdigit() and term not in known for term in exact):
        return False
    return bool(exact or stems) and len(stems & present) >= _ENOUGH * len(stems)


def says_nothing_new(statement: str, other: str) -> bool:
    """Whether a statement has no number and no name that another one has not, and mostly its words."""
    (exact, stems), (known, present) = key_terms(statement), key_terms(other)
    return exact <= known and len(stems & present) >= _ENOUGH * len(stems)


def _stem(word: str) -> str:
    return word.casefold()[:_STEM]


def _number(text: str) -> str:
    """A number without the marks that group its digits, so that 12,500 is 12500."""
    return re.sub(r"[,](?=\d{3}(?:\D|$))", "", text)

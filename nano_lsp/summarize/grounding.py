"""Checks that a passage supports a statement: it must have its numbers and names, and most of its other words."""

from __future__ import annotations

import re
import unicodedata

import regex

from nano_lsp.summarize.segmentation import bigrams, is_unspaced, words

_STEM = 5  # leading letters that the forms of a word share
_HANGUL_STEM = 2  # syllables, before the particles
_ARABIC_ARTICLE = regex.compile("^[\u0648\u0641\u0628\u0643\u0644]?\u0627\u0644(?=..)")  # also joined
_ENOUGH = 0.7  # minimum share of the other words
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
    """The key terms of a statement: its numbers and names, as written, and the stems of its other words.

    A name is a word with a capital that does not begin a sentence, or with capitals after its first letter. In
    scripts without capitals, names are not recognized; in scripts without spaces, bigrams replace stems.
    """
    exact: set[str] = set()
    stems: set[str] = set()
    for word, start in words(statement):
        before = statement[:start].rstrip()
        begins = not before or before[-1] in ".!?:\"\u201c'("
        if word[0].isdigit():
            exact.add(_number(word))
        elif is_unspaced(word):
            stems |= bigrams(word)
        elif len(word) > 1 and (word[1:] != word[1:].lower() or (word[0].isupper() and not begins)):
            exact.add(_fold(word))
        elif len(word) > (1 if regex.match(r"\p{Hangul}", word) else 2) and word.casefold() not in _COMMON:
            stems.add(_stem(word))
    return exact, stems


def is_supported(passage: str, statement: str) -> bool:
    """Whether a passage has the key terms of a statement."""
    exact, stems = key_terms(statement)
    known: set[str] = set()
    present: set[str] = set()
    for word, _ in words(passage):
        known.add(_number(word) if word[0].isdigit() else _fold(word))
        present |= bigrams(word) if is_unspaced(word) else {_stem(word)}
    # Names come in other cases than the passage has them, as "Vienna's".
    if any(term not in known and _stem(term) not in present for term in exact):
        return False
    if any(term[0].isdigit() and term not in known for term in exact):
        return False
    return bool(exact or stems) and len(stems & present) >= _ENOUGH * len(stems)


def is_redundant(statement: str, other: str) -> bool:
    """Whether another statement has all numbers and names of a statement, and most of its words."""
    (exact, stems), (known, present) = key_terms(statement), key_terms(other)
    return exact <= known and len(stems & present) >= _ENOUGH * len(stems)


def _fold(word: str) -> str:
    """A word normalized for comparison: case folded, in Arabic and Hebrew without optional marks."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    if regex.match(r"[\p{Arabic}\p{Hebrew}]", folded):
        folded = _ARABIC_ARTICLE.sub("", regex.sub(r"[\p{Mn}\u0640]", "", folded))
    return folded


def _stem(word: str) -> str:
    return _fold(word)[: _HANGUL_STEM if regex.match(r"\p{Hangul}", word) else _STEM]


def _number(text: str) -> str:
    """A number in ASCII digits without grouping separators: 12,500 and 1,25,000 are 12500 and 125000."""
    ascii_ = "".join(str(unicodedata.digit(char)) if char.isdecimal() else char for char in text)
    ascii_ = ascii_.replace("\u066c", ",").replace("\u066b", ".")
    return re.sub(r",(?=(?:\d{2},)*\d{3}(?!\d))", "", ascii_)

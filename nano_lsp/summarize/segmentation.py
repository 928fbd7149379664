"""Sentences and words of any script, by Unicode properties and text segmentation (UAX 29) of `regex`."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import pairwise

import regex

_SENTENCE = regex.compile(
    r"[^\S\r\n]*.+?(?:"
    r"[\p{SB=STerm}\u2026\uff1b]+\p{SB=Close}*\s*"  # ends a sentence wherever it stands: 。 । ؟ ። ! ?
    r"|[\p{SB=ATerm}:;]+\p{SB=Close}*\s+(?=\S)"  # a full stop needs a blank: 3.5 is a number
    r"|\Z)",
    regex.DOTALL,
)
_CLAUSE = regex.compile(r"[,\u3001\uff0c\u060c\u061b\u1363\u104a\u17d6\u0964]\s*")
_BLANKS, _CHARACTER = regex.compile(r"\s+"), regex.compile(r"\X")
_WORD = regex.compile(r"(?w)\p{Nd}+(?:[.,:/\u066b\u066c-]\p{Nd}+)*|(?:\b|(?<=[\p{Nd}_]))[\p{L}\p{M}\p{No}].*?\b")
_UNSPACED = regex.compile(
    r"(?:(?!\p{Nd})[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Tai_Tham}\p{Javanese}"
    r"\p{Balinese}\u30fc\u3005]\p{M}*)+"
)
_WITHOUT_STOPS = ("THAI", "LAO", "TIBETAN", "KHMER", "MYANMAR")
_FULL_STOPS = (  # sentence terminator by the script of the last letter; the full stop for others
    (regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]"), "\u3002"),
    (regex.compile(r"[\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Oriya}]"), "\u0964"),
    (regex.compile(r"\p{Armenian}"), "\u0589"),
    (regex.compile(r"\p{Ethiopic}"), "\u1362"),
    (regex.compile(r"\p{Myanmar}"), "\u104b"),
    (regex.compile(r"\p{Khmer}"), "\u17d4"),
    (regex.compile(r"[\p{Thai}\p{Lao}]"), ""),
)
_MANY = 0.3  # minimum share of the letters for a text to count as written in a script


def sentences(text: str) -> list[str]:
    """The sentences of a text; joined, they are the text."""
    return [found[0] for found in _SENTENCE.finditer(text) if found[0]]


def cut(text: str, max_chars: int) -> list[str]:
    """Cut a text into pieces after clauses, or else after whitespace, or else between grapheme clusters.

    No piece has more than `max_chars` characters, except one grapheme cluster.
    """
    pieces: list[str] = []
    while len(text) > max_chars:
        part = text[:max_chars]
        whole = [found.end() for found in regex.finditer(r"\X", text[: max_chars + 1])][:-1]  # the last may go on
        ends = [{found.end() for found in marks.finditer(part)} & set(whole) for marks in (_CLAUSE, _BLANKS)]
        good = (max(each) for each in (*ends, whole) if each and max(each) > max_chars // 4)
        end = next(good, 0) or max(whole, default=0) or next(_CHARACTER.finditer(text)).end()
        pieces.append(text[:end])
        text = text[end:]
    return [*pieces, text] if text else pieces


def words(text: str) -> list[tuple[str, int]]:
    """The words and numbers of a text, with their offsets; scripts without spaces come in runs of words."""
    found: list[tuple[str, int]] = []
    at = 0
    for run in _UNSPACED.finditer(text):
        found += [(each[0], each.start()) for each in _WORD.finditer(text, at, run.start())]
        found.append((run[0], run.start()))
        at = run.end()
    return found + [(each[0], each.start()) for each in _WORD.finditer(text, at)]


def is_unspaced(word: str) -> bool:
    """Whether a word is a run of a script without spaces between words."""
    return _UNSPACED.match(word) is not None


def bigrams(run: str) -> set[str]:
    """The bigrams of a run, without those of hiragana, which are inflections; a single character for itself."""
    graphemes = regex.findall(r"\X", run)
    pairs = {a + b for a, b in pairwise(graphemes)} or {run}
    return {pair for pair in pairs if not regex.fullmatch(r"\p{Hiragana}+", pair)} or pairs


def with_full_stop(statement: str) -> str:
    """A statement with its script's sentence terminator, unless it has one."""
    if regex.search(r"[\p{SB=STerm}\p{SB=ATerm}\u2026]\p{SB=Close}*$", statement):
        return statement
    letters = regex.findall(r"\p{L}", statement)
    return statement + next((stop for script, stop in _FULL_STOPS if letters and script.match(letters[-1])), ".")


def uncased_script(text: str) -> str:
    """The main script without capitals of a text, by the Unicode names of its letters; empty for none."""
    letters = regex.findall(r"\p{L}", text)
    uncased = Counter(
        unicodedata.name(each, "?").split()[0] for each in letters if unicodedata.category(each) == "Lo"
    )
    if not letters or sum(uncased.values()) < _MANY * len(letters):
        return ""
    return uncased.most_common(1)[0][0]


def marks_sentences(script: str) -> bool:
    """Whether a script, as named by `uncased_script`, has sentence terminators."""
    return script not in _WITHOUT_STOPS

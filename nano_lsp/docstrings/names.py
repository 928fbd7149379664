"""Parses the names that a docstring entry describes: lists of names, markup around them, and types in brackets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = re.compile(
    r"(?::[\w:]+:)?(?P<tick>`{0,2}|[\"']?)[~!]?(?P<stars>(?:\\?\*){0,2})(?P<name>[^\W\d](?:[\w.]|\\_)*)(?P=stars)?(?P=tick)"
)
_AND = re.compile(r"\s*(?:,\s*(?:and\s+|or\s+)?|/|&|\band\s+|\bor\s+|\|)\s*")
_NO_NAMES = {"optional", "default", "defaults"}
_OPEN, _CLOSE = "([{<", ")]}>"


@dataclass(frozen=True)
class Name:
    """A name that an entry describes, without stars and markup, and its columns in the entry's first line."""

    text: str
    start: int
    end: int


def read_names(text: str, at: int, column: int) -> tuple[tuple[Name, ...], int]:
    """The names in a line from an offset on, and where they end; none if the list of names continues with `...`.

    Args:
        text: The line, without its indentation.
        at: The offset.
        column: Indentation of the line.
    """
    found: list[Name] = []
    end = 0
    while True:
        name = _NAME.match(text, at)
        if name is None or (found and name["name"].lower() in _NO_NAMES):
            break
        shown = name["name"].rstrip(".")
        end = name.end() - (0 if name["tick"] else len(name["name"]) - len(shown))
        found.append(Name(shown.replace("\\", ""), column + name.start(), column + end))
        separator = _AND.match(text, end)
        if separator is None:
            break
        at = separator.end()
    if text[end:].lstrip(" ,").startswith(("...", "\u2026")):
        return (), 0
    return tuple(found), end


def end_of_brackets(text: str) -> int | None:
    """The end of the brackets that a text begins with, ignoring markup and quotes; None if they are not closed."""
    depth = 0
    at = 0
    while at < len(text):
        character = text[at]
        if character in "`'\"":
            run = re.match(re.escape(character) + "+", text[at:])
            mark = run[0] if run else character
            closing = text.find(mark, at + len(mark))
            if closing >= 0 and (character == "`" or "\n" not in text[at:closing]):
                at = closing + len(mark)
                continue
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    return None


def end_of_field(text: str, at: int) -> int | None:
    """The offset of the colon that ends a field's name and argument, ignoring brackets and markup; None for none."""
    depth = 0
    while at < len(text):
        character = text[at]
        if character == "`":
            closing = text.find("`", at + 1)
            at = closing if closing > 0 else at
        depth += (character in "([{") - (character in ")]}")
        if character == ":" and depth <= 0 and text[at + 1 : at + 2] in {"", " ", "\t"}:
            return at
        at += 1
    return None


def field_names(text: str, start: int, end: int, column: int, *, exceptions: bool) -> Iterator[Name]:
    """The names in a field's argument; a parameter's type may precede its name.

    Args:
        text: The field's first line, without its indentation.
        start: Offset where the argument begins.
        end: Offset where the argument ends.
        column: Indentation of the line.
        exceptions: The names are exceptions.
    """
    parts = list(_split(text, start, end))
    words = [text[a:b].split() for a, b in parts]
    if exceptions:
        chosen = [(a, b) for (a, b), word in zip(parts, words, strict=True) if len(word) == 1]
    elif len(parts) > 1 and all(len(word) == 1 for word in words[1:]) and words[0]:
        chosen = parts
    else:
        chosen = [(start, end)]
    for a, b in chosen:
        stripped = text[a:b].rstrip()
        last = stripped.split()[-1] if stripped.split() else ""
        found = _NAME.fullmatch(last)
        if found is not None:
            place = a + len(stripped) - len(last)
            yield Name(found["name"].replace("\\", ""), column + place, column + place + len(last))


def _split(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a text between commas outside brackets."""
    depth, at = 0, start
    for i in range(start, end):
        depth += (text[i] in _OPEN) - (text[i] in _CLOSE)
        if text[i] == "," and depth <= 0:
            yield at, i
            at = i + 1
    yield at, end

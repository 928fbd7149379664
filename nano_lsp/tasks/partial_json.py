"""Closes JSON that was truncated at the token limit, without inventing content.

Partial parsers (jiter, pydantic_core) give one value only and keep a number that may have lost digits; here the
caller takes the first candidate that its schema allows.
"""

from __future__ import annotations

import re

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_MAX_TRIES = 20
_OPEN_STRING = re.compile(r'"(?:[^"\\]|\\.)*\\?$')


def close_json(text: str) -> list[str]:
    """Candidates for closing a truncated JSON text, the most complete first; some or all may not be valid JSON.

    A truncated string is closed where it ends; any other incomplete value is removed up to the last comma.
    """
    bare = _STRING.sub(lambda found: "_" * len(found[0]), text)
    cut = _OPEN_STRING.search(bare)
    found = []
    if cut:
        found.append(text.removesuffix("\\") if text.endswith("\\") and not text.endswith("\\\\") else text)
        found[0] += '"' + _closers(bare[: cut.start()])
        bare = bare[: cut.start()]
    elif bare.rstrip()[-1:] in {"_", "]", "}"}:
        found.append(text + _closers(bare))
    for end in [mark.start() for mark in re.finditer(r"[,\[{]", bare)][: -_MAX_TRIES - 1 : -1]:
        kept = end if bare[end] == "," else end + 1
        found.append(text[:kept] + _closers(bare[:kept]))
    return found


def _closers(bare: str) -> str:
    """The closing brackets that are missing, innermost first."""
    open_ = []
    for char in bare:
        if char in "[{":
            open_.append("]" if char == "[" else "}")
        elif char in "]}":
            open_.pop()
    return "".join(reversed(open_))

"""JSON that ended at the token limit, closed where it can be without inventing anything."""

from __future__ import annotations

import re

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_MAX_TRIES = 20
_OPEN_STRING = re.compile(r'"(?:[^"\\]|\\.)*\\?$')


def close_json(text: str) -> list[str]:
    """Ways to close a JSON text that was cut, those that keep more first; none may be JSON.

    A string that was cut ends there. Otherwise what stands behind the last comma was not whole and is left out.

    Args:
        text: the beginning of a JSON text.
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
    """What closes the brackets that are open, innermost first."""
    open_ = []
    for char in bare:
        if char in "[{":
            open_.append("]" if char == "[" else "}")
        elif char in "]}":
            open_.pop()
    return "".join(reversed(open_))

"""What has been explained already."""

from __future__ import annotations

from collections import OrderedDict
from textwrap import dedent

_MAX_KNOWN = 64


class Explanations:
    """The explanations made last, by the code that they are of."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._known)

    def remember(self, code: str, text: str) -> None:
        """Keep an explanation of some code."""
        self._known[dedent(code).strip("\n")] = text
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)

    def recall(self, code: str) -> str:
        """The explanation already made of some code; empty for none."""
        return self._known.get(dedent(code).strip("\n"), "")

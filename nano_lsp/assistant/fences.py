"""Code in Markdown's fences: put in and taken out, also where the code has fences itself."""

from __future__ import annotations

import re

_BLOCK = re.compile(
    r"(?P<indent>(?:^[ \t]*)?)(?P<fence>`{3,})[^`\n]*\n(?P<code>.*?)"
    r"(?:^(?P=indent)(?P=fence)`*[ \t]*$|(?<=[^\s`])```[ \t]*$|\Z)",  # the second: right behind the code
    re.DOTALL | re.MULTILINE,
)


def fenced(code: str, language: str = "") -> str:
    """Code as a block of Markdown; its fence is longer than any in the code."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def extract_code(answer: str) -> str:
    """The code in an answer's first block, or the whole answer where it has none."""
    found = _BLOCK.search(answer)
    return (found["code"] if found else answer).rstrip().lstrip("\n")


def text_behind(answer: str) -> str:
    """What an answer says behind its first block; empty where it has none."""
    found = _BLOCK.search(answer)
    return answer[found.end() :] if found else ""

"""Fenced code blocks of Markdown: writes and extracts them, also for code that contains fences.

Models write blocks that CommonMark, and so markdown-it-py, does not take for blocks: with the fence after a word of
the answer (`Here: ```python`), with the closing fence directly after the code, or indented as a whole.
"""

from __future__ import annotations

import re

_NAMES = {"javascriptreact": "jsx", "typescriptreact": "tsx", "shellscript": "bash"}  # where it is not the id
_BLOCK = re.compile(
    r"(?P<indent>(?:^[ \t]*)?)(?P<fence>`{3,})[^`\n]*\n(?P<code>.*?)"
    r"(?:^(?P=indent)(?P=fence)`*[ \t]*$|(?<=[^\s`])```[ \t]*$|\Z)",  # the second: directly after the code
    re.DOTALL | re.MULTILINE,
)


def fenced(code: str, language: str = "") -> str:
    """Code in a language, by its id in editors, as a fenced block; its fence is longer than any in the code."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{_NAMES.get(language, language)}\n{code}\n{fence}"


def extract_code(answer: str) -> str:
    """The code in an answer's first block, or the whole answer if it has none."""
    found = _BLOCK.search(answer)
    return (found["code"] if found else answer).rstrip().lstrip("\n")


def text_after_code(answer: str) -> str:
    """The text after an answer's first block; empty if it has none."""
    found = _BLOCK.search(answer)
    return answer[found.end() :] if found else ""

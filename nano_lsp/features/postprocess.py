"""Where generated code is to end.

Small models run on: past the suffix, past the block, in circles. These functions look at text alone and only
ever cut at its end; they add nothing.
"""

from __future__ import annotations

import re

_CLOSERS = re.compile(r"\s*([)\]}]|(else|elif|except|finally|catch|end|case|default)\b)")
_CLOSING = re.compile(r"[)\]}'\";:,]+")
_MAX_REPEATED_LINES = 8


def find_end(text: str, prefix: str, suffix: str) -> int | None:
    """Where text that is being generated ought to have ended; None while it may go on.

    Args:
        text: generated so far; its last line may be unfinished.
        prefix: the code before it.
        suffix: the code after it.
    """
    ends = (_meets_suffix(text, suffix), _leaves_block(text, prefix), _repeats(text))
    return min((end for end in ends if end is not None), default=None)


def clean(text: str, prefix: str, suffix: str) -> str:
    """The text as it is shown: cut at its end, without what the rest of the cursor's line already holds.

    Args:
        text: all that was generated.
        prefix: the code before it.
        suffix: the code after it.
    """
    end = find_end(text + "\n", prefix, suffix)
    text = text if end is None else text[: min(end, len(text))]
    rest_of_line = suffix.split("\n", 1)[0].rstrip("\r")
    if rest_of_line.strip():
        text = _without_overlap(text.split("\n", 1)[0].rstrip(), prefix, rest_of_line)
    return text.rstrip()


def _meets_suffix(text: str, suffix: str) -> int | None:
    """Where a finished line repeats the next line of the suffix that is not empty."""
    expected = next((line.rstrip() for line in suffix.split("\n")[1:] if line.strip()), None)
    if expected is None:
        return None
    at = 0
    for i, line in enumerate(text.split("\n")[:-1]):
        if i and line.rstrip() == expected:
            return at - 1  # with the line break before it
        at += len(line) + 1
    return None


def _leaves_block(text: str, prefix: str) -> int | None:
    """Where a line stands further left than the block that is being written.

    A block opened by the cursor's line ends where the indentation of that line comes back, but for an `else` or `}`.
    """
    typed = prefix[prefix.rfind("\n") + 1 :]
    first, *others = text.split("\n")
    base = _indent(typed + first) if (typed + first).strip() else None
    at, opened = len(first) + 1, False
    for i, line in enumerate(others):
        if line.strip():
            indent = _indent(line)
            base = indent if base is None else base
            finished = i < len(others) - 1
            closes = indent == base and opened and typed.strip() and finished and not _CLOSERS.match(line)
            if indent < base or closes:
                return at - 1
            opened = opened or indent > base
        at += len(line) + 1
    return None


def _repeats(text: str) -> int | None:
    """Where a block of lines comes again, if it comes three times in a row."""
    lines = text.split("\n")[:-1]
    for start in range(len(lines)):
        for n in range(1, min(_MAX_REPEATED_LINES, (len(lines) - start) // 3) + 1):
            block = lines[start : start + n]
            if any(line.strip() for line in block) and lines[start : start + 3 * n] == block * 3:
                return sum(len(line) + 1 for line in lines[: start + n]) - 1
    return None


def _without_overlap(text: str, prefix: str, rest: str) -> str:
    """The text without an end that the rest of the line repeats, unless brackets or quotes need it."""
    typed = prefix[prefix.rfind("\n") + 1 :]
    for n in range(min(len(text), len(rest)), 0, -1):
        repeats = text.endswith(rest[:n]) and (n == len(rest) or not _CLOSING.sub("", rest[:n]))
        if repeats and _unmatched(typed + text[:-n] + rest) <= _unmatched(typed + text + rest):
            return _without_overlap(text[:-n], prefix, rest)
    return text


def _unmatched(line: str) -> int:
    """How many brackets and quotes of a line have no partner, roughly: strings are not looked into."""
    depth = sum((char in "([{") - (char in ")]}") for char in line)
    return abs(depth) + line.count('"') % 2 + line.count("'") % 2


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))

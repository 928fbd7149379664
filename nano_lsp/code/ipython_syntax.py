"""IPython syntax in a cell (magics, shell commands, help), and its masking as Python of the same length.

The rules are IPython's (`IPython.core.inputtransformer2`): magics, shell commands and help stand at the beginning of
a logical line, after its first `=`, or end it with a question mark; never in strings, comments or brackets.
IPython itself is not imported: the language server runs without it, and IPython tokenizes with the Python that runs
it, which fails on incomplete code. tests/code/test_ipython_syntax.py compares both.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from textwrap import dedent

_TOKEN = re.compile(
    r"(?P<blank>[ \t\f]+|\\\r?\n)|(?P<newline>\r\n|\n|\r)|(?P<comment>#[^\r\n]*)"
    r"|(?P<string>(?i:r?[bft]|[bft]?r|u)?(?P<quote>'''|\"\"\"|'|\"))"
    r"|(?P<word>\w+)|(?P<operator>(?:\*\*|//|>>|<<|[-+*/%&|^@=!<>:])?=|//|.)",
    re.DOTALL,
)
_MAY_BE_SPECIAL = re.compile(r"[%!?]|^[ \t\f]*[,;/]", re.MULTILINE)
_ESCAPE = re.compile(r"[ \t\f]*(?P<sign>[!%](?!=)|[?,;]|/(?![/=]))")
_ASSIGNED = re.compile(r"(?:[ \t\f]|\\\r?\n)*(?P<sign>!(?!=)|%(?=[ \t]*[^\W\d]))")
_CONTINUED_LINE = re.compile(r"(?:[^\r\n]*\\\n)*[^\r\n]*")
_IN_STRING = re.compile(r"[^\\'\"{}\r\n]+|\\(?:\r\n|.)|\{\{|.", re.DOTALL)
_CELL_MAGIC = re.compile(r"(?:[ \t\f]*\r?\n)*[ \t]*%%(?!\w+\?)(?P<name>[^ \r\n]+) ?(?P<line>[^\r\n]*)(?:\r?\n)?")
_CLASSIC_PROMPT = re.compile(r"^(>>>|\.\.\.)( |$)", re.MULTILINE)
_PROMPT = re.compile(r"^(?:(?:(?:\[nav\]|\[ins\])? )?In \[\d+\]: |[ \t]*\.{3,}: ?)", re.MULTILINE)
_SIGN_AND_NAME = re.compile(r"[^\w\s](\w*)")
_CACHED_CELLS = 2048


@dataclass(frozen=True)
class Special:
    """A piece of a cell in IPython syntax, by its offsets in code points; its end is before the line break."""

    start: int
    end: int


@dataclass(frozen=True)
class CellMagic:
    """The first line of a cell that begins with `%%`.

    Attributes:
        name: Name of the magic, such as `time`.
        line: Text after the name.
        body: Offset of the next line.
    """

    name: str
    line: str
    body: int


def find_cell_magic(code: str) -> CellMagic | None:
    """Return the cell magic that a cell begins with; None if it has none."""
    found = _CELL_MAGIC.match(code)
    return CellMagic(found["name"], found["line"].rstrip(), found.end()) if found else None


def find_specials(code: str) -> list[Special]:
    """Find the magics, shell commands and help in a cell without a cell magic, in order."""
    found: list[Special] = []
    at, last = 0, max((sign.start() for sign in _MAY_BE_SPECIAL.finditer(code)), default=-1)
    while at <= last:
        special, at = _read_logical_line(code, at)
        if special is not None:
            found.append(special)
    return found


@functools.lru_cache(_CACHED_CELLS)
def mask(code: str) -> str:
    """Convert a cell without a cell magic to Python of the same length: IPython syntax becomes comments."""
    parts: list[str] = []
    done = 0
    for special in find_specials(code):
        parts.append(code[done : special.start])
        text = code[special.start : special.end]
        # A block needs a statement, and `=` needs an expression after it.
        is_at_margin = code[special.start - 1 : special.start] in {"", "\n", "\r"}
        parts.append(comment_out(text) if is_at_margin else _as_name(text))
        done = special.end
    return "".join([*parts, code[done:]])


def comment_out(text: str) -> str:
    """Comment out each line of a text without changing its length."""
    return re.sub(r"^([ \t\f]*)[^ \t\f\r\n]", r"\1#", text, flags=re.MULTILINE)


def strip_prompts(code: str) -> str:
    """Remove common indentation and pasted prompts from a cell, which IPython ignores."""
    code = dedent(code) if code[:1] in {" ", "\t", "\n"} else code
    if code.lstrip("\n").startswith(">>>"):
        code = _CLASSIC_PROMPT.sub("", code)
    return _PROMPT.sub("", code) if _PROMPT.match(code.lstrip("\n")) else code


def _as_name(text: str) -> str:
    """A magic as a name followed by a comment, of the same length."""
    found = _SIGN_AND_NAME.match(text)
    name = "_" + found[1] if found else "_"
    name = name if name.isidentifier() else "_"
    first, newline, rest = text.partition("\n")
    comment = "#" + first[len(name) + 1 :] if len(first) > len(name) else ""
    return name + comment + newline + comment_out(rest)


def _read_logical_line(code: str, start: int) -> tuple[Special | None, int]:
    """IPython syntax in a logical line, and the start of the next line."""
    escape = _ESCAPE.match(code, start)
    if escape:
        return _special(code, escape.start("sign"))
    at, first, last, depth, is_assigned = start, -1, "", 0, False
    while at < len(code):
        token = _TOKEN.match(code, at)
        assert token is not None  # noqa: S101 - its last alternative takes any character
        kind, text, at = token.lastgroup, token[0], token.end()
        if kind == "blank":
            continue
        if kind == "newline":
            if depth == 0:
                at = token.start()
                break
            continue
        first = token.start() if first < 0 else first
        last = text
        if token["quote"]:
            at = _string_end(code, at, token["quote"], "f" in text.lower() or "t" in text.lower())
        elif text in {"(", "[", "{"}:
            depth += 1
        elif text in {")", "]", "}"}:
            depth = max(0, depth - 1)
        elif text == "=" and depth == 0 and not is_assigned:
            is_assigned = True
            value = _ASSIGNED.match(code, at)
            if value:
                return _special(code, value.start("sign"))
    special = Special(first, at) if last == "?" else None
    return special, _next_line(code, at)


def _special(code: str, start: int) -> tuple[Special, int]:
    """IPython syntax from an offset on, with lines continued by a backslash, and the start of the next line."""
    found = _CONTINUED_LINE.match(code, start)
    end = found.end() if found else len(code)
    return Special(start, end), _next_line(code, end)


def _next_line(code: str, end: int) -> int:
    return end + 2 if code.startswith("\r\n", end) else end + 1


def _string_end(code: str, at: int, quote: str, formatted: bool) -> int:
    """End offset of a string literal, from after its opening quotes; an unterminated one ends with its line."""
    while at < len(code):
        token = _IN_STRING.match(code, at)
        assert token is not None  # noqa: S101 - as above
        if code.startswith(quote, at):
            return at + len(quote)
        if len(quote) == 1 and token[0] in "\r\n":
            return at
        if formatted and token[0] == "{":
            end = _field_end(code, token.end(), quote)
            at = token.end() if end is None else end
        else:
            at = token.end()
    return at


def _field_end(code: str, at: int, quote: str) -> int | None:
    """End offset of a replacement field of an f-string, from after its brace; None if it is unterminated."""
    depth = 0
    while at < len(code):
        token = _TOKEN.match(code, at)
        assert token is not None  # noqa: S101 - as above
        text, at = token[0], token.end()
        if token.lastgroup == "newline" and len(quote) == 1:
            return None  # it is still being typed; Python 3.12 allows a line break here, but it is hardly used
        if token["quote"]:
            if depth == 0 and text == quote and "}" not in code[at : code.find("\n", at)]:
                return None  # the quote ends the string itself
            at = _string_end(code, at, token["quote"], "f" in text.lower() or "t" in text.lower())
        elif text in {"(", "[", "{"}:
            depth += 1
        elif text in {")", "]", "}"} and depth:
            depth -= 1
        elif text == "}":
            return at
        elif text == ":" and depth == 0:
            return _format_end(code, at, quote)
    return None


def _format_end(code: str, at: int, quote: str) -> int | None:
    """End offset of a replacement field, from after the colon of its format."""
    while at < len(code) and code[at] not in "\r\n":
        if code[at] == "}":
            return at + 1
        if code[at] == "{":
            end = _field_end(code, at + 1, quote)
            if end is None:
                return None
            at = end
        else:
            at += 1
    return None

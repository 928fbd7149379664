"""What only IPython understands in a cell, and the cell as Python of the same length.

The rules are IPython's (`IPython.core.inputtransformer2`): magics, shell commands and help stand at the beginning of
a logical line, behind the first `=` of one, or end it with a question mark; never in strings, comments or brackets.
IPython itself is not imported: the language server runs without it, and IPython tokenizes with the Python that runs
it, which gives up at half-written code. tests/code/test_ipython_syntax.py compares both.
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
    """A piece of a cell that is not Python.

    Attributes:
        start: Its offset in the cell.
        end: The offset behind it, without the line break.
    """

    start: int
    end: int


@dataclass(frozen=True)
class CellMagic:
    """The first line of a cell that begins with `%%`.

    Attributes:
        name: The magic's name, such as `time`.
        line: The text behind the name.
        body: Offset of the next line.
    """

    name: str
    line: str
    body: int


def find_cell_magic(code: str) -> CellMagic | None:
    """The cell magic that a cell begins with; None where it has none."""
    found = _CELL_MAGIC.match(code)
    return CellMagic(found["name"], found["line"].rstrip(), found.end()) if found else None


def find_specials(code: str) -> list[Special]:
    """Magics, shell commands and help in a cell without a cell magic, in their order."""
    found: list[Special] = []
    at, last = 0, max((sign.start() for sign in _MAY_BE_SPECIAL.finditer(code)), default=-1)
    while at <= last:
        special, at = _read_logical_line(code, at)
        if special is not None:
            found.append(special)
    return found


@functools.lru_cache(_CACHED_CELLS)
def mask(code: str) -> str:
    """A cell without a cell magic as Python: what is none becomes comments, and the length stays."""
    parts: list[str] = []
    done = 0
    for special in find_specials(code):
        parts.append(code[done : special.start])
        text = code[special.start : special.end]
        # In a block a statement has to stay, and behind `=` an expression.
        is_at_margin = code[special.start - 1 : special.start] in {"", "\n", "\r"}
        parts.append(comment_out(text) if is_at_margin else _as_name(text))
        done = special.end
    return "".join([*parts, code[done:]])


def comment_out(text: str) -> str:
    """A text with each of its lines as a comment, and of the same length."""
    return re.sub(r"^([ \t\f]*)[^ \t\f\r\n]", r"\1#", text, flags=re.MULTILINE)


def strip_prompts(code: str) -> str:
    """A cell without common indentation and pasted prompts, which IPython ignores."""
    code = dedent(code) if code[:1] in {" ", "\t", "\n"} else code
    if code.lstrip("\n").startswith(">>>"):
        code = _CLASSIC_PROMPT.sub("", code)
    return _PROMPT.sub("", code) if _PROMPT.match(code.lstrip("\n")) else code


def _as_name(text: str) -> str:
    """A magic as a name with a comment behind it, of the same length."""
    found = _SIGN_AND_NAME.match(text)
    name = "_" + found[1] if found else "_"
    name = name if name.isidentifier() else "_"
    first, newline, rest = text.partition("\n")
    comment = "#" + first[len(name) + 1 :] if len(first) > len(name) else ""
    return name + comment + newline + comment_out(rest)


def _read_logical_line(code: str, start: int) -> tuple[Special | None, int]:
    """What is special in a logical line, and where the next one begins."""
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
    """What is special from an offset on, with the lines that a backslash adds, and where the next line begins."""
    found = _CONTINUED_LINE.match(code, start)
    end = found.end() if found else len(code)
    return Special(start, end), _next_line(code, end)


def _next_line(code: str, end: int) -> int:
    return end + 2 if code.startswith("\r\n", end) else end + 1


def _string_end(code: str, at: int, quote: str, formatted: bool) -> int:
    """The offset behind a string literal, from behind its opening quotes; an open one ends with its line."""
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
    """The offset behind a replacement field of an f-string, from behind its brace; None for an open one."""
    depth = 0
    while at < len(code):
        token = _TOKEN.match(code, at)
        assert token is not None  # noqa: S101 - as above
        text, at = token[0], token.end()
        if token.lastgroup == "newline" and len(quote) == 1:
            return None  # as while it is being typed; Python 3.12 allows it, nobody writes it
        if token["quote"]:
            if depth == 0 and text == quote and "}" not in code[at : code.find("\n", at)]:
                return None  # it is the end of the string itself
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
    """The offset behind a replacement field, from behind the colon of its format."""
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

"""Loaders for plain text, Markdown, CSV and TSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nano_lsp.code.document import allow_long_csv_fields
from nano_lsp.errors import DocumentError
from nano_lsp.summarize.loaders.blocks import Collector, LoadedDocument
from nano_lsp.summarize.loaders.files import decode

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LINE_END = re.compile(r"\r\n|\r|\n")
_MAX_NESTING = 100  # deeper content would be left out; 20 by default, which is ten lists
_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)(?:---|\.\.\.)\n", re.DOTALL)


def load_text(path: Path) -> LoadedDocument:
    """Read plain text; blank lines separate paragraphs.

    Raises:
        DocumentError: The file is too large, binary, or in an unknown encoding.
    """
    found = Collector()
    _add_paragraphs(decode(path, found), 1, found)
    return found.finish()


def load_table(path: Path) -> LoadedDocument:
    """Read CSV or TSV; each row is a paragraph, with any number of cells.

    Raises:
        DocumentError: The file is too large, binary, in an unknown encoding, or malformed.
    """
    found = Collector()
    text = decode(path, found)
    delimiter = "\t" if path.suffix.lower() in {".tsv", ".tab"} else _delimiter(text)
    allow_long_csv_fields()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    begun = 1
    try:
        for row in reader:
            found.add(" | ".join(row), f"line {begun}")
            begun = reader.line_num + 1
    except csv.Error as error:
        raise DocumentError(f"{path} cannot be read in line {reader.line_num}: {error}.", "Correct it.") from error
    return found.finish()


def load_markdown(path: Path) -> LoadedDocument:
    """Read Markdown (CommonMark and tables) as rendered.

    Raises:
        DocumentError: The file is too large, binary, or in an unknown encoding.
    """
    from markdown_it import MarkdownIt  # noqa: PLC0415 - takes 50 ms to import, needed for Markdown only

    found = Collector()
    text = _LINE_END.sub("\n", decode(path, found))
    front = _FRONT_MATTER.match(text)
    if front:
        _add_paragraphs(front[1], 2, found)
        text = "\n" * front[0].count("\n") + text[front.end() :]
    parser = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING}).enable(["table", "strikethrough"])
    known: dict[str, Any] = {}
    tokens = parser.parse(text, known)
    place, row = "line 1", list[str]()
    heading = False
    lists = _ListNumbers()
    in_cell = False
    for token in tokens:
        lists.see(token)
        if token.map:
            place = f"line {token.map[0] + 1}"
        if token.type == "heading_open":
            heading = True
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            found.add(" | ".join(row), place)
        elif token.type == "inline":
            said = lists.take_number() + _inline(token, found, place, parser)
            if in_cell:
                row.append(said.strip())
            else:
                (found.add_heading if heading else found.add)(said, place)
            heading = False
        elif token.type in {"fence", "code_block"}:
            found.add(token.content, place)
        elif token.type == "html_block":
            _add_html(token.content, found, place)
        in_cell = token.type in {"th_open", "td_open"}
    if any(token.level >= _MAX_NESTING - 1 for token in tokens):
        found.note("nested_too_deeply", f"Lists of more than {_MAX_NESTING // 2} levels were read in part.")
    _add_footnotes(text, known.get("references", {}), found)
    return found.finish()


def _add_footnotes(text: str, definitions: Mapping[str, Any], found: Collector) -> None:
    """Add footnotes of one word, which CommonMark takes for definitions of links."""
    lines = text.split("\n")
    for first, end in (each["map"] for label, each in definitions.items() if label.startswith("^")):
        found.add(" ".join(lines[first:end]), f"line {first + 1}")


class _ListNumbers:
    """The numbers of list items, as they are rendered."""

    def __init__(self) -> None:
        self._next: list[int] = []  # for each list that is open; 0 for bullets
        self._number = ""  # of an item whose text has not begun

    def see(self, token: Token) -> None:
        """Follow a token of the document."""
        if token.type in {"ordered_list_open", "bullet_list_open"}:
            self._next.append(int(token.attrs.get("start", 1)) if token.type.startswith("ordered") else 0)
        elif token.type in {"ordered_list_close", "bullet_list_close"}:
            self._next.pop()
        elif token.type == "list_item_open":
            self._number = f"{self._next[-1]}. " if self._next[-1] else ""
            self._next[-1] += bool(self._next[-1])

    def take_number(self) -> str:
        """The number before the text that begins here; empty for none."""
        number, self._number = self._number, ""
        return number


def _inline(token: Token, found: Collector, place: str, parser: MarkdownIt) -> str:
    """The displayed text of a paragraph."""
    if any(child.type == "html_inline" for child in token.children or ()):
        return " ".join(_read_html(parser.renderer.render([token], parser.options, {}), found, place))
    parts: list[str] = []
    struck = 0
    for child in token.children or ():
        if child.type in {"s_open", "s_close"}:
            struck += child.nesting
            if child.nesting > 0:
                found.omit("struck_out", place)
        elif struck:
            continue
        elif child.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        elif child.type == "image":
            found.omit("pictures", place)
            parts.append(f"({child.content})" if child.content else "")
        else:
            parts.append(child.content)
    return "".join(parts)


def _add_html(text: str, found: Collector, place: str) -> None:
    """Add the text of raw HTML within Markdown, at the block's place."""
    for said in _read_html(text, found, place):
        found.add(said, place)


def _read_html(text: str, found: Collector, place: str) -> list[str]:
    """The lines of HTML within Markdown; what they omit is counted at the place."""
    from nano_lsp.summarize.loaders.html import read_html  # noqa: PLC0415 - rarely needed

    inner = Collector(found.repetitions)
    read_html(text, inner)
    found.omit_as(inner, place)
    return [block.text for block in inner.finish().blocks]


def _add_paragraphs(text: str, first_line: int, found: Collector) -> None:
    gathered: list[str] = []
    begun = first_line
    for number, line in enumerate([*_LINE_END.split(text), ""], first_line):
        if line.strip():
            begun = begun if gathered else number
            gathered.append(line)
        elif gathered:
            found.add(" ".join(gathered), f"line {begun}")
            gathered = []


def _delimiter(text: str) -> str:
    """The delimiter of a CSV file: spreadsheets in many locales write semicolons."""
    first = _LINE_END.split(text, maxsplit=1)[0]
    return max(",;\t", key=first.count)

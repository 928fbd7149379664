"""HTML loader: the text as browsers display it; html5lib parses by the standard's rules, also malformed pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from bs4.element import NavigableString, PreformattedString, Tag
from soupsieve import SelectorSyntaxError

from nano_lsp.code.document import MAX_BYTES as MAX_TEXT_BYTES
from nano_lsp.summarize.loaders.blocks import Collector, LoadedDocument, one_line
from nano_lsp.summarize.loaders.files import decode, read_bytes

_BLOCKS = {  # elements that begin and end a line (the standard, 15.3)
    *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir"),
    *("div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "html"),
    *("legend", "li", "listing", "main", "menu", "ol", "optgroup", "option", "p", "plaintext", "pre", "search"),
    *("section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "xmp", "br"),
}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_NOT_SHOWN = {
    *("script", "style", "template", "head", "datalist", "rp", "param", "source", "track", "area", "base", "link"),
    *("meta", "title", "desc", "metadata", "defs", "annotation", "annotation-xml", "colgroup"),
}
_MARKS = {  # text shown before and after an element
    "rt": ("(", ")"),
    "q": ("\u201c", "\u201d"),
    **dict.fromkeys(("textarea", "button", "select", "output"), (" ", " ")),
}
_EMBEDDED = {"object", "embed", "audio", "video", "canvas", "applet"}
_FRAMES = {"iframe", "frame", "portal"}
_EXTERNAL = {"frames", "embedded"}  # their content is not in the text of the page
_RULE = re.compile(r"([^{}@;]+)\{([^{}]*)\}|@[^{};]*(?:;|\{(?:[^{}]*\{[^{}]*\})*[^{}]*\})")
_INPUTS_WITH_TEXT = {
    "",
    "text",
    "search",
    "url",
    "tel",
    "email",
    "date",
    "number",
    "submit",
    "button",
    "reset",
    "time",
}
_HIDDEN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))", re.IGNORECASE)


def load_html(path: Path) -> LoadedDocument:
    """Read an HTML file.

    Raises:
        DocumentError: The file is too large, binary, or in an unknown encoding.
    """
    found = Collector()
    declared = EncodingDetector.find_declared_encoding(read_bytes(path, MAX_TEXT_BYTES), is_html=True)
    read_html(decode(path, found, declared or ""), found)
    return found.finish()


def read_html(text: str, found: Collector) -> None:
    """Collect the text that a browser shows of a page, with scripts off and without style sheets."""
    tree = BeautifulSoup(text, "html5lib")
    title = tree.head.find("title") if tree.head else None
    if title is not None:
        found.add_heading(title.get_text(), "the title")
    reader = _Reader(found, _hidden_by_styles(tree))
    for child in tree.children:
        if isinstance(child, Tag):
            reader.walk(child)
    reader.end_block()


class _Reader:
    """Gathers text between the elements that begin or end a line."""

    def __init__(self, found: Collector, hidden: frozenset[int]) -> None:
        self._found = found
        self._hidden = hidden
        self._text: list[str] = []
        self._line = 1

    def end_block(self, *, is_heading: bool = False) -> None:
        """Add the gathered text as a paragraph or a heading."""
        text, self._text = "".join(self._text), []
        (self._found.add_heading if is_heading else self._found.add)(text, f"line {self._line}")

    def walk(self, tag: Tag) -> None:
        """Read an element and its descendants."""
        stack: list[tuple[Tag, Iterator[object]]] = [(tag, self._open(tag))]
        while stack:  # not by recursion: the nesting of pages is unlimited
            parent, children = stack[-1]
            child = next(children, None)
            if child is None:
                stack.pop()
                self._close(parent)
            elif isinstance(child, Tag):
                stack.append((child, self._open(child)))
            elif isinstance(child, NavigableString) and not isinstance(child, PreformattedString):
                self._say(str(child), parent)

    def _open(self, tag: Tag) -> Iterator[object]:
        """Start an element, and return the children to read."""
        name = tag.name
        self._place = f"line {tag.sourceline or self._line}"
        if name in _BLOCKS or name in _HEADINGS:
            self.end_block()
        if name in _NOT_SHOWN or _is_hidden(tag):
            return iter(())
        kind = "hidden_by_style" if id(tag) in self._hidden else _omitted_kind(tag)
        if kind:
            if kind in _EXTERNAL or tag.get_text(strip=True):
                self._found.omit(kind, self._place)
            return iter(())
        if name == "tr" and _is_data_row(tag):
            self._line = tag.sourceline or self._line
            cells = [cell for cell in tag.find_all(["td", "th"], recursive=False) if not _is_hidden(cell)]
            self._text.append(" | ".join(one_line(_Cell(self._found, self._hidden).read(cell)) for cell in cells))
            return iter(())
        before = _MARKS.get(name, ("", ""))[0]
        said = _replacement(tag)
        if before or said:
            self._say(before + said, tag)
        if name == "img":
            self._found.omit("pictures", self._place)
        return iter(()) if name in {"input", "img"} else iter(tag.children)

    def _close(self, tag: Tag) -> None:
        if tag.name in _BLOCKS or tag.name in _HEADINGS:
            self.end_block(is_heading=tag.name in _HEADINGS)
        elif tag.name in _MARKS and not _is_hidden(tag):
            self._text.append(_MARKS[tag.name][1])

    def _say(self, text: str, within: Tag) -> None:
        if not self._text and text.strip():
            self._line = within.sourceline or self._line
        if self._text or text.strip():
            self._text.append(text)


class _Cell(_Reader):
    """Reads a cell of a table into one text."""

    def __init__(self, found: Collector, hidden: frozenset[int]) -> None:
        super().__init__(found, hidden)
        self._whole: list[str] = []

    def end_block(self, *, is_heading: bool = False) -> None:  # noqa: ARG002 - signature of the base class
        """Keep the gathered text."""
        self._whole += [*self._text, " "]
        self._text = []

    def read(self, cell: Tag) -> str:
        """The text of a cell."""
        self.walk(cell)
        self.end_block()
        return "".join(self._whole)


def _hidden_by_styles(tree: BeautifulSoup) -> frozenset[int]:
    """Ids of the elements that a style sheet in the page hides; media-specific rules are ignored."""
    found: set[int] = set()
    for sheet in tree.find_all("style"):
        text = re.sub(r"/\*.*?\*/", "", sheet.string or "", flags=re.DOTALL)
        for rule in _RULE.finditer(text):
            if rule[1] and _HIDDEN.search(rule[2]):
                with suppress(SelectorSyntaxError, NotImplementedError, ValueError):
                    found |= {id(tag) for tag in tree.select(rule[1].strip())}
    return frozenset(found)


def _is_hidden(tag: Tag) -> bool:
    closed = tag.name == "dialog" and not tag.has_attr("open")
    return closed or tag.has_attr("hidden") or bool(_HIDDEN.search(str(tag.get("style", ""))))


def _omitted_kind(tag: Tag) -> str:
    """The kind of an element that is counted but not read; empty for elements that are read."""
    if tag.name == "noscript":
        return "without_scripts"
    if tag.name in {"del", "s", "strike"}:
        return "struck_out"
    if tag.name == "nav" or tag.get("role") == "navigation":
        return "navigation"
    if tag.name in _FRAMES:
        return "frames"
    return "embedded" if tag.name in _EMBEDDED else ""


def _replacement(tag: Tag) -> str:
    """The text shown for an element without text content."""
    if tag.name == "img":
        return f" ({tag['alt']}) " if tag.get("alt") else ""
    if tag.name == "input" and str(tag.get("type", "")).lower() in _INPUTS_WITH_TEXT:
        return f" {tag.get('value', '')} "
    return ""


def _is_data_row(row: Tag) -> bool:
    """Whether a row's cells contain only text, unlike those of layout tables."""
    return not any(
        inner.name in (_BLOCKS - {"br", "td", "th"}) | _HEADINGS for inner in row.find_all(True) if inner is not row
    )

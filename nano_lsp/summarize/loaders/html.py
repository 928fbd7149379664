"""HTML loader: the text as browsers display it; html5lib parses by the standard's rules, also malformed pages."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import webencodings
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
    *("legend", "li", "listing", "main", "marquee", "menu", "ol", "optgroup", "option", "p", "plaintext", "pre"),
    "search",
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
    **dict.fromkeys(("textarea", "button", "select", "output", "meter", "progress", "text"), (" ", " ")),
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
    "month",
    "week",
    "datetime-local",
}
_ALL_ROWS = 1 << 20  # what a rowspan of 0 means
_MAX_SPANS = {"colspan": 1000, "rowspan": 65_534}  # the standard, 4.9.11
_VOID = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"),
}
_XHTML = re.compile(r"<html\s[^>]*xmlns\s*=\s*[\"']http://www\.w3\.org/1999/xhtml", re.IGNORECASE)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_EMPTY_ELEMENT = re.compile(r"<([A-Za-z][\w:.-]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)/>")
_CODECS = {  # of Python, by the standard's encodings that have more characters than their names say
    "shift_jis": "cp932",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "euc-kr": "cp949",
    "big5": "big5hkscs",
    "x-user-defined": "cp1252",
    "utf-16le": "utf-8",
    "utf-16be": "utf-8",  # nothing in UTF-16 can be declared
}
_STRUCK_OUT = re.compile(r"(?:^|;)\s*text-decoration(?:-line)?\s*:[^;]*\bline-through", re.IGNORECASE)
_HIDDEN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))", re.IGNORECASE)


def load_html(path: Path) -> LoadedDocument:
    """Read an HTML file.

    Raises:
        DocumentError: The file is too large, binary, or in an unknown encoding.
    """
    found = Collector()
    declared = EncodingDetector.find_declared_encoding(read_bytes(path, MAX_TEXT_BYTES), is_html=True)
    read_html(_as_html(decode(path, found, _codec(declared or ""))), found)
    return found.finish()


def read_html(text: str, found: Collector) -> None:
    """Collect the text that a browser shows of a page, with scripts off and without external style sheets."""
    tree = BeautifulSoup(text, "html5lib")
    title = tree.head.find("title") if tree.head else None
    if title is not None:
        found.add_heading(title.get_text(), "the title")
    reader = _Reader(found, _kinds_by_styles(tree))
    for child in tree.children:
        if isinstance(child, Tag):
            reader.walk(child)
    reader.end_block()


class _Reader:
    """Gathers text between the elements that begin or end a line."""

    def __init__(self, found: Collector, styled: Mapping[int, str]) -> None:
        self._found = found
        self._styled = styled  # kinds of omission, by ids of elements
        self._text: list[str] = []
        self._line = 1
        self._number = ""  # of a list item whose text has not begun
        self._counted: dict[int, int] = {}  # number of the last item, by ids of lists
        self._spanning: dict[int, list[_Spanning]] = {}  # cells of rows above, by ids of the rows' parents

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
        if (name in _NOT_SHOWN and not tag.has_attr("shadowrootmode")) or _is_hidden(tag):
            return iter(())
        kind = self._styled.get(id(tag)) or _omitted_kind(tag)
        if kind:
            if kind in _EXTERNAL or tag.get_text(strip=True):
                self._found.omit(kind, self._place)
            return iter(())
        if name == "tr" and _is_data_row(tag):
            self._line = tag.sourceline or self._line
            self._text.append(" | ".join(self._row(tag)))
            return iter(())
        if name == "li":
            self._number = self._number_of(tag)
        before = _MARKS.get(name, ("", ""))[0]
        said = _replacement(tag)
        if before or said:
            self._say(before + said, tag)
        if name == "img":
            self._found.omit("pictures", self._place)
        return iter(()) if name in {"input", "img"} or (name == "option" and said) else iter(tag.children)

    def _close(self, tag: Tag) -> None:
        if tag.name in _BLOCKS or tag.name in _HEADINGS:
            self.end_block(is_heading=tag.name in _HEADINGS)
            if tag.name == "li":
                self._number = ""
        elif tag.name in _MARKS and not _is_hidden(tag):
            self._text.append(_MARKS[tag.name][1])

    def _say(self, text: str, within: Tag) -> None:
        if not self._text and text.strip():
            self._line = within.sourceline or self._line
            text, self._number = self._number + text, ""
        if self._text or text.strip():
            self._text.append(text)

    def _number_of(self, item: Tag) -> str:
        """The number that a browser shows before a list item; empty for none."""
        parent = item.parent
        if parent is None or parent.name != "ol" or re.search(r"list-style[^;]*none", str(parent.get("style", ""))):
            return ""
        step = -1 if parent.has_attr("reversed") else 1
        first = len(parent.find_all("li", recursive=False)) if step < 0 else 1
        before = self._counted.get(id(parent), _whole_number(parent, "start", first) - step)
        self._counted[id(parent)] = _whole_number(item, "value", before + step)
        if str(parent.get("type", "1")) != "1":
            self._found.omit("list_numbers", self._place)
            return ""
        return f"{self._counted[id(parent)]}. "

    def _row(self, row: Tag) -> Iterator[str]:
        """The texts of a row's cells; a cell that spans several rows is repeated in each of them."""
        above = deque(self._spanning.pop(id(row.parent), []))
        if above and not self._found.may_repeat(sum(len(each.text) + 1 for each in above), self._place):
            above.clear()
        spanning: list[_Spanning] = []
        column = 0
        for cell in (*row.find_all(["td", "th"], recursive=False), None):
            while above and (cell is None or above[0].column <= column):
                column = above[0].column + above[0].width
                yield above[0].text
                spanning.append(above.popleft())
            if cell is None or _is_hidden(cell):
                continue
            text = one_line(_Cell(self._found, self._styled).read(cell))
            yield text
            width, n_rows = _span(cell, "colspan") or 1, _span(cell, "rowspan") or _ALL_ROWS
            spanning.append(_Spanning(column, width, n_rows, text))
            column += width
        self._spanning[id(row.parent)] = [
            replace(each, n_rows=each.n_rows - 1) for each in spanning if each.n_rows > 1
        ]


@dataclass(frozen=True)
class _Spanning:
    """A cell with the rows that it spans from here on."""

    column: int
    width: int
    n_rows: int
    text: str


class _Cell(_Reader):
    """Reads a cell of a table into one text."""

    def __init__(self, found: Collector, styled: Mapping[int, str]) -> None:
        super().__init__(found, styled)
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


def _as_html(text: str) -> str:
    """A page in the XML form of HTML, with text for CDATA and with end tags; other pages unchanged."""
    if not _XHTML.search(text[:8192]):
        return text
    text = _CDATA.sub(lambda found: found[1].replace("&", "&amp;").replace("<", "&lt;"), text)
    return _EMPTY_ELEMENT.sub(
        lambda found: found[0] if found[1].lower() in _VOID else f"<{found[1]}{found[2]}></{found[1]}>", text
    )


def _codec(label: str) -> str:
    """Python's codec for an encoding label of the web (Encoding Standard, 4.2); other labels unchanged."""
    encoding = webencodings.lookup(label)
    return _CODECS.get(encoding.name, encoding.codec_info.name) if encoding else label


def _kinds_by_styles(tree: BeautifulSoup) -> dict[int, str]:
    """Kinds of omission of elements by style sheets in the page; media-specific rules are ignored."""
    found: dict[int, str] = {}
    for sheet in tree.find_all("style"):
        if not re.search(r"^\s*$|\b(?:all|screen)\b", str(sheet.get("media", "")), re.IGNORECASE):
            continue
        text = re.sub(r"/\*.*?\*/|<!--|-->", "", sheet.string or "", flags=re.DOTALL)
        for rule in _RULE.finditer(text):
            styles = ((_HIDDEN, "hidden_by_style"), (_STRUCK_OUT, "struck_out"))
            kind = next((kind for style, kind in styles if rule[1] and style.search(rule[2])), "")
            with suppress(SelectorSyntaxError, NotImplementedError, ValueError):
                found |= {id(tag): kind for tag in (tree.select(rule[1].strip()) if kind else ())}
    for root in tree.find_all(["html", "body"]):  # hidden until a script has run
        found.pop(id(root), None)
    return found


def _is_hidden(tag: Tag) -> bool:
    if tag.name in {"html", "body"}:
        return False
    if str(tag.get("hidden", "until-found")).lower() != "until-found" or tag.has_attr("popover"):
        return True
    return (tag.name == "dialog" and not tag.has_attr("open")) or bool(_HIDDEN.search(str(tag.get("style", ""))))


def _omitted_kind(tag: Tag) -> str:
    """The kind of an element that is counted but not read; empty for elements that are read."""
    if tag.name == "noscript":
        return "without_scripts"
    if tag.name in {"del", "s", "strike"} or _STRUCK_OUT.search(str(tag.get("style", ""))):
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
    kind = str(tag.get("type", "")).lower()
    if tag.name == "input" and (kind in _INPUTS_WITH_TEXT or kind == "image"):
        return f" {tag.get('alt' if kind == 'image' else 'value') or tag.get('placeholder', '')} "
    if tag.name == "textarea" and not tag.get_text(strip=True):
        return str(tag.get("placeholder", ""))
    if tag.name in {"option", "optgroup"}:
        return str(tag.get("label", ""))
    return " " if tag.name == "tspan" and {"x", "y", "dy"} & tag.attrs.keys() else ""  # a line of its own


def _whole_number(tag: Tag, attribute: str, default: int) -> int:
    text = str(tag.get(attribute, "")).strip()
    return int(text) if re.fullmatch(r"-?[0-9]{1,6}", text) else default


def _span(cell: Tag, attribute: str) -> int:
    """The number of columns or rows that a cell spans; 0 may stand for all rows."""
    found = re.match(r"[ \t\n\f\r]*\+?0*([0-9]+)", str(cell.get(attribute, "")))
    return min(int(found[1][:6]), _MAX_SPANS[attribute]) if found else 1


def _is_data_row(row: Tag) -> bool:
    """Whether a row's cells contain only text, unlike those of layout tables."""
    return not any(
        inner.name in (_BLOCKS - {"br", "td", "th"}) | _HEADINGS for inner in row.find_all(True) if inner is not row
    )

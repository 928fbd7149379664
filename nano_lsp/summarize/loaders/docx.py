"""DOCX loader: the text as displayed with tracked changes accepted, from the XML (ECMA-376 part 1)."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from nano_lsp.errors import DocumentError
from nano_lsp.summarize.loaders.blocks import Collector, LoadedDocument, one_line
from nano_lsp.summarize.loaders.files import check_size, read_bytes

_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PREFIXES = (  # ends of the namespaces of the transitional and the strict form
    ("wordprocessingml/2006/main", "w"),
    ("wordprocessingml/main", "w"),
    ("officeDocument/2006/math", "m"),
    ("officeDocument/math", "m"),
    ("markup-compatibility/2006", "mc"),
    ("drawingml/2006/main", "a"),
    ("drawingml/main", "a"),
    ("drawingml/2006/wordprocessingDrawing", "wp"),
    ("drawingml/wordprocessingDrawing", "wp"),
    ("microsoft-com:vml", "v"),
    ("microsoft-com:office:office", "o"),
)
_IGNORED = {  # elements without displayed text
    *("w:pPr", "w:rPr", "w:tblPr", "w:tblGrid", "w:trPr", "w:tcPr", "w:sdtPr", "w:sdtEndPr", "w:instrText"),
    *("w:delText", "w:delInstrText", "w:fldData", "w:ffData", "w:smartTagPr", "w:customXmlPr", "w:rubyPr"),
    *("w:separator", "w:continuationSeparator", "w:footnoteRef", "w:endnoteRef", "w:annotationRef", "w:pgNum"),
}
_BLANKS = {"w:tab", "w:ptab", "w:br", "w:cr"}
_ON = {"1", "true", "on"}
_OFF = {"0", "false", "off", "none"}
_NUMBERLESS = {"bullet", "none"}
_MARKERS = [["XE"], ["TC"], ["TA"], ["RD"]]  # instructions of fields that never show anything (17.16.5)


def load_docx(path: Path) -> LoadedDocument:
    """Read a DOCX file.

    Raises:
        DocumentError: The file is not DOCX, is damaged, or is too large.
    """
    data = read_bytes(path)
    if not data.startswith(b"PK"):
        empty = " but empty" if not data else ""
        raise DocumentError(
            f"{path} is not a DOCX file{empty}.", "If it is protected by a password, save it without one, as DOCX."
        )
    try:
        with zipfile.ZipFile(path) as packed:
            check_size(path, sum(i.file_size for i in packed.infolist() if i.filename.endswith((".xml", ".rels"))))
            return _DocumentReader(_Package(packed)).document()
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        KeyError,
        SyntaxError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise DocumentError(
            f"{path} cannot be read as DOCX: {error}.", "Save it again, as DOCX without a password."
        ) from error


class _Package:
    """The parts of a DOCX file and their relationships (ECMA-376 part 2)."""

    def __init__(self, packed: zipfile.ZipFile) -> None:
        self._packed = packed
        self.main = next(iter(self._targets("", "/officeDocument")), "word/document.xml")

    def parse(self, part: str) -> Element:
        """The root element of a part.

        Raises:
            KeyError: There is no part of this name.
            SyntaxError: The part is not valid XML.
        """
        data = self._packed.read(part)
        if b"<!DOCTYPE" in data[:4096]:
            raise ValueError(f"{part} declares a document type, which no word processor writes")
        return ElementTree.fromstring(data)  # noqa: S314 - without a document type there are no entities

    def related(self, kind: str) -> Element | None:
        """The root element of the document's related part of a kind; None for none."""
        target = next(iter(self._targets(self.main, f"/{kind}")), None)
        return self.parse(target) if target in self._packed.namelist() else None

    def target(self, relation: str) -> str:
        """The target part of a relationship of the document; empty for none."""
        return next(iter(self._targets(self.main, "", relation)), "")

    def _targets(self, source: str, kind: str, relation: str = "") -> Iterator[str]:
        folder, name = posixpath.split(source)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if relations not in self._packed.namelist():
            return
        for each in self.parse(relations):
            internal = each.get("TargetMode") != "External"
            if internal and each.get("Type", "").endswith(kind) and relation in {"", each.get("Id")}:
                yield posixpath.normpath(posixpath.join("/", folder, each.get("Target", ""))).lstrip("/")


class _Styles:
    """Style definitions: whether text is a heading, hidden or struck out."""

    def __init__(self, root: Element | None) -> None:
        styles = [each for each in root if _name(each) == "w:style"] if root is not None else []
        self._styles = {_value(each, "styleId"): each for each in styles}
        self._default = next(
            (
                _value(s, "styleId")
                for s in styles
                if _value(s, "type") == "paragraph" and _value(s, "default") in _ON
            ),
            "",
        )

    def is_heading(self, paragraph: Element) -> bool:
        """Whether a paragraph is a heading or a title."""
        own = _find(paragraph, "w:pPr", "w:outlineLvl")
        if own is not None:
            return _value(own) in set("012345678")
        for style in self._chain(self._paragraph_style(paragraph)):
            name = _value(_find(style, "w:name")).lower()
            if re.match(r"heading \d|title$|subtitle$", name):
                return True
            level = _find(style, "w:pPr", "w:outlineLvl")
            if level is not None:
                return _value(level) in set("012345678")
        return False

    def numbering(self, paragraph: Element) -> tuple[str, str]:
        """The ids of a paragraph's list and list level; empty for none."""
        for properties in (paragraph, *self._chain(self._paragraph_style(paragraph))):
            found = _find(properties, "w:pPr", "w:numPr")
            if found is not None:
                return _value(_find(found, "w:numId")), _value(_find(found, "w:ilvl")) or "0"
        return "", ""

    def numbering_of(self, style: str) -> str:
        """The id of a numbering style's list; empty for none."""
        found = (_value(_find(each, "w:pPr", "w:numPr", "w:numId")) for each in self._chain(style))
        return next(filter(None, found), "")

    def has(self, run: Element, paragraph: Element | None, *properties: str) -> bool:
        """Whether a run has one of these toggle properties, directly or by its styles (17.7.3)."""
        for name in properties:
            own = _find(run, "w:rPr", name)
            if own is not None:
                if _is_on(own):
                    return True
                continue
            by_run = self._styled(_value(_find(run, "w:rPr", "w:rStyle")), name)
            by_paragraph = self._styled(self._paragraph_style(paragraph), name) if paragraph is not None else False
            if by_run != by_paragraph:  # two styles with the property cancel out
                return True
        return False

    def _styled(self, style: str, name: str) -> bool:
        found = (_find(each, "w:rPr", name) for each in self._chain(style))
        return next((_is_on(each) for each in found if each is not None), False)

    def _paragraph_style(self, paragraph: Element) -> str:
        return _value(_find(paragraph, "w:pPr", "w:pStyle")) or self._default

    def _chain(self, style: str) -> Iterator[Element]:
        """A style and the styles it is based on."""
        seen: set[str] = set()
        while style in self._styles and style not in seen:
            seen.add(style)
            yield self._styles[style]
            style = _value(_find(self._styles[style], "w:basedOn"))


class _DocumentReader:
    """Reads one document."""

    def __init__(self, package: _Package) -> None:
        self._package = package
        self._styles = _Styles(package.related("styles"))
        self._found = Collector()
        self._place = ""
        self._n_paragraphs = 0
        self._fields: list[bool] = []  # for each open field, whether its result has started
        self._instruction = ""  # of the innermost field
        self._fields_end = True  # otherwise an unterminated field would hide the rest of the document
        self._paragraph: Element | None = None
        self._continued = ""  # text of a paragraph whose end was deleted, which continues in the next one
        self._boxes: list[Element] = []  # text boxes of the paragraph
        self._notes: dict[str, list[str]] = {"footnote": [], "endnote": []}  # in the order of their references
        self._headers: dict[str, str] = {}  # parts of headers and footers, and their places

    def document(self) -> LoadedDocument:
        """The whole document: body, notes, headers and footers."""
        root = self._package.parse(self._package.main)
        marks = Counter(_value(each, "fldCharType") for each in root.iter() if _name(each) == "w:fldChar")
        self._fields_end = marks["begin"] == marks["end"]
        body = next((each for each in root if _name(each) == "w:body"), None)
        if body is None:
            raise ValueError("it has no body")
        self._part(body)
        for kind, ids in self._notes.items():
            notes = self._package.related(f"{kind}s")
            known = {_value(each, "id"): each for each in notes} if notes is not None else {}
            for number, each in enumerate(dict.fromkeys(ids), 1):
                if each in known:
                    self._part(known[each], f"{kind} {number}")
        references: dict[tuple[str, str], Element] = {}  # by kind and type; a section inherits those of the last one
        for section in (each for each in root.iter() if _name(each) == "w:sectPr"):
            references |= {(_name(each), _value(each, "type")): each for each in section}
            self._section(section, references)
        for part, place in self._headers.items():
            self._part(self._package.parse(part), place)
        return self._found.finish()

    def _section(self, section: Element, references: Mapping[tuple[str, str], Element]) -> None:
        """Register the headers and footers that a section shows."""
        first_differs = _is_on(_find(section, "w:titlePg"))
        for (name, pages), each in references.items():
            kind = name.removeprefix("w:").removesuffix("Reference")
            shown = pages != "first" or first_differs
            if kind not in {"header", "footer"} or not shown or (pages == "even" and not self._even):
                continue
            part = self._package.target(each.get(f"{{{_RELATIONS}}}id", "") or _value(each, "id"))
            if part:
                self._headers.setdefault(part, f"page {kind}")

    def _part(self, parent: Element, place: str = "") -> None:
        """Read the body, a note, a header or a footer."""
        self._blocks(parent, place)
        self._end_continued()

    def _end_continued(self) -> None:
        """Add the text of a paragraph whose end was deleted, where no paragraph follows that it continues in."""
        text, self._continued = self._continued, ""
        self._found.add(text, self._place)

    @cached_property
    def _even(self) -> bool:
        """Whether even pages have separate headers and footers."""
        settings = self._package.related("settings")
        return settings is not None and _is_on(_find(settings, "w:evenAndOddHeaders"))

    def _blocks(self, parent: Element, place: str = "") -> None:
        """Read paragraphs and tables at any nesting."""
        for each in parent:
            name = _name(each)
            if name == "w:p":
                self._add_paragraph(each, place)
            elif name == "w:tbl":
                self._end_continued()
                self._table(each, place)
            elif name == "mc:AlternateContent":
                self._blocks(_alternative(each), place)
            elif name == "w:altChunk":
                self._found.omit("embedded", self._place or "the beginning")
            elif name in {"w:del", "w:moveFrom"}:
                self._deleted(each)
            elif name in {"m:oMath", "m:oMathPara"}:
                self._found.omit("equations", self._place or "the beginning")
            elif name not in _IGNORED:
                self._blocks(each, place)

    def _add_paragraph(self, paragraph: Element, place: str) -> None:
        self._n_paragraphs += not place
        self._place = place or f"paragraph {self._n_paragraphs}"
        text = self._continued + self._text_of(paragraph)
        if _find(paragraph, "w:pPr", "w:rPr", "w:del") is not None:
            self._continued = text
        else:
            self._continued = ""
            if one_line(text):
                self._count_number(paragraph)
            add = self._found.add_heading if self._styles.is_heading(paragraph) else self._found.add
            add(text, self._place)
        self._read_boxes()

    def _text_of(self, paragraph: Element) -> str:
        outer, self._paragraph = self._paragraph, paragraph
        text = "".join(self._inline(paragraph))
        self._paragraph = outer
        return text

    def _read_boxes(self) -> None:
        """Read the text boxes that are anchored in a paragraph, after it."""
        boxes, self._boxes = self._boxes, []
        place, continued = self._place, self._continued
        self._continued = ""
        for box in boxes:
            self._part(box, place)
        self._place, self._continued = place, continued

    def _inline(self, parent: Element) -> Iterator[str]:  # noqa: PLR0912 - one branch per element
        """The text within a paragraph, in order."""
        for each in parent:
            name = _name(each)
            if name == "w:r":
                if self._styles.has(each, self._paragraph, "w:vanish"):
                    continue
                if self._styles.has(each, self._paragraph, "w:strike", "w:dstrike"):
                    if one_line("".join(self._inline(each))):
                        self._found.omit("struck_out", self._place)
                    continue
                yield from self._inline(each)
            elif name == "w:fldChar":
                self._field(each)
            elif name in _IGNORED or (self._fields and not all(self._fields)):
                self._instruction += (each.text or "") if name == "w:instrText" else ""
            elif name in {"w:t", "a:t"}:  # the latter in shapes
                yield each.text or ""
            elif name == "a:p":
                yield from (" ", *self._inline(each), " ")
            elif name in {"w:subDoc", "contentPart"}:  # another document, ink
                self._found.omit("embedded", self._place)
            elif name in _BLANKS:
                yield " "
            elif name == "w:noBreakHyphen":
                yield "-"
            elif name == "w:sym":
                yield self._symbol(each)
            elif name in {"w:footnoteReference", "w:endnoteReference"}:
                self._notes[name.removeprefix("w:").removesuffix("Reference")].append(_value(each, "id"))
            elif name == "w:commentReference":
                self._found.omit("comments", self._place)
            elif name in {"w:del", "w:moveFrom"}:
                self._deleted(each)
            elif name in {"m:oMath", "m:oMathPara"}:
                self._found.omit("equations", self._place)
                yield " (equation) "
            elif name == "mc:AlternateContent":
                yield from self._inline(_alternative(each))
            elif name == "w:txbxContent":
                self._boxes.append(each)
            elif name == "w:ruby":
                base, reading = (_find(each, part) for part in ("w:rubyBase", "w:rt"))
                yield "".join(self._inline(base)) if base is not None else ""
                yield f"({''.join(self._inline(reading))})" if reading is not None else ""
            elif name in {"w:drawing", "w:pict", "w:object"}:
                yield from self._drawing(each)
            else:
                yield from self._inline(each)

    def _drawing(self, drawing: Element) -> Iterator[str]:
        """Alternative texts and WordArt; text boxes are read later, graphics are counted."""
        yield from self._inline(drawing)
        kinds = {_name(each): each for each in drawing.iter()}
        omitted = ""
        if _name(drawing) == "w:object" or "w:control" in kinds:
            omitted = "embedded"
        elif any("/chart" in e.get("uri", "") or "/diagram" in e.get("uri", "") for e in drawing.iter()):
            omitted = "charts"
        elif "a:blip" in kinds or "v:imagedata" in kinds:
            omitted = "pictures"
        if omitted:
            self._found.omit(omitted, self._place)
        if "v:textpath" in kinds:
            yield f" {kinds['v:textpath'].get('string', '')} "
        described = (_value(kinds.get(name), kind) for name, kind in (("wp:docPr", "descr"), ("v:shape", "alt")))
        about = next(filter(None, described), "")
        if about and omitted:
            yield f" ({about}) "

    def _field(self, mark: Element) -> None:
        """Track the state of a field, of which only the result is shown, not its instruction (17.16.18)."""
        kind = _value(mark, "fldCharType") if self._fields_end else ""
        if kind == "begin":
            self._fields.append(False)
            self._instruction = ""
        elif kind == "separate" and self._fields:
            self._fields[-1] = True
        elif kind == "end" and self._fields:
            has_result = self._fields.pop()
            if not has_result and self._instruction.split(maxsplit=1)[:1] not in _MARKERS:
                self._found.omit("fields", self._place)

    def _symbol(self, symbol: Element) -> str:
        code = _value(symbol, "char")
        char = chr(int(code, 16) or 0x20) if re.fullmatch("[0-9A-Fa-f]{1,4}", code) else "\ufffd"
        if "\ue000" <= char <= "\uf8ff" or char == "\ufffd":  # private use: a picture of the font
            self._found.omit("symbols", self._place)
            return "\ufffd"
        return char

    def _deleted(self, change: Element) -> None:
        if any(_name(each) == "w:delText" or (_name(each) == "w:t" and each.text) for each in change.iter()):
            self._found.omit("deletions", self._place or "the beginning")

    def _count_number(self, paragraph: Element) -> None:
        list_id, level = self._styles.numbering(paragraph)
        if list_id not in {"", "0"} and self._formats(list_id, level) not in _NUMBERLESS:
            self._found.omit("list_numbers", self._place)

    @cached_property
    def _numbering(self) -> Element | None:
        return self._package.related("numbering")

    def _formats(self, list_id: str, level: str) -> str:
        """The number format of a list level."""
        root = self._numbering
        if root is None:
            return "none"
        instance = next((each for each in root if _value(each, "numId") == list_id), None)
        abstract = _value(_find(instance, "w:abstractNumId"))
        definitions = [each for each in root if _value(each, "abstractNumId") == abstract]
        for parent in (*_children(instance, "w:lvlOverride"), *definitions):
            for each in _children(parent, "w:lvl"):
                if _value(each, "ilvl") == level:
                    return _value(_find(each, "w:numFmt"))
        linked = next((_value(_find(each, "w:numStyleLink")) for each in definitions), "")
        if not linked:
            return "none"
        target = self._styles.numbering_of(linked)
        return self._formats(target, level) if target not in {"", list_id} else "none"

    def _table(self, table: Element, place: str) -> None:
        """Add each row as a paragraph."""

        def begin() -> None:
            self._n_paragraphs += not place
            self._place = place or f"paragraph {self._n_paragraphs}"

        for text in self._rows(table, begin):
            self._found.add(text, self._place)
            self._read_boxes()

    def _rows(self, table: Element, begin: Callable[[], None]) -> Iterator[str]:
        """Rows as lines; a vertically merged cell is repeated in each of its rows."""
        above: dict[int, str] = {}  # text of a merged cell by column
        for row in _descend(table, "w:tr"):
            properties = _find(row, "w:trPr")
            if properties is not None and _find(properties, "w:del") is not None:
                self._deleted(row)
                continue
            if _is_on(_find(properties, "w:hidden")):
                continue
            begin()
            column = _whole_number(_find(properties, "w:gridBefore"), 0)
            cells: list[str] = []
            going_on: dict[int, str] = {}
            for cell in _descend(row, "w:tc"):
                text = self._cell(cell)
                merged = _find(cell, "w:tcPr", "w:vMerge")
                if merged is not None and _value(merged) != "restart":
                    repeated = above.get(column, "")
                    if repeated and self._found.may_repeat(len(repeated), self._place):
                        text = " ".join(filter(None, (repeated, text)))
                if merged is not None:
                    going_on[column] = text
                if _find(cell, "w:tcPr", "w:cellDel") is None:
                    cells.append(text)
                column += _whole_number(_find(cell, "w:tcPr", "w:gridSpan"), 1)
            above = going_on
            yield " | ".join(cells) if any(cells) else ""

    def _cell(self, cell: Element) -> str:
        """The text of a cell, with the rows of nested tables."""
        parts: list[str] = []
        for each in _descend(cell, "w:p", "w:tbl"):
            if _name(each) == "w:p":
                parts.append(self._text_of(each))
                if one_line(parts[-1]):
                    self._count_number(each)
            else:
                parts += self._rows(each, lambda: None)
        return one_line(" ".join(parts))


def _descend(parent: Element, *names: str) -> Iterator[Element]:
    """The nearest descendants with these names, within content controls, tracked insertions and similar elements."""
    for each in parent:
        name = _name(each)
        if name in names:
            yield each
        elif name == "mc:AlternateContent":
            yield from _descend(_alternative(each), *names)
        elif name not in _IGNORED | {"w:del", "w:moveFrom"}:
            yield from _descend(each, *names)


def _alternative(content: Element) -> Element:
    """The alternative content to read: the first with text, otherwise the first (part 3, 10.1)."""
    forms = list(content)
    has_text: Callable[[Element], bool] = lambda form: any(_name(e) == "w:t" and e.text for e in form.iter())  # noqa: E731
    return next(filter(has_text, forms), forms[0] if forms else content)


def _name(element: Element) -> str:
    """The name of an element with the standard's prefix for its namespace; without a prefix for other namespaces."""
    if not isinstance(element.tag, str):
        return ""
    namespace, _, local = element.tag.rpartition("}")
    return next((f"{prefix}:{local}" for end, prefix in _PREFIXES if namespace.endswith(end)), local)


def _find(parent: Element | None, *path: str) -> Element | None:
    """The element at a path of names; None for none."""
    found = parent
    for name in path:
        found = next((each for each in found if _name(each) == name), None) if found is not None else None
    return found


def _children(parent: Element | None, name: str) -> list[Element]:
    return [each for each in parent if _name(each) == name] if parent is not None else []


def _whole_number(element: Element | None, default: int) -> int:
    text = _value(element)
    return int(text) if re.fullmatch("[0-9]{1,6}", text) else default


def _value(element: Element | None, attribute: str = "val") -> str:
    """An attribute by its local name; empty if missing."""
    if element is None:
        return ""
    return next((text for key, text in element.items() if key.rpartition("}")[2] == attribute), "")


def _is_on(element: Element | None) -> bool:
    """Whether a toggle property is present and on; without a value it is on (17.17.4)."""
    return element is not None and _value(element).lower() not in _OFF

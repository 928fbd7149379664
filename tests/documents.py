"""Documents that tests summarize: a report of many pages, made up, in every format."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

TOWNS = ("Aldmoor", "Brixen", "Carlow", "Dunmere", "Eastvale", "Farnham", "Glenrock", "Harwick", "Inverly", "Jorvik")
THINGS = ("pump stations", "water mains", "reservoirs", "treatment plants", "filters", "valves", "sensors", "meters")
PEOPLE = ("Ms Okafor", "Mr Lindqvist", "Dr Hamid", "Ms Petrova", "Mr Brandt", "Dr Yamada", "Ms Oliveira", "Mr Keane")
CAUSES = ("frozen ground", "a shortage of parts", "the spring flood", "a late permit", "a failed weld", "roadworks")
SENTENCES = (
    "In {town}, {n} {things} were replaced in {year}, which cost {money} thousand euros.",
    "{person} reported that losses from leaks in {town} fell from {a} to {b} percent after the repairs.",
    "Work on the {things} of {town} stopped for {n} weeks because of {cause}.",
    "The board decided to buy {n} new {things} for {town} and to sell the old ones by the end of {year}.",
    "An inspection in {town} found {n} damaged {things}, of which {b} were out of service for months.",
    "{person} asked for {money} thousand euros more for {town}, as the price of steel had risen by {a} percent.",
    "Households in {town} used {a} cubic metres of water a year on average, {b} fewer than in {year}.",
    "The laboratory took {money} samples in {town}; all but {b} met the standard for drinking water.",
    "Complaints about low pressure in {town} rose to {n} in {year}, most of them from streets on the hill.",
    "{person} will hand over the management of the {things} in {town} in {year}.",
    "Night work was forbidden in {town}, so the contractor needed {n} days more than was planned.",
    "The new tariff in {town} charges {b} euros for each cubic metre above {a}.",
)
_LINES_A_PAGE = 44
_WIDTH = 88


def pages(n: int, paragraphs: int = 6, seed: int = 1) -> list[list[str]]:
    """A report: for each page its paragraphs, of about 65 words each; the same for the same seed."""
    source = random.Random(seed)  # noqa: S311 - repeatable, no secret
    return [[" ".join(_sentence(source) for _ in range(4)) for _ in range(paragraphs)] for _ in range(n)]


def _sentence(source: random.Random) -> str:
    return source.choice(SENTENCES).format(
        town=source.choice(TOWNS),
        things=source.choice(THINGS),
        person=source.choice(PEOPLE),
        cause=source.choice(CAUSES),
        n=source.randint(3, 90),
        a=source.randint(40, 99),
        b=source.randint(2, 39),
        year=source.randint(2015, 2024),
        money=source.randint(100, 990),
    )


def as_markdown(content: Sequence[Sequence[str]]) -> str:
    """A chapter a page."""
    chapters = (f"## Chapter {i}\n\n" + "\n\n".join(page) for i, page in enumerate(content, 1))
    return "# Water report\n\n" + "\n\n".join(chapters) + "\n"


def as_html(content: Sequence[Sequence[str]]) -> str:
    """A chapter a page, with what a reader does not see."""
    chapters = (
        f"<h2>Chapter {i}</h2>\n" + "\n".join(f"<p>{p}</p>" for p in page) for i, page in enumerate(content, 1)
    )
    return (
        "<!doctype html><html><head><title>x</title><style>p { color: red }</style></head><body>"
        "<script>var secret = 1;</script><h1>Water &amp; report</h1>" + "\n".join(chapters) + "</body></html>"
    )


def write_pdf(path: Path, content: Sequence[Sequence[str]]) -> None:
    """A PDF file with a page of text for each (PDF 1.4; ISO 32000-1, 7.5)."""
    objects: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    kids = []
    for page in content:
        lines = [line for paragraph in page for line in [*_wrap(paragraph), ""]][:_LINES_A_PAGE]
        shown = "".join(f"({_escape(line)}) Tj T*\n" for line in lines)
        stream = f"BT /F1 10 Tf 50 780 Td 14 TL\n{shown}ET".encode("latin-1")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
            b" /Contents %d 0 R >>" % len(objects)
        )
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    data = b"%PDF-1.4\n"
    places = []
    for number, content_of in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content_of)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(data))
    path.write_bytes(data + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + trailer)


_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_NAMESPACES = (
    f'xmlns:w="{_W}" xmlns:r="{_R}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    ' xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" xmlns:v="urn:schemas-microsoft-com:vml"'
    ' xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    ' xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
)
STYLES = "".join(
    f'<w:style w:type="paragraph" w:styleId="{style}"><w:name w:val="{name}"/>{more}</w:style>'
    for style, name, more in (
        ("berschrift1", "heading 1", ""),
        ("Own", "Own", '<w:basedOn w:val="berschrift1"/>'),
        ("Hidden", "Hidden", "<w:rPr><w:vanish/></w:rPr>"),
    )
)
"""A heading as a German Word names it, a style based on it, and one that hides text."""


def write_docx(path: Path, body: str, parts: Mapping[str, str] | None = None) -> None:
    """A DOCX file with exactly this XML in it.

    Args:
        path: The path of the file.
        body: what the body holds; prefixes are those that Word uses.
        parts: further parts by their kind, as `footnotes`, `header1`: what their roots hold. A part can be referred
            to by its kind.
    """
    parts = {"styles": STYLES, **(parts or {})}
    roots = {"footnotes": "footnotes", "endnotes": "endnotes", "comments": "comments", "settings": "settings"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("_rels/.rels", _relations({"d": ("officeDocument", "word/document.xml")}))
        packed.writestr("word/document.xml", f"<w:document {_NAMESPACES}><w:body>{body}</w:body></w:document>")
        kinds = {kind: kind.rstrip("0123456789") for kind in parts}
        packed.writestr("word/_rels/document.xml.rels", _relations({k: (kinds[k], f"{k}.xml") for k in parts}))
        for kind, content in parts.items():
            root = {"header": "hdr", "footer": "ftr"}.get(kinds[kind], roots.get(kind, kind))
            packed.writestr(f"word/{kind}.xml", f"<w:{root} {_NAMESPACES}>{content}</w:{root}>")


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    rows = "".join(f'<Relationship Id="{i}" Type="{_R}/{kind}" Target="{t}"/>' for i, (kind, t) in targets.items())
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{rows}</Relationships>'
    )


def _wrap(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > _WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")

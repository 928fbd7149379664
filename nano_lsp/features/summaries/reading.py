"""Documents as blocks of text that know where they stand: text, Markdown, HTML, PDF, DOCX."""

from __future__ import annotations

import html.parser
import logging
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nano_lsp.context.document import load_document
from nano_lsp.errors import DocumentError
from nano_lsp.lines import split_lines

MAX_BYTES = 64 << 20
"""Of a PDF or DOCX file, which holds pictures as well, and of the text in the latter."""
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_UNDERLINE = re.compile(r"(=+|-+)\s*$")
_SKIPPED = {"script", "style", "head", "template", "noscript", "svg", "nav"}
_PARTS = {
    *("p", "li", "td", "th", "tr", "div", "section", "article", "blockquote", "pre", "dd", "dt", "br", "table", "ul"),
    *(
        "ol",
        "figcaption",
        "caption",
        "summary",
        "body",
        "main",
        "header",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
    ),
}


@dataclass(frozen=True)
class Block:
    """A paragraph.

    Attributes:
        text: of it, on one line.
        place: where it stands, as `p. 12` or `line 340`.
        heading: that it stands under; empty for none.
    """

    text: str
    place: str
    heading: str = ""


def read_blocks(path: Path) -> list[Block]:
    """The paragraphs of a document, in order.

    Args:
        path: its suffix says what it is; text is the rest.

    Raises:
        DocumentError: it cannot be read, is encrypted, or has no text.
    """
    readers: dict[str, Callable[[Path], Iterator[Block]]] = {
        ".pdf": _read_pdf,
        ".docx": _read_docx,
        ".html": _read_html,
        ".htm": _read_html,
        ".xhtml": _read_html,
        ".md": _read_markdown,
        ".markdown": _read_markdown,
    }
    blocks = [block for block in readers.get(path.suffix.lower(), _read_text)(path) if re.search(r"\w", block.text)]
    if not blocks:
        raise DocumentError(
            f"{path} has no text.", "If it is a scan, run OCR on it first, for instance with ocrmypdf."
        )
    return blocks


def _read_text(path: Path) -> Iterator[Block]:
    yield from _paragraphs(load_document(path).text, markdown=False)


def _read_markdown(path: Path) -> Iterator[Block]:
    yield from _paragraphs(load_document(path).text, markdown=True)


def _paragraphs(text: str, *, markdown: bool) -> Iterator[Block]:
    """What blank lines separate, with the number of the first line."""
    lines = split_lines(text)
    heading, begun, fenced = "", 0, False
    gathered: list[str] = []
    for number, line in enumerate([*lines, ""], 1):
        fenced ^= markdown and line.lstrip().startswith(("```", "~~~"))
        marked = _HEADING.match(line) if markdown and not fenced else None
        title = marked[2] if marked else None
        if markdown and not fenced and len(gathered) == 1 and _UNDERLINE.match(line):
            title, gathered = gathered[0], []
        if (not line.strip() and not fenced) or title is not None:
            if gathered:
                yield Block(_one_line(" ".join(gathered)), f"line {begun}", heading)
                gathered = []
            heading = heading if title is None else title.strip()
        else:
            begun = begun if gathered else number
            gathered.append(line)
    if gathered:
        yield Block(_one_line(" ".join(gathered)), f"line {begun}", heading)


class _HtmlReader(html.parser.HTMLParser):
    """Gathers text between the tags that begin or end a part."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._text: list[str] = []
        self._line = 1
        self._heading = ""
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - as called
        self._skipped += tag in _SKIPPED
        if tag in _PARTS:
            self.end_part()

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED and self._skipped:
            self._skipped -= 1
        if tag in _PARTS:
            self.end_part(is_heading=bool(re.fullmatch(r"h[1-6]", tag)))

    def handle_data(self, data: str) -> None:
        if self._skipped or (not data.strip() and not self._text):
            return
        if not self._text:
            self._line = self.getpos()[0]
        self._text.append(data)

    def end_part(self, *, is_heading: bool = False) -> None:
        """What has been gathered is a paragraph, or a heading."""
        text, self._text = _one_line("".join(self._text)), []
        if is_heading and text:
            self._heading = text
        elif text:
            self.blocks.append(Block(text, f"line {self._line}", self._heading))


def _read_html(path: Path) -> Iterator[Block]:
    reader = _HtmlReader()
    reader.feed(load_document(path).text)
    reader.close()
    reader.end_part()
    yield from reader.blocks


def _read_pdf(path: Path) -> Iterator[Block]:
    import pypdf  # noqa: PLC0415 - needed for PDF files only
    from pypdf.errors import FileNotDecryptedError, PyPdfError  # noqa: PLC0415

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it tells of each oddity of a file
    _check_file(path, b"%PDF-", "PDF")
    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted:
            reader.decrypt("")  # where that is not the password, reading a page fails
        for number, page in enumerate(reader.pages, 1):
            for part in re.split(r"\n\s*\n", page.extract_text()):
                text = re.sub(r"(?<=\w)-\n(?=[a-z])", "", part)
                yield Block(_one_line(text), f"p. {number}")
    except FileNotDecryptedError:
        raise DocumentError(
            f"{path} is encrypted.", "Save a copy without a password, for instance: qpdf --decrypt IN.pdf OUT.pdf"
        ) from None
    # pypdf meets what a damaged file says in many places.
    except (
        PyPdfError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        RecursionError,
    ) as error:
        raise DocumentError(f"{path} cannot be read as PDF: {error}.", "Print it to a new PDF file.") from error


def _read_docx(path: Path) -> Iterator[Block]:
    import docx  # noqa: PLC0415 - needed for DOCX files only
    from docx.opc.exceptions import OpcError  # noqa: PLC0415
    from docx.table import Table  # noqa: PLC0415

    _check_file(path, b"PK", "DOCX")
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(item.file_size for item in packed.infolist() if item.filename.endswith(".xml"))
        _check_size(path, size)
        heading = ""
        for number, item in enumerate(docx.Document(str(path)).iter_inner_content(), 1):
            if isinstance(item, Table):
                rows = (" | ".join(dict.fromkeys(_one_line(cell.text) for cell in row.cells)) for row in item.rows)
                yield from (Block(row, f"paragraph {number}", heading) for row in rows)
            elif item.style is not None and (item.style.name or "").startswith(("Heading", "Title")):
                heading = _one_line(item.text) or heading
            else:
                yield Block(_one_line(item.text), f"paragraph {number}", heading)
    except (OpcError, zipfile.BadZipFile, OSError, ValueError, KeyError, SyntaxError, AttributeError) as error:
        raise DocumentError(
            f"{path} cannot be read as DOCX: {error}.", "Save it again, as DOCX without a password."
        ) from error


def _check_file(path: Path, begins: bytes, kind: str) -> None:
    try:
        with path.open("rb") as stream:
            beginning = stream.read(1024)
        _check_size(path, path.stat().st_size)
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    if begins not in beginning:
        remedy = "If it is protected by a password, save it without one."
        raise DocumentError(f"{path} is no {kind} file{' but empty' if not beginning else ''}.", remedy)


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise DocumentError(f"{path} is larger than {MAX_BYTES >> 20} MB.", "Split it, or save its text alone.")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u00ad", "")).strip()

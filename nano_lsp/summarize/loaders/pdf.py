"""PDF loader: text by pages, form fields and annotations; pages without text are counted."""

from __future__ import annotations

import logging
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import regex

from nano_lsp.errors import DocumentError
from nano_lsp.summarize.loaders.blocks import Collector, LoadedDocument, one_line
from nano_lsp.summarize.loaders.files import read_bytes

if TYPE_CHECKING:
    from pypdf import PageObject

_DECRYPT = "Save a copy without a password, for instance: qpdf --decrypt IN.pdf OUT.pdf"
_PAGE_NUMBER = re.compile(
    r"[\W_]*(?:(?:page|seite|pagina|página|pag|p|s|стр|第)[\W_]*)?(?:\d+|[ivxlcdm]+)"
    r"(?:[\W_]*(?:of|von|de|di|sur|из|/)?[\W_]*\d+)?[\W_]*(?:页|頁|ページ)?[\W_]*",
    re.IGNORECASE,
)
_MARKS = re.compile(
    rb"(?<![A-Za-z0-9])(?:Do|f\*?|F|B\*?|b\*?|S|s|sh|BI|Tj|TJ)(?![A-Za-z0-9])"
)  # operators that paint something
_STAMP_WORDS = 20  # maximum words of a scanner's stamp on each page
_READABLE = 0.5  # minimum share of a page's characters with a meaning
_COMMENTS = {"/Text", "/Highlight", "/Underline", "/StrikeOut", "/Squiggly", "/Caret", "/Popup"}
_PASSWORD, _HIDDEN = 1 << 13, 0b10  # a field's flag, an annotation's flag (ISO 32000-1, 12.7.4.3 and 12.5.3)


@dataclass(frozen=True)
class _Page:
    """The extracted content of a page."""

    text: str
    has_pictures: bool
    shows_something: bool


def load_pdf(path: Path) -> LoadedDocument:
    """Read a PDF file.

    Raises:
        DocumentError: The file is not PDF, needs a password, is damaged, or is too large.
    """
    import pypdf  # noqa: PLC0415 - needed for PDF files only
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError  # noqa: PLC0415

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs every irregularity of a file
    data = read_bytes(path)
    if b"%PDF-" not in data[:1024]:
        raise DocumentError(f"{path} is not a PDF file{' but empty' if not data else ''}.", "Save it as PDF again.")
    found = Collector()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated encryption
            reader = pypdf.PdfReader(BytesIO(data))
            if reader.is_encrypted:
                reader.decrypt("")  # with another password, reading a page fails
            _read_pages(list(reader.pages), found)
    except FileNotDecryptedError:
        raise DocumentError(f"{path} is encrypted with a password.", _DECRYPT) from None
    except DependencyError as error:
        raise DocumentError(f"{path} has an unsupported encryption: {error}.", _DECRYPT) from None
    # pypdf raises many types of errors for damaged files.
    except (
        *(PyPdfError, OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError),
        *(NotImplementedError, ArithmeticError, AssertionError, MemoryError),
    ) as error:
        raise DocumentError(f"{path} cannot be read as PDF: {error}.", "Print it to a new PDF file.") from error
    return found.finish()


def _read_pages(pages: list[PageObject], found: Collector) -> None:
    extracted = [_extract(page) for page in pages]
    words = Counter(_without_numbers(page.text) for page in extracted)
    for number, (page, read) in enumerate(zip(pages, extracted, strict=True), 1):
        place = f"p. {number}"
        extra = list(_annotations(page, found, place))
        stamp = _without_numbers(read.text)
        is_stamp = read.has_pictures and words[stamp] > 1 and len(stamp.split()) < _STAMP_WORDS
        if _PAGE_NUMBER.fullmatch(read.text.strip()) or not re.search(r"\w", read.text) or is_stamp:
            if read.shows_something and not extra:
                found.omit("pages_without_text", place)
        elif _share_readable(read.text) < _READABLE:
            found.omit("unreadable_pages", place)
        else:
            for part in re.split(r"\n\s*\n", read.text):
                found.add(re.sub(r"(?<=\w)-\n(?=[a-z])", "", part), place)
            if read.has_pictures:
                found.omit("pictures", place)
        for text in extra:
            found.add(text, place)


def _extract(page: PageObject) -> _Page:
    """Extract text in the order of the content stream; layout mode interleaves two columns and cuts long lines."""
    pictures = any(each.get("/Subtype") == "/Image" for each in _resources(page))
    content = page.get_contents()
    marks = content is not None and bool(_MARKS.search(content.get_data()))
    return _Page(page.extract_text(), pictures, marks)


def _resources(page: PageObject) -> Iterator[Any]:
    """The image and form XObjects of a page, also within forms."""
    left, n_seen = [_get(page, "/Resources", {})], 0
    while left and n_seen < 200:  # forms may contain themselves
        for each in _get(left.pop(), "/XObject", {}).values():
            n_seen += 1
            drawn = each.get_object()
            yield drawn
            left.append(_get(drawn, "/Resources", {}))


def _annotations(page: PageObject, found: Collector, place: str) -> Iterator[str]:
    """Values of form fields and free-text annotations; comments are counted."""
    for reference in _get(page, "/Annots", ()):
        each = reference.get_object()
        if each is None or int(_get(each, "/F", 0)) & _HIDDEN:
            continue
        kind = _get(each, "/Subtype")
        if kind == "/FreeText":
            yield str(_get(each, "/Contents", ""))
        elif kind in _COMMENTS and one_line(str(_get(each, "/Contents", ""))):
            found.omit("comments", place)
        elif kind == "/Widget":
            field = each if "/T" in each else _get(each, "/Parent", each)
            yield from _field(each, field)


def _field(widget: Any, field: Any) -> Iterator[str]:  # noqa: ANN401 - pypdf's objects
    value = _get(widget, "/V", _get(field, "/V"))
    if value is None or int(_get(field, "/Ff", 0)) & _PASSWORD:
        return
    values = value if isinstance(value, list) else [value]
    said = ", ".join(text for text in map(str, values) if text not in {"/Off", ""}).lstrip("/")
    label = str(_get(field, "/TU") or _get(field, "/T") or "")
    if said:
        yield f"{label}: {said}" if label else said


def _get(dictionary: Any, key: str, default: Any = None) -> Any:  # noqa: ANN401 - pypdf's objects
    """The value of an entry, with its reference resolved."""
    return dictionary[key] if key in dictionary else default  # noqa: SIM401 - pypdf's get() returns the reference


def _without_numbers(text: str) -> str:
    return one_line(re.sub(r"[\d\W_]+", " ", text))


def _share_readable(text: str) -> float:
    """Share of the characters with a meaning: no private use, no control characters, no glyph names as `/g12`."""
    bare = re.sub(r"/[gG](?:id)?\d+|\(cid:\d+\)|/uni[0-9A-F]{4}", "\ufffd", text)
    shown = regex.findall(r"\S", bare)
    bad = regex.findall(r"[\p{Co}\p{Cn}\ufffd\x00-\x08\x0e-\x1f]", bare)
    return 1 - len(bad) / len(shown) if shown else 0.0

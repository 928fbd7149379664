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
_READABLE, _ALL_READABLE = 0.5, 0.9  # minimum shares of characters with a meaning: to read a page, to say nothing
_INLINE_PICTURE = re.compile(rb"(?:^|\s)BI\s+/")
_NO_COMMENTS = {"/Link", "/Screen", "/PrinterMark", "/TrapNet", "/Watermark", "/Redact", "/Popup"}
_EMBEDDED = {"/FileAttachment", "/Sound", "/Movie", "/RichMedia", "/3D"}
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
            _read_catalog(reader.root_object, found)
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
        elif (share := _share_readable(read.text)) < _READABLE:
            found.omit("unreadable_pages", place)
        else:
            if share < _ALL_READABLE:
                found.omit("unreadable_passages", place)
            for part in re.split(r"\n\s*\n", read.text):
                found.add(re.sub(r"(?<=\w)-\n(?=[a-z])", "", part), place)
            if read.has_pictures:
                found.omit("pictures", place)
        for text in extra:
            found.add(text, place)


def _extract(page: PageObject) -> _Page:
    """Extract text in the order of the content stream; layout mode interleaves two columns and cuts long lines."""
    content = page.get_contents()
    data = content.get_data() if content is not None else b""
    pictures = any(_get(each, "/Subtype") == "/Image" for each in _resources(page))
    damaged = not data and _has_content(_get(page, "/Contents"))
    text = "" if damaged or not data else page.extract_text()
    return _Page(text, pictures or bool(_INLINE_PICTURE.search(data)), damaged or bool(_MARKS.search(data)))


def _has_content(contents: Any) -> bool:  # noqa: ANN401 - pypdf's objects
    """Whether the content of a page is more than an empty stream, also where it cannot be decoded."""
    if isinstance(contents, list):
        return any(_has_content(each.get_object()) for each in contents)
    return contents is not None and bool(getattr(contents, "_data", True))  # pypdf drops /Length


def _read_catalog(catalog: Any, found: Collector) -> None:  # noqa: ANN401 - pypdf's objects
    """Count attachments, and tell forms whose pages are made by a program (XFA)."""
    names = _get(_get(catalog, "/Names", {}), "/EmbeddedFiles", {})
    for _ in range(_n_files(names)):
        found.omit("embedded", "the attachments")
    if _get(catalog, "/NeedsRendering", False) and _get(_get(catalog, "/AcroForm", {}), "/XFA") is not None:
        found.note(
            "dynamic_form",
            "The pages of this form are made by a program (XFA) and were not read. Print it to a new PDF file.",
        )


def _n_files(node: Any, depth: int = 8) -> int:  # noqa: ANN401 - pypdf's objects
    """The number of entries of a name tree (7.9.6)."""
    inner = sum(_n_files(each.get_object(), depth - 1) for each in _get(node, "/Kids", ())) if depth else 0
    return len(_get(node, "/Names", ())) // 2 + inner


def _resources(page: PageObject) -> Iterator[Any]:
    """The image and form XObjects of a page, also within forms."""
    left, n_seen = [_get(page, "/Resources", {})], 0
    while left and n_seen < 200:  # forms may contain themselves
        for each in _get(left.pop(), "/XObject", {}).values():
            n_seen += 1
            drawn = each.get_object()
            if isinstance(drawn, dict):
                yield drawn
                left.append(_get(drawn, "/Resources", {}))


def _annotations(page: PageObject, found: Collector, place: str) -> Iterator[str]:
    """Values of form fields and free-text annotations; comments are counted."""
    for reference in _get(page, "/Annots", ()):
        each = reference.get_object()
        if not isinstance(each, dict) or _flags(each, "/F") & _HIDDEN:
            continue
        kind = _get(each, "/Subtype")
        if kind == "/FreeText":
            yield str(_get(each, "/Contents") or re.sub(r"<[^<>]*>", " ", _text(_get(each, "/RC", ""))))
        elif kind == "/Widget":
            field = each if "/T" in each else _get(each, "/Parent", each)
            yield from _field(each, field)
        elif kind in _EMBEDDED:
            found.omit("embedded", place)
        elif kind == "/Stamp":
            found.omit("stamps", place)
        elif kind not in _NO_COMMENTS and one_line(str(_get(each, "/Contents", ""))):
            found.omit("comments", place)


def _field(widget: Any, field: Any) -> Iterator[str]:  # noqa: ANN401 - pypdf's objects
    value = _get(widget, "/V", _get(field, "/V"))
    if value is None or _flags(field, "/Ff") & _PASSWORD:
        return
    if _get(field, "/FT") == "/Sig":
        value = _get(value, "/Name", "signed") if isinstance(value, dict) else "signed"
    shown = {
        str(each[0]): str(each[1]) for each in _get(field, "/Opt", ()) if isinstance(each, list) and len(each) > 1
    }
    values = [_text(each) for each in (value if isinstance(value, list) else [value])]
    said = ", ".join(shown.get(text, text) for text in values if text not in {"/Off", ""}).lstrip("/")
    label = str(_get(field, "/TU") or _get(field, "/T") or "")
    if said:
        yield f"{label}: {said}" if label else said


def _text(value: Any) -> str:  # noqa: ANN401 - pypdf's objects
    """A text, which may be stored as a stream (7.9.3)."""
    if hasattr(value, "get_data"):
        from pypdf.generic import create_string_object  # noqa: PLC0415 - see `load_pdf`

        value = create_string_object(value.get_data())
    return str(value)


def _flags(dictionary: Any, key: str) -> int:  # noqa: ANN401 - pypdf's objects
    value = _get(dictionary, key, 0)
    return int(value) if isinstance(value, int) else 0


def _get(dictionary: Any, key: str, default: Any = None) -> Any:  # noqa: ANN401 - pypdf's objects
    """The value of an entry, with its reference resolved; the default where it is null (ISO 32000-1, 7.3.9)."""
    value = dictionary[key] if key in dictionary else None  # noqa: SIM401 - pypdf's get() returns the reference
    return default if value is None or type(value).__name__ == "NullObject" else value


def _without_numbers(text: str) -> str:
    return one_line(re.sub(r"[\d\W_]+", " ", text))


def _share_readable(text: str) -> float:
    """Share of the characters with a meaning: no private use, no control characters, no glyph names as `/g12`."""
    bare = re.sub(r"/[gG](?:id)?\d+|\(cid:\d+\)|/uni[0-9A-F]{4}", "\ufffd", text)
    shown = regex.findall(r"\S", bare)
    bad = regex.findall(r"[\p{Co}\p{Cn}\ufffd\x00-\x08\x0e-\x1f]", bare)
    return 1 - len(bad) / len(shown) if shown else 0.0

"""Files of documents: size limits, detection of the format and of the text encoding."""

from __future__ import annotations

import codecs
import re
import zipfile
from pathlib import Path

import regex

from nano_lsp.code import document
from nano_lsp.code.document import MAX_BYTES as MAX_TEXT_BYTES
from nano_lsp.errors import DocumentError
from nano_lsp.summarize.loaders.blocks import Collector

MAX_BYTES = 64 << 20
"""Size limit in bytes of a PDF or DOCX file, pictures included, and of the XML in the latter."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose BOM is a prefix of it
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONVERTED = {  # what LibreOffice converts, and to what
    **dict.fromkeys(("odt", "ott", "fodt", "rtf", "doc", "wpd", "wps", "hwp"), "docx"),
    **dict.fromkeys(("xlsx", "xlsm", "xlsb", "xls", "ods", "fods"), "csv"),
    **dict.fromkeys(("pptx", "pptm", "ppsx", "pps", "ppt", "odp", "fodp", "odg", "vsd", "vsdx"), "pdf"),
}
_REMEDIES = {  # of other formats that are not text
    **dict.fromkeys(("eml", "msg", "mbox"), "Save the message as HTML, PDF or text."),
    **dict.fromkeys(("mht", "mhtml", "webarchive"), "Open it in the browser and save it as HTML or PDF."),
    **dict.fromkeys(("pages", "numbers", "one", "xps"), "Export it as PDF, DOCX or CSV."),
    **dict.fromkeys(("mobi", "azw", "azw3", "fb2"), "Convert it, for instance: ebook-convert {path} {stem}.html"),
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "webp", "bmp", "heic"), "Run OCR: tesseract {path} {stem}"),
    **dict.fromkeys(("tif", "tiff"), "Run OCR: tesseract {path} {stem}"),
    "djvu": "Convert it: djvutxt {path} {stem}.txt",
    **dict.fromkeys(("ps", "eps"), "Convert it: ps2pdf {path}"),
    "epub": "Convert it: pandoc {path} -o {stem}.html",
    "ipynb": "Convert it: jupyter nbconvert --to markdown {path}",
    **dict.fromkeys(("zip", "gz", "bz2", "xz", "7z", "rar", "tar", "tgz", "zst"), "Unpack it first."),
}
_MIME_TYPES = (  # beginnings of the first entry of an OpenDocument or EPUB file, templates included
    (b"application/vnd.oasis.opendocument.text", "odt"),
    (b"application/vnd.oasis.opendocument.spreadsheet", "ods"),
    (b"application/vnd.oasis.opendocument.presentation", "odp"),
    (b"application/vnd.oasis.opendocument.graphics", "odg"),
    (b"application/epub+zip", "epub"),
)
_BEGINNINGS = (  # of files whatever their names are
    (re.compile(rb"\{\\rtf"), "rtf"),
    (re.compile(rb"\x89PNG\r\n"), "png"),
    (re.compile(rb"\xff\xd8\xff"), "jpg"),
    (re.compile(rb"GIF8[79]a"), "gif"),
    (re.compile(rb"II\*\0|MM\0\*"), "tiff"),
    (re.compile(rb"\x1f\x8b"), "gz"),
    (re.compile(rb"AT&TFORM"), "djvu"),
    (re.compile(rb"%!PS-"), "ps"),
    (re.compile(rb"\s*<\?xml[^>]*>\s*<\?mso-application\s"), "doc"),  # Word and Excel in XML files
    (re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<office:document\s"), "fodt"),
    (re.compile(rb"(?:[A-Za-z-]+:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*)*?MIME-Version:", re.IGNORECASE), "eml"),
)
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_DOCUMENTS = "Give a document: text, Markdown, HTML, PDF or DOCX."
_TOO_LARGE = "Split it, or save its text alone."
_MAX_FOREIGN = 0.3  # maximum share of non-ASCII letters: Western European text has fewer


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a file's content.

    Raises:
        DocumentError: The file cannot be read, is too large, or may hold secrets.
    """
    return document.read_bytes(path, max_bytes, _TOO_LARGE)


def check_size(path: Path, size: int) -> None:
    """Check the size of a document.

    Raises:
        DocumentError: The document is too large.
    """
    if size > MAX_BYTES:
        raise DocumentError(f"{path} is larger than {MAX_BYTES >> 20} MB.", _TOO_LARGE)


def kind_of(path: Path) -> str:
    """Detect the format of a file by its first bytes, otherwise by its name.

    Returns:
        File name suffix without the dot; empty for a file without one.

    Raises:
        DocumentError: The file cannot be read.
    """
    named = path.suffix.lower().removeprefix(".")
    if path.is_fifo() or path.is_char_device() or path.is_socket():  # whose beginning can be read once only
        raise DocumentError(f"{path} is not a regular file.", "Write its content to a file first.")
    try:
        with path.open("rb") as stream:
            begin = stream.read(1024)
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    is_text = named in {"txt", "text", "md", "markdown", "html", "htm"}
    if begin.startswith(b"%PDF-") or (b"%PDF-" in begin and not is_text):
        return "pdf"
    if begin.startswith(b"PK\x03\x04"):
        return _kind_of_archive(path) or named or "zip"
    found = next((kind for beginning, kind in _BEGINNINGS if beginning.match(begin)), "")
    if found and named not in _CONVERTED.keys() | _REMEDIES.keys():
        return found
    is_known = named in {*_CONVERTED, *_REMEDIES, "txt", "text", "md", "markdown", "xhtml"}
    return "html" if _HTML.match(begin) and not is_known else named


def _kind_of_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as packed:
            names = set(packed.namelist())
            mime = packed.read("mimetype").strip() if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, KeyError, RuntimeError, NotImplementedError):
        return ""
    for beginning, kind in _MIME_TYPES:
        if mime.startswith(beginning):
            return kind
    folders = {"word": "docx", "xl": "xlsx", "ppt": "pptx"}
    return next((kind for folder, kind in folders.items() if any(n.startswith(f"{folder}/") for n in names)), "")


def refuse(path: Path, kind: str) -> None:
    """Refuse known but unsupported formats, with the command that converts them.

    Raises:
        DocumentError: The format is not supported.
    """
    remedy = _REMEDIES.get(kind, "").format(path=path, stem=path.stem)
    if kind in _CONVERTED:
        remedy = f"Convert it, for instance: soffice --headless --convert-to {_CONVERTED[kind]} {path}"
    if remedy:
        raise DocumentError(f"The {kind.upper()} file {path} is in a format that is not supported.", remedy)


def decode(path: Path, found: Collector, declared: str = "") -> str:
    """Read and decode a text file.

    Args:
        path: Path of the file.
        found: Receives a note if the encoding is guessed.
        declared: Encoding declared in the file; empty for none.

    Raises:
        DocumentError: The file is too large, binary, in an unknown encoding, or may hold secrets.
    """
    return decode_bytes(read_bytes(path, MAX_TEXT_BYTES), path, found, declared)


def decode_bytes(data: bytes, path: Path, found: Collector, declared: str = "") -> str:
    """Decode a text file's bytes; see `decode`."""
    convert = f"Convert it, for instance: iconv -f ENCODING -t UTF-8 {path}"
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _checked(data[len(mark) :].decode(encoding, "replace"), path)
    if declared:
        try:
            return _checked(data.decode(declared), path)
        except (LookupError, UnicodeDecodeError):
            pass  # the declaration is wrong
    if data.count(b"\0") > max(1, len(data) // 100):  # a few are damage
        if data.count(b"\0") > len(data) // 4 and not re.search(rb"\0{8}", data):
            raise DocumentError(f"{path} is a binary file, or UTF-16 without a byte order mark.", convert)
        raise DocumentError(f"{path} is a binary file.", _DOCUMENTS)
    try:
        return _checked(data.decode("utf-8"), path)
    except UnicodeDecodeError:
        pass
    if _is_damaged_utf_8(data):
        found.note("damaged_characters", "Some characters of the file are not valid UTF-8; they were not read.")
        return _checked(data.decode("utf-8", "ignore"), path)
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    letters = regex.findall(r"\p{L}", text)
    if not letters or sum(letter > "\x7f" for letter in letters) > _MAX_FOREIGN * len(letters):
        raise DocumentError(f"{path} is not UTF-8, and its encoding is unknown.", convert)
    found.note(
        "encoding_guessed",
        f"The file is not UTF-8; it was read as Windows-1252. If letters are wrong, convert it first: iconv -f "
        f"ENCODING -t UTF-8 {path}",
    )
    return _checked(text, path)


def _is_damaged_utf_8(data: bytes) -> bool:
    """Whether bytes have far more characters in UTF-8, beyond ASCII, than bytes that are not valid."""
    text = data.decode("utf-8", "replace")
    n_bad = text.count("\ufffd")
    return len(regex.findall(r"[^\x00-\x7f\ufffd]", text)) > 4 * n_bad


def _checked(text: str, path: Path) -> str:
    if len(re.findall(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text)) > len(text) // 10:
        raise DocumentError(f"{path} is a binary file.", _DOCUMENTS)
    return text.replace("\0", "")

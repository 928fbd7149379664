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
_CONVERTED = {"odt": "docx", "rtf": "docx", "doc": "docx", "xlsx": "csv", "xls": "csv", "ods": "csv", "pptx": "pdf"}
_MIME_TYPES = {  # the first entry of an OpenDocument or EPUB file
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/epub+zip": "epub",
}
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
    try:
        with path.open("rb") as stream:
            begin = stream.read(1024)
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    is_text = named in {"txt", "md", "markdown", "html", "htm"}
    if begin.startswith(b"%PDF-") or (b"%PDF-" in begin and not is_text):
        return "pdf"
    if begin.startswith(rb"{\rtf"):
        return "rtf"
    if begin.startswith(b"PK\x03\x04"):
        return _kind_of_archive(path) or named
    return named


def _kind_of_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as packed:
            names = set(packed.namelist())
            mime = packed.read("mimetype").strip() if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, KeyError, RuntimeError, NotImplementedError):
        return ""
    if mime in _MIME_TYPES:
        return _MIME_TYPES[mime]
    folders = {"word": "docx", "xl": "xlsx", "ppt": "pptx"}
    return next((kind for folder, kind in folders.items() if any(n.startswith(f"{folder}/") for n in names)), "")


def refuse(path: Path, kind: str) -> None:
    """Refuse known but unsupported formats, with the command that converts them.

    Raises:
        DocumentError: The format is not supported.
    """
    if kind == "epub":
        raise DocumentError(
            f"{path} is an EPUB file, which is not supported.", f"Convert it: pandoc {path} -o {path.stem}.html"
        )
    if kind in {*_CONVERTED, "odp", "ppt"}:
        to = _CONVERTED.get(kind, "pdf")
        raise DocumentError(
            f"{path} is {'an' if kind[0] in 'aeiorx' else 'a'} {kind.upper()} file, which is not supported.",
            f"Convert it, for instance: soffice --headless --convert-to {to} {path}",
        )


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
    if b"\0" in data:
        raise DocumentError(f"{path} is a binary file, or UTF-16 without a byte order mark.", convert)
    try:
        return _checked(data.decode("utf-8"), path)
    except UnicodeDecodeError:
        pass
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


def _checked(text: str, path: Path) -> str:
    if len(re.findall(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text)) > len(text) // 10:
        raise DocumentError(f"{path} is a binary file.", "Give a document: text, Markdown, HTML, PDF or DOCX.")
    return text

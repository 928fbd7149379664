"""Files of documents: their size, their kind by their first bytes, their text's encoding."""

from __future__ import annotations

import codecs
import re
import zipfile
from pathlib import Path

import regex

from nano_lsp.code.document import MAX_BYTES as MAX_TEXT_BYTES
from nano_lsp.code.document import is_secret
from nano_lsp.errors import DocumentError
from nano_lsp.summarize.loaders.blocks import Collector

MAX_BYTES = 64 << 20
"""Size limit in bytes of a PDF or DOCX file, which holds pictures as well, and of the XML in the latter."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAVE_AS = "Save it as DOCX or PDF, for instance: soffice --headless --convert-to {to} {name}"
_CONVERTED = {"odt": "docx", "rtf": "docx", "doc": "docx", "xlsx": "csv", "xls": "csv", "ods": "csv", "pptx": "pdf"}
_MIME_TYPES = {  # the first entry of an OpenDocument or EPUB file
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/epub+zip": "epub",
}
_MAX_FOREIGN = 0.3  # share of letters beyond ASCII: text of Western Europe has fewer


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """A file's content.

    Raises:
        DocumentError: it cannot be read, or is too large.
    """
    try:
        if (size := path.stat().st_size) > max_bytes:
            check_size(path, size, max_bytes)
        return path.read_bytes()
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error


def check_size(path: Path, size: int, max_bytes: int = MAX_BYTES) -> None:
    """Refuse a document that is too large.

    Raises:
        DocumentError: it is.
    """
    if size > max_bytes:
        raise DocumentError(f"{path} is larger than {max_bytes >> 20} MB.", "Split it, or save its text alone.")


def kind_of(path: Path) -> str:
    """The format of a file: by its first bytes where they say it, otherwise by its name.

    Returns:
        A suffix without its dot; empty for a file without one.

    Raises:
        DocumentError: the file cannot be read.
    """
    named = path.suffix.lower().removeprefix(".")
    try:
        with path.open("rb") as stream:
            begin = stream.read(1024)
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    if b"%PDF-" in begin and named not in {"txt", "md", "markdown", "html", "htm"}:
        return "pdf"
    if begin.startswith(b"%PDF-"):
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
    """Refuse a format that is not read, with the way to one that is.

    Raises:
        DocumentError: always for a format that is known and not read.
    """
    if kind == "epub":
        raise DocumentError(
            f"{path} is an EPUB file, which is not read.", f"Convert it: pandoc {path} -o {path.stem}.html"
        )
    if kind in {*_CONVERTED, "odp", "ppt"}:
        to = _CONVERTED.get(kind, "pdf")
        raise DocumentError(
            f"{path} is {'an' if kind[0] in 'aeiorx' else 'a'} {kind.upper()} file, which is not read.",
            f"Convert it, for instance: soffice --headless --convert-to {to} {path}",
        )


def decode(path: Path, found: Collector, declared: str = "") -> str:
    """The text of a text file.

    Args:
        path: The file.
        found: Gets a note where the encoding is a guess.
        declared: The encoding that the file names itself; empty for none.

    Raises:
        DocumentError: it is too large, binary, or in an encoding that is not known; or it may hold secrets.
    """
    if is_secret(path.name):
        raise DocumentError(
            f"{path} may hold secrets, which never go into a prompt.", "Rename the file if it holds none."
        )
    return decode_bytes(read_bytes(path, MAX_TEXT_BYTES), path, found, declared)


def decode_bytes(data: bytes, path: Path, found: Collector, declared: str = "") -> str:
    """As `decode`, of a text file's bytes."""
    convert = f"Convert it, for instance: iconv -f ENCODING -t UTF-8 {path}"
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _checked(data[len(mark) :].decode(encoding, "replace"), path)
    if declared:
        try:
            return _checked(data.decode(declared), path)
        except (LookupError, UnicodeDecodeError):
            pass  # it names another encoding than it has
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
        raise DocumentError(f"{path} is not UTF-8, and its encoding is not known.", convert)
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

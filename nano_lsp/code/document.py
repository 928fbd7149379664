r"""Source files as text: safe reading, positions by line and column, edits.

A line ends with `\\n`, `\\r\\n` or `\\r`, as in editors; lines and columns count from 1, columns in code points.
"""

from __future__ import annotations

import codecs
import csv
import fnmatch
import os
import re
import tokenize
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nano_lsp.code.languages import PYTHON, Language, language_of
from nano_lsp.code.uris import names_in
from nano_lsp.errors import DocumentError, PositionError
from nano_lsp.lines import line_number, line_starts, split_lines

MAX_BYTES = 8 << 20


def _any_of(*patterns: str) -> re.Pattern[str]:
    """One expression for glob patterns, as names are checked at each key: 0.15 ms; one after the other, 0.43."""
    return re.compile("|".join(map(fnmatch.translate, patterns)))


_SECRETS = _any_of(
    *(".env", ".env.*", ".env-*", ".env_*", ".envrc", "*.env", ".renviron"),
    *(
        "*.pem",
        "*.key",
        "*.p8",
        "*.p12",
        "*.pfx",
        "*.jks",
        "*.keystore",
        "*.kdb",
        "*.kdbx",
        "*.ppk",
        "*.gpg",
        "*.asc",
    ),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*_rsa", "*_dsa", "*_ecdsa", "*_ed25519", "wallet.dat"),
    *(
        ".netrc",
        "_netrc",
        ".authinfo",
        ".pypirc",
        ".npmrc",
        ".my.cnf",
        ".pgpass",
        "pgpass.conf",
        ".htpasswd",
        "htpasswd",
    ),
    *(".git-credentials", "credentials", "secrets", "passwords", "*password.txt", ".vault_pass*", ".vault-pass*"),
    *(f".*{word}" for word in ("secret", "secrets", "password", "passwords", "token", "tokens")),
    *(".dockercfg", ".dockerconfigjson", "kubeconfig", "kubeconfig.*", "*.kubeconfig", ".s3cfg", ".boto"),
    *("*.tfvars", "*.tfvars.json", "*.tfstate", "*.tfstate.*", ".terraformrc", "terraform.rc"),
    *("*service?account*.json", "*serviceaccount*.json"),
)
_SECRETS_IN_FOLDERS = _any_of(".ssh/*", ".gnupg/*", ".aws/config", ".docker/config.json", ".kube/config")
_SECRETS_BUT_CODE = _any_of(
    *(f"*{word}.*" for word in ("credentials", "secret", "secrets", "passwords", "token", "tokens"))
)
_TEMPLATES = _any_of("*.example", "*.sample", "*.template", "*.pub", "*.md", "*.rst")
_CODE = _any_of(
    *("*.py", "*.pyi", "*.pyw", "*.ipynb", "*.js", "*.mjs", "*.jsx", "*.ts", "*.tsx", "*.c", "*.h", "*.cc", "*.cpp"),
    *("*.hpp", "*.cs", "*.go", "*.java", "*.class", "*.kt", "*.rs", "*.swift", "*.lua", "*.rb", "*.php"),
)
"""Source files named after secrets hold code, not secrets: `tokens.py`."""
_MAX_DECLARATION_BYTES = 4096
_BACKUP = re.compile(r"(\.~\d+~|~|#|\.(bak|orig|old|save|sw[a-z])| - copy| ?\(\d+\))+$")
"""Suffixes that editors and people append to the name of a backup copy."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True)
class Document:
    """A source text.

    Attributes:
        name: Name of the file.
        text: Content of the file.
        encoding: Python's name of the codec that encodes the text to the file's bytes, a byte order mark included.
    """

    name: str
    text: str
    encoding: str = "utf-8"


@dataclass(frozen=True)
class TextEdit:
    """A replacement of a range of a text, by its offsets in code points."""

    start: int
    end: int
    text: str


def apply_edits(text: str, edits: Iterable[TextEdit], at: int = 0) -> str:
    """Apply edits that do not overlap to a text that begins at the offset `at` of its document."""
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start - at] + edit.text + text[edit.end - at :]
    return text


def load_document(path: Path) -> Document:
    """Read a source file; see `read_bytes` and `read_document`.

    Raises:
        DocumentError: The file is missing, unreadable, too large, binary, wrongly encoded, or may hold secrets.
    """
    return read_document(read_bytes(path), str(path))


def allow_long_csv_fields() -> None:
    """Let the csv module read fields as long as a document, in this process; by default, 128 KB are the limit."""
    csv.field_size_limit(MAX_BYTES)


def read_bytes(path: Path, max_bytes: int = MAX_BYTES, remedy: str = "Choose a source file.") -> bytes:
    """Read the bytes of a source file.

    Args:
        path: Path of the file.
        max_bytes: Size up to which it is read.
        remedy: What the user can do about a larger one.

    Raises:
        DocumentError: The file is missing, unreadable, too large, or may hold secrets.
    """
    refuse_secret(path)
    try:
        if path.stat().st_size > max_bytes:
            raise DocumentError(f"{path} is larger than {max_bytes >> 20} MB.", remedy)
        return path.read_bytes()
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error


def read_document(data: bytes, name: str, language: Language | None = None) -> Document:
    """Decode a source text: Python in the encoding that it declares (PEP 263), all else as UTF-8.

    Args:
        data: Bytes of the file. A byte order mark does not become part of the text.
        name: Name of the file, for messages.
        language: Language of the text; None derives it from the name.

    Raises:
        DocumentError: The text is too large, binary or in another encoding.
    """
    if len(data) > MAX_BYTES:
        raise DocumentError(f"{name} is larger than {MAX_BYTES >> 20} MB.", "Choose a source file.")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DocumentError(f"{name} is UTF-16.", f"Convert it: iconv -f UTF-16 -t UTF-8 {name}")
    if b"\0" in data:
        raise DocumentError(f"{name} is a binary file.", "Choose a source file.")
    is_python = (language or language_of(name)) == PYTHON
    encoding = _declared_encoding(data, name) if is_python else "utf-8"
    if data.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeError as error:
        raise _undecodable(data, name, encoding, error) from error
    if len(_CONTROL.findall(text)) > len(text) // 10:
        raise DocumentError(f"{name} is a binary file.", "Choose a source file.")
    return Document(name, text, encoding)


def _declared_encoding(data: bytes, name: str) -> str:
    """The encoding of Python source, as Python's own tokenizer detects it from the first two lines."""
    marked = data.startswith(codecs.BOM_UTF8)
    # A declaration is ASCII; the text beside it is in the encoding that is still to be detected.
    text = data[:_MAX_DECLARATION_BYTES].removeprefix(codecs.BOM_UTF8).decode("ascii", "replace")
    head = (line.encode("ascii", "replace") for line in split_lines(text, keep_ends=True))
    try:
        encoding, _ = tokenize.detect_encoding(lambda: next(head, b""))
        readable = b"# coding".decode(encoding) == "# coding"  # False for UTF-16
    except SyntaxError as error:
        raise DocumentError(f"{name}: {error.msg}.", "Correct the encoding in its first two lines.") from error
    except (LookupError, UnicodeError):  # a bytes-to-bytes codec, such as base64
        readable = False
    if not readable or (marked and encoding != "utf-8"):
        raise DocumentError(
            f"{name} declares {encoding}, which it cannot be in.", "Correct the encoding in its first two lines."
        )
    return encoding


def _undecodable(data: bytes, name: str, encoding: str, error: UnicodeError) -> DocumentError:
    """The error for bytes that cannot be decoded with the expected encoding."""
    where = ""
    if isinstance(error, UnicodeDecodeError):
        line = line_number(data[: error.start].decode("latin-1"), error.start)
        where = f": byte {error.start:,}, in line {line:,}"
    if encoding.startswith("utf-8"):
        return DocumentError(
            f"{name} is not UTF-8{where}.", f"Convert it, for instance: iconv -f LATIN1 -t UTF-8 {name}"
        )
    return DocumentError(f"{name} is not {encoding}, as it declares{where}.", "Correct its declaration.")


def refuse_secret(path: Path) -> None:
    """Refuse a file that may hold secrets, judged by its name and by that of the file it links to.

    Raises:
        DocumentError: It may hold secrets.
    """
    if leads_to_secret(path):
        raise DocumentError(
            f"{path} may hold secrets, which never go into a prompt.", "Rename the file if it holds none."
        )


def leads_to_secret(path: Path) -> bool:
    """Whether a file may hold keys or passwords, judged by its name and by that of the file it links to."""
    name = str(path)
    try:
        target = os.path.realpath(path)
    except ValueError:  # no file can have this name
        target = name
    return is_secret(name) or (target != name and is_secret(target))


def is_secret(document: str) -> bool:
    """Whether a document may hold keys or passwords, judged by its file name, and by others that its URI mentions."""
    return any(map(_is_secret_name, names_in(document, n_folders=1)))


def _is_secret_name(name_in_folder: str) -> bool:
    whole = unicodedata.normalize("NFKC", name_in_folder).lower()
    if _SECRETS_IN_FOLDERS.match(whole):
        return True
    name = unicodedata.normalize("NFKC", name_in_folder.rpartition("/")[2]).lower().rstrip(". ")  # as Windows does
    name = _BACKUP.sub("", name).removeprefix("#") or name
    is_key = name.startswith("id_") and "." not in name  # as ssh-keygen names them
    named = _SECRETS.match(name) or (_SECRETS_BUT_CODE.match(name) and not _CODE.match(name))
    return is_key or bool(named and not _TEMPLATES.match(name))


def parse_location(location: str) -> tuple[str, int, int]:
    """Split FILE:LINE:COL from the right, so that the colon of a Windows drive stays with the file.

    Raises:
        DocumentError: The location has another form.
    """
    found = re.fullmatch(r"(.+):(\d+):(\d+)", location, re.DOTALL)
    if not found:
        raise DocumentError(f"{location!r} is not of the form FILE:LINE:COL.", "For example: src/app.py:12:5")
    return found[1], int(found[2]), int(found[3])


def offset_at(text: str, line: int, column: int) -> int:
    """Convert a position to an offset in code points.

    Lines and columns count from 1; the column one past a line's last character is its end.

    Raises:
        PositionError: The line does not exist or is shorter.
    """
    starts = line_starts(text)
    if not 1 <= line <= len(starts):
        raise PositionError(f"There is no line {line:,}.", f"The file has {len(starts):,} lines, counted from 1.")
    start = starts[line - 1]
    following = starts[line] if line < len(starts) else len(text)
    length = len(text[start:following].rstrip("\r\n"))
    if not 1 <= column <= length + 1:
        raise PositionError(
            f"There is no column {column:,} in line {line:,}.", f"The columns there are 1 to {length + 1:,}."
        )
    return start + column - 1


def indent_of(line: str) -> int:
    """Number of blanks that a line begins with."""
    return len(line) - len(line.lstrip(" \t"))

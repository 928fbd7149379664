r"""Source files as text: read safely, addressed by line and column.

A line ends with `\\n`, `\\r\\n` or `\\r`, as in editors; lines and columns count from 1, columns in code points.
"""

from __future__ import annotations

import codecs
import fnmatch
import os
import re
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nano_lsp.context.uris import names_in
from nano_lsp.errors import DocumentError, PositionError

MAX_BYTES = 8 << 20
_SECRETS = (
    *(".env", ".env.*", ".env-*", ".env_*", ".envrc", "*.env"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.gpg", "*.asc"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*"),
    *(".netrc", "_netrc", ".pypirc", ".npmrc", ".pgpass", ".htpasswd", ".git-credentials", "credentials"),
)
_SECRETS_BUT_CODE = tuple(
    f"*{word}.*" for word in ("credentials", "secret", "secrets", "passwords", "token", "tokens")
)
_TEMPLATES = ("*.example", "*.sample", "*.template", "*.pub", "*.md", "*.rst")
_CODE = (
    *("*.py", "*.pyi", "*.pyw", "*.ipynb", "*.js", "*.mjs", "*.jsx", "*.ts", "*.tsx", "*.c", "*.h", "*.cc", "*.cpp"),
    *("*.hpp", "*.cs", "*.go", "*.java", "*.class", "*.kt", "*.rs", "*.swift", "*.lua", "*.rb", "*.php"),
)
"""Code about secrets is no secret: `tokens.py`."""
_BACKUP = re.compile(r"(\.~\d+~|~|#|\.(bak|orig|old|save|sw[a-z]))+$")
"""What editors and people put behind the name of a copy."""
_LINE_BREAK = re.compile(r"[\r\n]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True)
class Document:
    """A source text.

    Attributes:
        name: of its file.
        text: its content.
    """

    name: str
    text: str


@dataclass(frozen=True)
class TextEdit:
    """A change of a text.

    Attributes:
        start: offset of what it replaces, in code points.
        end: of what it replaces.
        text: what to put there.
    """

    start: int
    end: int
    text: str


def apply_edits(text: str, edits: Iterable[TextEdit], at: int = 0) -> str:
    """A text with edits in it that do not overlap.

    Args:
        text: of a document, or a part of it.
        edits: by offsets in the document.
        at: offset in the document that the text begins at.
    """
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start - at] + edit.text + text[edit.end - at :]
    return text


def load_document(path: Path) -> Document:
    """Read a source file.

    Raises:
        DocumentError: it is missing, unreadable, too large, binary, not UTF-8, or a file that holds secrets.
    """
    if is_secret(str(path)) or is_secret(str(path.resolve())):
        raise DocumentError(
            f"{path} may hold secrets, which never go into a prompt.", "Rename the file if it holds none."
        )
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DocumentError(f"{path} is larger than {MAX_BYTES >> 20} MB.", "Choose a source file.")
        return read_document(path.read_bytes(), str(path))
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; its mode stays, a link's target is written.

    Args:
        path: of the file, which need not be there.
        content: text is written in UTF-8, its line breaks as they are.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    path = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        # A new file gets the mode that a plain open() would give it.
        Path(name).chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def read_document(data: bytes, name: str) -> Document:
    """Decode a source text; a byte order mark is dropped.

    Raises:
        DocumentError: it is too large, binary or not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise DocumentError(f"{name} is larger than {MAX_BYTES >> 20} MB.", "Choose a source file.")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DocumentError(f"{name} is UTF-16.", f"Convert it: iconv -f UTF-16 -t UTF-8 {name}")
    if b"\0" in data:
        raise DocumentError(f"{name} is a binary file.", "Choose a source file.")
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DocumentError(
            f"{name} is not UTF-8: byte {error.start:,}, in line {line:,}.",
            f"Convert it, for instance: iconv -f LATIN1 -t UTF-8 {name}",
        ) from error
    if len(_CONTROL.findall(text)) > len(text) // 10:
        raise DocumentError(f"{name} is a binary file.", "Choose a source file.")
    return Document(name, text)


def is_secret(document: str) -> bool:
    """Whether a document is one of those that hold keys and passwords, by the names in its path or URI.

    Args:
        document: The path of a file, its name alone, or the URI of a document, under whatever scheme.
    """
    return any(map(_is_secret_name, names_in(document)))


def _is_secret_name(file_name: str) -> bool:
    name = file_name.lower().rstrip(". ")  # Windows ignores these
    name = _BACKUP.sub("", name).removeprefix("#") or name

    def matches(patterns: tuple[str, ...]) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    is_key = name.startswith("id_") and "." not in name  # as ssh-keygen names them
    named = matches(_SECRETS) or (matches(_SECRETS_BUT_CODE) and not matches(_CODE))
    return is_key or (named and not matches(_TEMPLATES))


def parse_location(location: str) -> tuple[str, int, int]:
    """Split FILE:LINE:COL from the right, so that a drive's colon stays with the file.

    Raises:
        DocumentError: it has another form.
    """
    found = re.fullmatch(r"(.+):(\d+):(\d+)", location, re.DOTALL)
    if not found:
        raise DocumentError(f"{location!r} is not of the form FILE:LINE:COL.", "For example: src/app.py:12:5")
    return found[1], int(found[2]), int(found[3])


def offset_at(text: str, line: int, column: int) -> int:
    """The offset of a position, in code points.

    Args:
        text: of the document.
        line: from 1.
        column: from 1; one past the line's last character is its end.

    Raises:
        PositionError: there is no such line, or it is shorter.
    """
    starts = [0, *(end.end() for end in re.finditer(r"\r\n|\n|\r", text))]
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


def line_start(text: str, offset: int) -> int:
    """Where the line of an offset begins."""
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def line_end(text: str, offset: int) -> int:
    """Where the line of an offset ends, its break left out."""
    found = _LINE_BREAK.search(text, offset)
    return found.start() if found else len(text)


def line_break_of(text: str) -> str:
    """How the lines of a text end."""
    return "\r\n" if "\r\n" in text else "\n"


def indent_of(line: str) -> int:
    """How many blanks a line begins with."""
    return len(line) - len(line.lstrip(" \t"))

"""Messages of the front end, validated against their types because they are untrusted.

Offsets count code points. A cell's code is the text that the user sees, magics included.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec

MAX_BODY_BYTES = 4 * 2**20
T = TypeVar("T")
Count = Annotated[int, msgspec.Meta(ge=0)]


class Cell(msgspec.Struct, frozen=True):
    """A code cell.

    Attributes:
        code: The cell's text.
        execution_count: The kernel's number of the cell's last execution; None if it has not run.
        language: The cell's language from its metadata; empty for the kernel's language.
        id: Identifier of a notebook's cell; empty in consoles and files.
    """

    code: str
    execution_count: int | None = None
    language: str = ""
    id: str = ""


class Cursor(msgspec.Struct, frozen=True):
    """A document and the cursor in it: where it rests, or a request for the next edit, as a message of its own.

    Attributes:
        path: Path of the document, relative to the server's root.
        cells: Code cells of a notebook or console; for a file, its text as the only cell.
        index: Index of the cell with the cursor.
        offset: Offset of the cursor in that cell.
        language: Language of the kernel; empty to derive it from the path.
        page: Identifier of the browser page.
        number: Number of the message, increasing on each page.
    """

    path: str
    cells: Annotated[list[Cell], msgspec.Meta(min_length=1, max_length=10_000)]
    index: Count
    offset: Count
    language: str = ""
    page: str = ""
    number: Count = 0


class SuggestRequest(Cursor, frozen=True):
    """Request for suggestions at a cursor.

    Attributes:
        invoked: Whether the user has requested suggestions explicitly.
    """

    invoked: bool = False


class RejectedEdit(msgspec.Struct, frozen=True):
    """Notice that the user has rejected a next edit: the old and the new text of its lines."""

    old: str
    new: str


class ActionRequest(msgspec.Struct, frozen=True):
    """Request to explain, document or fix a piece of code.

    Attributes:
        kind: The action.
        code: Code of a cell, or the selection.
        language: Language of the code.
        offset: Offset of the cursor; None for the whole code.
        error: Name, value and traceback of the kernel's error.
    """

    kind: Literal["explain", "docstring", "fix"]
    code: str
    language: str = ""
    offset: Count | None = None
    error: tuple[str, str, list[str]] | None = None


class KernelVariables(msgspec.Struct, frozen=True):
    """A kernel's reply to the expression that reads its variables; empty after a restart."""

    path: str
    reply: str


class CloseRequest(msgspec.Struct, frozen=True):
    """Notice that a document has been closed."""

    path: str


class ControlRequest(msgspec.Struct, frozen=True):
    """The user's settings, pause and reload; None leaves a value unchanged."""

    settings: dict[str, Any] | None = None
    paused: bool | None = None
    reload: bool = False


def decode(body: bytes, kind: type[T]) -> T:
    """Decode and validate a message.

    Raises:
        ValueError: The message is too large or invalid.
    """
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"The request has {len(body):,} bytes; the limit is {MAX_BODY_BYTES:,}.")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"The request is not a valid {kind.__name__}: {error}.") from error

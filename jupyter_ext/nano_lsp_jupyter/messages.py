"""What the front end sends, each checked against its type: it is untrusted.

Offsets count code points. A cell's code is as the user sees it.
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
        execution_count: The kernel's number of the cell's last execution; None where it has not run.
        language: The cell's language, where its metadata says one; empty for the kernel's.
    """

    code: str
    execution_count: int | None = None
    language: str = ""


class Suggest(msgspec.Struct, frozen=True):
    """Complete at a cursor.

    Attributes:
        path: of the document, relative to the server's root.
        cells: of a notebook or console the code cells; of a file its text as the only one.
        index: of the cell with the cursor.
        offset: of the cursor in that cell.
        language: of the kernel; empty for what the path tells.
        invoked: the user has asked for suggestions.
        page: of the browser that asks, any name.
        number: of the request, higher than those that the page has sent before.
    """

    path: str
    cells: Annotated[list[Cell], msgspec.Meta(min_length=1, max_length=10_000)]
    index: Count
    offset: Count
    language: str = ""
    invoked: bool = False
    page: str = ""
    number: Count = 0


class Work(msgspec.Struct, frozen=True):
    """Explain, document or fix a piece of code.

    Attributes:
        kind: what to do.
        code: a cell, or what is selected.
        language: of it.
        offset: of the cursor; None for all of it.
        error: what the kernel says: its name, its value, its traceback.
    """

    kind: Literal["explain", "docstring", "fix"]
    code: str
    language: str = ""
    offset: Count | None = None
    error: tuple[str, str, list[str]] | None = None


class LiveNames(msgspec.Struct, frozen=True):
    """What a kernel has answered to the expression of live names; empty where it has just started."""

    path: str
    reply: str


class Closed(msgspec.Struct, frozen=True):
    """A document has been closed."""

    path: str


class Control(msgspec.Struct, frozen=True):
    """What the user has set, and whether suggestions pause; None leaves it as it is."""

    settings: dict[str, Any] | None = None
    paused: bool | None = None
    reload: bool = False


def decode(body: bytes, kind: type[T]) -> T:
    """A message.

    Raises:
        ValueError: it is too big, or no such message; says what is wrong.
    """
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"The request has {len(body):,} bytes; at most {MAX_BODY_BYTES:,} are read.")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"The request is no {kind.__name__}: {error}.") from error

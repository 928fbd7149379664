"""Where documents were left, so that the model reads that place ahead when one is opened again.

Numbers in a file on this machine: the line and the column in code points, both from 0, by a hash of the path.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from functools import cached_property
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from nano_lsp.code.file_replacement import replace_file
from nano_lsp.lines import line_end, line_starts

_FILE = "places.json"
_MAX_PLACES = 500  # documents; the ones left first are dropped
_LOCK_S = 2.0
_Places = dict[str, tuple[int, int]]  # the newest last


class Places:
    """The places where this user's documents were left, in a file that several processes write.

    Args:
        folder: The folder of the file; created when it is first written.

    Attributes:
        path: The path of the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FILE
        self._left: _Places = {}  # by this process, not written yet

    def find(self, name: str, text: str) -> int | None:
        """The offset in code points where a document was left; None if that is not known.

        Args:
            name: Path of the document.
            text: Its text, which may have changed since.
        """
        place = self._known.get(_key(name))
        starts = line_starts(text)
        if place is None or not 0 <= place[0] < len(starts):
            return None
        start = starts[place[0]]
        return min(start + max(place[1], 0), line_end(text, start))

    def leave(self, name: str, text: str, offset: int) -> None:
        """A document is left at an offset in code points. `write` keeps that for other processes."""
        starts = line_starts(text)
        line = bisect_right(starts, offset) - 1
        key = _key(name)
        self._left.pop(key, None)
        self._left[key] = self._known[key] = line, offset - starts[line]

    def write(self) -> None:
        """Add the places to the file; errors of the file system are ignored, and the places lost."""
        if not self._left:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=_LOCK_S):
                others = {key: place for key, place in self._read().items() if key not in self._left}
                newest = [*others.items(), *self._left.items()][-_MAX_PLACES:]
                replace_file(self.path, msgspec.json.encode(dict(newest)))
        except (OSError, Timeout, NotImplementedError):  # the last where the file system has no locks
            return
        self._left = {}

    def clear(self) -> None:
        """Delete the file.

        Raises:
            OSError: The file cannot be deleted.
        """
        self.path.unlink(missing_ok=True)

    @cached_property
    def _known(self) -> _Places:
        """The places in the file when it was first needed, and those of this process."""
        return self._read()

    def _read(self) -> _Places:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Places)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}


def _key(name: str) -> str:
    """A hash of a path: the file names no documents."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]

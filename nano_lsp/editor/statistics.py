"""What became of suggestions: shown, accepted, kept. A file on this machine; it holds numbers and no code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from nano_lsp.lines import split_at_newlines

KEPT_AFTER_S = 30.0
"""How long after it was accepted a suggestion must still stand to count as kept."""
_FILE = "statistics.jsonl"
_MAX_RECORDS = 20_000
_SHORTEST = 90  # bytes of a record; a file below so many times the limit need not be counted
_LOCK_S = 2.0


@dataclass(frozen=True)
class Record:
    """What became of one suggestion.

    Attributes:
        day: The day it was shown, as `2026-01-31`.
        language: The document's language.
        chars: The suggestion's length in characters.
        confidence: Geometric mean of the probabilities of its tokens, 0 to 1.
        accepted: All of its text was inserted, by a key that accepts it or key by key.
        kept: The text was still there `KEPT_AFTER_S` later, or when the program ended before that.
        weight: Number of suggestions that this one stands for: more than 1 for a sample of those that the adaptive
            threshold hides (`nano_lsp.editor.adaptive_threshold`).
        invoked: The user asked for it explicitly.
    """

    day: str
    language: str
    chars: int
    confidence: float
    accepted: bool = False
    kept: bool = False
    weight: float = 1.0
    invoked: bool = False


_NEWER = {"weight": 1.0, "invoked": False}  # fields that older versions do not know, and their defaults
_DECODER = msgspec.json.Decoder(Record)


@dataclass(frozen=True)
class Summary:
    """What became of many.

    Attributes:
        shown: how many.
        accepted: of these.
        kept: of these.
        chars: accepted.
    """

    shown: int
    accepted: int
    kept: int
    chars: int


class Statistics:
    """The records of this user.

    Args:
        folder: they are in; made when there is something to keep.

    Attributes:
        path: of their file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FILE

    def add(self, records: Iterable[Record]) -> None:
        """Keep records; where the disk refuses, they are lost, and nothing else is."""
        lines = [_encode(record) for record in records]
        if not lines:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock(), self.path.open("a+", encoding="utf-8", errors="replace") as file:
                file.writelines(lines)
                if file.tell() < _MAX_RECORDS * _SHORTEST:
                    return
                file.seek(0)
                known = file.readlines()
                if len(known) > _MAX_RECORDS:
                    file.truncate(0)
                    file.writelines(known[-_MAX_RECORDS // 2 :])
        except (OSError, Timeout):
            return

    def records(self) -> Iterator[Record]:
        """The records, oldest first; lines that are none are left out."""
        try:
            lines = split_at_newlines(self.path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return
        for line in lines:
            try:
                yield _DECODER.decode(line)
            except msgspec.MsgspecError:
                continue

    def clear(self) -> None:
        """Forget everything.

        Raises:
            OSError: the file cannot be removed.
        """
        self.path.unlink(missing_ok=True)

    def _lock(self) -> FileLock:
        return FileLock(f"{self.path}.lock", timeout=_LOCK_S)


def summarize(records: Iterable[Record]) -> Summary:
    """Sums over records."""
    shown = accepted = kept = chars = 0
    for record in records:
        shown += 1
        accepted += record.accepted
        kept += record.kept
        chars += record.chars * record.accepted
    return Summary(shown, accepted, kept, chars)


def _encode(record: Record) -> str:
    """A line of the file. Newer fields are left out where they say nothing: older versions skip lines with them."""
    values = {name: value for name, value in asdict(record).items() if _NEWER.get(name) != value}
    return json.dumps(values) + "\n"

"""Statistics of suggestions shown, accepted and kept, in a file on this machine: numbers, no code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from nano_lsp.code.file_replacement import replace_file
from nano_lsp.lines import split_at_newlines

KEPT_AFTER_S = 30.0
"""Seconds after acceptance when a suggestion that is still in the document counts as kept."""
_FILE = "statistics.jsonl"
_MAX_RECORDS = 20_000
_MIN_RECORD_BYTES = 90  # lines are counted only in files of at least `_MAX_RECORDS` times this size
_LOCK_S = 2.0


@dataclass(frozen=True)
class Record:
    """The outcome of one suggestion.

    Attributes:
        day: The date when it was shown, as `2026-01-31`.
        language: The document's language.
        chars: The suggestion's length in characters.
        confidence: Geometric mean of the probabilities of its tokens, 0 to 1.
        accepted: Its whole text was inserted, by the accept key or by typing it.
        kept: The text was still there `KEPT_AFTER_S` later, or when the program ended before that.
        weight: Number of suggestions that this one represents: more than 1 for a sample of those that the adaptive
            threshold hides (`nano_lsp.editor.adaptive_threshold`).
        invoked: It was requested explicitly.
    """

    day: str
    language: str
    chars: int
    confidence: float
    accepted: bool = False
    kept: bool = False
    weight: float = 1.0
    invoked: bool = False


_NEWER = {"weight": 1.0, "invoked": False}  # fields unknown to older versions, and their defaults
_DECODER = msgspec.json.Decoder(Record)


@dataclass(frozen=True)
class Summary:
    """The outcomes of several suggestions.

    Attributes:
        shown: Number of suggestions shown.
        accepted: Number of suggestions accepted.
        kept: Number of suggestions kept.
        chars: Number of characters accepted.
    """

    shown: int
    accepted: int
    kept: int
    chars: int


class Statistics:
    """The file of records of this user, a line of JSON each, which several processes write.

    In SQLite, adding one takes 18 ms instead of 0.2 ms (ext4), and a damaged first page loses all.

    Args:
        folder: The folder of the file; created when the first record is added.

    Attributes:
        path: The path of the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FILE

    def add(self, records: Iterable[Record]) -> None:
        """Append records to the file; errors of the file system are ignored, and the records lost."""
        lines = [_encode(record) for record in records]
        if not lines:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock():
                with self.path.open("a", encoding="utf-8", errors="replace") as file:
                    file.writelines(lines)
                if self.path.stat().st_size < _MAX_RECORDS * _MIN_RECORD_BYTES:
                    return
                text = self.path.read_text(encoding="utf-8", errors="replace")
                if text.count("\n") > _MAX_RECORDS:
                    newer = split_at_newlines(text, keep_ends=True)[-_MAX_RECORDS // 2 :]
                    replace_file(self.path, "".join(newer))
        except (OSError, Timeout, NotImplementedError):  # the last where the file system has no locks
            return

    def records(self) -> Iterator[Record]:
        """The records, oldest first; invalid lines are skipped."""
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
        """Delete the file.

        Raises:
            OSError: The file cannot be deleted.
        """
        self.path.unlink(missing_ok=True)

    def _lock(self) -> FileLock:
        return FileLock(f"{self.path}.lock", timeout=_LOCK_S)


def summarize(records: Iterable[Record]) -> Summary:
    """Sum up records."""
    shown = accepted = kept = chars = 0
    for record in records:
        shown += 1
        accepted += record.accepted
        kept += record.kept
        chars += record.chars * record.accepted
    return Summary(shown, accepted, kept, chars)


def _encode(record: Record) -> str:
    """A line of the file, without newer fields that have their defaults: older versions skip lines with them."""
    values = {name: value for name, value in vars(record).items() if _NEWER.get(name) != value}
    return json.dumps(values) + "\n"

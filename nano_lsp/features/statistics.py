"""What became of suggestions: shown, accepted, kept. A file on this machine; it holds numbers and no code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

KEPT_AFTER_S = 30.0
"""How long after it was accepted a suggestion must still stand to count as kept."""
_FILE = "statistics.jsonl"
_MAX_RECORDS = 20_000
_SHORTEST = 90  # bytes of a record; a file below so many times the limit need not be counted
_LOCK_S = 2.0
_ENOUGH = 200  # suggestions, before a threshold is drawn from them
_WORTH_SHOWING = 0.05  # of them, at least so many kept


@dataclass(frozen=True)
class Record:
    """What became of one suggestion.

    Attributes:
        day: it was shown on, as `2026-01-31`.
        language: of the document.
        chars: of the suggestion.
        confidence: geometric mean of the probabilities of its tokens, 0 to 1.
        accepted: all of it was taken over.
        kept: it was still there a while later.
    """

    day: str
    language: str
    chars: int
    confidence: float
    accepted: bool = False
    kept: bool = False


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
        lines = [json.dumps(asdict(record)) + "\n" for record in records]
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
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        for line in lines:
            try:
                yield Record(**json.loads(line))
            except (ValueError, TypeError):
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


def find_threshold(records: Iterable[Record]) -> float:
    """The confidence below which this user has hardly ever kept a suggestion; 0 while too little is known.

    Of the suggestions less sure than the threshold, fewer than one in twenty was kept.
    """
    by_confidence = sorted(records, key=lambda record: record.confidence)
    if len(by_confidence) < _ENOUGH:
        return 0.0
    threshold, kept = 0.0, 0
    for i, record in enumerate(by_confidence, 1):
        kept += record.kept
        if i >= _ENOUGH // 4 and kept / i < _WORTH_SHOWING:
            threshold = record.confidence
    return threshold

"""Statistics of suggestions, and the debounce."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from filelock import FileLock

from nano_lsp.editor.statistics import Record, Statistics, Summary, summarize
from nano_lsp.editor.typing_pace import TypingPace


def record(confidence: float = 0.5, *, accepted: bool = False, kept: bool = False) -> Record:
    return Record("2026-01-31", "python", 10, confidence, accepted, kept)


def test_records_are_stored_summed_up_and_cleared(tmp_path: Path) -> None:
    statistics = Statistics(tmp_path / "new")
    assert list(statistics.records()) == []
    statistics.add([record(), record(accepted=True)])
    statistics.add([record(accepted=True, kept=True)])
    assert summarize(Statistics(tmp_path / "new").records()) == Summary(3, 2, 1, 20)
    statistics.clear()
    statistics.clear()
    assert list(statistics.records()) == []


def test_invalid_lines_are_skipped(tmp_path: Path) -> None:
    statistics = Statistics(tmp_path)
    statistics.add([record()])
    with statistics.path.open("ab") as file:
        file.write(b'{"day": 1}\n[]\n{"day": "x", "language": "c", "chars": "9", "confidence": 1}\n\xff\xfe\n{"half')
    statistics.add([record()])
    assert len(list(statistics.records())) == 1  # the last one was appended to the incomplete line


def test_errors_of_the_file_system_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    statistics = Statistics(tmp_path / "file")
    statistics.add([record()])
    assert list(statistics.records()) == []


def test_several_servers_write_at_once(tmp_path: Path) -> None:
    def write() -> None:
        for _ in range(20):
            Statistics(tmp_path).add([record()])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(Statistics(tmp_path).records())) == 80


def test_of_too_many_records_the_newer_half_is_kept_and_none_is_lost_if_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statistics = Statistics(tmp_path)
    statistics.add([record(0.25)] * 20_000)
    assert len(list(statistics.records())) == 20_000
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", Mock(side_effect=OSError("The disk is full.")))
        statistics.add([record(0.75)])
    assert len(list(statistics.records())) == 20_001
    statistics.add([record(0.75)])
    assert [found.confidence for found in statistics.records()] == [0.25] * 9_998 + [0.75] * 2


def test_records_of_older_versions_are_read_and_older_versions_read_most_of_the_new_ones(tmp_path: Path) -> None:
    statistics = Statistics(tmp_path)
    old = {"day": "2026-01-31", "language": "python", "chars": 10, "confidence": 1, "accepted": True, "kept": False}
    statistics.path.write_text(json.dumps(old) + "\n" + json.dumps({**old, "of the future": 1}) + "\n")
    statistics.add([record(), replace(record(), weight=10.0, invoked=True)])
    assert [found.accepted for found in statistics.records()] == [True, True, False, False]
    assert [(found.weight, found.invoked) for found in statistics.records()][2:] == [(1.0, False), (10.0, True)]
    assert set(json.loads(statistics.path.read_text().splitlines()[2])) == set(old)


def test_the_debounce_follows_the_typing_speed() -> None:
    pace = TypingPace()
    assert pace.wait_s(0.15) == 0.15  # no key typed yet
    for i in range(20):
        pace.observe(i * 0.1)
    assert pace.wait_s(0.15) == pytest.approx(0.13)
    assert pace.wait_s(0.05) == 0.0  # the next key would come later than the limit
    before = pace.gap_s
    pace.observe(100.0)  # pauses are ignored
    assert pace.gap_s == before


def test_without_file_locks_the_records_are_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileLock, "acquire", Mock(side_effect=NotImplementedError))
    statistics = Statistics(tmp_path)
    statistics.add([record()])
    assert list(statistics.records()) == []

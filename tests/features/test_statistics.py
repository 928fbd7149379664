"""What became of suggestions, and what follows from it; the pace of typing."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.features.statistics import Record, Statistics, Summary, find_threshold, summarize
from nano_lsp.features.typing_pace import TypingPace


def record(confidence: float = 0.5, *, accepted: bool = False, kept: bool = False) -> Record:
    return Record("2026-01-31", "python", 10, confidence, accepted, kept)


def test_records_are_kept_summed_and_cleared(tmp_path: Path) -> None:
    statistics = Statistics(tmp_path / "new")
    assert list(statistics.records()) == []
    statistics.add([record(), record(accepted=True)])
    statistics.add([record(accepted=True, kept=True)])
    assert summarize(Statistics(tmp_path / "new").records()) == Summary(3, 2, 1, 20)
    statistics.clear()
    statistics.clear()
    assert list(statistics.records()) == []


def test_lines_that_are_no_records_are_left_out(tmp_path: Path) -> None:
    statistics = Statistics(tmp_path)
    statistics.add([record()])
    with statistics.path.open("ab") as file:
        file.write(b'{"day": 1}\n[]\n\xff\xfe\n{"half')
    statistics.add([record()])
    assert len(list(statistics.records())) == 1  # the last one went to the half line


def test_a_folder_that_cannot_be_written_loses_nothing_else(tmp_path: Path) -> None:
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


def test_what_is_hardly_ever_kept_falls_below_the_threshold() -> None:
    unsure = [record(0.1 + i / 1000) for i in range(150)]
    sure = [record(0.6 + i / 1000, accepted=True, kept=True) for i in range(150)]
    assert find_threshold(unsure[:100]) == 0.0  # too little is known
    threshold = find_threshold(unsure + sure)
    assert 0.24 < threshold < 0.65
    assert find_threshold(sure + sure) == 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=200, max_size=300))
def test_fewer_than_one_in_twenty_is_kept_below_the_threshold(shown: list[tuple[float, bool]]) -> None:
    records = [record(confidence, kept=kept) for confidence, kept in shown]
    threshold = find_threshold(records)
    below = [found.kept for found in records if found.confidence < threshold]
    assert not below or sum(below) <= len(below) * 0.05 + 1


def test_who_types_fast_is_waited_for_and_nobody_else() -> None:
    pace = TypingPace()
    assert pace.wait_s(0.15) == 0.15  # nothing is known
    for i in range(20):
        pace.observe(i * 0.1)
    assert pace.wait_s(0.15) == pytest.approx(0.13)
    assert pace.wait_s(0.05) == 0.0  # the next key would come later than the limit
    before = pace.gap_s
    pace.observe(100.0)  # a pause is no gap
    assert pace.gap_s == before

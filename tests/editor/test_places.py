"""Where documents were left."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock

import pytest
from filelock import FileLock

from nano_lsp.editor.places import Places
from nano_lsp.editor.statistics import Record, Statistics
from tests.cli.test_cli import nano_lsp

TEXT = "one\n\ttwo 🎉\r\nthree\n"


@pytest.mark.parametrize("offset", range(len(TEXT) + 1))
def test_a_place_is_kept_for_the_next_process(tmp_path: Path, offset: int) -> None:
    places = Places(tmp_path / "new")
    places.leave("/w/a.py", TEXT, offset)
    assert Places(tmp_path / "new").find("/w/a.py", TEXT) is None
    places.write()
    expected = offset - 1 if TEXT[offset - 1 : offset + 1] == "\r\n" else offset  # never within a line break
    assert places.find("/w/a.py", TEXT) == Places(tmp_path / "new").find("/w/a.py", TEXT) == expected
    assert "a.py" not in places.path.read_text()


def test_a_place_in_a_text_that_has_become_shorter(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.leave("a.py", "x\nlong line\n", 9)
    assert places.find("a.py", "x\nline\n") == 6  # the end of the line
    assert places.find("a.py", "x") is None
    assert places.find("b.py", "x") is None


def test_the_newest_500_of_all_processes_are_kept(tmp_path: Path) -> None:
    one, other = Places(tmp_path), Places(tmp_path)
    for i in range(300):
        one.leave(f"one{i}.py", "x", 1)
        other.leave(f"other{i}.py", "x", 1)
    one.leave("one0.py", "x", 0)
    one.write()
    other.write()
    kept = Places(tmp_path)
    assert len(json.loads(kept.path.read_text())) == 500
    assert kept.find("one100.py", "x") is None
    assert (kept.find("one0.py", "x"), kept.find("one101.py", "x"), kept.find("other0.py", "x")) == (0, 1, 1)
    kept.clear()
    kept.clear()
    assert Places(tmp_path).find("one0.py", "x") is None


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b'{"a": [1, "2"]}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_ignored(tmp_path: Path, content: bytes) -> None:
    places = Places(tmp_path)
    places.path.write_bytes(content)
    assert places.find("a.py", "x") is None
    places.leave("a.py", "x", 1)
    places.write()
    assert Places(tmp_path).find("a.py", "x") == 1


def test_errors_of_the_file_system_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    places = Places(tmp_path / "file")
    places.leave("a.py", "x", 1)
    places.write()
    assert Places(tmp_path / "file").find("a.py", "x") is None


def test_without_file_locks_the_places_are_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileLock, "acquire", Mock(side_effect=NotImplementedError))
    places = Places(tmp_path)
    places.leave("a.py", "x", 1)
    places.write()
    assert Places(tmp_path).find("a.py", "x") is None


def test_stats_clear_deletes_statistics_and_places(home: Path) -> None:
    cache = home / "cache"
    places, statistics = Places(cache), Statistics(cache)
    places.leave("a.py", "x", 1)
    places.write()
    statistics.add([Record("2026-01-31", "python", 9, 0.9)])
    (cache / "other").write_text("")
    done = nano_lsp("stats", "--clear")
    assert (done.returncode, done.stdout) == (0, b"")
    assert "The statistics, and the places where files were left, are deleted." in done.stderr.decode()
    assert not places.path.exists()
    assert not statistics.path.exists()
    assert (cache / "other").exists()
    assert nano_lsp("stats", "--clear").returncode == 0

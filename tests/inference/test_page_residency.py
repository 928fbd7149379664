"""Resident pages of a mapped model file."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import pytest

from nano_lsp.inference.page_residency import SUPPORTED, ResidentWeights, cached_share
from nano_lsp.models.gguf import read_header
from tests.gguf_files import write_model


def resident_kib(path: Path) -> int:
    maps = Path("/proc/self/smaps").read_text()
    return sum(int(kib) for kib in re.findall(rf"{re.escape(str(path))}\n(?:.*\n)*?Rss:\s+(\d+) kB", maps))


@pytest.mark.skipif(not SUPPORTED, reason="model files are read, not mapped, outside Linux")
def test_hot_pages_stay_resident_and_the_rest_is_released(tmp_path: Path) -> None:
    path = write_model(tmp_path / "with a space.gguf", n_layers=20)
    weights = ResidentWeights(path, read_header(path))
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        before = sum(data[:])
        everything = resident_kib(path)
        weights.release_all()
        assert resident_kib(path) < everything // 4
        weights.release_cold()
        hot = resident_kib(path)
        assert weights.hot_bytes // 1024 - 16 <= hot <= everything
        assert sum(data[:]) == before


@pytest.mark.skipif(not SUPPORTED, reason="the system does not say it")
def test_the_share_of_a_file_in_the_page_cache(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert cached_share(path) is None
    path.write_bytes(bytes(1_000_001))
    assert cached_share(path) == 1

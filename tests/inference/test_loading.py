"""A model that does not fit into memory is not loaded: the error states needed and available memory and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from nano_lsp.config import find_folders
from nano_lsp.errors import GgufError, MemoryShortageError
from nano_lsp.inference import hardware
from nano_lsp.inference.hardware import Memory
from nano_lsp.inference.loading import check_memory, load, needed_bytes
from nano_lsp.models.gguf import read_header
from nano_lsp.settings import Settings
from tests.gguf_files import write_model

MIB = 1 << 20


def test_a_longer_context_needs_more_and_a_smaller_type_less(tmp_path: Path) -> None:
    header = read_header(write_model(tmp_path / "a.gguf"))
    base, longer = (needed_bytes(header, Settings(n_ctx=n)) for n in (512, 8192))
    assert longer - base == 2 * 1 * 16 * 2 * 2 * (
        8192 - 512
    )  # layers, key/value heads, values, keys and values, bytes
    small, large = (needed_bytes(header, Settings(n_ctx=8192, kv_type=kind)) for kind in ("q4_0", "f16"))
    assert small < large


def test_what_is_needed_and_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, config = write_model(tmp_path / "a.gguf"), find_folders().config
    needed = needed_bytes(read_header(path), Settings())
    memory = Memory(needed - MIB, 0, 2 * needed)
    monkeypatch.setattr(hardware, "find_memory", lambda: memory)
    with pytest.raises(MemoryShortageError) as raised:
        check_memory(path, Settings(), config)
    assert f"needs about {needed >> 20:,} MiB" in raised.value.message
    assert f"{memory.available_bytes >> 20:,} MiB available" in raised.value.message
    assert "raise that limit" in raised.value.remedy
    assert "pico" not in raised.value.remedy  # too large as well
    assert "check_memory = false" in raised.value.remedy
    with pytest.raises(MemoryShortageError):  # before anything is loaded
        load(path, Settings(), find_folders())
    with pytest.raises(GgufError):  # the file contains no usable weights
        load(path, Settings(check_memory=False), find_folders())
    memory = Memory(needed - MIB, 2 * MIB)  # swapping helps
    check_memory(path, Settings(), config)


def test_a_small_machine_is_offered_the_smaller_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(tmp_path / "a.gguf", n_layers=400)  # 800 MiB of KV cache
    monkeypatch.setattr(hardware, "find_memory", lambda: Memory(700 * MIB, 0, 800 * MIB))
    with pytest.raises(MemoryShortageError, match="nano-lsp model pull pico"):
        check_memory(path, Settings(n_ctx=32_768), find_folders().config)

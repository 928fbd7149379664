"""The KV cache, checked against the backend's own cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nano_lsp.errors import EngineError, GgufError, KvCacheFullError
from nano_lsp.inference.kv_cache import KvCache
from nano_lsp.inference.snapshots import Snapshots
from nano_lsp.models.adapter_file import AdapterFile
from nano_lsp.testing.scripted_backend import ScriptedBackend

tokens = st.lists(st.integers(0, 2), min_size=1, max_size=12)
keys = st.sampled_from("abcdef")
ONE, TWO = (AdapterFile(digit * 64, Path(f"{digit}.gguf")) for digit in "12")
adapters = st.sampled_from([None, None, ONE, TWO])


def fill(cache: KvCache, key: str, prompt: list[int], adapter: AdapterFile | None = None) -> int:
    """Evaluate the tokens of a prompt that its key's sequence lacks; returns their number."""
    sequence = cache.acquire(key, prompt, adapter)
    rest = prompt[len(sequence.tokens) :]
    try:
        cache.decode(sequence, rest, 1)
    finally:
        cache.release(sequence)
    return len(rest)


class KvCacheMachine(RuleBasedStateMachine):
    """Random operations on a small cache; the backend refuses any call that does not match its cells."""

    def __init__(self) -> None:
        super().__init__()
        self.backend = ScriptedBackend(n_ctx=24, n_batch=16, n_seq_max=4)
        self.cache = KvCache(self.backend)

    @rule(key=keys, prompt=tokens, adapter=adapters)
    def evaluate(self, key: str, prompt: list[int], adapter: AdapterFile | None) -> None:
        best = max(shared(self.cache.held(other, adapter), prompt) for other in "abcdef")
        evaluated = fill(self.cache, key, prompt, adapter)
        assert evaluated == len(prompt) - min(best, len(prompt) - 1)
        assert list(self.cache.held(key, adapter)) == prompt

    @rule()
    def clear(self) -> None:
        self.cache = KvCache(self.backend)
        assert all(self.cache.held(key) == () for key in "abcdef")

    @invariant()
    def sequences_and_cells_agree(self) -> None:
        for sequence in self.cache._sequences:
            cells = self.backend._cells[sequence.seq_id]
            assert [cell.token for cell in cells] == sequence.tokens
            adapter = sequence.adapter.sha256 if sequence.adapter else ""
            assert all(cell.adapter == adapter for cell in cells)


def shared(held: tuple[int, ...], prompt: list[int]) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(held, prompt, strict=False)) if a != b), min(len(held), len(prompt))
    )


TestKvCache = KvCacheMachine.TestCase
TestKvCache.settings = settings(max_examples=60, stateful_step_count=25)


def test_a_prompt_longer_than_the_context_is_an_error_and_others_are_evicted_first() -> None:
    cache = KvCache(ScriptedBackend(n_ctx=8, n_batch=16))
    fill(cache, "a", [1, 2, 3, 4, 5])
    fill(cache, "b", [2, 2, 2, 2, 2])
    assert cache.held("a") == ()
    with pytest.raises(KvCacheFullError):
        fill(cache, "c", [0] * 9)


def test_a_pinned_sequence_is_evicted_last_and_never_reassigned() -> None:
    backend = ScriptedBackend(n_ctx=12, n_seq_max=4)
    cache = KvCache(backend)
    busy = cache.acquire("a", [1, 1, 1, 1, 1])
    cache.decode(busy, [1, 1, 1, 1, 1], 1)
    fill(cache, "b", [2, 2, 2, 2, 2])
    fill(cache, "c", [0, 0, 0, 0, 0])
    assert (len(busy.tokens), cache.held("b")) == (5, ())
    others = [cache.acquire(key, [1]) for key in "xyz"]
    with pytest.raises(EngineError):
        cache.acquire("one more", [1])
    for sequence in others:
        cache.release(sequence)


@given(prompt=st.lists(st.integers(0, 2), min_size=100, max_size=140), keep=st.integers(0, 140))
@settings(max_examples=25)
def test_a_snapshot_saves_evaluating_its_tokens(
    tmp_path_factory: pytest.TempPathFactory, prompt: list[int], keep: int
) -> None:
    snapshots = Snapshots(tmp_path_factory.mktemp("kv"), "model")
    first = KvCache(ScriptedBackend(n_batch=200), snapshots, min_new_tokens=1)
    sequence = first.acquire("a", prompt)
    first.decode(sequence, prompt, 1)
    first.save_all()
    fresh = KvCache(ScriptedBackend(n_batch=200), snapshots)
    other = [*prompt[:keep], 7]
    evaluated = fill(fresh, "b", other)
    assert evaluated == (1 if keep >= 64 else len(other))
    assert list(fresh.held("b")) == other


def test_a_prefix_with_an_adapter_is_never_reused_without_it(tmp_path: Path) -> None:
    prompt = [1] * 100
    cache = KvCache(ScriptedBackend(n_batch=200), Snapshots(tmp_path, "model"), min_new_tokens=1)
    assert [fill(cache, "a", prompt, adapter) for adapter in (None, ONE, TWO)] == [100, 100, 100]
    assert [fill(cache, "b", prompt, adapter) for adapter in (TWO, None, ONE)] == [1, 1, 1]
    cache.save_all()
    for adapter in (ONE, None, TWO):
        fresh = KvCache(ScriptedBackend(n_batch=200), Snapshots(tmp_path, "model"))
        assert fill(fresh, "c", prompt, adapter) == 1
        assert fill(fresh, "c", prompt, AdapterFile("3" * 64, Path("3.gguf"))) == 100
    other_folder = KvCache(ScriptedBackend(n_batch=200), Snapshots(tmp_path, "other"))
    assert fill(other_folder, "c", prompt, ONE) == 100


def test_a_key_keeps_a_sequence_for_each_adapter() -> None:
    cache = KvCache(ScriptedBackend(n_batch=200))
    for _ in range(2):
        fill(cache, "prompt", [1] * 50)
        fill(cache, "prompt", [2] * 50, ONE)
    assert fill(cache, "prompt", [1] * 51) == 1
    assert fill(cache, "prompt", [2] * 51, ONE) == 1


def test_an_adapter_that_cannot_be_loaded_leaves_the_others_working() -> None:
    class Refusing(ScriptedBackend):
        def set_adapter(self, adapter: AdapterFile | None) -> None:
            if adapter == TWO:
                raise GgufError("It cannot be loaded.")
            super().set_adapter(adapter)

    cache = KvCache(Refusing())
    for _ in range(2):
        fill(cache, "a", [1] * 20, ONE)
        with pytest.raises(GgufError):
            fill(cache, "a", [1] * 20, TWO)
        fill(cache, "a", [2] * 20, ONE)
        fill(cache, "a", [2] * 20)


def test_a_damaged_snapshot_is_deleted_and_never_loaded(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path, "model")
    snapshots.save([1] * 80, b"state")
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert snapshots.load([1] * 80, 10) is None
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_fits_its_model_only_and_old_ones_are_deleted(tmp_path: Path) -> None:
    one = Snapshots(tmp_path, "a" * 20, max_bytes=1000)
    one.save([1, 2, 3], b"x" * 400)
    assert one.n_known([1, 2, 3]) == 3
    assert Snapshots(tmp_path, "b" * 20).load([1, 2, 3], 1) is None
    one.save([4, 5, 6], b"y" * 400)
    one.save([7, 8, 9], b"z" * 400)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 1000
    one.save([1] * 10, b"z" * 4000)
    assert one.n_known([1] * 10) == 0


def test_a_disk_that_cannot_be_written_costs_only_the_snapshot(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    Snapshots(blocked / "kv", "model").save([1], b"state")
    assert Snapshots(blocked / "kv", "model").load([1], 1) is None


def test_an_evicted_sequence_goes_to_disk_and_is_restored(tmp_path: Path) -> None:
    backend = ScriptedBackend(n_ctx=400, n_batch=400, n_seq_max=2)
    cache = KvCache(backend, Snapshots(tmp_path, "model"), min_new_tokens=100)
    prompts = {key: [ord(key)] * 150 + [ord("!")] for key in "abcdef"}
    for key, prompt in prompts.items():
        assert fill(cache, key, prompt) == len(prompt)
    for key, prompt in prompts.items():  # the last two have never left
        assert fill(cache, key, prompt) <= 1, key
    n_files = len(list(tmp_path.iterdir()))
    for key, prompt in prompts.items():
        fill(cache, key, prompt)
    assert len(list(tmp_path.iterdir())) == n_files  # what is there already is not written again


def test_each_snapshot_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots, others = Snapshots(tmp_path, "model"), Snapshots(tmp_path, "model")
    opened: list[str] = []
    real = Path.open

    def counted(self: Path, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as Path has it
        opened.append(self.name)
        return real(self, *arguments, **named)

    for first in range(5):
        snapshots.save([first] * 80, b"state")
    monkeypatch.setattr(Path, "open", counted)
    for _ in range(3):
        assert others.n_known([3] * 80) == 80
    assert len(opened) == 5
    snapshots.save([9] * 80, b"state")
    assert others.n_known([9] * 80) == 80  # what another process has saved meanwhile is seen
    for file in tmp_path.iterdir():
        file.unlink()
    assert others.n_known([3] * 80) == 0

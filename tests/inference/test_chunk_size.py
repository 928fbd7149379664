"""The number of prompt tokens evaluated at once, chosen from the speeds of real chunks."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from nano_lsp.inference.chunk_size import ChunkSize, size_key
from nano_lsp.inference.generation import Engine, Generation
from nano_lsp.schema import GenerateParams
from nano_lsp.testing.scripted_backend import ScriptedBackend

N_LEFT = 768
XEON = {32: 11.2, 64: 10.3, 128: 9.4}  # ms per token
EPYC = {32: 11.9, 64: 11.8, 128: 12.1}


def read_prompts(
    size: ChunkSize, ms: Callable[[int], float], n_prompts: int = 8, n_tokens: int = N_LEFT
) -> list[int]:
    """Evaluate prompts; the sizes of their chunks."""
    sizes = []
    for _ in range(n_prompts):
        n_left = n_tokens
        while n_left:
            n = size.next(n_left)
            n_left -= n
            sizes.append(n)
            if n_left:
                size.measured(n, n * ms(n))
    return sizes


@pytest.mark.parametrize(("speeds", "expected"), [(XEON, 128), (EPYC, 32), ({**XEON, 64: 9.6}, 64)])
def test_the_smallest_size_that_is_as_fast_as_any_is_chosen_and_kept(
    tmp_path: Path, speeds: dict[int, float], expected: int
) -> None:
    path = tmp_path / "new" / "sizes.json"
    size = ChunkSize(128, path, "a")
    assert size.chosen is None
    read_prompts(size, speeds.__getitem__)
    assert size.chosen == ChunkSize(128, path, "a").chosen == expected
    assert read_prompts(ChunkSize(128, path, "a"), speeds.__getitem__, 1) == [expected] * (N_LEFT // expected)
    assert ChunkSize(128, path, "another machine").chosen is None


@pytest.mark.parametrize(("speeds", "expected"), [(XEON, 128), (EPYC, 32)])
@pytest.mark.parametrize("seed", range(20))
def test_other_programs_do_not_decide(tmp_path: Path, speeds: dict[int, float], expected: int, seed: int) -> None:
    """One chunk in ten takes several times as long; meanwhile the machine becomes slower and slower."""
    source, slow = random.Random(seed), 1.0  # noqa: S311 - simulates a busy machine

    def ms(n: int) -> float:
        nonlocal slow
        slow *= 1.01
        return speeds[n] * slow * (source.uniform(2, 8) if source.random() < 0.1 else 1)

    size = ChunkSize(128, tmp_path / "sizes.json", "a")
    read_prompts(size, ms, 24)
    assert size.chosen == expected


def test_while_the_machine_is_too_busy_to_tell_nothing_is_chosen(tmp_path: Path) -> None:
    source = random.Random(1)  # noqa: S311 - simulates a busy machine
    size = ChunkSize(128, tmp_path / "sizes.json", "a")
    read_prompts(size, lambda n: XEON[n] * source.uniform(1, 4), 40)
    assert size.chosen is None
    read_prompts(size, XEON.__getitem__)
    assert size.chosen == 128


def test_short_prompts_are_read_as_without_measuring_until_one_is_long_enough(tmp_path: Path) -> None:
    size = ChunkSize(512, tmp_path / "sizes.json", "a")
    speeds = {32: 11.1, 64: 8.3, 128: 7.6, 256: 7.1, 512: 6.0}
    assert read_prompts(size, speeds.__getitem__, 100, 40) == [40] * 100
    read_prompts(size, speeds.__getitem__, 100, 500)  # never one of 512 before the last
    assert size.chosen is None
    read_prompts(size, speeds.__getitem__, 30, 2000)
    assert size.chosen == 512


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b'{"a": "b"}', b'{"a": 1000}', b'{"a": 0}', b"\xff"])
def test_a_damaged_file_is_measured_again(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sizes.json"
    path.write_bytes(content)
    size = ChunkSize(128, path, "a")
    assert size.chosen is None
    read_prompts(size, XEON.__getitem__)
    assert ChunkSize(128, path, "a").chosen == 128


def test_where_nothing_can_be_written_the_choice_is_for_this_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    size = ChunkSize(128, tmp_path / "file" / "sizes.json", "a")
    read_prompts(size, EPYC.__getitem__)
    assert size.chosen == 32


def test_the_file_does_not_grow_with_each_machine(tmp_path: Path) -> None:
    path = tmp_path / "sizes.json"
    for i in range(40):
        read_prompts(ChunkSize(128, path, f"machine {i}"), XEON.__getitem__)
    assert [ChunkSize(128, path, f"machine {i}").chosen for i in (0, 39)] == [None, 128]
    assert path.read_bytes().count(b"machine") == 32


def test_the_key_tells_machines_models_and_batches_apart() -> None:
    specs = [ScriptedBackend(n_batch=n).spec for n in (128, 512)]
    assert len({size_key(machine, spec) for machine in ("a", "b") for spec in specs}) == 4


@pytest.mark.parametrize("n_tokens", [1, 31, 33, 48, 129, 700])
def test_generations_measure_their_prompts_and_answer_as_ever(tmp_path: Path, n_tokens: int) -> None:
    """Each prompt token is evaluated once."""
    params = GenerateParams(max_tokens=6)
    backend = ScriptedBackend(n_batch=128)
    size = ChunkSize(128, tmp_path / "sizes.json", "a")
    engines = [Engine(ScriptedBackend(n_batch=128)), Engine(backend, chunk_size=size)]
    for i in range(12):
        prompt = [i, *range(40, 40 + 26)] + [60 + i] * (n_tokens - 27)
        done = [Generation(engine, "a", prompt[:n_tokens], params).run() for engine in engines]
        assert done[0].text == done[1].text
        assert done[0].counters.evaluated_tokens == done[1].counters.evaluated_tokens
    assert n_tokens < 700 or {32, 64, 128} <= {*backend.batches}

"""How llama.cpp's threads wait, and their number beside other programs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.inference.threads import OtherPrograms, ThreadCount, choose_threads, sleeping_threads, spins_by_choice


@pytest.mark.parametrize(
    ("environment", "inside", "after"),
    [
        ({}, {"GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "1"}, {"KMP_BLOCKTIME": "1"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7", "KMP_BLOCKTIME": "1"}, None),
        ({"KMP_BLOCKTIME": "200"}, {"KMP_BLOCKTIME": "200", "GOMP_SPINCOUNT": "3000"}, {"KMP_BLOCKTIME": "200"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}, None),
    ],
)
def test_threads_sleep_unless_the_user_has_chosen(
    environment: dict[str, str], inside: dict[str, str], after: dict[str, str] | None
) -> None:
    with sleeping_threads(environment):
        assert environment == inside
    assert environment == (inside if after is None else after)


def test_a_choice_to_spin_is_seen() -> None:
    assert not spins_by_choice({})
    assert not spins_by_choice({"GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "PASSIVE"})
    assert spins_by_choice({"GOMP_SPINCOUNT": "300000"})
    assert spins_by_choice({"OMP_WAIT_POLICY": "Active"})


def test_openmp_is_configured_before_llama_cpp_is_loaded_and_child_processes_do_not_inherit_it() -> None:
    """In a fresh process, as libraries are loaded once."""
    code = """
import os, sys
seen = {}
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "llama_cpp":
            seen.update(os.environ)
sys.meta_path.insert(0, Finder())
import nano_lsp.inference.llama_backend
assert (seen["GOMP_SPINCOUNT"], seen["KMP_BLOCKTIME"]) == ("3000", "1"), seen
assert "GOMP_SPINCOUNT" not in os.environ
"""
    chosen = {"GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY"}
    environment = {name: value for name, value in os.environ.items() if name not in chosen}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.parametrize(
    ("n_cores", "n_cpus", "n_others", "sleeping", "n_threads"),
    [
        (2, 2, 0.4, True, 2),
        (2, 2, 1, True, 1),  # it has a core of its own
        (2, 2, 2, True, 1),  # one thread waits for no other, with two thirds of a core
        (2, 2, 4, False, 1),
        (8, 8, 3, True, 5),
        (8, 8, 8, True, 8),  # half a core each is more than one thread would have
        (8, 8, 8, False, 1),  # threads that spin occupy the cores of the others
        (4, 8, 4, True, 4),  # four hyper-threads are free
        (4, 8, 6, True, 2),
        (2, 64, 60, True, 2),  # a quota of two CPUs on a big machine
        (1, 2, 1, True, 1),
    ],
)
def test_threads_beside_other_programs(
    n_cores: int, n_cpus: int, n_others: float, sleeping: bool, n_threads: int
) -> None:
    assert choose_threads(n_cores, n_cpus, n_others, sleeping=sleeping) == n_threads


@given(st.integers(1, 64), st.integers(0, 64), st.floats(0, 1000), st.booleans())
def test_there_is_a_thread_and_never_more_than_cores(n: int, more: int, n_others: float, sleeping: bool) -> None:
    assert 1 <= choose_threads(n, n + more, n_others, sleeping=sleeping) <= n
    assert choose_threads(n, n + more, 0, sleeping=sleeping) == n


class Machine:
    """Two cores, a clock, and other programs."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.n_others = 0.0
        self.usable = (2, 2)

    def count(self, fixed: int = 0) -> ThreadCount:
        return ThreadCount(
            fixed,
            sleeping=True,
            others=lambda: self.n_others,
            machine=lambda: self.usable,
            clock=lambda: self.now_s,
        )

    def decode(self, threads: ThreadCount, seconds: float, batch_s: float = 0.08) -> list[int]:
        """Number of threads of each of a series of batches."""
        numbers = []
        for _ in range(round(seconds / batch_s)):
            self.now_s += batch_s
            numbers.append(threads.next())
        return numbers


def test_threads_follow_a_program_that_comes_and_goes() -> None:
    machine = Machine()
    threads = machine.count()
    assert set(machine.decode(threads, 5)) == {2}
    machine.n_others = 1
    assert machine.decode(threads, 2)[-1] == 1
    assert set(machine.decode(threads, 5)) == {1}
    machine.n_others = 0
    assert machine.decode(threads, 2)[-1] == 2


def test_a_program_that_runs_for_a_moment_changes_nothing() -> None:
    """Such as an editor at each key, when a request begins after a pause."""
    machine = Machine()
    threads = machine.count()
    for _ in range(5):
        machine.now_s += 60
        machine.n_others = 1
        assert threads.next() == 2
        machine.n_others = 0
        assert set(machine.decode(threads, 2)) == {2}


def test_a_quota_that_changes_is_followed() -> None:
    machine = Machine()
    threads = machine.count()
    machine.usable = (1, 2)
    assert machine.decode(threads, 6)[-1] == 1


def test_what_the_user_has_set_stays() -> None:
    machine = Machine()
    threads = machine.count(fixed=3)
    machine.n_others = 2
    machine.usable = (1, 1)
    assert set(machine.decode(threads, 20)) == {3}


def test_other_programs_are_counted() -> None:
    """The number of programs beside the tests is unknown: only its range is checked."""
    others = OtherPrograms()
    assert 0 <= others.count() < 10_000

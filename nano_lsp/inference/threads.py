"""Threads of llama.cpp on a machine that other programs use as well: how they wait, and how many there are.

A token takes several hundred steps, and after each step all threads wait for the slowest. Where another program has
taken the core of one thread, the others wait for milliseconds. Threads that spin meanwhile keep the cores busy that
the one they wait for could have.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from nano_lsp.inference.hardware import usable_cores, usable_cpus

_SPIN_LIMITS = {
    # GCC's libgomp: rounds of a loop. Decoding on two idle cores of an EPYC, in turns: 31.9 tokens/s with libgomp's
    # own 300,000, 32.0 with 3,000, 28.3 with 300, 19.5 with 1; beside two busy programs 3.0 and 9.6 with the first.
    "GOMP_SPINCOUNT": "3000",
    # clang's libomp: milliseconds. 29.9 tokens/s with ggml's own 200, 29.4 with 1, 13.0 with 0; beside two busy
    # programs 8.4, 8.8 and 4.7.
    "KMP_BLOCKTIME": "1",
}
_POLICY = "OMP_WAIT_POLICY"
# What is left of the speed of threads that share CPUs with others and wait for each other at each step. Two threads
# on two cores beside one, two or four busy programs: 0.3 to 0.9 where they sleep, 0.06 to 0.16 where they spin.
_SLEEPING_SHARE, _SPINNING_SHARE = 0.5, 0.1
_SAMPLE_S = 0.1  # between two looks at other programs; the system counts their time in steps of 10 to 16 ms
_AVERAGE_S = 1.0  # time constant of their average
_MOST_OF_ONE = 0.3  # weight of one sample, however long ago the last: editors work for a moment at each key
_LIMITS_S = 5.0  # between two looks at affinity and cgroup limits, which seldom change


@contextmanager
def sleeping_threads(environment: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Load a library inside: threads of its OpenMP sleep while they wait, instead of spinning.

    A choice of the user's goes first: `OMP_WAIT_POLICY`, `GOMP_SPINCOUNT` or `KMP_BLOCKTIME`. There is no effect
    where the process has loaded the same OpenMP before, as a kernel with scikit-learn and `engine = "in-process"`.
    """
    unset = [name for name in _SPIN_LIMITS if name not in environment and _POLICY not in environment]
    environment.update({name: _SPIN_LIMITS[name] for name in unset})
    try:
        yield
    finally:
        # libgomp has read its variable by now, so that no other program of a user's kernel need see it. libomp reads
        # its own at the first batch; ggml gives it 200 ms where it is not set.
        if "GOMP_SPINCOUNT" in unset:
            del environment["GOMP_SPINCOUNT"]


def spins_by_choice(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Whether the user has chosen that OpenMP's threads spin while they wait."""
    own = any(environment.get(name, limit) not in {limit, "0"} for name, limit in _SPIN_LIMITS.items())
    return own or environment.get(_POLICY, "").lower() == "active"


def choose_threads(n_cores: int, n_cpus: int, n_others: float, *, sleeping: bool) -> int:
    """Number of threads that evaluates fastest beside other programs.

    Args:
        n_cores: Physical cores that this process may use, at least 1.
        n_cpus: Logical CPUs that it may use.
        n_others: Average number of other threads of the machine that want a CPU.
        sleeping: Whether waiting threads sleep; otherwise they spin.
    """
    n_busy = math.floor(n_others + 0.5)

    def speed(n: int) -> float:
        """In units of one thread with a CPU of its own."""
        share = min(1.0, n_cpus / (n + n_busy))
        if n == 1 or share == 1:
            return n * share
        return n * share * (_SLEEPING_SHARE if sleeping else _SPINNING_SHARE)

    return max(range(1, n_cores + 1), key=speed)


class OtherPrograms:
    """Counts the threads of the machine that want a CPU, but for the one that asks."""

    def __init__(self) -> None:
        self._before = self._seconds()

    def count(self) -> float:
        """How many there are at the moment (Linux), or had a CPU since the last call (elsewhere)."""
        running = _runnable()
        if running is not None:
            return max(0, running - 1)
        before, self._before = self._before, self._seconds()
        elapsed, busy = (now - then for now, then in zip(self._before, before, strict=True))
        return max(0.0, busy / elapsed) if elapsed > 0 else 0.0

    @staticmethod
    def _seconds() -> tuple[float, float]:
        """Seconds on the clock, and of all CPUs that other processes have had."""
        try:
            times, own = psutil.cpu_times(), psutil.Process().cpu_times()
        except (OSError, psutil.Error):  # no /proc: as if no other program computed
            return time.monotonic(), 0.0
        idle = times.idle + getattr(times, "iowait", 0.0)
        return time.monotonic(), sum(times) - idle - own.user - own.system


def _runnable() -> int | None:
    """Threads that run or could run, on Linux; None elsewhere."""
    try:
        return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):
        return None


class ThreadCount:
    """Number of threads for the next batch: what the user has set, or what the machine has left.

    Args:
        fixed: The user's setting; 0 to follow the machine.
        sleeping: Whether waiting threads sleep; otherwise they spin.
        others: Number of other threads of the machine that want a CPU, at the moment.
        machine: Physical cores and logical CPUs that this process may use.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        fixed: int,
        *,
        sleeping: bool,
        others: Callable[[], float] | None = None,
        machine: Callable[[], tuple[int, int]] = lambda: (usable_cores(), usable_cpus()),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fixed = fixed
        self._sleeping = sleeping
        self._others = others or OtherPrograms().count
        self._clock = clock
        self._sampled_s = self._limits_s = clock()
        self._n_others = 0.0
        self._machine = machine
        self._n_cores, self._n_cpus = machine()

    def next(self) -> int:
        """Number of threads for a batch that begins now."""
        if self._fixed:
            return self._fixed
        now = self._clock()
        elapsed = now - self._sampled_s
        if elapsed >= _SAMPLE_S:
            weight = min(_MOST_OF_ONE, 1 - math.exp(-elapsed / _AVERAGE_S))
            self._n_others += weight * (self._others() - self._n_others)
            self._sampled_s = now
        if now - self._limits_s >= _LIMITS_S:
            self._n_cores, self._n_cpus = self._machine()
            self._limits_s = now
        return choose_threads(self._n_cores, self._n_cpus, self._n_others, sleeping=self._sleeping)

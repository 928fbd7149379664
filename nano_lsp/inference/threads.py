"""Threads of llama.cpp beside other programs: how they wait (sleep or spin), and how many there are.

A token takes several hundred steps, and after each step all threads wait for the slowest (a barrier). Where another
program has preempted one thread, the others wait for milliseconds. Threads that spin meanwhile occupy cores on which
the preempted thread could run.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager

import psutil

from nano_lsp.inference.hardware import usable_cores, usable_cpus

_SPIN_LIMITS = {
    # GCC's libgomp: iterations of the spin loop. Decoding on two idle cores of an EPYC, alternating: 31.9 tokens/s
    # with libgomp's own 300,000, 32.0 with 3,000, 28.3 with 300, 19.5 with 1; beside two busy programs 3.0 and 9.6
    # with the first two.
    "GOMP_SPINCOUNT": "3000",
    # clang's libomp: milliseconds. 29.9 tokens/s with ggml's own 200, 29.4 with 1, 13.0 with 0; beside two busy
    # programs 8.4, 8.8 and 4.7.
    "KMP_BLOCKTIME": "1",
}
_POLICY = "OMP_WAIT_POLICY"
# Remaining share of the speed where threads that wait for each other at each step share CPUs with other programs.
# Two threads on two cores beside one, two or four busy programs: 0.3 to 0.9 where they sleep, 0.06 to 0.16 where
# they spin.
_SLEEPING_SHARE, _SPINNING_SHARE = 0.5, 0.1
_SAMPLE_S = 0.1  # interval of sampling other programs; the system counts their time in steps of 10 to 16 ms
_AVERAGE_S = 1.0  # time constant of their average
_MAX_WEIGHT = 0.3  # of one sample, however old the last one is: editors compute for a moment at each key
_LIMITS_S = 5.0  # interval of reading affinity and cgroup limits, which seldom change


@contextmanager
def sleeping_threads(environment: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Context in which a library is loaded whose OpenMP threads sleep while they wait, instead of spinning.

    Environment variables of the user take precedence: `OMP_WAIT_POLICY`, `GOMP_SPINCOUNT` or `KMP_BLOCKTIME`. Without
    effect where the process has loaded the same OpenMP before, as a kernel with scikit-learn and
    `engine = "in-process"`.
    """
    unset = [name for name in _SPIN_LIMITS if name not in environment and _POLICY not in environment]
    environment.update({name: _SPIN_LIMITS[name] for name in unset})
    try:
        yield
    finally:
        # libgomp has read its variable by now, so child processes of a user's kernel should not inherit it. libomp
        # reads its own at the first batch; ggml sets it to 200 ms where it is not set.
        if "GOMP_SPINCOUNT" in unset:
            del environment["GOMP_SPINCOUNT"]


def spins_by_choice(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Whether the user's environment makes OpenMP threads spin while they wait."""
    own = any(environment.get(name, limit) not in {limit, "0"} for name, limit in _SPIN_LIMITS.items())
    return own or environment.get(_POLICY, "").lower() == "active"


def choose_threads(n_cores: int, n_cpus: int, n_others: float, *, sleeping: bool) -> int:
    """Number of threads with the highest speed beside other programs.

    Args:
        n_cores: Physical cores that this process may use, at least 1.
        n_cpus: Logical CPUs that it may use.
        n_others: Average number of CPUs that other programs use.
        sleeping: Whether waiting threads sleep; otherwise they spin.
    """
    n_busy = math.floor(n_others + 0.5)

    def speed(n: int) -> float:
        """Speed in units of one thread with a CPU of its own."""
        share = min(1.0, n_cpus / (n + n_busy))
        if n == 1 or share == 1:
            return n * share
        return n * share * (_SLEEPING_SHARE if sleeping else _SPINNING_SHARE)

    return max(range(1, n_cores + 1), key=speed)


class OtherPrograms:
    """Measures the CPUs that other programs use.

    By their CPU time, not by how many threads are runnable at a moment: between two batches the event loop of this
    process and its client handle what the last one has brought. By that moment's count the shared engine had one of
    two idle cores: it read 52 tokens/s instead of 95, and decoded 16 instead of 24 (nano, an EPYC).
    """

    def __init__(self) -> None:
        self._before = self._seconds()

    def count(self) -> float:
        """Average number of CPUs that other programs have used since the last call."""
        before, self._before = self._before, self._seconds()
        elapsed, busy = (now - then for now, then in zip(self._before, before, strict=True))
        return max(0.0, busy / elapsed) if elapsed > 0 else 0.0

    @staticmethod
    def _seconds() -> tuple[float, float]:
        """Clock, and total CPU time of other processes, both in seconds."""
        try:
            times, own = psutil.cpu_times(), psutil.Process().cpu_times()
        except (OSError, psutil.Error):  # no /proc: assume that no other program is running
            return time.monotonic(), 0.0
        # A guest's time is part of the user's; a hypervisor has stolen what it gave to other machines.
        left_out = ("idle", "iowait", "steal", "guest", "guest_nice")
        busy = sum(times) - sum(getattr(times, name, 0.0) for name in left_out)
        return time.monotonic(), busy - own.user - own.system


class ThreadCount:
    """Chooses the number of threads for each batch: the user's setting, or by the load of the machine.

    Args:
        fixed: The user's setting; 0 to choose automatically.
        sleeping: Whether waiting threads sleep; otherwise they spin.
        others: Function that returns the number of CPUs that other programs use.
        machine: Function that counts the physical cores and logical CPUs that this process may use.
        clock: Monotonic clock in seconds.
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
        """Number of threads for the next batch."""
        if self._fixed:
            return self._fixed
        now = self._clock()
        elapsed = now - self._sampled_s
        if elapsed >= _SAMPLE_S:
            weight = min(_MAX_WEIGHT, 1 - math.exp(-elapsed / _AVERAGE_S))
            self._n_others += weight * (self._others() - self._n_others)
            self._sampled_s = now
        if now - self._limits_s >= _LIMITS_S:
            self._n_cores, self._n_cpus = self._machine()
            self._limits_s = now
        return choose_threads(self._n_cores, self._n_cpus, self._n_others, sleeping=self._sleeping)

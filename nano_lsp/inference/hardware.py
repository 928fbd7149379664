"""Hardware available to this process: physical cores, CPU features, memory.

llama.cpp is fastest with a thread for each physical core that the process may use. Containers and batch
systems restrict that through the affinity mask and cgroup quotas, which `os.cpu_count` does not see.
"""

from __future__ import annotations

import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from nano_lsp.lines import split_at_newlines

FEATURES = (
    *("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "f16c", "fma"),
    *("asimd", "asimddp", "i8mm", "sve"),
)
"""CPU features that llama.cpp selects its kernels by, as Linux names them."""
_OVERLOAD = 2.0  # programs that want to run, per CPU: the model alone makes it 1


@dataclass(frozen=True)
class Memory:
    """Memory that this process can still allocate.

    Attributes:
        available_bytes: Memory available without swapping.
        swappable_bytes: Additional memory available by swapping.
        limit_bytes: Limit of the cgroup, such as a container, that is the tightest one; 0 where none applies.
    """

    available_bytes: int
    swappable_bytes: int = 0
    limit_bytes: int = 0

    @property
    def usable_bytes(self) -> int:
        """Available memory, swap space included."""
        return self.available_bytes + self.swappable_bytes

    def __str__(self) -> str:
        limit = f", of {self.limit_bytes >> 20:,} that this cgroup or container may use" if self.limit_bytes else ""
        return f"{self.available_bytes >> 20:,} MiB available{limit}"


def cpu_name(root: Path = Path("/")) -> str:
    """Model name of the CPU."""
    found = re.search(r"^model name\s*:\s*(.+)$", _read(root / "proc/cpuinfo"), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def cpu_features(root: Path = Path("/")) -> frozenset[str]:
    """The features of `FEATURES` that this CPU has; empty where the system does not report them."""
    return frozenset(FEATURES) & cpu_flags(root)


def cpu_flags(root: Path = Path("/")) -> frozenset[str]:
    """All features of this CPU, as Linux or macOS names them; empty where the system does not report them."""
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.leaf7_features", "machdep.cpu.features"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a constant
        return frozenset(done.stdout.lower().split())
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", _read(root / "proc/cpuinfo"), re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def usable_cores(root: Path = Path("/"), affinity: frozenset[int] | None = None) -> int:
    """Number of physical cores that this process may use, at least 1.

    Args:
        root: Folder that contains proc and sys.
        affinity: Logical CPUs that the process may run on; None queries the system.
    """
    affinity = _affinity() if affinity is None else affinity
    if affinity is None:
        cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    else:
        topology = root / "sys/devices/system/cpu"
        cores = len({_core_of(topology / f"cpu{cpu}/topology") or str(cpu) for cpu in affinity})
    return max(1, math.ceil(min(cores, _cpu_quota(root))))


def usable_cpus() -> int:
    """Number of logical CPUs that this process may run on."""
    return len(_affinity() or ()) or os.cpu_count() or 1


def find_memory(root: Path = Path("/")) -> Memory:
    """Memory that this process can still allocate, as limited by the system and its cgroups."""
    try:
        system, swap = psutil.virtual_memory(), psutil.swap_memory()
    except OSError:  # no /proc: free memory, without caches that the kernel could drop
        return Memory(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), 0)
    # Outside Linux, swap space grows on demand, and "available" leaves out memory that can be compressed.
    swappable = swap.free if sys.platform == "linux" else max(0, system.total - system.available)
    found = Memory(int(system.available), int(swappable))
    for group in _cgroups(root):
        for limit_file, used_file, cached in (
            ("memory.max", "memory.current", r"^(?:active|inactive)_file (\d+)$"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", r"^total_(?:active|inactive)_file (\d+)$"),
        ):
            limit, used = _read(group / limit_file).strip(), _read(group / used_file).strip()
            if limit.isdigit() and used.isdigit():
                # Cached file pages count as used but can be reclaimed, such as those of a model just downloaded.
                files = sum(int(n) for n in re.findall(cached, _read(group / "memory.stat"), re.MULTILINE))
                available = max(0, int(limit) - max(0, int(used) - files))
                if available < found.usable_bytes:
                    found = Memory(available, 0, int(limit))
    return found


def on_battery() -> bool:
    """Whether the machine runs on its battery; False where that is not known."""
    try:
        battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    except (OSError, ValueError):  # containers without /sys/class/power_supply
        return False
    return battery is not None and battery.power_plugged is False


def is_overloaded() -> bool:
    """Whether more programs want to run than the model alone can make, on average over the last minute."""
    return psutil.getloadavg()[0] > _OVERLOAD * (os.cpu_count() or 1)


def rss_bytes() -> int:
    """Resident memory of this process; its peak where /proc is missing."""
    try:
        return int(psutil.Process().memory_info().rss)
    except (OSError, psutil.Error):
        return peak_rss_bytes()


def peak_rss_bytes() -> int:
    """Peak resident memory of this process."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    status = re.search(r"^VmHWM:\s*(\d+) kB", _read(Path("/proc/self/status")), re.MULTILINE)
    if status:
        return int(status[1]) * 1024
    import resource  # noqa: PLC0415 - not on Windows

    peak = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, elsewhere KiB


def _affinity() -> frozenset[int] | None:
    """Logical CPUs that this process may run on; None where the system does not restrict that."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _core_of(topology: Path) -> str:
    """Identifier of a physical core, shared by all its hyper-threads; empty where unknown."""
    return _read(topology / "core_cpus_list").strip() or _read(topology / "thread_siblings_list").strip()


def _cpu_quota(root: Path) -> float:
    """CPU quota of the cgroups, in CPUs; infinite without a limit."""
    quota = math.inf
    for group in _cgroups(root):
        words = _read(group / "cpu.max").split() or [
            _read(group / "cpu.cfs_quota_us").strip(),
            _read(group / "cpu.cfs_period_us").strip(),
        ]
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
            quota = min(quota, int(words[0]) / int(words[1]))
    return quota


def _cgroups(root: Path) -> Iterator[Path]:
    """Folders of the cgroups of this process, up to the root: the limits of all of them apply."""
    base = root / "sys/fs/cgroup"
    for line in split_at_newlines(_read(root / "proc/self/cgroup")):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for mounted in (base / controllers, base) if controllers else (base,):
            group = mounted / path.lstrip("/")
            while group != mounted.parent:
                yield group
                group = group.parent


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

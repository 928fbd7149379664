"""Available hardware, on simulated /proc and /sys trees."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from nano_lsp.inference import hardware


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def hyper_threads(n_cores: int) -> dict[str, str]:
    """CPUs i and i + n are the two threads of core i."""
    return {
        f"sys/devices/system/cpu/cpu{i}/topology/core_cpus_list": f"{i % n_cores},{i % n_cores + n_cores}\n"
        for i in range(2 * n_cores)
    }


def test_hyper_threads_count_once(tmp_path: Path) -> None:
    root = write(tmp_path, hyper_threads(4))
    assert hardware.usable_cores(root, frozenset(range(8))) == 4
    assert hardware.usable_cores(root, frozenset({0, 4})) == 1
    assert hardware.usable_cores(root, frozenset({0, 1, 2})) == 3


def test_without_a_topology_each_cpu_is_a_core(tmp_path: Path) -> None:
    assert hardware.usable_cores(tmp_path, frozenset({0, 1, 2})) == 3


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 4),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "100000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "20000 100000\n"}, 1),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/job\n",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        ({"proc/self/cgroup": "4:cpu:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n"}, 4),
        ({"proc/self/cgroup": "nonsense\n", "sys/fs/cgroup/cpu.max": ""}, 4),
    ],
)
def test_cpu_quotas_apply(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    root = write(tmp_path, {**hyper_threads(4), **files})
    assert hardware.usable_cores(root, frozenset(range(8))) == cores


MIB = 1 << 20


@pytest.mark.parametrize(
    ("files", "available_mib"),
    [
        ({"a/memory.max": "100", "a/memory.current": "30"}, 70),
        ({"a/memory.max": "100", "a/memory.current": "130"}, 0),
        ({"a/memory.max": "max", "memory.max": "100", "memory.current": "30", "a/memory.current": "20"}, 70),
        # Cached file pages can be reclaimed: a model that has just been downloaded does not prevent loading it.
        ({"a/memory.max": "100", "a/memory.current": "95", "a/memory.stat": "anon 15\nactive_file 50\n"}, 55),
    ],
)
def test_the_memory_limit_of_a_cgroup_applies(tmp_path: Path, files: dict[str, str], available_mib: int) -> None:
    in_bytes = {
        f"sys/fs/cgroup/{name}": re.sub(r"\d+", lambda found: str(int(found[0]) * MIB), text)
        for name, text in files.items()
    }
    memory = hardware.find_memory(write(tmp_path, {"proc/self/cgroup": "0::/a\n", **in_bytes}))
    assert memory == hardware.Memory(available_mib * MIB, 0, 100 * MIB)
    assert "of 100 that this cgroup or container may use" in str(memory)


def test_cgroups_v1_limit_memory_too(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "5:memory:/job\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": str(100 * MIB),
        "sys/fs/cgroup/memory/job/memory.usage_in_bytes": str(90 * MIB),
        "sys/fs/cgroup/memory/job/memory.stat": f"inactive_file 1\ntotal_inactive_file {40 * MIB}\n",
    }
    assert hardware.find_memory(write(tmp_path, files)).usable_bytes == 50 * MIB


def test_without_a_limit_the_system_decides(tmp_path: Path) -> None:
    memory = hardware.find_memory(tmp_path)
    assert memory.limit_bytes == 0
    assert "cgroup" not in str(memory)


def test_features_are_read_from_cpuinfo(tmp_path: Path) -> None:
    info = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 fma avx512f other\n"
    root = write(tmp_path, {"proc/cpuinfo": info})
    assert hardware.cpu_features(root) == {"avx2", "fma", "avx512f"}
    assert hardware.cpu_name(root) == "Some CPU"


def test_this_machine_makes_sense() -> None:
    assert 1 <= hardware.usable_cores() <= (os.cpu_count() or 1)
    assert hardware.find_memory().usable_bytes > 0
    assert hardware.peak_rss_bytes() > 1 << 20

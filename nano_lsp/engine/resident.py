"""Gives pages of a memory-mapped model file back to the system once nobody needs them.

llama.cpp repacks most weights for the CPU while it loads, and leaves the originals mapped: for nano that is
600 MB of resident memory that is never read again. A released page costs nothing but a read from the page
cache if it is touched after all, so this changes no result. Linux only: elsewhere files are read, not mapped.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

SUPPORTED = sys.platform == "linux"
_MADV_DONTNEED = 4  # linux/mman.h


def release(path: Path, start: int = 0, end: int | None = None) -> None:
    """Release the resident pages of a file's mappings in this process.

    Args:
        path: the mapped file.
        start: first byte of the file to release.
        end: byte after the last one; None for the end of the file.
    """
    if not SUPPORTED:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    page = os.sysconf("SC_PAGE_SIZE")
    for address, offset, length in _mappings(path.resolve()):
        first = max(start - offset, 0)
        last = length if end is None else min(end - offset, length)
        first = -(-first // page) * page  # only whole pages inside the range
        if last != length:
            last = last // page * page
        if first < last:
            libc.madvise(address + first, last - first, _MADV_DONTNEED)


def _mappings(path: Path) -> Iterator[tuple[int, int, int]]:
    """Address, offset in the file and length of each mapping of a file, as in proc_pid_maps(5)."""
    with Path("/proc/self/maps").open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            area, _, offset, _, _, *name = line.rstrip("\n").split(maxsplit=5)
            if name and name[0] == str(path):
                start, end = (int(part, 16) for part in area.split("-"))
                yield start, int(offset, 16), end - start

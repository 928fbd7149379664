"""Keeps only the pages of a mapped model file resident that are read again (madvise).

llama.cpp copies most weights into a layout that suits the CPU while it loads, and leaves the originals mapped: for
nano that is 600 MB that are never read again, and another 125 MB of embeddings, of which a token needs one row of
864 bytes but maps up to 2 MB. Reading a released page again costs a read from the page cache, so a wrong guess here
costs time or memory and never changes a result. Which types of tensors are copied depends on the kernels; where none
is, all of them are read from the mapping.

Linux only: elsewhere model files are read, not mapped.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nano_lsp.models.gguf import GgufHeader, TensorInfo

SUPPORTED = sys.platform == "linux"
_MADV_DONTNEED, _MADV_HUGEPAGE, _MADV_NOHUGEPAGE, _MADV_POPULATE_READ = 4, 14, 15, 22  # linux/mman.h
_COPIED_TYPES = {
    # `ggml_repack_get_optimal_repack_type`, on x86-64 with AVX2 and on ARM with dotprod.
    "CPU_REPACK": {"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"},
    # `qtype_has_amx_kernels`; if these stayed mapped as well, nano would take 337 MiB more.
    "AMX": {"Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "F16"},
}
"""Types of tensors that llama.cpp copies into each of its buffers, by the names of the buffers in its log."""


def row_wise(tensors: Sequence[TensorInfo]) -> list[TensorInfo]:
    """Tensors of which a token reads one row: the embeddings, unless they are the output matrix as well."""
    if all(tensor.name != "output.weight" for tensor in tensors):
        return []
    return [tensor for tensor in tensors if tensor.name == "token_embd.weight"]


class ResidentWeights:
    """Page residency of one mapped model file in this process."""

    def __init__(self, path: Path, header: GgufHeader) -> None:
        self._path = path
        self._is_mapped = False
        self._tensors = header.tensors
        self._hot = self._find_hot(set())

    @property
    def hot_bytes(self) -> int:
        """Size of the tensors that every token reads from the mapping."""
        return sum(tensor.n_bytes for tensor in self._hot)

    def release_all(self) -> None:
        """Release all pages; called while the file is being loaded."""
        for address, _, length in self._mappings():
            # With huge pages of 2 MB, pages that are read would keep their neighbours, or be released with them.
            _madvise(address, address + length, _MADV_NOHUGEPAGE)
            _madvise(address, address + length, _MADV_DONTNEED)

    def set_buffers(self, names: Iterable[str]) -> None:
        """Set the buffers that llama.cpp has created: tensors copied there are not read again.

        Args:
            names: Names of the buffers in its log, such as `CPU_REPACK`.
        """
        self._hot = self._find_hot(set().union(*(_COPIED_TYPES.get(name, set()) for name in names)))

    def release_cold(self) -> None:
        """Map the tensors that every token reads and release the rest; called after loading, and periodically."""
        for address, offset, length in self._mappings():
            end = address
            for tensor in sorted(self._hot, key=lambda t: t.offset):
                start = address + min(max(tensor.offset - offset, 0), length)
                stop = address + min(max(tensor.offset + tensor.n_bytes - offset, 0), length)
                if not self._is_mapped:
                    # With small pages a decode takes 8 % longer; those mapped so far have to be released first.
                    _madvise(start, stop, _MADV_HUGEPAGE)
                    _madvise(start, stop, _MADV_DONTNEED)
                _madvise(start, stop, _MADV_POPULATE_READ)
                _madvise(end, start, _MADV_DONTNEED)
                end = max(end, stop)
            _madvise(end, address + length, _MADV_DONTNEED)
        self._is_mapped = True

    def _find_hot(self, copied: set[str]) -> list[TensorInfo]:
        """Tensors that every token reads from the mapping."""
        embedding = row_wise(self._tensors)
        return [tensor for tensor in self._tensors if tensor.type_name not in copied and tensor not in embedding]

    def _mappings(self) -> Iterator[tuple[int, int, int]]:
        """Address, offset in the file and length of each mapping of the file; see proc_pid_maps(5)."""
        if not SUPPORTED:
            return
        name = str(self._path.resolve())
        with Path("/proc/self/maps").open(encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                area, _, offset, _, _, *rest = line.rstrip("\n").split(maxsplit=5)
                if rest == [name]:
                    start, end = (int(part, 16) for part in area.split("-"))
                    yield start, int(offset, 16), end - start


def cached_share(path: Path) -> float | None:
    """The share of a file that is in the page cache, 0 to 1 (mincore(2)); None where the system does not say.

    Linux tells only those who may write the file.

    Raises:
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    if not SUPPORTED or not size or not os.access(path, os.W_OK):
        return None
    libc, page = ctypes.CDLL(None), os.sysconf("SC_PAGE_SIZE")
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    pages = (ctypes.c_ubyte * -(-size // page))()
    with path.open("rb") as stream:
        address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, stream.fileno(), 0)
    if address == ctypes.c_void_p(-1).value:
        return None
    failed = libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), pages)
    libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))
    return None if failed else sum(state & 1 for state in pages) / len(pages)


def _madvise(start: int, end: int, advice: int) -> None:
    """Call madvise(2) on whole pages: to release, on pages within the range; otherwise on all that it overlaps."""
    page = os.sysconf("SC_PAGE_SIZE")
    if advice == _MADV_DONTNEED:
        start, end = -(-start // page) * page, end // page * page
    else:
        start, end = start // page * page, -(-end // page) * page
    if start < end:
        libc = ctypes.CDLL(None)
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)

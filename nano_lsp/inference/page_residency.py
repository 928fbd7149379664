"""Keeps the pages of a mapped model file resident only where they are read again.

llama.cpp copies most weights into a layout that suits the CPU while it loads, and leaves the originals
mapped: for nano that is 600 MB that nobody reads again, and another 125 MB of embeddings, of which a token
needs one row of 864 bytes but maps up to 2 MB. Released pages cost a read from the page cache if they are
touched after all, so a wrong guess here costs time or memory, never a result. Which types of tensors it copies
depends on the kernels it uses; where it copies none, all of them are read from the mapping.

Linux only: elsewhere model files are read, not mapped.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nano_lsp.models.gguf import GgufHeader, TensorInfo

SUPPORTED = sys.platform == "linux"
_MADV_DONTNEED, _MADV_HUGEPAGE, _MADV_NOHUGEPAGE, _MADV_POPULATE_READ = 4, 14, 15, 22  # linux/mman.h
_COPIED_TYPES = {
    # `ggml_repack_get_optimal_repack_type` has these on x86-64 with AVX2 and on ARM with dotprod.
    "CPU_REPACK": {"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"},
    # `qtype_has_amx_kernels`; where these stayed mapped as well, nano would take 337 MiB more.
    "AMX": {"Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "F16"},
}
"""Types of tensors that llama.cpp copies into each of its buffers, by the names that its log gives the buffers."""


def row_wise(tensors: Sequence[TensorInfo]) -> list[TensorInfo]:
    """The tensors of which a token reads one row: the embeddings, unless they are the output matrix as well."""
    if all(tensor.name != "output.weight" for tensor in tensors):
        return []
    return [tensor for tensor in tensors if tensor.name == "token_embd.weight"]


class ResidentWeights:
    """The mapping of one model file in this process.

    Args:
        path: the file.
        header: its tensors.
    """

    def __init__(self, path: Path, header: GgufHeader) -> None:
        self._path = path
        self._settled = False
        self._tensors = header.tensors
        self._hot = self._find_hot(set())

    @property
    def hot_bytes(self) -> int:
        """Size of the tensors that every token reads from the mapping."""
        return sum(tensor.n_bytes for tensor in self._hot)

    def release(self) -> None:
        """Release everything; for while the file is being loaded."""
        for address, _, length in self._mappings():
            # Mapped 2 MB at a time, what is read would keep its neighbours, or be released with them.
            _madvise(address, address + length, _MADV_NOHUGEPAGE)
            _madvise(address, address + length, _MADV_DONTNEED)

    def set_buffers(self, names: Iterable[str]) -> None:
        """Tell which buffers llama.cpp has made while loading: what it has copied there is not read again.

        Args:
            names: The buffers' names in its log, such as `CPU_REPACK`.
        """
        self._hot = self._find_hot(set().union(*(_COPIED_TYPES.get(name, set()) for name in names)))

    def settle(self) -> None:
        """Map what every token reads and release the rest; for after loading, and now and then."""
        for address, offset, length in self._mappings():
            end = address
            for tensor in sorted(self._hot, key=lambda t: t.offset):
                start = address + min(max(tensor.offset - offset, 0), length)
                stop = address + min(max(tensor.offset + tensor.n_bytes - offset, 0), length)
                if not self._settled:
                    # Read at each token, small pages cost 8 % of a decode; those mapped so far have to go first.
                    _madvise(start, stop, _MADV_HUGEPAGE)
                    _madvise(start, stop, _MADV_DONTNEED)
                _madvise(start, stop, _MADV_POPULATE_READ)
                _madvise(end, start, _MADV_DONTNEED)
                end = max(end, stop)
            _madvise(end, address + length, _MADV_DONTNEED)
        self._settled = True

    def _find_hot(self, copied: set[str]) -> list[TensorInfo]:
        """The tensors that every token reads from the mapping, where some types have been copied."""
        embedding = row_wise(self._tensors)
        return [tensor for tensor in self._tensors if tensor.type_name not in copied and tensor not in embedding]

    def _mappings(self) -> Iterator[tuple[int, int, int]]:
        """Address, offset in the file and length of each mapping of the file, as in proc_pid_maps(5)."""
        if not SUPPORTED:
            return
        name = str(self._path.resolve())
        with Path("/proc/self/maps").open(encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                area, _, offset, _, _, *rest = line.rstrip("\n").split(maxsplit=5)
                if rest == [name]:
                    start, end = (int(part, 16) for part in area.split("-"))
                    yield start, int(offset, 16), end - start


def _madvise(start: int, end: int, advice: int) -> None:
    """Advise whole pages: those a range touches to be mapped, those it fills to be released."""
    page = os.sysconf("SC_PAGE_SIZE")
    if advice == _MADV_DONTNEED:
        start, end = -(-start // page) * page, end // page * page
    else:
        start, end = start // page * page, -(-end // page) * page
    if start < end:
        libc = ctypes.CDLL(None)
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)

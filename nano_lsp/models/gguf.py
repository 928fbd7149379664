"""Reads the header of a GGUF file: metadata and the table of tensors, not the weights.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian). The `gguf`
package creates an object for each string of the vocabulary: 12 s and 535 MB for nano, here 0.1 s.

A model file is untrusted input: each count and length is checked against the size of the file.
"""

from __future__ import annotations

import functools
import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nano_lsp.errors import GgufError

Value = int | float | bool | str

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
FLOAT32 = 6
"""Number of the type of a single-precision number, in `GgufHeader.value_types`."""
_STRING, _ARRAY = 8, 9
_MAX_DIMENSIONS = 4
_MAX_STRING_BYTES = 1 << 20
# Number in the file: name, values per block, bytes per block (ggml-common.h).
_TENSOR_TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}


@dataclass(frozen=True)
class TensorInfo:
    """One tensor.

    Attributes:
        name: Name of the tensor, such as `blk.0.attn_q.weight`.
        shape: Dimensions, the fastest-varying one first.
        type_name: Type of the values, such as `Q4_K`.
        offset: Offset of the first byte in the file.
        n_bytes: Size in bytes.
    """

    name: str
    shape: tuple[int, ...]
    type_name: str
    offset: int
    n_bytes: int


@dataclass(frozen=True)
class GgufHeader:
    """Header of a GGUF file.

    Attributes:
        version: Version of the format.
        metadata: Scalars and strings by key.
        array_lengths: Length of each array by key; the elements are not read.
        tensors: Tensors in the order of the file.
        file_bytes: Size of the file.
        value_types: Number of the type of each value in the format, by key; 9 for arrays.
    """

    version: int
    metadata: Mapping[str, Value]
    array_lengths: Mapping[str, int]
    tensors: tuple[TensorInfo, ...]
    file_bytes: int
    value_types: Mapping[str, int] = field(default_factory=dict)


def read_header(path: Path) -> GgufHeader:
    """Read the header of a GGUF file, or return that of an unchanged file that was read before.

    Raises:
        GgufError: The file is missing, not GGUF, truncated or damaged.
    """
    try:
        status = path.stat()
        return _read(path, (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    except OSError as error:
        raise GgufError(f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions.") from error


@functools.lru_cache(maxsize=4)  # a model is loaded with four readings of its header, which would take half a second
def _read(path: Path, _state: tuple[int, ...]) -> GgufHeader:
    with path.open("rb") as stream:
        size = path.stat().st_size
        if size == 0:
            raise GgufError(f"{path} is empty.", _REMEDY)
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(path, data, size).read()


_REMEDY = "Pull the model again, or give another file."


class _Reader:
    """Cursor in the mapped file."""

    def __init__(self, path: Path, data: mmap.mmap, size: int) -> None:
        self._path = path
        self._data = data
        self._size = size
        self._at = 0

    def read(self) -> GgufHeader:
        if self._data[:4] != b"GGUF":
            raise GgufError(f"{self._path} is not a GGUF file.", _REMEDY)
        self._at = 4
        version = self._number("I")
        if version not in {2, 3}:
            raise GgufError(f"{self._path} is GGUF of version {version}, not 2 or 3.", _REMEDY)
        n_tensors = self._count(24)
        n_keys = self._count(13)
        metadata: dict[str, Value] = {}
        array_lengths: dict[str, int] = {}
        value_types: dict[str, int] = {}
        for _ in range(n_keys):
            key = self._string()
            kind = value_types[key] = self._number("I")
            if kind == _ARRAY:
                array_lengths[key] = self._skip_array()
            else:
                metadata[key] = self._value(kind)
        found = [self._tensor() for _ in range(n_tensors)]
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 16:
            raise self._nonsense(f"the alignment {alignment!r}")
        start = -(-self._at // alignment) * alignment
        tensors = tuple(TensorInfo(n, shape, kind, start + at, size) for n, shape, kind, at, size in found)
        end = max((tensor.offset + tensor.n_bytes for tensor in tensors), default=start)
        if end > self._size:
            raise GgufError(f"{self._path} is cut off: {end - self._size:,} of {end:,} bytes are missing.", _REMEDY)
        return GgufHeader(
            version=version,
            metadata=metadata,
            array_lengths=array_lengths,
            tensors=tensors,
            file_bytes=self._size,
            value_types=value_types,
        )

    def _nonsense(self, what: str) -> GgufError:
        return GgufError(f"{self._path} is damaged: {what} at byte {self._at:,} is not valid.", _REMEDY)

    def _take(self, n_bytes: int) -> int:
        """Advance by n_bytes; returns where they start."""
        start = self._at
        if n_bytes > self._size - start:
            raise GgufError(f"{self._path} is cut off in its header, at byte {self._size:,}.", _REMEDY)
        self._at += n_bytes
        return start

    def _number(self, code: str) -> int:
        number: int = struct.unpack_from("<" + code, self._data, self._take(struct.calcsize(code)))[0]
        return number

    def _count(self, min_bytes: int) -> int:
        """A count of items of at least min_bytes each."""
        count = self._number("Q")
        if count * min_bytes > self._size:
            raise self._nonsense(f"a count of {count}")
        return count

    def _string(self) -> str:
        length = self._number("Q")
        if length > _MAX_STRING_BYTES:
            raise self._nonsense(f"a text of {length} bytes")
        start = self._take(length)
        return self._data[start : start + length].decode("utf-8", "replace")

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._string()
        if kind not in _SCALARS:
            raise self._nonsense(f"a value of type {kind}")
        value: Value = self._number(_SCALARS[kind])
        return value

    def _skip_array(self) -> int:
        kind = self._number("I")
        if kind == _STRING:
            count = self._count(8)
            data, size, at = self._data, self._size, self._at
            length_at = struct.Struct("<Q").unpack_from
            for _ in range(count):  # the vocabulary: 300,000 strings, so without a call for each
                if at + 8 > size:
                    self._take(size)
                at += 8 + length_at(data, at)[0]
            self._take(at - self._at)
        elif kind in _SCALARS:
            width = struct.calcsize("<" + _SCALARS[kind])
            count = self._count(width)
            self._take(count * width)
        else:
            raise self._nonsense(f"an array of type {kind}")
        return count

    def _tensor(self) -> tuple[str, tuple[int, ...], str, int, int]:
        name = self._string()
        n_dimensions = self._number("I")
        if not 1 <= n_dimensions <= _MAX_DIMENSIONS:
            raise self._nonsense(f"a tensor of {n_dimensions} dimensions")
        shape = tuple(self._number("Q") for _ in range(n_dimensions))
        kind = self._number("I")
        if kind not in _TENSOR_TYPES:
            raise self._nonsense(f"a tensor of type {kind}")
        type_name, block_values, block_bytes = _TENSOR_TYPES[kind]
        offset = self._number("Q")
        if shape[0] % block_values:
            raise self._nonsense(f"a row of {shape[0]} values in {type_name}")
        return name, shape, type_name, offset, math.prod(shape) // block_values * block_bytes

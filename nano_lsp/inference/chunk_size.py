"""Chooses how many tokens of a prompt are evaluated at once: the smallest number that is as fast as any.

Large chunks are faster on some processors and not on others: with chunks of 32 tokens a Xeon with AVX-512 reads a
prompt at 87 to 91 tokens/s, with 128 at 106; an EPYC at 80 to 88 with both. But a newer request waits for the end of
a chunk, or the work on it is lost, so a larger one has to pay.

It is measured on the prompts of real requests, which are read in chunks of changing sizes at first: no work is done
for it. Sizes are compared within rounds, each of which takes all sizes one after the other, so that other programs
slow them down alike; the median of several rounds decides, once they agree. The result is kept in a file.
"""

from __future__ import annotations

import contextlib
import statistics
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import msgspec

from nano_lsp.atomic_files import write_whole
from nano_lsp.schema import ModelSpec

_SIZES = (32, 64, 128, 256, 512)
_N_ROUNDS = 9
_MAX_SPREAD = 1.15  # quotient of the quartiles of the rounds; beyond it other programs disturb them, and it goes on
_TOLERANCE = 1.05  # a smaller size may take this multiple of the time of the fastest one
_MAX_KEPT = 32  # a home folder may be shared by the machines of a cluster


class ChunkSize:
    """The number of tokens of a prompt that are evaluated at once.

    Args:
        largest: Number of tokens that a batch has room for. Without a file all chunks are as large.
        path: File of the measured sizes of each machine and model; None to measure nothing.
        key: What the size depends on; see `size_key`.
    """

    def __init__(self, largest: int, path: Path | None = None, key: str = "") -> None:
        self._largest = largest
        self._path = path
        self._key = key
        self._sizes = (*(size for size in _SIZES if size < largest), largest)
        self._ms: deque[dict[int, float]] = deque(maxlen=_N_ROUNDS)  # per token, by size; of the last whole rounds
        self._round: dict[int, float] = {}  # the current one
        self._n_rounds = 0
        kept = _read(path).get(key) if path else largest
        self._chosen = kept if kept in self._sizes else None
        self._measured = self._next_size()

    @property
    def chosen(self) -> int | None:
        """The chosen number of tokens; None while it is being measured."""
        return self._chosen

    def next(self, n_left: int) -> int:
        """Number of tokens of the next chunk.

        Args:
            n_left: Number of tokens that are left to evaluate.
        """
        size = self._chosen or self._measured
        if self._chosen is None and n_left <= size:
            size = self._largest  # the last chunk is never measured: its logits take time, too
        if n_left < 1.5 * size:  # half a chunk more takes less than a small batch of its own
            size = n_left
        return min(size, self._largest)

    def measured(self, n_tokens: int, elapsed_ms: float) -> None:
        """Record the duration of a chunk that was not the last one of its prompt."""
        if self._chosen is not None or n_tokens != self._measured:
            return
        self._round[n_tokens] = elapsed_ms / n_tokens
        if len(self._round) == len(self._sizes):
            self._ms.append(self._round)
            self._round, self._n_rounds = {}, self._n_rounds + 1
            if self._n_rounds >= _N_ROUNDS:
                self._choose()
        self._measured = self._next_size()

    def _next_size(self) -> int:
        """The size to measure next; each round begins with another one, as later chunks of a prompt take longer."""
        return self._sizes[(self._n_rounds + len(self._round)) % len(self._sizes)]

    def _choose(self) -> None:
        times: dict[int, float] = {}  # per token, as a multiple of that with the largest size
        for size in self._sizes:
            low, times[size], high = statistics.quantiles((ms[size] / ms[self._largest] for ms in self._ms), n=4)
            if high > _MAX_SPREAD * low:
                return
        limit = _TOLERANCE * min(times.values())
        self._chosen = min(size for size, time in times.items() if time <= limit)
        if self._path:
            _write(self._path, self._key, self._chosen)


def size_key(machine: str, spec: ModelSpec) -> str:
    """What the best size depends on: the machine, the model with its type of KV cache, and the largest size.

    Args:
        machine: What the speed of the machine depends on: CPU, build of llama.cpp, threads.
        spec: Properties of the model.
    """
    return f"{machine}-{spec.fingerprint[:16]}-{spec.n_batch}"


def _read(path: Path) -> Mapping[str, int]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _write(path: Path, key: str, size: int) -> None:
    """Keep a size; where the disk cannot be written, the next process measures again."""
    kept = {other: its for other, its in _read(path).items() if other != key}
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.encode({**dict([*kept.items()][1 - _MAX_KEPT :]), key: size}))

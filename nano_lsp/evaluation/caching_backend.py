"""A backend that caches logits in a file, so that repeated evaluations need the model less.

Runs with other postprocessing rules on the same problems mostly repeat the prompts of earlier runs. `CachingBackend`
keeps the most probable next tokens after each token sequence; the model evaluates only new sequences.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nano_lsp.errors import EvaluationError
from nano_lsp.inference.backend import Backend, Grammar
from nano_lsp.inference.snapshots import common_prefix
from nano_lsp.models.adapter_file import AdapterFile
from nano_lsp.schema import MemoryAccount, ModelSpec

_N_KEPT = 32  # tokens per position; the rest of the vocabulary shares the remaining probability


class CachingBackend:
    """A cache around another backend. Its sequences hold tokens only; see `Backend` for its methods.

    Args:
        backend: Backend for sequences that are not cached yet.
        path: Path of the cache, an SQLite database that is created if missing.

    Raises:
        EvaluationError: The file cannot be used.
    """

    def __init__(self, backend: Backend, path: Path) -> None:
        self._backend = backend
        self._sequences: dict[int, list[int]] = {i: [] for i in range(backend.spec.n_seq_max)}
        self._evaluated: list[int] = []  # tokens of the backend's sequence 0
        self._adapter: AdapterFile | None = None
        self._rows: list[NDArray[np.float32]] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Opened here, used by the worker's thread.
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA synchronous=OFF")  # a lost row is evaluated again
            self._file.execute("CREATE TABLE IF NOT EXISTS said (context BLOB PRIMARY KEY, row BLOB) WITHOUT ROWID")
        except (OSError, sqlite3.Error) as error:
            raise EvaluationError(f"{path} cannot be used: {error}.", "Give another --memo FILE.") from error

    @property
    def spec(self) -> ModelSpec:
        """Specification of the model."""
        return self._backend.spec

    def tokenize(self, text: str, *, parse_special: bool = False) -> list[int]:
        """Delegates to the backend."""
        return self._backend.tokenize(text, parse_special=parse_special)

    def piece(self, token: int) -> bytes:
        """Delegates to the backend."""
        return self._backend.piece(token)

    def set_adapter(self, adapter: AdapterFile | None) -> None:
        """Read and evaluate all later tokens with an adapter; None for the model alone."""
        self._backend.set_adapter(adapter)
        self._adapter = adapter
        self._backend.seq_trim(0, 0)
        self._evaluated.clear()

    def decode(self, tokens: Sequence[int], *, n_past: int, seq_id: int, n_logits: int = 1) -> None:
        """Read the logits of the last tokens from the cache, or evaluate them."""
        history = [*self._sequences[seq_id][:n_past], *tokens]
        ends = range(len(history) - n_logits + 1, len(history) + 1)
        self._rows = [self._recall(history[:end]) for end in ends]
        self._sequences[seq_id] = history

    def logits(self, index: int) -> NDArray[np.float32]:
        """Logits, shape (n_vocab,), of the token with this index among those kept by the last `decode`."""
        return self._rows[index]

    def seq_copy(self, source: int, target: int, n_past: int) -> None:
        """Copy the first n_past tokens of a sequence to an empty one."""
        self._sequences[target] = self._sequences[source][:n_past]

    def seq_trim(self, seq_id: int, n_past: int) -> None:
        """Keep only the first n_past tokens of a sequence."""
        del self._sequences[seq_id][n_past:]

    def seq_save(self, seq_id: int) -> bytes:
        """The tokens of a sequence, as bytes."""
        return np.asarray(self._sequences[seq_id], np.int32).tobytes()

    def seq_load(self, seq_id: int, state: bytes) -> None:
        """Restore an empty sequence from the bytes of `seq_save`."""
        self._sequences[seq_id] = np.frombuffer(state, np.int32).tolist()

    def compile_grammar(self, gbnf: str) -> Grammar:
        """Delegates to the backend."""
        return self._backend.compile_grammar(gbnf)

    def abort(self) -> None:
        """Delegates to the backend."""
        self._backend.abort()

    def clear_abort(self) -> None:
        """Delegates to the backend."""
        self._backend.clear_abort()

    def memory(self) -> MemoryAccount:
        """Delegates to the backend."""
        return self._backend.memory()

    def close(self) -> None:
        """Close the file and free the backend."""
        self._file.close()
        self._backend.close()

    def _recall(self, history: Sequence[int]) -> NDArray[np.float32]:
        """The logits after a token sequence."""
        adapter = bytes.fromhex(self._adapter.sha256)[:16] if self._adapter else b""
        key = hashlib.blake2b(
            np.asarray(history, np.int32).tobytes(),
            digest_size=16,
            salt=self.spec.fingerprint.encode()[:16],
            person=adapter,
        ).digest()
        found = self._file.execute("SELECT row FROM said WHERE context = ?", (key,)).fetchone()
        if found is None:
            row = _shorten(self._evaluate(history))
            self._file.execute("INSERT OR REPLACE INTO said VALUES (?, ?)", (key, row.tobytes()))
        else:
            row = np.frombuffer(found[0], np.float32)
        logits = np.full(self.spec.n_vocab, row[-1], np.float32)
        n = len(row) // 2
        logits[row[:n].view(np.int32)] = row[n:-1]
        return logits

    def _evaluate(self, history: Sequence[int]) -> NDArray[np.float32]:
        n_past = min(common_prefix(self._evaluated, history), len(history) - 1)
        self._backend.seq_trim(0, n_past)
        del self._evaluated[n_past:]
        n_batch = self.spec.n_batch
        while (n := len(self._evaluated)) < len(history):
            batch = history[n : n + n_batch]
            self._backend.decode(batch, n_past=n, seq_id=0, n_logits=int(n + len(batch) == len(history)))
            self._evaluated.extend(batch)
        return self._backend.logits(0)


def _shorten(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ids of the most probable tokens, as bits, their logits, and the log of the others' mean probability."""
    n = min(_N_KEPT, len(logits) - 1)
    ids = np.argsort(-logits, kind="stable")[:n]
    others = np.delete(logits.astype(np.float64), ids)
    top = others.max()
    share = top + np.log(np.exp(others - top).mean())
    return np.concatenate([ids.astype(np.int32).view(np.float32), logits[ids], np.array([share], np.float32)])

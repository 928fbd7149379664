"""KV cache snapshots on disk, for a warm start.

Each snapshot is one file, named after the model's fingerprint (weights, KV type), the SHA-256 of the adapter where
there is one, and the SHA-256 of the tokens. A file is written to a temporary name and renamed, and contains a
checksum: llama.cpp does not validate the bytes of a state, so a damaged file is deleted and never loaded.

File: SHA-256 of the rest (32 bytes), token ids (4 bytes each, little-endian), the backend's state.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nano_lsp.atomic_files import file_beside
from nano_lsp.models.adapter_file import AdapterFile

_DIGEST_BYTES = 32


class Snapshots:
    """The snapshots of one model in a folder.

    Args:
        folder: Folder of the files; created when needed.
        fingerprint: Fingerprint of the model, `ModelSpec.fingerprint`.
        max_bytes: Maximum size of the folder; beyond it the least recently used snapshots are deleted.
    """

    def __init__(self, folder: Path, fingerprint: str, max_bytes: int = 1 << 29) -> None:
        self._folder = folder
        self._model = fingerprint[:16]
        self._max_bytes = max_bytes
        self._known: dict[str, list[int]] = {}  # token ids by file name, which identifies them: each is read once

    def n_known(self, tokens: Sequence[int], adapter: AdapterFile | None = None) -> int:
        """Length of the longest prefix of the tokens that a snapshot of the adapter has; callable on any thread."""
        found = self._find(tokens, 1, adapter)
        return common_prefix(found[1], tokens) if found else 0

    def save(self, tokens: Sequence[int], state: bytes, adapter: AdapterFile | None = None) -> None:
        """Write a snapshot; where the disk cannot be written, it is skipped without an error."""
        payload = _to_bytes(tokens) + state
        if len(payload) > self._max_bytes:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._path(tokens, adapter)
            with file_beside(path) as new:  # not synced to disk: the checksum shows what is incomplete
                new.write_bytes(hashlib.sha256(payload).digest() + payload)
                new.replace(path)
            self._prune()

    def load(
        self, prompt: Sequence[int], at_least: int, adapter: AdapterFile | None = None
    ) -> tuple[list[int], bytes] | None:
        """The snapshot that shares the longest prefix with a prompt: its tokens and its state; None where none does.

        Args:
            prompt: Token ids of the prompt.
            at_least: Minimum number of tokens that the snapshot must share.
            adapter: Adapter that its tokens were evaluated with; None for the model alone.
        """
        found = self._find(prompt, at_least, adapter)
        if found is None:
            return None
        path, tokens = found
        with contextlib.suppress(OSError):
            content = path.read_bytes()
            payload = content[_DIGEST_BYTES:]
            if content[:_DIGEST_BYTES] == hashlib.sha256(payload).digest():
                path.touch()
                return tokens, payload[4 * len(tokens) :]
            path.unlink()
        return None

    def _find(
        self, prompt: Sequence[int], at_least: int, adapter: AdapterFile | None
    ) -> tuple[Path, list[int]] | None:
        best, shared = None, at_least - 1
        prefix = self._prefix(adapter)
        found = dict(self._files(prefix))
        for name in set(self._known) - {path.name for path in found}:
            if name.startswith(prefix):
                self._known.pop(name, None)  # `n_known` is called on other threads as well
        for path, n_tokens in found.items():
            with contextlib.suppress(OSError, ValueError):
                tokens = self._known.get(path.name) or self._known.setdefault(path.name, _read_tokens(path, n_tokens))
                if (n := common_prefix(tokens, prompt)) > shared:
                    best, shared = (path, tokens), n
        return best

    def _prefix(self, adapter: AdapterFile | None) -> str:
        """Beginning of the names of a model's and adapter's files."""
        return f"{self._model}_{adapter.sha256[:16]}-" if adapter else f"{self._model}-"

    def _path(self, tokens: Sequence[int], adapter: AdapterFile | None) -> Path:
        digest = hashlib.sha256(_to_bytes(tokens)).hexdigest()
        return self._folder / f"{self._prefix(adapter)}{len(tokens)}-{digest[:32]}.kv"

    def _files(self, prefix: str) -> Iterator[tuple[Path, int]]:
        for path in self._folder.glob(f"{prefix}*-*.kv"):
            with contextlib.suppress(ValueError):
                yield path, int(path.name.split("-")[1])

    def _prune(self) -> None:
        files = sorted(self._folder.glob("*.kv"), key=lambda path: -path.stat().st_mtime)
        total = 0
        for path in files:
            total += path.stat().st_size
            if total > self._max_bytes:
                path.unlink()


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common prefix of two sequences."""
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))  # noqa: B905 - the shorter


def _read_tokens(path: Path, n_tokens: int) -> list[int]:
    with path.open("rb") as stream:
        stream.seek(_DIGEST_BYTES)
        tokens: list[int] = np.frombuffer(stream.read(4 * n_tokens), "<i4").tolist()
    return tokens


def _to_bytes(tokens: Sequence[int]) -> bytes:
    return np.asarray(tokens, "<i4").tobytes()

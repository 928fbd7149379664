"""The tokens of each KV sequence, and prefix reuse: a new prompt keeps the longest prefix that any sequence has.

A sequence belongs to a key (a document's completion, a chat). A prompt continues its key's sequence, or
shares the prefix of another one (a fork, which copies nothing), whichever is longer. Cells are shared by all
sequences; when they run out, the least recently used sequence is evicted: to disk, where snapshots are kept, and it
is restored when a prompt needs it.

A sequence belongs to an adapter as well, or to the model alone: a prefix is shared only within one adapter.

Independent of text, sampling and threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from nano_lsp.errors import EngineError, KvCacheFullError
from nano_lsp.inference.backend import Backend
from nano_lsp.inference.snapshots import Snapshots, common_prefix
from nano_lsp.models.adapter_file import AdapterFile

_MIN_SAVED_TOKENS = 64  # tokens that a snapshot must save evaluating to be read from disk


@dataclass(eq=False)
class KvSequence:
    """One sequence of the KV cache.

    Attributes:
        seq_id: Number of the sequence in the backend.
        key: Key of the document or chat that it belongs to; None while it is free.
        adapter: Adapter that its tokens are evaluated with; None for the model alone.
        tokens: Tokens in its cells.
        pins: Number of generations that are using it.
        used: Time of the last use, as a counter.
    """

    seq_id: int
    key: str | None = None
    adapter: AdapterFile | None = None
    tokens: list[int] = field(default_factory=list)
    pins: int = 0
    used: int = 0


class KvCache:
    """The KV sequences of a backend.

    Args:
        backend: Backend with the cells.
        snapshots: Snapshots on disk of evicted sequences; None to drop them.
        min_new_tokens: Number of tokens that no other snapshot has for one to be written: 28 KB each.
    """

    def __init__(self, backend: Backend, snapshots: Snapshots | None = None, min_new_tokens: int = 128) -> None:
        self._backend = backend
        self._snapshots = snapshots
        self._min_new_tokens = min_new_tokens
        self._sequences = [KvSequence(i) for i in range(backend.spec.n_seq_max)]
        self._clock = itertools.count(1)
        self._adapter: AdapterFile | None = None  # of the last batch
        backend.set_adapter(None)  # after an earlier use of the backend, which has left cells, too
        for sequence in self._sequences:
            backend.seq_trim(sequence.seq_id, 0)

    def acquire(self, key: str, prompt: Sequence[int], adapter: AdapterFile | None = None) -> KvSequence:
        """The key's sequence, trimmed to the longest prefix of the prompt that any sequence of the adapter has.

        The prompt's last token never counts as cached: its logits are needed, so it is evaluated again.
        The caller must release the sequence.
        """
        sequence, taken_over = self._slot(key, adapter)
        sequence.pins += 1
        sequence.used = next(self._clock)
        limit = len(prompt) - 1
        held = min(common_prefix(sequence.tokens, prompt), limit) if sequence.adapter == adapter else 0
        if taken_over:
            self._save(sequence, beyond=held)
        if sequence.adapter != adapter:
            self.trim(sequence, 0)
            sequence.adapter = adapter
        donors = [other for other in self._sequences if other.adapter == adapter]
        donor = max(donors, key=lambda other: common_prefix(other.tokens, prompt))
        shared = min(common_prefix(donor.tokens, prompt), limit)
        if shared > held:
            self._share(donor, sequence, shared)
            held = shared
        self.trim(sequence, held)
        if self._snapshots and (saved := self._snapshots.load(prompt, held + _MIN_SAVED_TOKENS, adapter)):
            self._restore(sequence, *saved)
            self.trim(sequence, min(common_prefix(sequence.tokens, prompt), limit))
        return sequence

    def n_cached(self, prompt: Sequence[int], adapter: AdapterFile | None = None) -> int:
        """Length of the longest prefix of a prompt that a sequence of the adapter has, in memory or on disk.

        Callable on any thread: while another one evaluates, the number may be out of date when it is returned.
        """
        held = (common_prefix(other.tokens, prompt) for other in self._sequences if other.adapter == adapter)
        n_held = max(held, default=0)
        if self._snapshots is None or len(prompt) - n_held <= _MIN_SAVED_TOKENS:
            return n_held
        n_saved = self._snapshots.n_known(prompt, adapter)
        return n_saved if n_saved >= n_held + _MIN_SAVED_TOKENS else n_held

    def release(self, sequence: KvSequence) -> None:
        """Unpin a sequence; its tokens stay cached until the cells are needed."""
        sequence.pins -= 1

    def decode(self, sequence: KvSequence, tokens: Sequence[int], n_logits: int) -> None:
        """Append tokens to a sequence, evicting others where needed.

        Raises:
            Aborted: `Backend.abort` was called; the sequence is as before the call.
            KvCacheFullError: The sequence alone fills the context.
            GgufError: The sequence's adapter cannot be loaded.
        """
        if sequence.adapter != self._adapter:
            self._backend.set_adapter(sequence.adapter)
            self._adapter = sequence.adapter
        while True:
            try:
                self._backend.decode(tokens, n_past=len(sequence.tokens), seq_id=sequence.seq_id, n_logits=n_logits)
            except KvCacheFullError:
                if not self._evict(sequence):
                    raise
            else:
                sequence.tokens.extend(tokens)
                sequence.used = next(self._clock)
                return

    def trim(self, sequence: KvSequence, n_tokens: int) -> None:
        """Truncate a sequence to its first n_tokens tokens."""
        if n_tokens < len(sequence.tokens):
            self._backend.seq_trim(sequence.seq_id, n_tokens)
            del sequence.tokens[n_tokens:]

    def held(self, key: str, adapter: AdapterFile | None = None) -> tuple[int, ...]:
        """The cached tokens of a key's sequence with an adapter, None for that of the model alone."""
        return tuple(next((s.tokens for s in self._sequences if s.key == key and s.adapter == adapter), ()))

    def save_all(self) -> None:
        """Write snapshots of all sequences, except of those that are mostly on disk already."""
        for sequence in self._sequences:
            self._save(sequence)

    def _slot(self, key: str, adapter: AdapterFile | None) -> tuple[KvSequence, bool]:
        """The key's sequence: its own, a free one, or the least recently used one, its tokens and adapter included.

        Returns:
            The sequence, and whether it was taken over from another key, or from this key with another adapter.
        """
        idle = [s for s in self._sequences if not s.pins]
        if not idle:
            raise EngineError("All KV sequences are in use.", "Raise the setting n_seq_max.")
        chosen = min(idle, key=lambda s: (s.key != key or s.adapter != adapter, s.key is not None, s.used))
        taken_over = chosen.key is not None and (chosen.key != key or chosen.adapter != adapter)
        chosen.key = key
        return chosen, taken_over

    def _share(self, donor: KvSequence, sequence: KvSequence, n_tokens: int) -> None:
        self.trim(sequence, 0)
        self._backend.seq_copy(donor.seq_id, sequence.seq_id, n_tokens)
        sequence.tokens[:] = donor.tokens[:n_tokens]

    def _save(self, sequence: KvSequence, beyond: int = 0) -> None:
        """Write a snapshot of a sequence, unless nearly all of it is on disk already, or stays in the cache.

        Args:
            sequence: Sequence to write.
            beyond: Number of its first tokens that stay in the cache.
        """
        tokens = sequence.tokens
        if self._snapshots is None or len(tokens) - beyond < self._min_new_tokens:
            return
        if len(tokens) - self._snapshots.n_known(tokens, sequence.adapter) >= self._min_new_tokens:
            self._snapshots.save(tokens, self._backend.seq_save(sequence.seq_id), sequence.adapter)

    def _restore(self, sequence: KvSequence, tokens: Sequence[int], state: bytes) -> None:
        self.trim(sequence, 0)
        try:
            self._backend.seq_load(sequence.seq_id, state)
        except EngineError:
            return  # no free cells, or a state of another model: the tokens are evaluated instead
        sequence.tokens[:] = tokens

    def _evict(self, keep: KvSequence) -> bool:
        """Evict the least recently used sequence, a pinned one only as a last resort; False where none is left."""
        others = [s for s in self._sequences if s is not keep and s.tokens]
        if not others:
            return False
        victim = min(others, key=lambda s: (s.pins > 0, s.used))
        self._save(victim)
        self.trim(victim, 0)
        if not victim.pins:
            victim.key = None
        return True

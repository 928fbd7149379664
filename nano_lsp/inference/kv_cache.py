"""Which tokens each KV sequence holds, and how a new prompt reuses the most of them.

A sequence belongs to a key (a document's completion, a chat). A prompt continues its key's sequence, or
shares the beginning of another one (a fork, which copies nothing), whichever holds more of it. Cells are
shared by all sequences; when they run out, the sequence used longest ago goes first: to disk, where snapshots are
kept, and it comes back when it is wanted.

Knows no text, no sampling and no threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from nano_lsp.errors import EngineError, KvCacheFullError
from nano_lsp.inference.backend import Backend
from nano_lsp.inference.snapshots import Snapshots, common_prefix

_WORTH_READING = 64  # tokens that a snapshot must spare to be read from disk


@dataclass(eq=False)
class KvSequence:
    """One sequence of the KV cache.

    Attributes:
        seq_id: its number in the backend.
        key: whom it belongs to; None while it is free.
        tokens: what it holds.
        pins: generations that are working on it.
        used: when it was used last, on a counter.
    """

    seq_id: int
    key: str | None = None
    tokens: list[int] = field(default_factory=list)
    pins: int = 0
    used: int = 0


class KvCache:
    """The KV sequences of a backend.

    Args:
        backend: holds them.
        snapshots: where they go that have no room; None for nowhere.
        least_saved: tokens that a snapshot must hold, and no other one, to be written: 28 KB each.
    """

    def __init__(self, backend: Backend, snapshots: Snapshots | None = None, least_saved: int = 128) -> None:
        self._backend = backend
        self._snapshots = snapshots
        self._least_saved = least_saved
        self._sequences = [KvSequence(i) for i in range(backend.spec.n_seq_max)]
        self._clock = itertools.count(1)
        for sequence in self._sequences:  # whatever the backend was used for before
            backend.seq_trim(sequence.seq_id, 0)

    def acquire(self, key: str, prompt: Sequence[int]) -> KvSequence:
        """The key's sequence, trimmed to the longest beginning of the prompt that any sequence holds.

        The prompt's last token never counts as held: its logits are needed, so it is evaluated again.
        The caller releases the sequence when it is done.
        """
        sequence, taken_over = self._slot(key)
        sequence.pins += 1
        sequence.used = next(self._clock)
        limit = len(prompt) - 1
        held = min(common_prefix(sequence.tokens, prompt), limit)
        if taken_over:
            self._save(sequence, beyond=held)
        donor = max(self._sequences, key=lambda other: common_prefix(other.tokens, prompt))
        shared = min(common_prefix(donor.tokens, prompt), limit)
        if shared > held:
            self._share(donor, sequence, shared)
            held = shared
        self.trim(sequence, held)
        if self._snapshots and (saved := self._snapshots.load(prompt, at_least=held + _WORTH_READING)):
            self._restore(sequence, *saved)
            self.trim(sequence, min(common_prefix(sequence.tokens, prompt), limit))
        return sequence

    def release(self, sequence: KvSequence) -> None:
        """Let go of a sequence; what it holds stays until the room is needed."""
        sequence.pins -= 1

    def decode(self, sequence: KvSequence, tokens: Sequence[int], n_logits: int) -> None:
        """Append tokens to a sequence, making room by dropping others where needed.

        Raises:
            Aborted: see `Backend.decode`.
            KvCacheFullError: the sequence alone fills the context.
        """
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
        """Keep only the first tokens of a sequence."""
        if n_tokens < len(sequence.tokens):
            self._backend.seq_trim(sequence.seq_id, n_tokens)
            del sequence.tokens[n_tokens:]

    def fork(self, source: str, target: str, n_tokens: int | None = None) -> None:
        """Let the sequence of one key begin as another's does; nothing is copied or evaluated.

        Args:
            source: key of the sequence to share.
            target: key of the one that forgets what it held, and shares.
            n_tokens: how many tokens to share; None for all.
        """
        donor = next((s for s in self._sequences if s.key == source), None)
        shared = len(donor.tokens[:n_tokens]) if donor else 0
        sequence, taken_over = self._slot(target)
        if taken_over:
            self._save(sequence)
        if donor is not None and donor is not sequence:
            self._share(donor, sequence, shared)
        self.trim(sequence, shared)
        sequence.used = next(self._clock)

    def held(self, key: str) -> tuple[int, ...]:
        """The tokens that a key's sequence holds."""
        return tuple(next((s.tokens for s in self._sequences if s.key == key), ()))

    def save_all(self) -> None:
        """Write to disk what is worth it, where snapshots are kept."""
        for sequence in self._sequences:
            self._save(sequence)

    def clear(self) -> None:
        """Forget everything that no generation is working on."""
        for sequence in self._sequences:
            if not sequence.pins:
                self.trim(sequence, 0)
                sequence.key = None

    def _slot(self, key: str) -> tuple[KvSequence, bool]:
        """The key's sequence: its own, a free one, or the one used longest ago, with what it still holds.

        Returns:
            The sequence, and whether it has been taken over from another key.
        """
        idle = [s for s in self._sequences if not s.pins]
        if not idle:
            raise EngineError("All KV sequences are in use.", "Raise the setting n_seq_max.")
        chosen = min(idle, key=lambda s: (s.key != key, s.key is not None, s.used))
        taken_over = chosen.key not in {key, None}
        chosen.key = key
        return chosen, taken_over

    def _share(self, donor: KvSequence, sequence: KvSequence, n_tokens: int) -> None:
        self.trim(sequence, 0)
        self._backend.seq_copy(donor.seq_id, sequence.seq_id, n_tokens)
        sequence.tokens[:] = donor.tokens[:n_tokens]

    def _save(self, sequence: KvSequence, beyond: int = 0) -> None:
        """Write a sequence to disk, unless nearly all of it is there already, or stays in the cache.

        Args:
            sequence: to write.
            beyond: so many of its first tokens stay.
        """
        tokens = sequence.tokens
        if self._snapshots is None or len(tokens) - beyond < self._least_saved:
            return
        if len(tokens) - self._snapshots.n_known(tokens) >= self._least_saved:
            self._snapshots.save(tokens, self._backend.seq_save(sequence.seq_id))

    def _restore(self, sequence: KvSequence, tokens: Sequence[int], state: bytes) -> None:
        self.trim(sequence, 0)
        try:
            self._backend.seq_load(sequence.seq_id, state)
        except EngineError:
            return  # no room, or not of this model: the tokens are evaluated instead
        sequence.tokens[:] = tokens

    def _evict(self, keep: KvSequence) -> bool:
        """Drop the sequence used longest ago, one in use only as a last resort; False where none is left."""
        others = [s for s in self._sequences if s is not keep and s.tokens]
        if not others:
            return False
        victim = min(others, key=lambda s: (s.pins > 0, s.used))
        self._save(victim)
        self.trim(victim, 0)
        if not victim.pins:
            victim.key = None
        return True

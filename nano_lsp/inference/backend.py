"""What the engine asks of a model: one protocol, two implementations (`llama_backend`, `scripted_backend`).

Ids, positions and logits; no strings beyond tokenization, no sampling, no policy. One thread at a time owns a
backend; any thread may read `spec` and call `tokenize`, `piece`, `compile_grammar` and `abort`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from nano_lsp.schema import MemoryAccount, ModelSpec

if TYPE_CHECKING:  # not imported: clients of an engine in another process need no arrays
    import numpy as np
    from numpy.typing import NDArray


class Aborted(Exception):  # noqa: N818 - a signal to the caller's loop, never shown to a user
    """`decode` was aborted; nothing of the batch is in the KV cache."""


class Grammar(Protocol):
    """The state of a grammar after the tokens accepted so far."""

    def allows(self, token: int) -> bool:
        """Whether the token may come next."""
        ...

    def mask(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of the logits, shape (n_vocab,), with -inf for every token that may not come next."""
        ...

    def accept(self, token: int) -> None:
        """Move past a token."""
        ...

    def reset(self) -> None:
        """Back to the start."""
        ...


class Tokenizer(Protocol):
    """What prompts are built with."""

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        ...

    def tokenize(self, text: str, *, parse_special: bool = False) -> list[int]:
        """Token ids of a text, without start or end tokens.

        Args:
            text: any text; lone surrogates are replaced.
            parse_special: read `<|name|>` as control tokens. Never for text that comes from a user.
        """
        ...

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for; empty for control tokens."""
        ...


class Backend(Tokenizer, Protocol):
    """A loaded model with its KV cache."""

    def decode(self, tokens: Sequence[int], *, n_past: int, seq_id: int, n_logits: int = 1) -> None:
        """Evaluate tokens at positions n_past, n_past + 1, … of a sequence.

        Args:
            tokens: 1 to `spec.n_batch` ids.
            n_past: tokens of the sequence already in the KV cache.
            seq_id: 0 to `spec.n_seq_max` - 1.
            n_logits: keep logits for the last so many tokens; 0 for none.

        Raises:
            Aborted: `abort` was called; the cache is as before the call.
            KvCacheFullError: no room; the cache is as before the call.
            EngineError: the library failed.
        """
        ...

    def logits(self, index: int) -> NDArray[np.float32]:
        """Logits, shape (n_vocab,), of the index-th kept token of the last `decode`.

        A view into the library's memory: read it before the next `decode`.
        """
        ...

    def seq_copy(self, source: int, target: int, n_past: int) -> None:
        """Let an empty sequence share the first n_past tokens of another one."""
        ...

    def seq_trim(self, seq_id: int, n_past: int) -> None:
        """Keep only the first n_past tokens of a sequence."""
        ...

    def seq_save(self, seq_id: int) -> bytes:
        """Keys and values of a sequence, as bytes."""
        ...

    def seq_load(self, seq_id: int, state: bytes) -> None:
        """Put back into an empty sequence what `seq_save` gave.

        Raises:
            EngineError: the bytes do not fit this model or its free cells; the sequence is empty again.
        """
        ...

    def compile_grammar(self, gbnf: str) -> Grammar:
        """A grammar whose start symbol is `root`.

        Raises:
            GrammarError: it cannot be parsed.
        """
        ...

    def abort(self) -> None:
        """Make a running `decode` raise `Aborted` soon; callable from any thread."""
        ...

    def clear_abort(self) -> None:
        """Forget an `abort`."""
        ...

    def memory(self) -> MemoryAccount:
        """Where the memory goes."""
        ...

    def close(self) -> None:
        """Free everything; the backend is unusable afterwards."""
        ...

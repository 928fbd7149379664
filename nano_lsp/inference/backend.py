"""The interface between the engine and a model: `Backend`, implemented by `LlamaBackend` and `ScriptedBackend`.

It consists of token ids, positions and logits, without sampling or policies. One thread at a time owns a
backend; any thread may read `spec` and call `tokenize`, `piece`, `compile_grammar` and `abort`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from nano_lsp.models.adapter_file import AdapterFile
from nano_lsp.schema import MemoryAccount, ModelSpec

if TYPE_CHECKING:  # not imported: clients of an engine in another process need no arrays
    import numpy as np
    from numpy.typing import NDArray


MAX_LOGITS = 16
"""Maximum number of rows of logits that one `decode` keeps: 600 KB each with nano's vocabulary."""


class Aborted(Exception):  # noqa: N818 - a signal to the caller's loop, never shown to a user
    """`decode` was aborted; no token of the batch is in the KV cache."""


class Grammar(Protocol):
    """State of a grammar after the accepted tokens."""

    def allows(self, token: int) -> bool:
        """Whether the grammar allows the token next."""
        ...

    def mask(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of the logits, shape (n_vocab,), with -inf for each token that the grammar rules out."""
        ...

    def accept(self, token: int) -> None:
        """Advance past a token that `allows` has allowed."""
        ...

    def reset(self) -> None:
        """Return to the start of the grammar."""
        ...


class Tokenizer(Protocol):
    """A tokenizer with the properties of its model: what prompts are built with."""

    @property
    def spec(self) -> ModelSpec:
        """Properties of the model."""
        ...

    def tokenize(self, text: str, *, parse_special: bool = False) -> list[int]:
        """Token ids of a text, without start or end tokens.

        Args:
            text: Any text; lone surrogates are replaced.
            parse_special: Whether `<|name|>` is parsed as a control token. Never for text that comes from a user.
        """
        ...

    def piece(self, token: int) -> bytes:
        """Bytes of a token; empty for control tokens."""
        ...


class Backend(Tokenizer, Protocol):
    """A loaded model with its KV cache."""

    def set_adapter(self, adapter: AdapterFile | None) -> None:
        """Evaluate all later batches with an adapter, None for the model alone; loads it if it is not loaded.

        The keys and values of a sequence depend on the adapter: a sequence must not be continued with another one.

        Raises:
            GgufError: The library cannot load it; batches are evaluated as before the call.
        """
        ...

    def decode(self, tokens: Sequence[int], *, n_past: int, seq_id: int, n_logits: int = 1) -> None:
        """Evaluate tokens at positions n_past, n_past + 1, … of a sequence.

        Args:
            tokens: Token ids, 1 to `spec.n_batch` of them.
            n_past: Number of tokens of the sequence in the KV cache.
            seq_id: Number of the sequence, 0 to `spec.n_seq_max` - 1.
            n_logits: Number of tokens at the end to keep logits for, at most `MAX_LOGITS`; 0 for none.

        Raises:
            Aborted: `abort` was called; the cache is as before the call.
            KvCacheFullError: The KV cache has no free cells; it is as before the call.
            EngineError: The library failed.
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
        """Truncate a sequence to its first n_past tokens."""
        ...

    def seq_save(self, seq_id: int) -> bytes:
        """Serialize the keys and values of a sequence."""
        ...

    def seq_load(self, seq_id: int, state: bytes) -> None:
        """Restore a state from `seq_save` into an empty sequence.

        Raises:
            EngineError: The bytes do not fit this model or its free cells; the sequence is empty again.
        """
        ...

    def compile_grammar(self, gbnf: str) -> Grammar:
        """Compile a GBNF grammar whose start symbol is `root`.

        Raises:
            GrammarError: The grammar cannot be parsed.
        """
        ...

    def abort(self) -> None:
        """Make a running `decode` raise `Aborted` soon; callable from any thread."""
        ...

    def clear_abort(self) -> None:
        """Reset the abort flag."""
        ...

    def memory(self) -> MemoryAccount:
        """Memory by purpose: weights, KV cache, scratch buffers."""
        ...

    def close(self) -> None:
        """Free everything; the backend is unusable afterwards."""
        ...

"""`LlamaGrammar`: constrained decoding with llama.cpp's grammar engine."""

from __future__ import annotations

import ctypes
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nano_lsp.inference.llama_library import llama

_Pointer: TypeAlias = Any  # to one of llama.cpp's opaque structs


class LlamaGrammar:
    """State of a GBNF grammar after the accepted tokens; implements `nano_lsp.inference.backend.Grammar`."""

    _ENTRY = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data

    def __init__(self, vocab: _Pointer, n_vocab: int, gbnf: str) -> None:
        self._sampler = llama.llama_sampler_init_grammar(vocab, gbnf.encode(), b"root")
        self._entries = np.zeros(n_vocab, self._ENTRY)

    @property
    def parsed(self) -> bool:
        """Whether the grammar was parsed; otherwise no method may be called."""
        return bool(self._sampler)

    def __del__(self) -> None:
        if self._sampler:
            llama.llama_sampler_free(self._sampler)

    def allows(self, token: int) -> bool:
        """Whether the grammar allows the token next."""
        entry = np.zeros(1, self._ENTRY)
        entry["id"] = token
        self._apply(entry)
        return bool(np.isfinite(entry["logit"][0]))

    def mask(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of the logits, shape (n_vocab,), with -inf for each token that the grammar rules out."""
        self._entries["id"] = np.arange(len(logits))
        self._entries["logit"] = logits
        self._apply(self._entries)
        allowed: NDArray[np.float32] = self._entries["logit"].copy()
        return allowed

    def accept(self, token: int) -> None:
        """Advance past a token that `allows` has allowed."""
        llama.llama_sampler_accept(self._sampler, token)

    def reset(self) -> None:
        """Return to the start of the grammar."""
        llama.llama_sampler_reset(self._sampler)

    def _apply(self, entries: NDArray[np.void]) -> None:
        data = ctypes.cast(entries.ctypes.data, ctypes.POINTER(llama.llama_token_data))
        array = llama.llama_token_data_array(data=data, size=len(entries), selected=-1, sorted=False)
        llama.llama_sampler_apply(self._sampler, ctypes.byref(array))

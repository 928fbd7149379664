"""`LlamaBackend`: a GGUF model in llama.cpp, through llama_cpp's low-level API.

It evaluates token ids and manages buffers; sampling and the bookkeeping of the KV cache are in other modules.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nano_lsp.errors import CancelledError, EngineError, GgufError, GrammarError, KvCacheFullError
from nano_lsp.inference.backend import MAX_LOGITS, Aborted
from nano_lsp.inference.llama_grammar import LlamaGrammar
from nano_lsp.inference.llama_library import VERSION, choose_variant, llama, load_variant, threads_sleep
from nano_lsp.inference.page_residency import SUPPORTED, ResidentWeights
from nano_lsp.inference.threads import ThreadCount
from nano_lsp.models.adapter_file import AdapterFile, check_adapter
from nano_lsp.models.gguf import read_header
from nano_lsp.schema import FimTokens, MemoryAccount, ModelSpec, WeightLayout
from nano_lsp.settings import Settings

_Pointer: TypeAlias = Any  # to one of llama.cpp's opaque structs

# Tokens until pages are released again: their embeddings map 10 to 30 MB, by the folios of the page cache; releasing
# takes 15 ms.
_RELEASE_TOKENS = 256


MAX_ADAPTERS = 2
"""Maximum number of adapters in memory: one of rank 16 for nano takes 37 MB in f16."""

_KV_TYPES = {"f16": llama.GGML_TYPE_F16, "q8_0": llama.GGML_TYPE_Q8_0, "q4_0": llama.GGML_TYPE_Q4_0}
_BUFFER_LINE = re.compile(r"(\w+) +(model|KV|compute|output) buffer size\s*=\s*([\d.]+) MiB")
_MAX_PIECE_BYTES = 512
_LOG_DEBUG = 1  # ggml.h, enum ggml_log_level
_LLAMA_LOG: deque[str] = deque(maxlen=400)


@llama.llama_log_callback  # type: ignore[untyped-decorator]
def _keep_log(level: int, text: bytes, _user_data: object) -> None:
    """Keep llama.cpp's log: its errors explain a failed load, its buffer sizes are the memory account."""
    if level != _LOG_DEBUG:
        _LLAMA_LOG.append(text.decode("utf-8", "replace").rstrip())


def system_info() -> str:
    """CPU features that llama.cpp was compiled with, in its own format, such as `CPU : AVX2 = 1 | OPENMP = 1 |`."""
    info: bytes = llama.llama_print_system_info()
    return info.decode("utf-8", "replace")


class LlamaBackend:
    """A GGUF model in memory, with its KV cache. Load it with `LlamaBackend.load`."""

    def __init__(
        self, model: _Pointer, context: _Pointer, weights: ResidentWeights, spec: ModelSpec, threads: ThreadCount
    ) -> None:
        self._model = model
        self._context = context
        self._vocab = llama.llama_model_get_vocab(model)
        self._memory = llama.llama_get_memory(context)
        self._batch = llama.llama_batch_init(spec.n_batch, 0, 1)
        self._n_kept = (0, 0)  # tokens, rows of logits of the last decode
        self._spec = spec
        self._weights = weights
        self._threads = threads
        self._n_threads = 0  # of the last batch
        self._account = _read_account(weights)
        # strlen as the abort callback: "" is false, "x" is true, and no Python runs between graph nodes.
        libc = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
        self._abort_flag = ctypes.create_string_buffer(2)
        self._abort_callback = ctypes.cast(libc.strlen, llama.ggml_abort_callback)
        llama.llama_set_abort_callback(context, self._abort_callback, ctypes.cast(self._abort_flag, ctypes.c_void_p))
        self._n_since_release = 0  # tokens evaluated since pages were released
        self._adapters: OrderedDict[AdapterFile, _Pointer] = OrderedDict()  # the most recently used one last

    @classmethod
    def load(
        cls,
        path: Path,
        settings: Settings,
        *,
        layout: WeightLayout = WeightLayout.REPACKED,
        variant: str = "",
        name: str = "",
        on_progress: Callable[[float], bool] | None = None,
        on_step: Callable[[str], None] = lambda _step: None,
    ) -> LlamaBackend:
        """Load a model file that the model store has verified.

        Args:
            path: Path of the GGUF file.
            settings: Settings of context, threads and KV type.
            layout: Layout of the weights with which llama.cpp works on this CPU; see `selftest`.
            variant: Variant of llama.cpp's code for the CPU that works; empty takes the fastest, where there are
                several.
            name: Display name of the model; the file's name if empty.
            on_progress: Receives the share of the file read, 0 to 1; returning False cancels loading.
            on_step: Called after a step: `file`, `context`.

        Raises:
            GgufError: llama.cpp cannot load the file.
            EngineError: There is no memory for the context.
            CancelledError: `on_progress` returned False.
        """
        weights = ResidentWeights(path, read_header(path))
        _LLAMA_LOG.clear()
        llama.llama_log_set(_keep_log, ctypes.c_void_p(0))
        load_variant(variant or choose_variant())
        llama.llama_backend_init()
        params = llama.llama_model_default_params()
        params.n_gpu_layers = 0
        params.use_extra_bufts = layout is WeightLayout.REPACKED
        # Mapped pages are released during repacking; where that is not supported, reading takes less memory.
        params.load_mode = llama.LLAMA_LOAD_MODE_MMAP if SUPPORTED else llama.LLAMA_LOAD_MODE_NONE
        released, is_cancelled = -1.0, False  # the whole file is mapped when it is first called

        @llama.llama_progress_callback  # type: ignore[untyped-decorator]
        def progress(share: float, _user_data: object) -> bool:
            nonlocal released, is_cancelled
            if share - released >= 0.05:
                released = share
                weights.release_all()
            is_cancelled = on_progress is not None and not on_progress(share)
            return not is_cancelled

        params.progress_callback = progress
        model = llama.llama_model_load_from_file(os.fsencode(path), params)
        if not model and is_cancelled:
            raise CancelledError("Loading was cancelled.")
        if not model:
            raise GgufError(
                f"llama.cpp cannot load {path}: {_last_error()}",
                "Run `nano-lsp model verify NAME`, or download the file again.",
            )
        weights.set_buffers({found[1] for line in _LLAMA_LOG if (found := _BUFFER_LINE.search(line))})
        weights.release_cold()
        on_step("file")
        try:
            context = _new_context(model, settings)
        except EngineError:
            llama.llama_model_free(model)
            raise
        spec = _read_spec(model, context, path, settings, name or path.stem)
        on_step("context")
        return cls(model, context, weights, spec, ThreadCount(settings.n_threads, sleeping=threads_sleep()))

    @property
    def spec(self) -> ModelSpec:
        """Properties of the model."""
        return self._spec

    def tokenize(self, text: str, *, parse_special: bool = False) -> list[int]:
        """Token ids of a text, without start or end tokens; lone surrogates are replaced."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        ids = (llama.llama_token * size)()
        n = llama.llama_tokenize(self._vocab, data, len(data), ids, size, False, parse_special)
        if n < 0:
            raise EngineError(f"llama.cpp cannot tokenize a text of {len(data)} bytes.", "Shorten it.")
        return list(ids[:n])

    def piece(self, token: int) -> bytes:
        """Bytes of a token; empty for control tokens."""
        buffer = ctypes.create_string_buffer(_MAX_PIECE_BYTES)
        n = llama.llama_token_to_piece(self._vocab, token, buffer, _MAX_PIECE_BYTES, 0, False)
        return buffer.raw[: max(n, 0)]

    def set_adapter(self, adapter: AdapterFile | None) -> None:
        """Evaluate all later batches with an adapter; see `Backend.set_adapter`.

        At most `MAX_ADAPTERS` stay in memory: the least recently used one is freed. It is never the one in use, which
        was used last, unless the model alone was used since.
        """
        if adapter is None:
            llama.llama_set_adapters_lora(self._context, None, 0, None)
            return
        if adapter not in self._adapters:
            if len(self._adapters) >= MAX_ADAPTERS:
                llama.llama_adapter_lora_free(self._adapters.popitem(last=False)[1])
            self._adapters[adapter] = self._load_adapter(adapter)
        self._adapters.move_to_end(adapter)
        pointers = (llama.llama_adapter_lora_p_ctypes * 1)(self._adapters[adapter])
        llama.llama_set_adapters_lora(self._context, pointers, 1, (ctypes.c_float * 1)(1.0))

    def _load_adapter(self, adapter: AdapterFile) -> _Pointer:
        if check_adapter(adapter.path) != adapter:  # it waited in the queue
            raise GgufError(f"The adapter {adapter.path} has changed meanwhile.", "Ask again.")
        loaded = llama.llama_adapter_lora_init(self._model, os.fsencode(adapter.path))
        if not loaded:
            raise GgufError(
                f"llama.cpp cannot load the adapter {adapter.path}: {_last_error()}",
                "Give a LoRA adapter in GGUF that was made for this model.",
            )
        return loaded

    def decode(self, tokens: Sequence[int], *, n_past: int, seq_id: int, n_logits: int = 1) -> None:
        """Evaluate tokens; see `Backend.decode`."""
        n = len(tokens)
        if not 1 <= n <= self._spec.n_batch or n_logits > min(n, MAX_LOGITS):
            limits = f"at most {self._spec.n_batch} tokens and {MAX_LOGITS} rows fit"
            raise EngineError(f"A batch of {n} tokens with {n_logits} rows of logits is not possible: {limits}.")
        batch = self._batch
        batch.n_tokens = n
        for i, token in enumerate(tokens):
            batch.token[i] = token
            batch.pos[i] = n_past + i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = seq_id
            batch.logits[i] = i >= n - n_logits
        if (n_threads := self._threads.next()) != self._n_threads:
            llama.llama_set_n_threads(self._context, n_threads, n_threads)
            self._n_threads = n_threads
        code = llama.llama_decode(self._context, batch)
        self._n_kept = (n, n_logits) if code == 0 else (0, 0)
        self._n_since_release += n
        if self._n_since_release >= _RELEASE_TOKENS:
            self._weights.release_cold()
            self._n_since_release = 0
        if code == 0:
            return
        self.seq_trim(seq_id, n_past)
        if code == 2:
            raise Aborted
        if code == 1:
            raise KvCacheFullError(f"The KV cache of {self._spec.n_ctx} tokens is full.", "Raise the setting n_ctx.")
        raise EngineError(
            f"llama.cpp failed with code {code}: {_last_error()}",
            "Run `nano-lsp engine stop` and try again; report it if it happens again.",
        )

    def logits(self, index: int) -> NDArray[np.float32]:
        """Logits, shape (n_vocab,), of the index-th kept token of the last `decode`; a view."""
        n, n_logits = self._n_kept
        if not 0 <= index < n_logits:
            raise EngineError(f"The last decode kept {n_logits} rows of logits, not row {index}.")
        pointer = llama.llama_get_logits_ith(self._context, n - n_logits + index)
        row: NDArray[np.float32] = np.ctypeslib.as_array(pointer, (self._spec.n_vocab,))
        return row

    def seq_copy(self, source: int, target: int, n_past: int) -> None:
        """Let an empty sequence share the first n_past tokens of another one."""
        llama.llama_memory_seq_cp(self._memory, source, target, 0, n_past)

    def seq_trim(self, seq_id: int, n_past: int) -> None:
        """Truncate a sequence to its first n_past tokens."""
        llama.llama_memory_seq_rm(self._memory, seq_id, n_past, -1)

    def seq_save(self, seq_id: int) -> bytes:
        """Serialize the keys and values of a sequence."""
        size = llama.llama_state_seq_get_size(self._context, seq_id)
        buffer = (ctypes.c_uint8 * size)()
        written = llama.llama_state_seq_get_data(self._context, buffer, size, seq_id)
        return bytes(memoryview(buffer)[:written])

    def seq_load(self, seq_id: int, state: bytes) -> None:
        """Restore a state from `seq_save` into an empty sequence; see `Backend.seq_load`."""
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        if not llama.llama_state_seq_set_data(self._context, buffer, len(state), seq_id):
            self.seq_trim(seq_id, 0)
            raise EngineError("A saved KV sequence does not fit this model or its free cells.")

    def compile_grammar(self, gbnf: str) -> LlamaGrammar:
        """Compile a GBNF grammar whose start symbol is `root`; see `Backend.compile_grammar`."""
        grammar = LlamaGrammar(self._vocab, self._spec.n_vocab, gbnf)
        if not gbnf.strip() or not grammar.parsed:
            raise GrammarError(f"The grammar cannot be parsed: {_last_error()}", "Write GBNF with a rule named root.")
        return grammar

    def abort(self) -> None:
        """Make a running `decode` raise `Aborted` soon; callable from any thread."""
        self._abort_flag[0] = b"x"

    def clear_abort(self) -> None:
        """Reset the abort flag."""
        self._abort_flag[0] = b"\0"

    def memory(self) -> MemoryAccount:
        """Memory by purpose, from the buffer sizes that llama.cpp reports."""
        return self._account

    def close(self) -> None:
        """Free everything; the backend is unusable afterwards."""
        if self._context is None:
            return
        llama.llama_batch_free(self._batch)
        llama.llama_free(self._context)
        llama.llama_model_free(self._model)  # frees the adapters as well
        self._context = self._model = None


def _new_context(model: _Pointer, settings: Settings) -> _Pointer:
    params = llama.llama_context_default_params()
    params.n_ctx = settings.n_ctx
    params.n_batch = params.n_ubatch = settings.n_batch
    params.n_seq_max = settings.n_seq_max
    params.n_outputs_max = max(MAX_LOGITS, settings.n_seq_max)  # llama.cpp asserts at least one per sequence
    params.kv_unified = True  # all sequences share the cells, so a fork copies nothing
    params.type_k = params.type_v = _KV_TYPES[settings.kv_type]
    # On a CPU the fused kernel reads prompts slower, by half at 3,000 tokens; only a quantized cache needs it.
    fused = settings.kv_type != "f16"
    params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_ENABLED if fused else llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.offload_kqv = params.op_offload = False
    params.no_perf = True
    context = llama.llama_init_from_model(model, params)
    if not context:
        raise EngineError(
            f"A context of {settings.n_ctx} tokens cannot be created: {_last_error()}",
            "Lower the setting n_ctx, or set kv_type to q8_0.",
        )
    return context


def _read_spec(model: _Pointer, context: _Pointer, path: Path, settings: Settings, name: str) -> ModelSpec:
    vocab = llama.llama_model_get_vocab(model)
    n_vocab = llama.llama_vocab_n_tokens(vocab)
    bos = llama.llama_vocab_bos(vocab)
    fim = FimTokens(
        llama.llama_vocab_fim_pre(vocab), llama.llama_vocab_fim_suf(vocab), llama.llama_vocab_fim_mid(vocab)
    )
    template = llama.llama_model_chat_template(model, None)
    return ModelSpec(
        name=name,
        fingerprint=_fingerprint(path, settings),
        n_vocab=n_vocab,
        n_ctx=llama.llama_n_ctx(context),
        n_batch=settings.n_batch,
        n_seq_max=settings.n_seq_max,
        eog_ids=frozenset(i for i in range(n_vocab) if llama.llama_vocab_is_eog(vocab, i)),
        bos_id=bos if bos >= 0 and llama.llama_vocab_get_add_bos(vocab) else None,
        fim=fim if min(fim.prefix, fim.suffix, fim.middle) >= 0 else None,
        chat_template=template.decode("utf-8", "replace") if template else None,
    )


def _fingerprint(path: Path, settings: Settings) -> str:
    """Hash of the weights, KV type and llama.cpp's version; of the weights, their size and 64 samples of 64 KiB."""
    digest = hashlib.sha256(f"{VERSION} {settings.kv_type}".encode())
    size = path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as stream:
        for i in range(64):
            stream.seek(size * i // 64)
            digest.update(stream.read(65_536))
    return digest.hexdigest()


def _read_account(weights: ResidentWeights) -> MemoryAccount:
    sizes = {"KV": 0.0, "compute": 0.0, "output": 0.0, "model": 0.0}
    for line in _LLAMA_LOG:
        if found := _BUFFER_LINE.search(line):
            sizes[found[2]] += 0.0 if found[1] == "CPU_Mapped" else float(found[3])
    mib = 1 << 20
    mapped = weights.hot_bytes if SUPPORTED else 0
    return MemoryAccount(
        weights_bytes=int(sizes["model"] * mib) + mapped,
        kv_cache_bytes=int(sizes["KV"] * mib),
        compute_bytes=int((sizes["compute"] + sizes["output"]) * mib),
    )


def _last_error() -> str:
    """The newest line of llama.cpp's log that reports a failure."""
    for line in reversed(_LLAMA_LOG):
        if any(word in line.lower() for word in ("error", "fail", "unexpected", "invalid", "expect")):
            return line.strip()
    return "no reason was given"

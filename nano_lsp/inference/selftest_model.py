"""A tiny model for the self-test of llama.cpp, and a reference implementation of its logits.

The weights are random bytes in each of the tensor types of nano-lsp's models, so that the self-test runs the same
kernels. The reference is the architecture in NumPy, on the weights as the `gguf` package dequantizes them: it shares
no code with llama.cpp's kernels.

Architecture: Qwen2 (https://arxiv.org/abs/2407.10671): RMSNorm, grouped-query attention with biases and rotary
positions, SwiGLU.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]

WIDTH, HIDDEN, VOCABULARY = 256, 512, 288
"""Rows and columns are multiples of 32 and 256; otherwise llama.cpp uses its generic kernels."""
N_HEADS, N_KV_HEADS, HEAD = 4, 2, 64
ROPE_BASE, EPSILON = 1_000_000.0, 1e-6
N_CTX = 512

# One layer for each mixture: Q4_K_M as nano has it, pico's, smol's.
_LAYERS = ((Type.Q4_K, Type.Q6_K), (Type.Q5_0, Type.Q8_0), (Type.Q4_1, Type.Q8_0))
# Offsets of the two-byte scales in a block, and what each is in units of the first (ggml-common.h): the second one is
# subtracted, or added, and centres the values around zero.
_SCALES: dict[Type, tuple[tuple[int, float], ...]] = {
    Type.Q4_K: ((0, 1.0), (2, 7.5)),
    Type.Q6_K: ((208, 1.0),),
    Type.Q5_0: ((0, 1.0),),
    Type.Q8_0: ((0, 1.0),),
    Type.Q4_1: ((0, 1.0), (2, -7.5)),
}


class SelfTestModel:
    """The tiny model's weights, which are always the same.

    Attributes:
        tokens: Token ids that the self-test evaluates.
    """

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)
        self._stored: dict[str, tuple[NDArray[np.uint8] | Array, Type]] = {}
        self._weights: dict[str, Array] = {}
        self.tokens = [int(token) for token in self._random.integers(0, VOCABULARY, 48)]
        self._add("token_embd.weight", VOCABULARY, WIDTH, Type.Q4_K)
        self._add("output.weight", VOCABULARY, WIDTH, Type.Q6_K)
        self._add_vector("output_norm.weight", 1.0, WIDTH)
        for i, (main, precise) in enumerate(_LAYERS):
            self._add_vector(f"blk.{i}.attn_norm.weight", 1.0, WIDTH)
            self._add_vector(f"blk.{i}.ffn_norm.weight", 1.0, WIDTH)
            for name, rows, columns, kind in (
                ("attn_q", N_HEADS * HEAD, WIDTH, main),
                ("attn_k", N_KV_HEADS * HEAD, WIDTH, main),
                ("attn_v", N_KV_HEADS * HEAD, WIDTH, precise),
                ("attn_output", WIDTH, N_HEADS * HEAD, main),
                ("ffn_gate", HIDDEN, WIDTH, main),
                ("ffn_up", HIDDEN, WIDTH, main),
                ("ffn_down", WIDTH, HIDDEN, precise),
            ):
                self._add(f"blk.{i}.{name}.weight", rows, columns, kind)
                if name in {"attn_q", "attn_k", "attn_v"}:
                    self._add_vector(f"blk.{i}.{name}.bias", 0.0, rows)

    def write(self, path: Path) -> None:
        """Write the model as a GGUF file."""
        writer = gguf.GGUFWriter(path, "qwen2")
        writer.add_block_count(len(_LAYERS))
        writer.add_context_length(N_CTX)
        writer.add_embedding_length(WIDTH)
        writer.add_feed_forward_length(HIDDEN)
        writer.add_head_count(N_HEADS)
        writer.add_head_count_kv(N_KV_HEADS)
        writer.add_rope_freq_base(ROPE_BASE)
        writer.add_layer_norm_rms_eps(EPSILON)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2")
        writer.add_token_list([f"t{i}" for i in range(VOCABULARY)])
        writer.add_token_merges(["t 0"])
        writer.add_eos_token_id(0)
        for name, (stored, kind) in self._stored.items():
            writer.add_tensor(name, stored, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def logits(self) -> Array:
        """Reference logits of each of `tokens`, shape (n_tokens, n_vocab)."""
        weights = self._weights
        x = weights["token_embd.weight"][self.tokens]
        for i in range(len(_LAYERS)):
            x = x + self._attend(f"blk.{i}", _normalize(x, weights[f"blk.{i}.attn_norm.weight"]))
            h = _normalize(x, weights[f"blk.{i}.ffn_norm.weight"])
            gate, up = (h @ weights[f"blk.{i}.ffn_{name}.weight"].T for name in ("gate", "up"))
            x = x + (gate / (1 + np.exp(-gate)) * up) @ weights[f"blk.{i}.ffn_down.weight"].T
        result: Array = _normalize(x, weights["output_norm.weight"]) @ weights["output.weight"].T
        return result

    def _attend(self, layer: str, x: Array) -> Array:
        """Grouped-query attention of a layer, shape (n_tokens, WIDTH)."""
        n, weights = len(x), self._weights
        q, k, v = (
            (x @ weights[f"{layer}.attn_{name}.weight"].T + weights[f"{layer}.attn_{name}.bias"]).reshape(n, -1, HEAD)
            for name in "qkv"
        )
        q, k = _rotate(q), _rotate(k)
        share = N_HEADS // N_KV_HEADS
        k, v = np.repeat(k, share, axis=1), np.repeat(v, share, axis=1)
        scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(HEAD)
        scores = np.where(np.tril(np.ones((n, n), bool)), scores, -np.inf)
        probabilities = np.exp(scores - scores.max(axis=-1, keepdims=True))
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        mixed = np.einsum("hij,jhd->ihd", probabilities, v).reshape(n, -1)
        result: Array = mixed @ weights[f"{layer}.attn_output.weight"].T
        return result

    def _add(self, name: str, rows: int, columns: int, kind: Type) -> None:
        """Add a matrix of random blocks, scaled so that multiplying by it preserves the variance."""
        values, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = self._random.integers(0, 256, (rows * columns // values, size), dtype=np.uint8)

        def stored(scale: float) -> NDArray[np.uint8]:
            for offset, factor in _SCALES[kind]:
                blocks[:, offset : offset + 2] = np.array([scale * factor], np.float16).view(np.uint8)
            return blocks.reshape(rows, -1)

        spread = float(np.std(dequantize(stored(1.0), kind)))
        self._stored[name] = stored(1 / (spread * np.sqrt(columns))), kind
        self._weights[name] = dequantize(self._stored[name][0], kind).astype(np.float32)

    def _add_vector(self, name: str, mean: float, size: int) -> None:
        vector = (mean + 0.1 * self._random.standard_normal(size)).astype(np.float32)
        self._stored[name] = vector, Type.F32
        self._weights[name] = vector


def _normalize(x: Array, weight: Array) -> Array:
    """RMSNorm (https://arxiv.org/abs/1910.07467)."""
    result: Array = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPSILON) * weight
    return result


def _rotate(x: Array) -> Array:
    """Rotary positions (https://arxiv.org/abs/2104.09864); Qwen2 pairs each value with the one half a head later."""
    angles = np.arange(len(x))[:, None] * ROPE_BASE ** (-np.arange(0, HEAD, 2) / HEAD)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    one, two = x[..., : HEAD // 2], x[..., HEAD // 2 :]
    return np.concatenate([one * cos - two * sin, one * sin + two * cos], axis=-1).astype(np.float32)

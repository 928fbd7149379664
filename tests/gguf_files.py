"""Writes small GGUF files with the `gguf` package, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import gguf
import numpy as np

EMBEDDING, FEED_FORWARD, VOCABULARY = 64, 96, 40


def write_model(
    path: Path, architecture: str = "qwen2", *, n_layers: int = 2, tied: bool = True, n_vocab: int = VOCABULARY
) -> Path:
    """Write a tiny model; its weights are zeros."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_file_type(15)
    writer.add_block_count(n_layers)
    writer.add_context_length(512)
    writer.add_embedding_length(EMBEDDING)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(4)
    writer.add_head_count_kv(1)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"t{i}" for i in range(n_vocab)])
    writer.add_tensor("token_embd.weight", np.zeros((n_vocab, EMBEDDING), np.float32))
    if not tied:
        writer.add_tensor("output.weight", np.zeros((n_vocab, EMBEDDING), np.float32))
    for i in range(n_layers):
        writer.add_tensor(f"blk.{i}.attn_q.weight", np.zeros((EMBEDDING, EMBEDDING), np.float16))
        writer.add_tensor(f"blk.{i}.ffn_gate.weight", np.zeros((FEED_FORWARD, EMBEDDING), np.float32))
        writer.add_tensor(f"blk.{i}.attn_norm.weight", np.zeros(EMBEDDING, np.float32))
    return _finish(writer, path)


def write_adapter(
    path: Path,
    *,
    layers: int,
    width: int,
    kv_width: int,
    scale: float = 1.0,
    seed: int = 5,
    architecture: str = "llama",
    weight: str = "attn_v",
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write a LoRA adapter of rank 2 for one projection of each layer, by default the values of a llama model."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 2.0)
    for key, value in metadata.items():
        writer.add_string(key, value)
    random = np.random.default_rng(seed)
    for i in range(layers):
        a = random.normal(size=(2, width)).astype(np.float32) * scale
        b = random.normal(size=(kv_width, 2)).astype(np.float32) * scale
        writer.add_tensor(f"blk.{i}.{weight}.weight.lora_a", a)
        writer.add_tensor(f"blk.{i}.{weight}.weight.lora_b", b)
    return _finish(writer, path)


def write_tiny_adapter(path: Path, metadata: Mapping[str, str] = MappingProxyType({}), *, seed: int = 5) -> Path:
    """Write an adapter that fits the model of `write_model`."""
    return write_adapter(
        path,
        layers=2,
        width=EMBEDDING,
        kv_width=EMBEDDING,
        seed=seed,
        architecture="qwen2",
        weight="attn_q",
        metadata=metadata,
    )


def _finish(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path

"""The architecture of a GGUF file, whether it is supported, and how it differs from the specification."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nano_lsp.errors import ArchitectureError, GgufError
from nano_lsp.models.gguf import GgufHeader, TensorInfo

SERVED = ("qwen2", "llama")
"""Supported values of `general.architecture`: those that prompts and the KV cache are tested with."""

_FILE_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    14: "Q4_K_S",
    15: "Q4_K_M",
    17: "Q5_K_M",
    18: "Q6_K",
}
"""`general.file_type`: llama.h, enum llama_ftype."""


@dataclass(frozen=True)
class Architecture:
    """Architecture of one model file.

    Attributes:
        family: Architecture family, `general.architecture`.
        parameters: Number of weights; a matrix shared by embedding and output counts once.
        stored_parameters: Number of weights in the file.
        layers: Number of transformer blocks.
        query_heads: Number of attention heads.
        kv_heads: Number of key/value heads.
        head_size: Dimension of a head.
        swiglu: Whether the feed-forward layer is gated.
        rope_base: Base frequency of the rotary positions.
        context: Context length of the training, in tokens.
        vocabulary: Number of tokens in the vocabulary.
        quantization: Name of the quantization mixture.
        tensor_classes: Bytes by type, by class of tensors.
        file_bytes: Size of the file.
    """

    family: str
    parameters: int
    stored_parameters: int
    layers: int
    query_heads: int
    kv_heads: int
    head_size: int
    swiglu: bool
    rope_base: float
    context: int
    vocabulary: int
    quantization: str
    tensor_classes: Mapping[str, Mapping[str, int]]
    file_bytes: int

    @property
    def kv_bytes_per_token(self) -> int:
        """Size of the keys and values of one token in all layers, f16."""
        return self.layers * self.kv_heads * self.head_size * 2 * 2

    @property
    def kv_saving(self) -> float:
        """Share of the KV cache saved compared with full attention, which has one key/value head per query head."""
        return 1 - self.kv_heads / self.query_heads


def describe(header: GgufHeader) -> Architecture:
    """The architecture of a model file.

    Raises:
        GgufError: The header lacks a required value.
    """
    family = str(header.metadata.get("general.architecture", ""))

    def number(key: str, default: float | None = None) -> float:
        value = header.metadata.get(f"{family}.{key}", default)
        if not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
            raise GgufError(f"The header has no valid value for {family}.{key}.", "Pull the model again.")
        return value

    names = {tensor.name for tensor in header.tensors}
    heads = int(number("attention.head_count"))
    embedding = next((math.prod(t.shape) for t in header.tensors if t.name == "token_embd.weight"), 0)
    stored = sum(math.prod(tensor.shape) for tensor in header.tensors)
    classes: dict[str, Counter[str]] = {}
    for tensor in header.tensors:
        classes.setdefault(_tensor_class(tensor), Counter())[tensor.type_name] += tensor.n_bytes
    file_type = header.metadata.get("general.file_type", -1)
    return Architecture(
        family=family,
        parameters=stored - embedding * ("output.weight" in names),
        stored_parameters=stored,
        layers=int(number("block_count")),
        query_heads=heads,
        kv_heads=int(number("attention.head_count_kv", heads)),
        head_size=int(number("attention.key_length", number("embedding_length") // heads)),
        swiglu=any(".ffn_gate." in name for name in names),
        rope_base=number("rope.freq_base", 10_000.0),
        context=int(number("context_length")),
        vocabulary=header.array_lengths.get("tokenizer.ggml.tokens", 0),
        quantization=_FILE_TYPES.get(int(file_type), "unknown") if isinstance(file_type, int) else "unknown",
        tensor_classes={name: dict(classes[name]) for name in sorted(classes)},
        file_bytes=header.file_bytes,
    )


def differences(found: Architecture) -> Iterator[str]:
    """Differences between a model and the NEURO-NANO specification, a sentence each."""
    exact: dict[str, tuple[object, object]] = {
        "query heads": (found.query_heads, 12),
        "key/value heads": (found.kv_heads, 2),
        "RoPE base": (found.rope_base, 1_000_000),
        "context": (found.context, 32_768),
        "vocabulary": (found.vocabulary, 151_936),
        "quantization": (found.quantization, "Q4_K_M"),
        "SwiGLU": (found.swiglu, True),
    }
    for name, (value, specified) in exact.items():
        if value != specified:
            yield f"{name}: {_text(value)}, specified is {_text(specified)}"
    if abs(found.parameters - 1.54e9) > 0.01e9:
        yield f"parameters: {found.parameters / 1e9:.2f} billion, specified are 1.54 billion"
    if found.stored_parameters != found.parameters:
        yield (
            f"stored parameters: {found.stored_parameters / 1e9:.2f} billion, because the embedding is stored "
            f"again as the output matrix; counted once they are {found.parameters / 1e9:.2f} billion"
        )
    if abs(found.file_bytes / 1e6 - 980) > 20:
        yield f"file: {found.file_bytes / 1e6:,.0f} MB, specified are about 980 MB"


def check_servable(header: GgufHeader) -> None:
    """Check that a file is a language model of a supported architecture.

    Raises:
        ArchitectureError: The file is an adapter, or of an unsupported architecture.
    """
    if header.metadata.get("general.type", "model") == "adapter":
        raise ArchitectureError(
            "This GGUF file is an adapter, not a model.", "Use it over a model: `nano-lsp adapter use FILE.gguf`."
        )
    family = header.metadata.get("general.architecture")
    if family not in SERVED:
        raise ArchitectureError(
            f"The architecture of this model is {family!r}; supported are {', '.join(SERVED)}.",
            "Choose a model from `nano-lsp model list`.",
        )
    if not header.tensors:
        raise ArchitectureError("This GGUF file contains no weights.", "Choose a model from `nano-lsp model list`.")


def _tensor_class(tensor: TensorInfo) -> str:
    if len(tensor.shape) == 1:
        return "norms and biases"
    if tensor.name.startswith("token_embd"):
        return "embedding"
    if tensor.name.startswith("output"):
        return "output"
    return "attention" if ".attn" in tensor.name else "feed-forward"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)

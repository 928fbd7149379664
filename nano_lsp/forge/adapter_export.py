"""Writes and reads a LoRA adapter (Hu et al. 2021, arXiv 2106.09685) as a GGUF file, which llama.cpp loads as well.

Names and shapes are those of llama.cpp's `convert_lora_to_gguf.py`, and of `llama-adapter.cpp`, which reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from nano_lsp.atomic_files import whole_file
from nano_lsp.errors import ForgeError
from nano_lsp.forge.recipe import Training
from nano_lsp.models.architecture import describe
from nano_lsp.models.gguf import GgufHeader

_TENSORS = {
    # Module of transformers: tensor of llama.cpp.
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
}

Adapter = Mapping[tuple[int, str], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Matrices A, shape (rank, n_inputs), and B, shape (n_outputs, rank), by layer and module of transformers."""


def count_parameters(base: GgufHeader, training: Training) -> int:
    """Number of weights of an adapter.

    Raises:
        ForgeError: The recipe names a module that the base model does not have.
    """
    shapes = {tensor.name: tensor.shape for tensor in base.tensors}
    n_parameters = 0
    for module in training.modules:
        for layer in range(describe(base).layers):
            shape = shapes.get(_tensor_name(layer, module))
            if shape is None:
                raise ForgeError(
                    f"The base model has no module {module} in layer {layer}.",
                    f"Name some of these as modules of the recipe: {', '.join(_TENSORS)}.",
                )
            n_parameters += training.rank * sum(shape)
    return n_parameters


def write_adapter(
    path: Path, base: GgufHeader, adapter: Adapter, *, alpha: float, metadata: Mapping[str, str]
) -> None:
    """Write an adapter in f16; the file has its name only when it is complete.

    Args:
        path: Path of the new file.
        base: Header of the base model's file.
        adapter: The matrices.
        alpha: Scale of the adapter; llama.cpp divides it by the rank.
        metadata: Texts about the adapter, by key.

    Raises:
        OSError: The file cannot be written.
    """
    heads = _reordered_heads(base)
    with whole_file(path) as new:
        writer = gguf.GGUFWriter(new, describe(base).family)
        try:
            writer.add_type("adapter")
            writer.add_string("adapter.type", "lora")
            writer.add_float32("adapter.lora.alpha", alpha)
            for key, text in metadata.items():
                writer.add_string(key, text)
            for (layer, module), (a, b) in sorted(adapter.items()):
                if module in heads:
                    b = _interleave(b, heads[module])  # noqa: PLW2901 - the same matrix in another order
                name = _tensor_name(layer, module)
                writer.add_tensor(f"{name}.lora_a", a.astype(np.float16))
                writer.add_tensor(f"{name}.lora_b", b.astype(np.float16))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()


def read_start(path: Path, base: GgufHeader, training: Training) -> Adapter:
    """Read an adapter to start training from; with the scale of the recipe it has the same effect as with its own.

    Args:
        path: Path of the file, which has been checked.
        base: Header of the base model's file.
        training: Hyperparameters.

    Raises:
        ForgeError: It has more modules or a higher rank than the recipe.
    """
    reader = gguf.GGUFReader(path)
    alpha, heads = float(reader.fields["adapter.lora.alpha"].contents()), _reordered_heads(base)
    tensors = {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    adapter = {}
    for module in training.modules:
        for layer in range(describe(base).layers):
            name = _tensor_name(layer, module)
            a, b = tensors.pop(f"{name}.lora_a", None), tensors.pop(f"{name}.lora_b", None)
            if a is None or b is None or len(a) > training.rank:
                continue
            b = _split(b, heads[module]) if module in heads else b
            adapter[layer, module] = a, b * np.float32(alpha / len(a) / (training.alpha / training.rank))
    if tensors or not adapter:
        raise ForgeError(
            f"The recipe cannot go on from {path}, which has other modules or a higher rank.",
            'Give the recipe its modules and its rank (`nano-lsp adapter show`), or `start = "new"`.',
        )
    return adapter


def _tensor_name(layer: int, module: str) -> str:
    return f"blk.{layer}.{_TENSORS.get(module, module)}.weight"


def _reordered_heads(base: GgufHeader) -> dict[str, int]:
    """Number of heads of the modules whose outputs llama.cpp has in another order than transformers.

    Of `llama` models it has the two halves of a rotary pair side by side, transformers one half after the other, and
    undoes that when it loads the base model: so the outputs of an adapter have to change places as well.
    """
    model = describe(base)
    return {"q_proj": model.query_heads, "k_proj": model.kv_heads} if model.family == "llama" else {}


def _interleave(b: NDArray[np.float32], n_heads: int) -> NDArray[np.float32]:
    """Put the n rows of each head into the order 0, n/2, 1, n/2 + 1 and so on."""
    rows: NDArray[np.float32] = b.reshape(n_heads, 2, -1, b.shape[1]).swapaxes(1, 2).reshape(b.shape)
    return rows


def _split(b: NDArray[np.float32], n_heads: int) -> NDArray[np.float32]:
    """Undo `_interleave`."""
    rows: NDArray[np.float32] = b.reshape(n_heads, -1, 2, b.shape[1]).swapaxes(1, 2).reshape(b.shape)
    return rows

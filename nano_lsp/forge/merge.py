"""Merges an adapter into a model: a model file of its own, which needs no adapter.

The weights that the adapter changes are dequantized, W + alpha / rank * B A (Hu et al. 2021, arXiv 2106.09685) is
written in f16, and llama.cpp quantizes the file to Q4_K_M in a child process. All other tensors are copied as they
are; those that have their type in this mixture already stay the same, bit for bit.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize
from numpy.typing import NDArray

from nano_lsp.atomic_files import file_beside, require_disk_space, whole_file
from nano_lsp.errors import AdapterError, ForgeError, MemoryShortageError
from nano_lsp.inference import hardware
from nano_lsp.models.adapter_file import (
    BASE_KEY,
    DATA_CARD_KEY,
    EMBEDDING,
    RECIPE_KEY,
    TRAINING_KEY,
    BaseModel,
    base_sha256,
    check_adapter,
)
from nano_lsp.models.architecture import check_servable, describe
from nano_lsp.models.gguf import GgufHeader, TensorInfo, read_header
from nano_lsp.models.store import FileProgress

QUANTIZATION = "Q4_K_M"
"""llama.cpp's name of the quantization of the result."""
_BYTES_PER_VOCABULARY_TOKEN = 4000  # GGUFReader: an object for each string
_MEMORY_PER_WEIGHT = 16  # dequantized, the product, their sum, in f16
_OVERHEAD_BYTES = 200 << 20
_SPARE_BYTES = 64 << 20
# Metadata of the base that are not true of the merged model: its names, addresses and authors, what it was made of,
# how it was quantized. llama.cpp notes the type of the file and the version of the quantization.
_OF_BASE = re.compile(r"general\.(?!(?:type|size_label|languages)$|license|sampling\.)|quantize\.|split\.|nano_lsp\.")
_STEP = re.compile(rb"\[ *(\d+)/ *(\d+)\]")


def merge_adapter(
    adapter: Path, base: BaseModel, output: Path, on_progress: FileProgress, *, check_memory: bool = True
) -> None:
    """Write a model file with an adapter merged into it; the file appears when it is complete and checked.

    Args:
        adapter: Path of the adapter file.
        base: The model, whose file has been verified.
        output: Path of the new GGUF file, which must not exist.
        on_progress: Receives the progress of merging and of quantizing, in bytes.
        check_memory: Whether to refuse where less memory is available than needed.

    Raises:
        GgufError, AdapterError: The adapter is damaged, is for another model, or changes the embedding.
        ForgeError: The output exists, or llama.cpp could not quantize, or the result is not what it should be.
        MemoryShortageError, DiskSpaceError: Less memory or disk space is available than needed.
        OSError: The folder cannot be written.
    """
    check_adapter(adapter, base)
    header, lora = read_header(base.path), read_header(adapter)
    changed = {tensor.name.removesuffix(".lora_a") for tensor in lora.tensors if tensor.name.endswith(".lora_a")}
    if EMBEDDING in changed:
        raise AdapterError(f"{adapter} changes the embedding, which cannot be merged.", "Use it as an adapter.")
    _refuse_existing(output)
    _check_room(header, changed, output, check_memory=check_memory)
    with file_beside(output) as merged, whole_file(output) as quantized:
        _write_merged(merged, adapter, base, changed, on_progress, name=output.stem)
        _quantize(merged, quantized, on_progress)
        _check_result(read_header(quantized), header)
        _refuse_existing(output)  # made meanwhile, which takes minutes


def _refuse_existing(output: Path) -> None:
    if output.exists():
        raise ForgeError(f"{output} exists already.", "Give another --output, or delete it.")


def _check_room(header: GgufHeader, changed: set[str], output: Path, *, check_memory: bool) -> None:
    """Check memory and disk space, both at the peak.

    Raises:
        MemoryShortageError, DiskSpaceError: There is less than needed.
    """
    sizes = {tensor.name: math.prod(tensor.shape) for tensor in header.tensors}
    vocabulary = header.array_lengths.get("tokenizer.ggml.tokens", 0)
    largest = max(sizes[name] for name in changed)
    needed = _OVERHEAD_BYTES + _BYTES_PER_VOCABULARY_TOKEN * vocabulary + _MEMORY_PER_WEIGHT * largest
    memory = hardware.find_memory()
    if check_memory and needed > memory.usable_bytes:
        raise MemoryShortageError(
            f"Merging needs about {needed >> 20:,} MiB of memory; there are {memory}.",
            "Close other programs. The setting check_memory = false skips this check.",
        )
    grown = sum(2 * sizes[tensor.name] - tensor.n_bytes for tensor in header.tensors if tensor.name in changed)
    wanted = 2 * header.file_bytes + grown + _SPARE_BYTES
    require_disk_space("Merging", output.parent, wanted, "Free some space, or give an --output on another disk.")


def _write_merged(
    target: Path, adapter: Path, base: BaseModel, changed: set[str], on_progress: FileProgress, *, name: str
) -> None:
    """Write the model with the changed weights in f16, and the others as they are stored."""
    reader, lora = gguf.GGUFReader(base.path), gguf.GGUFReader(adapter)
    writer = gguf.GGUFWriter(target, str(reader.fields["general.architecture"].contents()))
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and not _OF_BASE.match(field.name):
            array = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(field.name, field.contents(), field.types[0], field.types[-1] if array else None)
    named = reader.fields.get(gguf.Keys.General.NAME)
    base_name = str(named.contents()) if named else base.path.stem
    writer.add_name(name.encode("utf-8", "replace").decode())
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, base_name.encode("utf-8", "replace").decode())
    writer.add_string(BASE_KEY, base_sha256(base))
    for key in (RECIPE_KEY, DATA_CARD_KEY, TRAINING_KEY):
        if key in lora.fields:
            writer.add_string(key, lora.fields[key].contents())
    for tensor in reader.tensors:
        if tensor.name in changed:
            shape = [int(n) for n in reversed(tensor.shape)]
            writer.add_tensor_info(tensor.name, shape, np.dtype(np.float16), 2 * math.prod(shape))
        else:
            data = tensor.data
            writer.add_tensor_info(tensor.name, data.shape, data.dtype, data.nbytes, tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    factors = {tensor.name: tensor for tensor in lora.tensors}
    alpha = float(lora.fields["adapter.lora.alpha"].contents()) if "adapter.lora.alpha" in lora.fields else 0.0
    total, done = sum(int(tensor.n_bytes) for tensor in reader.tensors), 0
    for tensor in reader.tensors:
        if tensor.name in changed:
            a, b = (_values(factors[f"{tensor.name}.lora_{part}"]) for part in "ab")
            scale = alpha / len(a) if alpha else 1.0  # llama.cpp: llama_adapter_lora_weight::get_scale
            weights = _values(tensor) + scale * (b @ a)
            if not np.isfinite(weights).all() or np.abs(weights).max() > np.finfo(np.float16).max:
                raise AdapterError(f"{adapter} makes {tensor.name!r} infinite.", "It is damaged: train it again.")
            writer.write_tensor_data(weights.astype(np.float16))
        else:
            writer.write_tensor_data(tensor.data)
        done += int(tensor.n_bytes)
        on_progress("merging", done, total)
    writer.close()


def _values(tensor: gguf.ReaderTensor) -> NDArray[np.float32]:
    """The values of a tensor, the fastest-varying dimension last."""
    return dequantize(tensor.data, tensor.tensor_type).astype(np.float32)


def _quantize(source: Path, target: Path, on_progress: FileProgress) -> None:
    """Quantize a file in a child process.

    Raises:
        ForgeError: The process failed.
    """
    command = [
        sys.executable,
        "-m",
        "nano_lsp.inference.quantize_child",
        str(source.absolute()),
        str(target.absolute()),
    ]
    size, last = source.stat().st_size, b""
    # Python imports from the current folder: not that of the output, which may contain a numpy.py.
    with subprocess.Popen(  # noqa: S603 - this package's own module
        command,
        cwd=sys.prefix,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        try:
            for line in process.stderr:
                if step := _STEP.search(line):
                    on_progress("quantizing", size * int(step[1]) // int(step[2]), size)
                last = line.strip() or last
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        reason = last.decode("utf-8", "replace")[:300]
        raise ForgeError(
            f"llama.cpp could not quantize the merged model (code {process.returncode}): {reason}",
            "Run `nano-lsp doctor`, which tests llama.cpp on this CPU.",
        )


def _check_result(found: GgufHeader, base: GgufHeader) -> None:
    """Check that a file is a model of the base's architecture and shapes, in the quantization that was asked for."""
    check_servable(found)
    if found.metadata["general.architecture"] != base.metadata["general.architecture"]:
        raise ForgeError("The merged model has another architecture than its base.", "Report it.")
    if _shapes(found.tensors) != _shapes(base.tensors) or describe(found).quantization != QUANTIZATION:
        raise ForgeError("The merged model has other tensors than its base.", "Report it.")


def _shapes(tensors: tuple[TensorInfo, ...]) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tensor.shape for tensor in tensors}

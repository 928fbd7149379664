"""What training needs of a machine, and how it computes there."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Set
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nano_lsp.atomic_files import require_disk_space
from nano_lsp.errors import ForgeError
from nano_lsp.forge.adapter_export import count_parameters
from nano_lsp.forge.public_sets import EXTRA
from nano_lsp.forge.recipe import Recipe, Training
from nano_lsp.inference.hardware import Memory, cpu_flags, find_memory, usable_cores
from nano_lsp.models.architecture import describe
from nano_lsp.models.gguf import GgufHeader

LOGIT_ROWS = 128
"""Number of tokens whose logits are computed at a time: those of a whole case would be larger than the model."""
_FAST_BFLOAT16 = {"amx_bf16", "avx512_bf16"}  # CPUs without them convert each number
# Peaks measured with cases of 1,280 tokens of pico, in MiB: 9,277 (here 9,279), states computed again 5,891 (6,193).
_LIBRARIES_BYTES = 950 << 20  # PyTorch with its libraries
_FRAGMENTS = 0.65  # of the states of all layers: memory that the allocator does not give back
_BYTES_PER_PARAMETER = 16  # of the adapter: itself, its gradient, and two averages of the optimizer
_CHECKPOINT_BYTES = 12  # of these, all but the gradient
_LOGIT_COPIES = 4  # logits, probabilities, their gradients
_SPARE_BYTES = 64 << 20
# CPU time of training on a token, for each weight: a case of 1,280 tokens of pico took 74 s on two cores of an AMD
# EPYC without bfloat16, and 89 s with states computed again.
_CPU_S = 74 / 1280 / 494e6
_RECOMPUTED_CPU_S = 89 / 1280 / 494e6
_LIBRARIES = ("torch", "transformers", "peft")
_GPU_LIBRARY = "unsloth"


@dataclass(frozen=True)
class Machine:
    """How to compute on this machine.

    Attributes:
        precision: Type of numbers of the base model: `float32` or `bfloat16`.
        recompute: Whether the states of all layers are computed again for the gradient instead of being kept.
        n_threads: Number of threads.
        memory_bytes: Estimated memory of the process at its peak.
        disk_bytes: Space that checkpoints and the adapter take.
    """

    precision: str
    recompute: bool
    n_threads: int
    memory_bytes: int
    disk_bytes: int


def choose_machine(
    base: GgufHeader,
    training: Training,
    max_tokens: int,
    *,
    n_threads: int,
    on_gpu: bool,
    memory: Memory,
    flags: Set[str],
) -> Machine:
    """How to train: as fast as the memory allows.

    Args:
        base: Header of the base model's file.
        training: Hyperparameters.
        max_tokens: Number of tokens of the longest case.
        n_threads: Number of threads.
        on_gpu: Whether a GPU computes; then this machine's memory has to hold the weights once.
        memory: Memory that is available; swapping would be slower than not to train.
        flags: Features of the CPU.

    Raises:
        ForgeError: There is too little memory, or the base model lacks a module of the recipe.
    """
    model = describe(base)
    n_parameters = count_parameters(base, training)
    shapes = {tensor.name: tensor.shape for tensor in base.tensors}
    width, hidden_width = shapes["blk.0.ffn_gate.weight"]
    is_fast = on_gpu or bool(flags & _FAST_BFLOAT16)
    weights = model.stored_parameters * (2 if is_fast else 4) + _LIBRARIES_BYTES
    loading = weights + 2 * 4 * max(map(math.prod, shapes.values()))  # a matrix is dequantized, and then copied
    # What attention and a gated feed-forward layer keep for the gradient.
    layer = 0 if on_gpu else max_tokens * (10 * width + 4 * hidden_width) * 4
    fixed = weights + n_parameters * _BYTES_PER_PARAMETER + model.vocabulary * LOGIT_ROWS * 4 * _LOGIT_COPIES
    fixed += int(layer * model.layers * _FRAGMENTS)
    disk = n_parameters * (2 * _CHECKPOINT_BYTES + 2) + on_gpu * 2 * model.stored_parameters + _SPARE_BYTES
    needed = 0
    for recompute, states in (False, layer * model.layers), (True, layer + max_tokens * width * 4 * model.layers):
        needed = max(loading, fixed + states)
        if needed <= memory.available_bytes:
            return Machine("bfloat16" if is_fast else "float32", recompute, n_threads, needed, disk)
    raise ForgeError(
        f"Training needs about {needed >> 20:,} MiB of memory; there are {memory}.",
        f"Close other programs{' or raise that limit' * bool(memory.limit_bytes)}, or make the data for a smaller "
        "model: `--model pico`, of `nano-lsp forge run` and `nano-lsp forge data`.",
    )


def missing_libraries() -> list[str]:
    """Libraries of training that are not installed. None is imported, as that takes seconds."""
    return [name for name in _LIBRARIES if find_spec(name) is None]


def require_libraries() -> None:
    """Check that the libraries of training are installed.

    Raises:
        ForgeError: One is missing.
    """
    if missing := missing_libraries():
        raise ForgeError(
            f"Training needs PyTorch, transformers and peft; not installed: {', '.join(missing)}.", f"Run {EXTRA}."
        )


def training_seconds(base: GgufHeader, machine: Machine, n_tokens: float) -> float:
    """Estimated time to train, as fast as on a core of an AMD EPYC without bfloat16; a run measures its own speed.

    Args:
        base: Header of the base model's file.
        machine: How to compute.
        n_tokens: Number of tokens to train on.
    """
    seconds = _RECOMPUTED_CPU_S if machine.recompute else _CPU_S
    return n_tokens * describe(base).parameters * seconds / machine.n_threads


def require_disk(folder: Path, needed: int) -> int:
    """Check that the disk of a folder, which need not exist, has room for training; return its free space.

    Raises:
        ForgeError: It is not accessible.
        DiskSpaceError: It has too little.
    """
    remedy = "Free some space, or give an --output on another disk."
    try:
        return require_disk_space("Training", folder, needed, remedy)
    except OSError as error:
        raise ForgeError(f"{folder} is not accessible: {error.strerror}.", "Give another --output.") from error


def machine_for(base: GgufHeader, recipe: Recipe, n_threads: int) -> Machine:
    """How this machine would train by a recipe, before the cases are made.

    Args:
        base: Header of the base model's file.
        recipe: The recipe.
        n_threads: Number of threads; 0 for all physical cores.

    Raises:
        ForgeError: There is too little memory, or the base model lacks a module of the recipe.
    """
    return choose_machine(
        base,
        recipe.training,
        recipe.max_case_tokens,
        n_threads=n_threads or usable_cores(),
        on_gpu=find_spec(_GPU_LIBRARY) is not None,  # whether there is a GPU is known once PyTorch is loaded
        memory=find_memory(),
        flags=cpu_flags(),
    )


def prepare_folder(folder: Path, needed: int) -> None:
    """Create the folder for checkpoints and the adapter, unless it exists.

    Raises:
        ForgeError: It cannot be written.
        DiskSpaceError: Its disk has too little space.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # an adapter has traces of private code
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ForgeError(f"{folder} cannot be written: {error.strerror}.", "Give another --output.") from error
    require_disk(folder, needed)

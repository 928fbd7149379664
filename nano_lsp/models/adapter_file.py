"""Adapter files, and the checks that one passes before llama.cpp reads it.

An adapter is a LoRA (Hu et al. 2021, arXiv 2106.09685) in a GGUF file, as llama.cpp's `convert_lora_to_gguf.py`
writes it: for a weight of shape (n, m), the fastest-varying dimension first, the tensors `<weight>.lora_a` of shape
(n, rank) and `<weight>.lora_b` of shape (rank, m). Their product, times `adapter.lora.alpha` / rank, is added to the
weight; for `token_embd.weight`, a is of shape (rank, m) and b of shape (rank, n).

An adapter that was trained by this project also says what it was made of, under the keys below.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nano_lsp.errors import AdapterError, GgufError, NanoError, OtherModelError
from nano_lsp.models.gguf import FLOAT32, GgufHeader, TensorInfo, read_header

BASE_KEY = "nano_lsp.base_sha256"
"""Metadata key: SHA-256 of the GGUF file that the adapter was trained over, in hexadecimal."""
RECIPE_KEY, DATA_CARD_KEY, TRAINING_KEY = "nano_lsp.recipe", "nano_lsp.data_card", "nano_lsp.training"
"""Metadata keys: the recipe, the data card and the course of the training, each as JSON."""
EMBEDDING = "token_embd.weight"
"""Name of the embedding, whose LoRA is transposed."""

_TENSOR_TYPES = {"F32", "F16", "BF16", "Q8_0"}  # those that convert_lora_to_gguf.py writes
_REMEDY = "Give a LoRA adapter in GGUF that was made for this model."


@dataclass(frozen=True)
class AdapterFile:
    """An adapter file that has been checked; two with the same content are equal.

    Attributes:
        sha256: SHA-256 of the file, in hexadecimal.
        path: Path of the file.
    """

    sha256: str
    path: Path = field(compare=False)


@dataclass(frozen=True)
class BaseModel:
    """The model that an adapter is to fit.

    Attributes:
        name: Name of the model, or the path of its file, as in the setting `model`.
        path: Path of the file.
        sha256: SHA-256 of the file; empty to compute it when an adapter names its base.
        has_weights: False for a scripted model, whose file has no tensors to compare shapes with.
    """

    name: str
    path: Path
    sha256: str = ""
    has_weights: bool = True


def check_adapter(path: Path, base: BaseModel | None = None) -> AdapterFile:
    """Check an adapter file: its header, its tensors and, if a model is given, that it was made for this model.

    A file that has not changed since is not read again; nor is the model's.

    Args:
        path: Path of the file.
        base: The model that it is to fit; None to check the file alone.

    Raises:
        GgufError: The file is missing, not GGUF, truncated or damaged.
        AdapterError: It is not a LoRA adapter.
        OtherModelError: It is one, for another model.
    """
    found = _check(path, file_state(path), base, file_state(base.path) if base and base.has_weights else ())
    if isinstance(found, NanoError):
        raise found.with_traceback(None)  # the same object each time: its traceback would grow
    return found


def file_state(path: Path) -> tuple[int, ...]:
    """Properties of a file that change with its content or its permissions: size, times of changes, inode.

    Raises:
        GgufError: The file is missing or not readable.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or str(error)
        raise GgufError(f"{path} cannot be read: {reason}.", "Check the path and its permissions.") from error
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def base_sha256(base: BaseModel) -> str:
    """SHA-256 of a model's file, in hexadecimal.

    Raises:
        GgufError: The file cannot be read.
    """
    return base.sha256 or _sha256(base.path, file_state(base.path))


@functools.lru_cache(maxsize=32)
def _check(
    path: Path, state: tuple[int, ...], base: BaseModel | None, _base_state: tuple[int, ...]
) -> AdapterFile | NanoError:
    """The checked file, or the error that it raises: both are kept, unless the error may pass."""
    try:
        header = read_header(path)
        _check_kind(path, header)
        weights = dict(_pairs(path, header))
        if base and base.has_weights:
            _check_shapes(path, weights, read_header(base.path), header, base)
        made_for = header.metadata.get(BASE_KEY)
        if base and made_for is not None and made_for != base_sha256(base):
            raise _other_model(path, base, f"its base has the SHA-256 {str(made_for)[:12]}…")
        return AdapterFile(_sha256(path, state), path)
    except NanoError as error:
        if isinstance(error.__cause__, OSError):
            raise
        return error


@functools.lru_cache(maxsize=32)
def _sha256(path: Path, _state: tuple[int, ...]) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise GgufError(f"{path} cannot be read: {error.strerror}.", "Check the path and its permissions.") from error
    return digest.hexdigest()


def _check_kind(path: Path, header: GgufHeader) -> None:
    """Check the metadata that llama.cpp reads: a value of another type would end the process."""
    if header.metadata.get("general.type") != "adapter":
        raise AdapterError(f"{path} is not an adapter.", _REMEDY)
    if (kind := header.metadata.get("adapter.type")) != "lora":
        raise AdapterError(f"{path} is an adapter of the type {kind!r}, not lora.", _REMEDY)
    alpha = header.metadata.get("adapter.lora.alpha", 0.0)
    if header.value_types.get("adapter.lora.alpha", FLOAT32) != FLOAT32 or not math.isfinite(alpha):  # type: ignore[arg-type] # a number
        raise AdapterError(f"{path} has no valid adapter.lora.alpha.", _REMEDY)


def _pairs(path: Path, header: GgufHeader) -> Iterator[tuple[str, tuple[TensorInfo, TensorInfo]]]:
    """The tensors a and b of each weight that the adapter changes, by the weight's name."""
    tensors = {tensor.name: tensor for tensor in header.tensors}
    names = {name.rpartition(".lora_")[0] for name in tensors if name.endswith((".lora_a", ".lora_b"))}
    if not names:
        raise AdapterError(f"{path} contains no LoRA tensors.", _REMEDY)
    for tensor in header.tensors:
        if tensor.name.endswith("_norm.weight"):  # llama.cpp ignores these
            continue
        if not tensor.name.endswith((".lora_a", ".lora_b")):
            raise AdapterError(f"{path} has the tensor {tensor.name!r}, which is not part of a LoRA.", _REMEDY)
        if tensor.type_name not in _TENSOR_TYPES or len(tensor.shape) != 2 or 0 in tensor.shape:
            shape = " x ".join(map(str, tensor.shape))
            raise AdapterError(f"{path} has the tensor {tensor.name!r} in {tensor.type_name}, {shape}.", _REMEDY)
    for name in sorted(names):
        if f"{name}.lora_a" not in tensors or f"{name}.lora_b" not in tensors:
            raise AdapterError(f"{path} has only one of the two tensors for {name!r}.", _REMEDY)
        a, b = tensors[f"{name}.lora_a"], tensors[f"{name}.lora_b"]
        if b.shape[0] != a.shape[0 if name == EMBEDDING else 1]:
            raise AdapterError(f"{path} has tensors of different ranks for {name!r}.", _REMEDY)
        yield name, (a, b)


def _check_shapes(
    path: Path,
    weights: dict[str, tuple[TensorInfo, TensorInfo]],
    base_header: GgufHeader,
    header: GgufHeader,
    base: BaseModel,
) -> None:
    family, found = (one.metadata.get("general.architecture") for one in (base_header, header))
    if family != found:
        raise _other_model(path, base, f"its architecture is {found!r}, not {family!r}")
    shapes = {tensor.name: tensor.shape for tensor in base_header.tensors}
    for name, (a, b) in weights.items():
        if name not in shapes:
            raise _other_model(path, base, f"this model has no tensor {name!r}")
        fits = (b.shape[1], a.shape[1]) if name == EMBEDDING else (a.shape[0], b.shape[1])
        if shapes[name] != fits:
            wanted, given = (" x ".join(map(str, shape)) for shape in (shapes[name], fits))
            raise _other_model(path, base, f"{name!r} is {given} in it, {wanted} in this model")


def _other_model(path: Path, base: BaseModel, reason: str) -> OtherModelError:
    return OtherModelError(
        f"The adapter {path} was made for another model than {base.name}: {reason}.",
        "Choose the model that it was made for, or another adapter: `nano-lsp adapter list`.",
    )

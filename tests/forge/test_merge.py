"""Merging an adapter into a model: values, refusals before anything is written, and the command."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize
from numpy.typing import NDArray

from nano_lsp.errors import AdapterError, DiskSpaceError, ForgeError, MemoryShortageError
from nano_lsp.forge.merge import merge_adapter
from nano_lsp.inference import hardware
from nano_lsp.inference.selftest_model import SelfTestModel
from nano_lsp.models.adapter_file import (
    BASE_KEY,
    DATA_CARD_KEY,
    RECIPE_KEY,
    TRAINING_KEY,
    BaseModel,
    base_sha256,
)
from nano_lsp.models.gguf import read_header
from tests.cli.test_cli import assert_error, nano_lsp
from tests.gguf_files import write_adapter


@pytest.fixture
def base(tmp_path: Path) -> BaseModel:
    path = tmp_path / "base.gguf"
    SelfTestModel().write(path)
    return BaseModel(str(path), path)


@pytest.fixture
def adapter(base: BaseModel, tmp_path: Path) -> Path:
    shapes = {tensor.name: tensor.shape for tensor in read_header(base.path).tensors}
    width, rows = shapes["blk.0.attn_q.weight"]
    layers = sum(name.endswith(".attn_q.weight") for name in shapes)
    return write_adapter(
        tmp_path / "lora.gguf",
        layers=layers,
        width=width,
        kv_width=rows,
        scale=0.1,
        architecture="qwen2",
        weight="attn_q",
        metadata={RECIPE_KEY: json.dumps({"name": "mine"})},
    )


def values(path: Path) -> dict[str, NDArray[np.float32]]:
    return {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in gguf.GGUFReader(path).tensors}


def with_metadata(path: Path, copy: Path, metadata: dict[str, str]) -> Path:
    """Copy a model file, with more metadata."""
    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(copy, "qwen2")
    for field in reader.fields.values():
        if field.name != "general.architecture" and not field.name.startswith("GGUF."):
            array = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(field.name, field.contents(), field.types[0], field.types[-1] if array else None)
    for key, value in metadata.items():
        writer.add_string(key, value)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return copy


def quiet(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


def test_the_changed_weights_are_the_sum_and_the_others_the_same(
    base: BaseModel, adapter: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "merged.gguf"
    output.parent.mkdir()
    merge_adapter(adapter, base, output, quiet)
    before, after, lora = values(base.path), values(output), values(adapter)
    assert before.keys() == after.keys()
    for name, weights in before.items():
        if name.endswith(".attn_q.weight"):
            expected = weights + lora[f"{name}.lora_b"] @ lora[f"{name}.lora_a"]  # alpha is the rank
            spread = np.sqrt(np.mean((after[name] - expected) ** 2) / np.mean(expected**2))
            assert spread < 0.15  # 4 bits
            assert np.sqrt(np.mean((after[name] - weights) ** 2)) > np.sqrt(np.mean((after[name] - expected) ** 2))
    assert [path.name for path in output.parent.iterdir()] == ["merged.gguf"]
    assert output.stat().st_mode == base.path.stat().st_mode


def test_the_metadata_are_those_of_the_merged_model(base: BaseModel, adapter: Path, tmp_path: Path) -> None:
    of_base = {
        "general.name": "Tiny",
        "general.url": "https://example.org/tiny",
        "general.license": "mit",
        "general.uuid": "1",
        "general.quantized_by": "somebody",
        "general.source.url": "https://example.org/source",
        "general.base_model.0.name": "Large",
        "quantize.imatrix.file": "tiny.imatrix",
        BASE_KEY: "0" * 64,
        DATA_CARD_KEY: "{}",
        TRAINING_KEY: "{}",
    }
    named = BaseModel("named", with_metadata(base.path, tmp_path / "named.gguf", of_base))
    merge_adapter(adapter, named, tmp_path / "mine.gguf", quiet)
    before, after = read_header(named.path).metadata, read_header(tmp_path / "mine.gguf").metadata
    described = ("general.", "quantize.", "nano_lsp.")
    assert {key: value for key, value in after.items() if key.startswith(described)} == {
        "general.architecture": "qwen2",
        "general.name": "mine",
        "general.base_model.count": 1,
        "general.base_model.0.name": "Tiny",
        "general.license": "mit",
        "general.file_type": 15,  # MOSTLY_Q4_K_M of llama.h
        "general.quantization_version": gguf.GGML_QUANT_VERSION,
        BASE_KEY: base_sha256(named),
        RECIPE_KEY: '{"name": "mine"}',
    }
    assert {key for key in before if not key.startswith(described)} <= after.keys()


def test_it_refuses_before_it_starts(
    base: BaseModel, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    other = BaseModel(base.name, base.path, "0" * 64)
    made_for = write_adapter(
        tmp_path / "other.gguf", layers=1, width=8, kv_width=8, architecture="qwen2", weight="attn_q"
    )
    with pytest.raises(AdapterError, match="another model"):
        merge_adapter(made_for, other, folder / "a.gguf", quiet)
    with pytest.raises(ForgeError, match="exists already"):
        merge_adapter(adapter, base, base.path, quiet)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
        with pytest.raises(DiskSpaceError):
            merge_adapter(adapter, base, folder / "a.gguf", quiet)
    with monkeypatch.context() as patch:
        patch.setattr(hardware, "find_memory", lambda: hardware.Memory(1 << 20))
        with pytest.raises(MemoryShortageError, match="check_memory"):
            merge_adapter(adapter, base, folder / "a.gguf", quiet)
    assert list(folder.iterdir()) == []


def test_a_failure_leaves_nothing(
    base: BaseModel, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(ForgeError, match="could not quantize"):
        merge_adapter(adapter, base, folder / "a.gguf", quiet)
    assert list(folder.iterdir()) == []


def test_the_command(base: BaseModel, adapter: Path, tmp_path: Path) -> None:
    output = tmp_path / "merged.gguf"
    done = nano_lsp("forge", "merge", str(adapter), "--output", str(output), "--model", str(base.path))
    assert done.returncode == 0, done.stderr.decode()
    assert b"nano-lsp model import" in done.stdout
    assert b"Q4_K_M" in nano_lsp("model", "inspect", str(output)).stdout
    again = nano_lsp("forge", "merge", str(adapter), "--output", str(output), "--model", str(base.path))
    assert_error(again, 2, "exists already", "--output")
    assert_error(
        nano_lsp("forge", "merge", "unknown", "--output", str(output), "--model", str(base.path)), 3, "'unknown'"
    )

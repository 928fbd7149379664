"""The GGUF header reader, on files written by the reference package, whole and damaged."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.errors import ArchitectureError, GgufError, NanoError
from nano_lsp.models.architecture import check_servable, describe, differences
from nano_lsp.models.gguf import read_header
from tests.gguf_files import EMBEDDING, VOCABULARY, write_adapter, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_metadata_and_tensors_are_those_written(model: Path) -> None:
    header = read_header(model)
    assert header.metadata["general.architecture"] == "qwen2"
    assert header.metadata["qwen2.rope.freq_base"] == 1_000_000.0
    assert header.array_lengths["tokenizer.ggml.tokens"] == VOCABULARY
    embedding, query, *_ = header.tensors
    assert (embedding.name, embedding.shape, embedding.type_name) == (
        "token_embd.weight",
        (EMBEDDING, VOCABULARY),
        "F32",
    )
    assert (query.type_name, query.n_bytes) == ("F16", EMBEDDING * EMBEDDING * 2)
    assert max(tensor.offset + tensor.n_bytes for tensor in header.tensors) <= model.stat().st_size


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=80)
def test_a_file_cut_off_anywhere_is_an_error(
    model: Path, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    data = model.read_bytes()
    last = max(tensor.offset + tensor.n_bytes for tensor in read_header(model).tensors)
    cut = tmp_path_factory.mktemp("cut") / "cut.gguf"
    cut.write_bytes(data[: int(last * share)])
    with pytest.raises(GgufError) as caught:
        read_header(cut)
    assert caught.value.remedy


@given(at=st.integers(0, 2000), value=st.integers(0, 255), more=st.binary(max_size=8))
@settings(max_examples=300)
def test_damage_is_a_nano_error_or_none(
    model: Path, tmp_path_factory: pytest.TempPathFactory, at: int, value: int, more: bytes
) -> None:
    data = bytearray(model.read_bytes())
    data[at : at + 1 + len(more)] = bytes([value]) + more
    bad = tmp_path_factory.mktemp("bad") / "bad.gguf"
    bad.write_bytes(data)
    with contextlib.suppress(NanoError):
        header = read_header(bad)
        check_servable(header)
        list(differences(describe(header)))


@pytest.mark.parametrize("content", [b"", b"GGUF", b"hello, this is no model at all", b"GGUF\x63\0\0\0" + b"\0" * 40])
def test_a_file_that_is_not_gguf_is_an_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(content)
    with pytest.raises(GgufError):
        read_header(file)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(GgufError) as caught:
            read_header(path)
        assert str(path) in caught.value.message


def test_the_architecture_table(model: Path, tmp_path: Path) -> None:
    found = describe(read_header(model))
    assert (found.query_heads, found.kv_heads, found.layers, found.vocabulary) == (4, 1, 2, VOCABULARY)
    assert found.kv_saving == 0.75
    assert found.kv_bytes_per_token == 2 * 1 * (EMBEDDING // 4) * 2 * 2
    assert found.swiglu
    assert found.quantization == "Q4_K_M"
    untied = describe(read_header(write_model(tmp_path / "untied.gguf", tied=False)))
    assert untied.parameters == found.parameters
    assert untied.stored_parameters == found.parameters + EMBEDDING * VOCABULARY
    assert any("stored again" in line for line in differences(untied))
    assert any(line.startswith("query heads: 4, specified is 12") for line in differences(found))


def test_another_architecture_and_an_adapter_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchitectureError, match="bert"):
        check_servable(read_header(write_model(tmp_path / "bert.gguf", "bert")))
    adapter = write_adapter(tmp_path / "adapter.gguf", layers=1, width=8, kv_width=8)
    with pytest.raises(ArchitectureError, match="adapter"):
        check_servable(read_header(adapter))


@pytest.mark.real
def test_nano_is_of_the_neuro_nano_architecture(nano_file: Path) -> None:
    found = describe(read_header(nano_file))
    assert (found.query_heads, found.kv_heads, found.layers) == (12, 2, 28)
    assert (found.swiglu, found.rope_base, found.context, found.vocabulary) == (True, 1_000_000, 32_768, 151_936)
    assert found.parameters == pytest.approx(1.54e9, rel=0.005)
    assert found.kv_saving == pytest.approx(0.83, abs=0.01)
    assert [line.split(":")[0] for line in differences(found)] == ["stored parameters", "file"]

"""Adapter files and their store: what does not fit is refused, and nothing half-made is used."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import struct
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_lsp.atomic_files import TEMPORARY
from nano_lsp.config import Folders, find_folders
from nano_lsp.errors import (
    AdapterError,
    ChecksumError,
    ConfigError,
    DiskSpaceError,
    GgufError,
    NanoError,
    UnknownAdapterError,
)
from nano_lsp.models import adapters
from nano_lsp.models import store as store_module
from nano_lsp.models.adapter_file import BASE_KEY, BaseModel, check_adapter
from nano_lsp.models.adapters import (
    AdapterChoice,
    AdapterStore,
    choose_adapter,
    find_base,
    hash_base,
    shipped_adapter,
)
from tests.gguf_files import EMBEDDING, write_adapter, write_model, write_tiny_adapter


@pytest.fixture
def base(tmp_path: Path) -> BaseModel:
    path = write_model(tmp_path / "tiny.gguf")
    return BaseModel(str(path), path)


@pytest.fixture
def folders(home: Path) -> Folders:
    assert home.name == "home"
    return find_folders()


@pytest.fixture
def store(folders: Folders) -> AdapterStore:
    return AdapterStore(folders.adapters)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_adapter_of_other_software_is_checked_by_architecture_and_shapes(base: BaseModel, tmp_path: Path) -> None:
    file = write_tiny_adapter(tmp_path / "lora.gguf")
    assert check_adapter(file, base).sha256 == sha256(file)
    wrong = {
        "architecture is 'llama'": write_adapter(tmp_path / "a.gguf", layers=2, width=EMBEDDING, kv_width=EMBEDDING),
        "no tensor 'blk.2.attn_q.weight'": write_adapter(
            tmp_path / "b.gguf", layers=3, width=64, kv_width=64, architecture="qwen2", weight="attn_q"
        ),
        "is 64 x 32 in it, 64 x 64 in this model": write_adapter(
            tmp_path / "c.gguf", layers=2, width=64, kv_width=32, architecture="qwen2", weight="attn_q"
        ),
    }
    for reason, other in wrong.items():
        with pytest.raises(AdapterError, match=reason) as caught:
            check_adapter(other, base)
        assert caught.value.remedy
        check_adapter(other)  # sound, but for another model


def test_an_adapter_that_names_its_base_fits_no_other(base: BaseModel, tmp_path: Path) -> None:
    right = write_tiny_adapter(tmp_path / "right.gguf", {BASE_KEY: sha256(base.path)})
    wrong = write_tiny_adapter(tmp_path / "wrong.gguf", {BASE_KEY: "0" * 64})
    check_adapter(right, base)
    check_adapter(right, BaseModel(base.name, base.path, sha256(base.path)))
    with pytest.raises(AdapterError, match="another model than") as caught:
        check_adapter(wrong, base)
    assert "000000000000…" in caught.value.message
    with pytest.raises(AdapterError):  # the outcome that is kept is the same
        check_adapter(wrong, base)


def test_what_is_no_lora_is_refused(base: BaseModel, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="not an adapter"):
        check_adapter(base.path, base)
    text = tmp_path / "text.gguf"
    text.write_text("no adapter")
    for path in (text, tmp_path / "missing.gguf", tmp_path, Path("nul\0l.gguf")):
        with pytest.raises(GgufError):
            check_adapter(path, base)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("type", "type 'ia3'"),
        ("alpha", "alpha"),
        ("infinite", "alpha"),
        ("half", "only one"),
        ("rank", "different ranks"),
        ("integers", "I8"),
        ("other", "not part of a LoRA"),
        ("empty", "no LoRA tensors"),
    ],
)
def test_metadata_and_tensors_that_llama_cpp_would_die_of_are_refused(
    tmp_path: Path, change: str, reason: str
) -> None:
    path = tmp_path / "bad.gguf"
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "ia3" if change == "type" else "lora")
    if change == "alpha":
        writer.add_string("adapter.lora.alpha", "16")
    else:
        writer.add_float32("adapter.lora.alpha", float("inf") if change == "infinite" else 2.0)
    a, b = np.zeros((2, 64), np.float32), np.zeros((64, 3 if change == "rank" else 2), np.float32)
    name = "blk.0.attn_q.weight"
    if change != "empty":
        writer.add_tensor(f"{name}.lora_a", a.astype(np.int8) if change == "integers" else a)
    if change not in {"half", "empty"}:
        writer.add_tensor(f"{name}.lora_b", b)
    if change == "other":
        writer.add_tensor("output.weight", a)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(AdapterError, match=reason):
        check_adapter(path)


def test_a_number_of_double_precision_is_refused(tmp_path: Path) -> None:
    path = write_tiny_adapter(tmp_path / "double.gguf")
    content, key = path.read_bytes(), b"adapter.lora.alpha"
    at = content.index(key) + len(key)
    assert content[at : at + 8] == struct.pack("<If", 6, 2.0)
    path.write_bytes(content[:at] + struct.pack("<Id", 12, 2.0) + content[at + 8 :])
    with pytest.raises(NanoError):
        check_adapter(path)


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=40)
def test_an_adapter_cut_off_anywhere_is_refused(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    folder = tmp_path_factory.mktemp("cut")
    content = write_tiny_adapter(folder / "whole.gguf").read_bytes()
    cut = folder / "cut.gguf"
    cut.write_bytes(content[: int((len(content) - 32) * share)])
    with pytest.raises((GgufError, AdapterError)):
        check_adapter(cut)


@given(at=st.integers(0, 600), value=st.integers(0, 255), more=st.binary(max_size=8))
@settings(max_examples=200)
def test_damage_is_a_nano_error_or_none(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int, more: bytes
) -> None:
    folder = tmp_path_factory.mktemp("bad")
    content = bytearray(write_tiny_adapter(folder / "whole.gguf").read_bytes())
    content[at : at + 1 + len(more)] = bytes([value]) + more
    bad = folder / "bad.gguf"
    bad.write_bytes(content)
    model = write_model(folder / "model.gguf")
    with contextlib.suppress(NanoError):
        check_adapter(bad, BaseModel("model", model))


def test_a_changed_file_is_checked_again(base: BaseModel, tmp_path: Path) -> None:
    file = tmp_path / "lora.gguf"
    file.write_text("not yet")
    with pytest.raises(GgufError):
        check_adapter(file, base)
    write_tiny_adapter(file)
    assert check_adapter(file, base).sha256 == sha256(file)


def test_an_installed_adapter_is_chosen_for_a_folder_and_those_in_it(
    store: AdapterStore, folders: Folders, base: BaseModel, tmp_path: Path
) -> None:
    mine = store.install(write_tiny_adapter(tmp_path / "mine.gguf"))
    common = store.install(write_tiny_adapter(tmp_path / "x.gguf", seed=7), "common")
    project, inner, other = tmp_path / "project", tmp_path / "project" / "inner", tmp_path / "other"
    inner.mkdir(parents=True)
    other.mkdir()
    store.choose(mine, project)
    store.choose(common, None)

    def chosen(workspace: Path | None, setting: str = "auto") -> str:
        return choose_adapter(setting, workspace, base, folders).name

    assert [chosen(one) for one in (project, inner, other, None)] == ["mine", "mine", "common", "common"]
    assert [chosen(project, setting) for setting in ("none", "", "common")] == ["", "", "common"]
    store.choose("none", inner)
    assert [chosen(one) for one in (project, inner)] == ["mine", ""]
    store.choose("auto", inner)
    assert chosen(inner) == "mine"
    assert [(one.name, one.workspaces) for one in store.entries()] == [("common", ("",)), ("mine", (str(project),))]
    assert store.remove("mine") == (str(project),)
    assert chosen(project) == "common"
    assert [path.name for path in folders.adapters.glob("*.gguf")] == [f"{sha256(tmp_path / 'x.gguf')}.gguf"]


def test_each_model_has_a_choice_of_its_own(
    store: AdapterStore, folders: Folders, base: BaseModel, tmp_path: Path
) -> None:
    other_path = write_model(tmp_path / "other.gguf", n_layers=4)
    other = BaseModel(str(other_path), other_path)

    def install(name: str, model: BaseModel | None, seed: int) -> str:
        metadata = {BASE_KEY: sha256(model.path)} if model else {}
        return store.install(write_tiny_adapter(tmp_path / f"{name}.gguf", metadata, seed=seed))

    def chosen(workspace: Path | None = tmp_path) -> tuple[str, str]:
        found = [choose_adapter("auto", workspace, model, folders) for model in (base, other)]
        return (found[0].name if found[0].file else "", found[1].name if found[1].file else "")

    assert store.choose(install("one", base, 1), tmp_path) == []
    assert chosen() == ("one", "")
    assert "another model" in choose_adapter("auto", tmp_path, other, folders).left_out
    assert store.choose(install("two", other, 2), tmp_path) == ["one"]
    assert chosen() == ("one", "two")
    assert store.choose(install("three", base, 3), tmp_path) == ["two"]  # in the place of `one`
    assert chosen() == ("three", "two")
    assert [entry.name for entry in store.entries() if entry.workspaces] == ["three", "two"]
    assert store.choose(install("any", None, 4), tmp_path) == ["three", "two"]  # fits both; its file names no model
    assert chosen() == ("any", "any")
    store.remove("any")
    assert chosen() == ("three", "two")
    store.remove("three")
    assert chosen() == ("", "two")
    store.choose("one", None)  # for everybody
    assert chosen() == ("one", "two")
    assert chosen(None) == ("one", "")
    store.choose("none", tmp_path)
    assert chosen() == ("", "")
    store.choose("auto", tmp_path)
    assert chosen() == ("one", "")


def test_the_choices_of_earlier_versions_are_read(
    store: AdapterStore, folders: Folders, base: BaseModel, tmp_path: Path
) -> None:
    store.choose(store.install(write_tiny_adapter(tmp_path / "mine.gguf")), tmp_path)
    index = folders.adapters / "adapters.json"
    content = json.loads(index.read_text())
    index.write_text(json.dumps({**content, "choices": {str(tmp_path): "mine", "": "none"}}))
    assert store.choices(tmp_path) == ["mine", "none"]
    assert choose_adapter("auto", tmp_path, base, folders).name == "mine"
    invalid: list[object] = [[], {"": 1}, {"": [1]}, {"": None}]
    for choices in invalid:
        index.write_text(json.dumps({**content, "choices": choices}))
        assert "cannot be read" in choose_adapter("auto", None, base, folders).left_out


def test_one_that_does_not_fit_is_left_out_by_auto_and_an_error_by_name(
    store: AdapterStore, folders: Folders, base: BaseModel, tmp_path: Path
) -> None:
    store.choose(store.install(write_tiny_adapter(tmp_path / "old.gguf", {BASE_KEY: "1" * 64})), None)
    found = choose_adapter("auto", None, base, folders)
    assert (found.name, found.file) == ("old", None)
    assert "another model" in found.left_out
    for setting in ("old", str(tmp_path / "old.gguf")):
        with pytest.raises(AdapterError):
            choose_adapter(setting, None, base, folders)
    with pytest.raises(UnknownAdapterError):
        choose_adapter("unknown", None, base, folders)


def test_a_shipped_adapter_is_the_last_resort(
    folders: Folders, base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = BaseModel("tiny", base.path)
    assert choose_adapter("auto", None, named, folders) == AdapterChoice()
    package = tmp_path / "package"
    package.mkdir()
    file = write_tiny_adapter(package / "tiny.gguf")
    assert shipped_adapter("tiny", package) == file
    assert shipped_adapter("../package/tiny", package) is None
    monkeypatch.setattr("nano_lsp.models.adapters.SHIPPED", package)
    assert choose_adapter("auto", None, named, folders).file
    assert choose_adapter("none", None, named, folders).file is None


def test_a_file_that_was_changed_in_the_store_is_not_used(
    store: AdapterStore, folders: Folders, base: BaseModel, tmp_path: Path
) -> None:
    store.choose(store.install(write_tiny_adapter(tmp_path / "mine.gguf")), None)
    (installed,) = folders.adapters.glob("*.gguf")
    write_tiny_adapter(installed, seed=8)
    with pytest.raises(ChecksumError):
        store.find("mine")
    assert "changed" in choose_adapter("auto", None, base, folders).left_out
    (folders.adapters / "adapters.json").write_text('{"adapters": {')
    assert "cannot be read" in choose_adapter("auto", None, base, folders).left_out


def test_an_adapter_of_the_same_name_is_replaced_and_one_of_the_same_content_kept(
    store: AdapterStore, folders: Folders, tmp_path: Path
) -> None:
    one, two = write_tiny_adapter(tmp_path / "one.gguf"), write_tiny_adapter(tmp_path / "two.gguf", seed=6)
    store.install(one, "a")
    store.install(one, "b")
    store.install(two, "a")
    assert store.find("a").sha256 == sha256(two)
    assert store.find("b").sha256 == sha256(one)
    store.remove("b")
    assert [path.stem for path in folders.adapters.glob("*.gguf")] == [sha256(two)]


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_a_full_disk_leaves_what_was_there(
    store: AdapterStore, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    store.choose(store.install(write_tiny_adapter(tmp_path / "old.gguf")), None)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(failing, fail)
        with pytest.raises(DiskSpaceError):
            store.install(write_tiny_adapter(tmp_path / "new.gguf", seed=6))
        with pytest.raises(DiskSpaceError):
            store.choose("none", None)
    assert [entry.name for entry in store.entries()] == ["old"]
    assert store.find("old")
    store.install(tmp_path / "new.gguf")
    assert len([*folders.adapters.glob("*.gguf")]) == 2
    assert not [*folders.adapters.glob(TEMPORARY)]


def test_the_hash_of_a_users_model_is_computed_where_it_may_be_needed(
    store: AdapterStore, folders: Folders, base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[BaseModel] = []
    monkeypatch.setattr("nano_lsp.models.adapters.base_sha256", hashed.append)
    for setting in ("auto", "none", ""):
        hash_base(base, setting, folders)
    assert hashed == []
    hash_base(base, "my.gguf", folders)
    store.install(write_tiny_adapter(tmp_path / "mine.gguf"))
    hash_base(base, "auto", folders)
    hash_base(find_base("nano", folders), "auto", folders)
    assert hashed == [base, base]


def test_a_failed_install_leaves_nothing(store: AdapterStore, folders: Folders, tmp_path: Path) -> None:
    text = tmp_path / "text.gguf"
    text.write_text("no adapter")
    with pytest.raises(GgufError):
        store.install(text)
    good = write_tiny_adapter(tmp_path / "good.gguf")
    for name in ("auto", "none", "a/b", "x.gguf"):
        with pytest.raises(ConfigError):
            store.install(good, name)
    assert not folders.adapters.exists()
    store.install(good)
    assert sorted(path.suffix for path in folders.adapters.iterdir() if path.suffix) == [".gguf", ".json"]


def test_an_adapter_that_another_process_removes_is_not_chosen(
    store: AdapterStore, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = store_module.locked

    def remove_before(folder: Path) -> AbstractContextManager[None]:
        monkeypatch.setattr(adapters, "locked", locked)
        AdapterStore(folders.adapters).remove("mine")
        return locked(folder)

    for change in (lambda: store.choose("mine", None), lambda: store.remove("mine")):
        store.install(write_tiny_adapter(tmp_path / "mine.gguf"))
        monkeypatch.setattr(adapters, "locked", remove_before)
        with pytest.raises(UnknownAdapterError, match="'mine'"):
            change()
        assert (store.entries(), store.choices(None)) == ([], [])


def test_a_file_that_changes_while_it_is_copied_is_refused(
    store: AdapterStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, other = write_tiny_adapter(tmp_path / "a.gguf"), write_tiny_adapter(tmp_path / "b.gguf", seed=6)
    monkeypatch.setattr("shutil.copyfile", lambda _, target: target.write_bytes(other.read_bytes()))
    with pytest.raises(ChecksumError, match="has changed"):
        store.install(file)
    assert store.entries() == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
def test_others_may_read_the_store_where_the_umask_says_so(
    store: AdapterStore, folders: Folders, tmp_path: Path
) -> None:
    file = write_tiny_adapter(tmp_path / "mine.gguf")
    store.install(file)
    modes = {path.stat().st_mode for path in folders.adapters.iterdir() if path.suffix}
    assert modes == {file.stat().st_mode}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, names are texts")
def test_names_and_folders_may_be_any_bytes(
    store: AdapterStore, folders: Folders, base: BaseModel, tmp_path: Path
) -> None:
    name = os.fsdecode(b"caf\xe9 \xff")
    workspace = tmp_path / os.fsdecode(b"w\xfe")
    workspace.mkdir()
    store.choose(store.install(write_tiny_adapter(tmp_path / f"{name}.gguf")), workspace)
    assert choose_adapter("auto", workspace, base, folders).name == name
    assert store.remove(name) == (str(workspace),)


def test_the_base_is_what_the_setting_names(folders: Folders, tmp_path: Path) -> None:
    assert find_base("nano", folders).path == folders.models / "nano.gguf"
    assert len(find_base("nano", folders).sha256) == 64
    assert find_base(str(tmp_path / "own.gguf"), folders) == BaseModel(
        str(tmp_path / "own.gguf"), tmp_path / "own.gguf"
    )
    assert not find_base("scripted:x.json", folders).has_weights
    assert BASE_KEY == "nano_lsp.base_sha256"

"""`nano-lsp adapter`, and what other commands say of adapters."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from nano_lsp.config import find_folders
from nano_lsp.models.adapter_file import BASE_KEY, DATA_CARD_KEY, RECIPE_KEY, TRAINING_KEY
from nano_lsp.models.adapters import AdapterStore
from tests.cli.test_cli import assert_error, nano_lsp
from tests.gguf_files import write_model, write_tiny_adapter

METADATA = {
    BASE_KEY: "a" * 64,
    RECIPE_KEY: json.dumps({"name": "workspace", "training": {"rank": 16, "modules": ["attn_q", "attn_v"]}}),
    DATA_CARD_KEY: json.dumps({"counts": {"train": {"line": 1234}}, "note": "\x1b[31mred\ud800"}),
    TRAINING_KEY: json.dumps({"steps": 100, "loss": [2.5, 1.25], "interrupted": False}),
}


def write_known(path: Path) -> Path:
    return write_tiny_adapter(path, METADATA)


def test_an_adapter_is_used_shown_listed_and_removed(tmp_path: Path) -> None:
    assert b"No adapter is installed" in nano_lsp("adapter", "list").stderr
    project = tmp_path / "project"
    project.mkdir()
    used = nano_lsp("adapter", "use", str(write_known(tmp_path / "mine.gguf")), "--workspace", str(project))
    assert (used.returncode, used.stdout.decode()) == (
        0,
        f"Suggestions use mine in {project}, from the next one on.\n",
    )
    assert nano_lsp("adapter", "use", "mine").returncode == 0
    shown = nano_lsp("adapter", "show", "mine").stdout.decode()
    for words in (
        "rank 2, alpha 2.0, 2 weights",
        "a" * 64,
        "recipe, training, rank",
        "16",
        "attn_q, attn_v",
        "1,234",
    ):
        assert words in shown
    assert "\x1b" not in shown
    facts = json.loads(nano_lsp("adapter", "show", "mine", "--json").stdout)
    assert (facts["training"]["steps"], facts["base_sha256"], facts["rank"]) == (100, "a" * 64, 2)
    (entry,) = json.loads(nano_lsp("adapter", "list", "--json").stdout)
    assert (entry["name"], sorted(entry["workspaces"])) == ("mine", ["", str(project)])
    assert str(project) in nano_lsp("adapter", "list").stdout.decode()
    removed = nano_lsp("adapter", "remove", "mine", "--yes").stdout.decode()
    assert "mine is deleted." in removed
    assert f"used in {project}, all other workspaces" in removed
    assert_error(nano_lsp("adapter", "show", "mine"), 3, "no adapter 'mine'", "nano-lsp adapter list")
    for command in ("use", "remove"):
        assert_error(nano_lsp("adapter", command, "mine"), 3, "no adapter 'mine'")


def test_a_file_of_other_software_states_nothing(tmp_path: Path) -> None:
    file = write_tiny_adapter(tmp_path / "x.gguf")
    shown = nano_lsp("adapter", "show", str(file)).stdout.decode()
    assert shown.count("made by other software") == 3
    assert json.loads(nano_lsp("adapter", "show", str(file), "--json").stdout)["recipe"] is None


@pytest.mark.parametrize(
    "recipe", ["[" * 100_000, "[" * 900 + "]" * 900, "not JSON", "NaN", '{"a": ' * 60 + "1" + "}" * 60]
)
def test_a_file_with_strange_metadata_is_shown(tmp_path: Path, recipe: str) -> None:
    file = write_tiny_adapter(tmp_path / "x.gguf", {RECIPE_KEY: recipe})
    for options in ([], ["--json"]):
        assert nano_lsp("adapter", "show", str(file), *options).returncode == 0


def test_what_is_no_adapter_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.gguf")
    whole = write_tiny_adapter(tmp_path / "whole.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[:-100])
    assert_error(nano_lsp("adapter", "use", str(model)), 4, "is not an adapter", "Give a LoRA adapter")
    assert_error(nano_lsp("adapter", "use", str(tmp_path / "cut.gguf")), 4, "cut off")
    assert_error(nano_lsp("adapter", "use", str(tmp_path / "missing.gguf")), 4, "cannot be read")
    assert_error(nano_lsp("adapter", "use", str(tmp_path / "whole.gguf"), "--name", "auto"), 2, "'auto'")
    assert AdapterStore(find_folders().adapters).entries() == []


def test_a_choice_can_be_none_and_taken_back(tmp_path: Path) -> None:
    nano_lsp("adapter", "use", str(write_tiny_adapter(tmp_path / "mine.gguf")))
    assert b"use no adapter in" in nano_lsp("adapter", "use", "none", "--workspace", str(tmp_path)).stdout
    store = AdapterStore(find_folders().adapters)
    assert (store.choices(tmp_path), store.choices(None)) == (["none", "mine"], ["mine"])
    assert b"is taken back" in nano_lsp("adapter", "use", "auto", "--workspace", str(tmp_path)).stdout
    assert store.choices(tmp_path) == ["mine"]


def test_choices_for_other_models_stay_and_are_named(tmp_path: Path) -> None:
    for i, name in enumerate(("one", "two")):
        file = write_tiny_adapter(tmp_path / f"{name}.gguf", {BASE_KEY: str(i) * 64})
        used = nano_lsp("adapter", "use", str(file), "--workspace", str(tmp_path)).stdout
    assert b"For models that it was not made for: one, as before." in used
    assert nano_lsp("adapter", "list").stdout.count(f"used in {tmp_path}".encode()) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, names are texts")
def test_a_name_of_any_bytes_is_printed_and_used(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 [bold]")
    used = nano_lsp("adapter", "use", str(write_tiny_adapter(tmp_path / f"{name}.gguf")))
    assert "caf\ufffd [bold]" in used.stdout.decode()
    assert "caf\ufffd [bold]" in nano_lsp("adapter", "list").stdout.decode()
    assert nano_lsp("adapter", "show", name).returncode == 0
    assert nano_lsp("adapter", "remove", name, "--yes").returncode == 0


def test_completions_use_it_and_doctor_names_it(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, code = tmp_path / "script.json", tmp_path / "a.py"
    script.write_text(json.dumps({"x = ": "1 + 1\n", "$adapter": {"x = ": "adapted()\n"}}))
    code.write_text("x = \n")
    monkeypatch.setenv("NANO_LSP_MODEL", f"scripted:{script}")
    at = f"{code}:1:5"
    assert nano_lsp("complete", at).stdout == b"1 + 1\n"
    nano_lsp("adapter", "use", str(write_tiny_adapter(tmp_path / "mine.gguf")))
    assert nano_lsp("complete", at).stdout == b"adapted()\n"
    assert nano_lsp("complete", at, "--adapter", "none").stdout == b"1 + 1\n"
    assert nano_lsp("complete", at, "--adapter", str(tmp_path / "mine.gguf")).stdout == b"adapted()\n"
    monkeypatch.setenv("NANO_LSP_MODEL", str(write_model(tmp_path / "tiny.gguf")))
    assert b"adapter: mine: " in nano_lsp("doctor", "--no-load").stdout
    other = write_tiny_adapter(tmp_path / "other.gguf", {BASE_KEY: "0" * 64})
    used = nano_lsp("adapter", "use", str(other))
    assert b"left out as long as this model is used" in used.stderr
    assert b"adapter: mine: " in nano_lsp("doctor", "--no-load").stdout  # as before
    nano_lsp("adapter", "remove", "mine", "--yes")
    assert b"warn adapter: " in nano_lsp("doctor", "--no-load").stdout
    assert b"FAIL adapter: " in nano_lsp("doctor", "--no-load", NANO_LSP_ADAPTER="other").stdout

"""`nano-lsp forge run`: what it says before, what it refuses, interrupted runs, adapters that gain and others."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import psutil
import pytest
from filelock import FileLock

from nano_lsp.cli import doctor, forge_run
from nano_lsp.cli import training as cli_training
from nano_lsp.cli.app import build_app
from nano_lsp.config import find_folders
from nano_lsp.errors import ForgeError
from nano_lsp.evaluation import runner
from nano_lsp.evaluation.problems import load_infilling
from nano_lsp.forge import adapter_evaluation, dataset, training, training_needs
from nano_lsp.forge.source import hash_files
from nano_lsp.forge.workspace_run import STAGES, adapter_name, read_progress, stage_line
from nano_lsp.inference.hardware import Memory
from nano_lsp.models.adapters import AdapterStore
from nano_lsp.models.store import ModelStore
from nano_lsp.settings import Settings
from tests.cli.test_cli import assert_error, nano_lsp
from tests.forge.test_forge import BACKEND, ODD_NAME, code, content, make, minified, odd_names, rows
from tests.forge.test_training import LIBRARIES, TinyModel, tiny_recipe
from tests.gguf_files import write_model

Run = Callable[..., Any]
N_HELDOUT = 8  # cases of the eight files


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Forty files; eight of them are held out."""
    root = tmp_path / "work"
    root.mkdir()
    for i in range(40):
        (root / f"module{i}.py").write_text(code(f"module{i}", 2))
    return root


@pytest.fixture
def run(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`forge run` with a model that computes with numpy, on a machine with all that training needs."""
    base = write_model(tmp_path / "tiny.gguf", n_vocab=BACKEND.spec.n_vocab)
    script = tmp_path / "script.json"
    script.write_text("{}")
    monkeypatch.setattr(ModelStore, "find", lambda *_: base)
    monkeypatch.setattr(training, "_pytorch", lambda: (lambda *_: TinyModel(), False))
    monkeypatch.setattr(training, "hash_files", lambda _: hash_files([script]))  # what the adapter has to fit
    monkeypatch.setattr(training_needs, "find_spec", lambda name: name in LIBRARIES or None)
    for module in (training_needs, training, forge_run):
        monkeypatch.setattr(module, "find_memory", lambda: Memory(8 << 30))
    monkeypatch.setattr(forge_run, "load_recipe", lambda _: tiny_recipe())
    monkeypatch.setattr(cli_training, "lower_priority", lambda: None)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)

    def start(*options: str, folder: Path = workspace, **more: Any) -> Any:  # noqa: ANN401
        return nano_lsp("forge", "run", str(folder), "--model", f"scripted:{script}", *options, **more)

    return start


@pytest.fixture
def gaining(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that `forge eval` takes."""
    decision = (True, "It gains: exact match on held-out code.")
    monkeypatch.setattr(adapter_evaluation, "decide", lambda _answers: decision)


def own_name(workspace: Path) -> str:
    """Name of the adapter of the model that `run` trains, and of the folder of the run."""
    return adapter_name(workspace, f"scripted:{workspace.parent / 'script.json'}")


def own_folder(workspace: Path) -> Path:
    return find_folders().forge / own_name(workspace)


def choices(workspace: Path) -> list[str]:
    return AdapterStore(find_folders().adapters).choices(workspace)


# Before it begins


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(run: Run, workspace: Path, home: Path) -> None:
    minified_file = workspace / "long.py"
    minified_file.write_text("x = 1;" * 2000 + "\n" * 20)
    done = run("--dry-run", "--minutes", "90")
    said = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    for words in (
        *(f"Workspace {workspace}: 40 source files with about ", f"{N_HELDOUT} held-out cases"),
        *(
            "Left out: minified or generated file: 1.",
            "at most 1 h 30 min, estimated ",
            "MiB of memory (8,192 MiB available)",
        ),
        *("MB of disk", f"Everything is written to {own_folder(workspace)}."),
    ):
        assert words in said
    assert not (home / "forge").exists()
    said = run("--dry-run", "--exclude", "long.py", "--exclude", "module[01].py").stdout.decode()
    assert "38 source files" in said
    assert "Left out" not in said


def remove_files(workspace: Path, _patch: pytest.MonkeyPatch) -> None:
    for path in workspace.iterdir():
        path.unlink()


def remove_most_files(workspace: Path, _patch: pytest.MonkeyPatch) -> None:
    for path in sorted(workspace.iterdir())[10:]:
        path.unlink()


def without_torch(_workspace: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(training_needs, "find_spec", lambda _name: None)


def without_memory(_workspace: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(training_needs, "find_memory", lambda: Memory(500 << 20))


def without_disk(_workspace: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize(
    ("prepare", "exit_code", "words"),
    [
        (remove_files, 2, ["0 usable source files, and 4 are needed", "Give a larger workspace"]),
        (remove_most_files, 2, ["files; with fewer than 7, none can show a gain", "Give a larger workspace"]),
        (lambda workspace, _: minified(workspace), 2, ["0 usable source files", "minified or generated file"]),
        (without_torch, 2, ["not installed: torch, transformers, peft", "pip install 'nano-lsp[forge]'"]),
        (without_memory, 2, ["MiB of memory; there are 500 MiB available", "--model pico"]),
        (without_disk, 3, ["MB are free", "--output"]),
    ],
)
def test_what_is_missing_is_said_before_anything_is_written(  # noqa: PLR0917 - fixtures
    run: Run,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Path, pytest.MonkeyPatch], object],
    exit_code: int,
    words: list[str],
    dry: bool,
) -> None:
    with monkeypatch.context() as patch:
        prepare(workspace, patch)
        done = run(*["--dry-run"] * dry)
    assert_error(done, exit_code, *words)
    assert done.stdout == b""
    assert not own_folder(workspace).exists()


def test_folders_with_other_content_are_refused(run: Run, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("mine")
    assert_error(run("--out", str(tmp_path / "other")), 2, "other has other content", "--output")
    make(tiny_recipe(), [workspace], tmp_path / "data")
    assert_error(run("--out", str(tmp_path / "data")), 2, "output of another command")
    assert_error(run(folder=tmp_path / "missing"), 2, "does not exist")


@pytest.mark.parametrize("minutes", ["nan", "inf", "-inf", "-5", "0", "1e300"])
@pytest.mark.parametrize(
    "command", [["run", "."], ["train", "data"], ["eval", ".", "--adapter", __file__]], ids=lambda command: command[0]
)
def test_minutes_that_are_no_time_are_refused(command: list[str], minutes: str) -> None:
    done = nano_lsp("forge", *command, "--minutes", minutes)
    assert_error(done, 2, "--minutes is ", "Give a number of minutes above 0, up to 525,600.")


def test_doctor_says_which_model_can_be_trained(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = write_model(tmp_path / "deep.gguf", n_layers=200)
    monkeypatch.setattr(doctor, "load_recipe", lambda _: tiny_recipe())
    monkeypatch.setattr(training_needs, "find_spec", lambda _name: None)
    found = doctor.examine_training(Settings(model=str(deep)), deep)
    assert "torch, transformers, peft" in found.detail
    assert "pip install 'nano-lsp[forge]'" in found.remedy
    monkeypatch.setattr(training_needs, "find_spec", lambda name: name in LIBRARIES or None)
    monkeypatch.setattr(training_needs, "find_memory", lambda: Memory(1100 << 20))
    alone = doctor.examine_training(Settings(model=str(deep)), deep).detail
    assert alone.startswith(f"{deep} cannot be trained: Training needs about ")
    (home / "models").mkdir(parents=True)
    write_model(home / "models" / "pico.gguf")
    both = doctor.examine_training(Settings(model=str(deep)), deep).detail
    assert both.startswith(f"{alone} pico can be trained, with ")
    assert "MiB of memory and in about 0 minutes for 100,000 tokens" in both


# The whole run


@pytest.mark.usefixtures("gaining")
def test_an_adapter_that_gains_is_installed_for_the_workspace(run: Run, workspace: Path, tmp_path: Path) -> None:
    done = run()
    said, progress = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, progress
    assert choices(workspace) == [own_name(workspace)]
    assert choices(tmp_path) == []
    assert "Taken. It gains: exact match on held-out code" in said
    assert f"Suggestions use {own_name(workspace)} in {workspace}" in said
    report = own_folder(workspace) / "evaluation" / "evaluation.html"
    assert f"Report: {report}" in said
    assert report.is_file()
    places = [progress.index(stage_line(stage)) for stage in range(len(STAGES))]
    assert places == sorted(places)
    held = {row.file_name for row in load_infilling(own_folder(workspace) / "data" / dataset.PROBLEMS)}
    assert len(held) == 8  # files that are not trained on
    assert json.loads((report.with_suffix(".json")).read_bytes())["sets"][0]["all"][0]["n"] == N_HELDOUT
    again = run()
    assert again.stdout == done.stdout
    assert b"goes on with judging" in again.stderr
    (workspace / "module0.py").write_text(code("modulez", 24))
    anew = run()
    assert anew.returncode in {0, 1}
    assert b"goes on" not in anew.stderr


def test_an_adapter_that_does_not_gain_is_not_installed(run: Run, workspace: Path, tmp_path: Path) -> None:
    done = run("--out", str(tmp_path / "my run"))
    said = done.stdout.decode()
    assert done.returncode == 1, done.stderr
    assert choices(workspace) == []
    assert "Not taken. It does not gain significantly" in said
    command = f"nano-lsp adapter use '{tmp_path / 'my run' / 'training' / 'adapter.gguf'}' --workspace {workspace}"
    assert f"To install it anyway: {command}" in said
    assert nano_lsp(*shlex.split(command)[1:]).returncode == 0
    assert choices(workspace) == ["adapter"]


def test_excluded_files_are_in_no_case(run: Run, workspace: Path) -> None:
    assert run("--exclude", "module[01].py").returncode == 1
    documents = {row["document"] for row in rows(own_folder(workspace) / "data")}
    assert documents == {f"module{i}.py" for i in range(2, 40)}


@pytest.mark.parametrize("pattern", ["!", "[z-a]", "a\\"])
def test_a_pattern_that_is_not_valid_is_named(run: Run, workspace: Path, pattern: str) -> None:
    done = run("--exclude", "fine.py", "--exclude", pattern)
    assert_error(done, 2, f"The pattern {pattern!r} of files to leave out is not valid", "as in .gitignore")
    assert not own_folder(workspace).exists()


def test_signatures_of_excluded_files_are_in_no_case(run: Run, workspace: Path) -> None:
    (workspace / "internal.py").write_text("def secret_entry(key: int) -> int:\n    return key\n")
    for i in range(40):
        path = workspace / f"module{i}.py"
        path.write_text("from internal import secret_entry\n\n" + path.read_text())
    assert run("--exclude", "internal.py").returncode == 1
    imported = [row.imported for row in load_infilling(own_folder(workspace) / "data" / dataset.PROBLEMS)]
    assert not any("def secret_entry" in each for each in imported)
    assert run("--out", str(workspace.parent / "with")).returncode == 1
    imported = [row.imported for row in load_infilling(workspace.parent / "with" / "data" / dataset.PROBLEMS)]
    assert any("secret_entry(key: int)" in each for each in imported)


@odd_names
@pytest.mark.usefixtures("gaining")
def test_a_workspace_and_files_whose_names_are_not_utf_8(run: Run, workspace: Path, tmp_path: Path) -> None:
    odd = workspace.rename(tmp_path / ODD_NAME)
    for i in range(20):
        (odd / f"module{i}.py").rename(odd / f"{i} {ODD_NAME}.py")
    done = run("--exclude", ODD_NAME.encode("utf-8", "surrogateescape").hex(), folder=odd)
    assert done.returncode == 0, done.stderr
    assert choices(odd) == [own_name(odd)]
    assert run(folder=odd).returncode == 0


def test_deleted_data_are_made_anew(run: Run, workspace: Path) -> None:
    done = run()
    shutil.rmtree(own_folder(workspace) / "data")
    again = run()
    assert (again.returncode, again.stdout) == (done.returncode, done.stdout), again.stderr


# Interrupted runs


def interrupt(*_: object, **_named: object) -> Any:  # noqa: ANN401
    raise KeyboardInterrupt


def at_data(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dataset.DatasetWriter, "_card", interrupt)


def at_training(patch: pytest.MonkeyPatch) -> None:
    n_steps = iter(range(3))

    def before(what: str) -> None:
        if what == "update" and next(n_steps, None) is None:
            interrupt()

    patch.setattr(training, "_pytorch", lambda: (lambda *_: TinyModel(before), False))


def at_judging(patch: pytest.MonkeyPatch) -> None:
    measure, n_done = runner.measure, iter(range(5))

    def measured(*given: Any) -> Any:  # noqa: ANN401
        return measure(*given) if next(n_done, None) is not None else interrupt()

    patch.setattr(runner, "measure", measured)


def at_installing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AdapterStore, "install", interrupt)


def before_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(training_needs, "find_memory", interrupt)


@pytest.mark.usefixtures("gaining")
@pytest.mark.parametrize(
    ("stop", "goes_on"),
    [
        (before_all, ""),
        (at_data, "data"),
        (at_training, "training"),
        (at_judging, "judging"),
        (at_installing, "judging"),
    ],
)
def test_an_interrupted_run_goes_on(  # noqa: PLR0917 - fixtures
    run: Run,
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: Callable[[pytest.MonkeyPatch], None],
    goes_on: str,
) -> None:
    whole = run("--out", str(tmp_path / "whole"))
    AdapterStore(find_folders().adapters).remove(own_name(workspace))
    with monkeypatch.context() as patch:
        stop(patch)
        assert_error(run("--out", str(tmp_path / "parts")), 130, "again to continue")
    assert choices(workspace) == []
    if goes_on not in {"", "data"}:  # what was made is kept, whatever the workspace is now
        shutil.rmtree(workspace)
        workspace.mkdir()
    if goes_on not in {"", "data"}:
        assert_error(run("--out", str(tmp_path / "parts"), "--minutes", "5"), 2, "minutes 60", "delete that folder")
    done = run("--out", str(tmp_path / "parts"))
    assert done.returncode == 0, done.stderr
    assert (f"goes on with {goes_on}." if goes_on else "Stage 1") in done.stderr.decode()
    said = [each.stdout.decode().partition("\n")[2] for each in (done, whole)]  # without the time of training
    assert said[0].replace("parts", "whole") == said[1]
    files = [
        {name: each for name, each in content(tmp_path / folder).items() if name.startswith(("data", "training/a"))}
        for folder in ("parts", "whole")
    ]
    assert files[0] == files[1]
    assert choices(workspace) == [own_name(workspace)]


def test_data_that_are_not_finished_are_made_anew_of_changed_code(
    run: Run, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        at_data(patch)
        assert run().returncode == 130
    (workspace / "module0.py").write_text(code("modulez", 24))
    done = run()
    assert done.returncode == 1, done.stderr
    assert b"goes on" not in done.stderr


def test_one_run_at_a_time_works_for_a_workspace(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    others = []

    def meanwhile(*_: object, **_named: object) -> None:
        others.append(run())
        interrupt()

    monkeypatch.setattr(forge_run, "data_maker", meanwhile)
    assert run().returncode == 130
    assert_error(others[0], 2, "Another run for", "is in progress")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
def test_only_this_user_can_read_what_is_made_of_private_code(run: Run, workspace: Path, tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        assert run("--out", str(tmp_path / "new" / "all")).returncode == 1
        data = tmp_path / "new" / "all" / "data"
        make(tiny_recipe(), [workspace], tmp_path / "data")
        assert nano_lsp("forge", "train", str(data), "--output", str(tmp_path / "training")).returncode == 0
        options = ["--adapter", str(tmp_path / "training" / "adapter.gguf"), "--output", str(tmp_path / "evaluation")]
        model = f"scripted:{tmp_path / 'script.json'}"
        assert nano_lsp("forge", "eval", str(data), *options, "--model", model).returncode == 1
    finally:
        os.umask(before)
    for name in ("new/all", "data", "training", "evaluation"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700, name


def test_one_command_at_a_time_writes_to_a_folder(
    run: Run, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("--out", str(tmp_path / "all")).returncode == 1
    data, adapter = str(tmp_path / "all" / "data"), str(tmp_path / "all" / "training" / "adapter.gguf")
    folder = tmp_path / "output"
    for command in (
        lambda: run("--out", str(folder)),
        lambda: nano_lsp("forge", "train", data, "--output", str(folder)),
        lambda: nano_lsp("forge", "eval", data, "--adapter", adapter, "--output", str(folder)),
    ):
        with dataset.locked_folder(folder):
            assert_error(command(), 2, f"Another nano-lsp command writes to {folder}.", "Wait until it has ended")
    with dataset.locked_folder(folder), pytest.raises(ForgeError, match="Another nano-lsp command writes to"):
        make(tiny_recipe(), [workspace], folder)
    monkeypatch.setattr(FileLock, "acquire", Mock(side_effect=NotImplementedError))
    assert_error(run("--out", str(tmp_path / "all")), 2, "has no locks.", "--output on a local disk")


def test_a_run_of_another_version_says_what_to_delete(run: Run, workspace: Path) -> None:
    assert run().returncode == 1
    folder = own_folder(workspace)
    path = folder / "run.json"
    for text, words in (('{"format": 0}', "Another version of nano-lsp"), ("[1]", "cannot be read")):
        path.write_text(text)
        assert_error(run(), 2, words, f"elete {folder} to begin anew")
    shutil.rmtree(folder)
    assert run().returncode == 1


@pytest.mark.usefixtures("gaining")
def test_an_adapter_of_another_model_stays(
    run: Run, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run().returncode == 0
    first = own_folder(workspace)
    other = tmp_path / "other.json"
    other.write_text('{"x": "y"}')
    monkeypatch.setattr(training, "hash_files", lambda _: hash_files([other]))
    assert run("--model", f"scripted:{other}").returncode == 0
    assert (first / "training" / "adapter.gguf").exists()
    names = {entry.name for entry in AdapterStore(find_folders().adapters).entries()}
    assert names == {first.name, adapter_name(workspace, f"scripted:{other}")}
    assert choices(workspace) == [adapter_name(workspace, f"scripted:{other}"), first.name]
    done = run("--model", f"scripted:{other}", "--out", str(first))
    assert_error(done, 2, f"model scripted:{tmp_path / 'script.json'}", "another --output")
    assert (first / "training" / "adapter.gguf").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a wait there ends with its own time limit only")
def test_the_end_of_the_input_is_an_interruption(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    its_input, ours = os.pipe()

    def wait(*_: object, **_named: object) -> None:
        os.close(ours)
        threading.Event().wait()

    monkeypatch.setattr(forge_run, "data_maker", wait)
    with os.fdopen(its_input, "rb") as stream:

        def program(arguments: list[str]) -> None:
            sys.stdin = stream
            build_app("forge")(arguments)

        done = run("--until-input-ends", program=program)
    assert_error(done, 130, "again to continue")


# Progress of a run, for editors


def test_progress_is_read_from_what_is_printed() -> None:
    lines = [
        ("loading the model", 0.0),
        (stage_line(0), 0.0),
        ("5,000 cases, 1,000,000 tokens: work", 0.0),
        (stage_line(1), 0.05),
        ("40 steps (4 passes over the cases), 10 of them done: about 3 min", 0.05),
        ("step 1,000 of 2,000: loss 1.200, 30 tokens/s, 3 min left", 0.425),
        ("paused: an editor uses the model", 0.425),
        (stage_line(2), 0.8),
        ("after, held-out code: 30 of 60", 0.895),
        ("before, held-out code: 6 of 60", 0.895),
        (stage_line(3), 0.99),
        ("1 of 0", 1.0),
    ]
    share = 0.0
    for line, expected in lines:
        share = read_progress(line, share)
        assert share == pytest.approx(expected), line

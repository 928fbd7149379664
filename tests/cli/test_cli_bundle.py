"""`nano-lsp bundle` and its installer: rejected input, clean-up after failures, verification of bundles."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.cli import bundle_install
from nano_lsp.cli.app import build_app
from nano_lsp.cli.bundle import write_sums
from nano_lsp.cli.bundle_parts import StepCallback, Wheels, run
from nano_lsp.config import find_folders
from nano_lsp.errors import BundleError, DiskSpaceError
from nano_lsp.models.store import ModelStore
from tests.gguf_files import write_model

ROOT = Path(__file__).parents[2]
FACTS: dict[str, Any] = {
    "version": "0.1.0",
    "extra": "",
    "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
    "platform": bundle_install.this_platform(),
    "cpu_features": [],
    "model": "nano",
    "model_file": "model/nano.gguf",
    "jupyterlab": False,
    "jupyterlab_extension": "",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with small files in place of wheels."""
    folder = tmp_path / "bundle"
    for name, text in {"wheels/a.whl": "a", "model/nano.gguf": "m", "nvim/lua/x y.lua": "-- é"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    shutil.copyfile(bundle_install.__file__, folder / "install.py")
    (folder / "bundle.json").write_text(json.dumps(FACTS))
    write_sums(folder)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A small model in the store."""
    ModelStore(find_folders()).import_file(write_model(tmp_path / "small.gguf"), "small")
    return "small"


def install(bundle: Path, *options: str) -> subprocess.CompletedProcess[str]:
    into = ["--into", str(bundle.parent / "venv"), *options]
    command = [sys.executable, str(bundle / "install.py"), *into]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_checksums_are_those_of_sha256sum(bundle: Path) -> None:
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=bundle, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "nvim/lua/x y.lua: OK" in done.stdout
    before = (bundle / "SHA256SUMS").read_bytes()
    (bundle / "SHA256SUMS").unlink()
    write_sums(bundle)
    assert (bundle / "SHA256SUMS").read_bytes() == before
    assert install(bundle, "--check").returncode == 0


@pytest.mark.parametrize("name", ["wheels/a.whl", "model/nano.gguf", "nvim/lua/x y.lua", "install.py", "bundle.json"])
@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_damaged_file_is_rejected_before_anything_is_installed(bundle: Path, name: str, harm: str) -> None:
    if harm == "missing" and name == "install.py":
        return  # nothing is there that could be run
    path = bundle / name
    path.write_bytes(path.read_bytes() + b"\n") if harm == "changed" else path.unlink()
    done = install(bundle)
    assert done.returncode == 1
    assert name in done.stderr
    assert "Nothing is installed" in done.stderr
    assert not (bundle.parent / "venv").exists()


def test_a_file_that_was_not_in_the_bundle_is_rejected(bundle: Path) -> None:
    (bundle / "wheels/.DS_Store").write_text("what a system leaves")
    assert install(bundle, "--check").returncode == 0
    (bundle / "wheels/numpy-9.whl").write_text("not ours")
    done = install(bundle)
    assert done.returncode == 1
    assert "wheels/numpy-9.whl does not belong" in done.stderr


def test_a_bundle_without_checksums_is_rejected(bundle: Path) -> None:
    (bundle / "SHA256SUMS").unlink()
    assert "SHA256SUMS is missing" in install(bundle).stderr


@given(data=st.binary(max_size=400))
def test_random_checksum_files_raise_an_install_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "a").write_text("a")
    (folder / "SHA256SUMS").write_bytes(data)
    with pytest.raises(bundle_install.InstallError):
        bundle_install.verify(folder)


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        ({"python": "3.9"}, "for Python 3.9"),
        ({"platform": "plan9-mips"}, "for plan9-mips"),
        pytest.param(
            {"cpu_features": ["avx1024"]},
            "--portable",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a CPU can do"),
        ),
    ],
)
def test_an_incompatible_machine_is_reported(bundle: Path, fact: dict[str, object], message: str) -> None:
    (bundle / "bundle.json").write_text(json.dumps({**FACTS, **fact}))
    (bundle / "SHA256SUMS").unlink()
    write_sums(bundle)
    done = install(bundle)
    assert done.returncode == 1
    assert message in done.stderr
    assert not (bundle.parent / "venv").exists()


def test_a_folder_that_is_not_an_environment_is_not_replaced(bundle: Path) -> None:
    (bundle.parent / "venv").mkdir()
    (bundle.parent / "venv/thesis.txt").write_text("three years")
    done = install(bundle)
    assert done.returncode == 1
    assert "is not a virtual environment" in done.stderr
    assert (bundle.parent / "venv/thesis.txt").read_text() == "three years"


@pytest.mark.parametrize("failing", ["The virtual environment", "pip", "The model"])
def test_an_install_that_fails_leaves_the_environment_that_was_there(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    into = bundle.parent / "venv"
    into.mkdir()
    (into / "pyvenv.cfg").write_text("before")
    done: list[str] = []

    def run_step(command: list[str], failure: str, _remedy: str) -> None:
        done.append(failure)
        if failure.startswith(failing):
            raise bundle_install.InstallError(failure)
        into.mkdir(exist_ok=True)
        (into / "pyvenv.cfg").write_text("new")

    monkeypatch.setattr(bundle_install, "_run", run_step)
    with pytest.raises(bundle_install.InstallError, match=failing):
        bundle_install.install(bundle, FACTS, into)
    assert (into / "pyvenv.cfg").read_text() == "before"
    failing = "nothing"
    bundle_install.install(bundle, FACTS, into)
    assert (into / "pyvenv.cfg").read_text() == "new"
    assert not into.with_name("venv.before").exists()


def test_an_install_that_was_killed_is_made_up_for(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into = bundle.parent / "venv"
    for folder, text in ((into, "half"), (into.with_name("venv.before"), "before")):
        folder.mkdir()
        (folder / "pyvenv.cfg").write_text(text)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bundle_install, "_run", fail)
    with pytest.raises(KeyboardInterrupt):
        bundle_install.install(bundle, FACTS, into)
    assert (into / "pyvenv.cfg").read_text() == "before"


def test_an_environment_in_use_on_windows_is_left_alone(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into = bundle.parent / "venv"
    into.mkdir()
    (into / "pyvenv.cfg").write_text("before")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(bundle_install.InstallError, match=r"engine stop, and try again\. Nothing has changed"):
        bundle_install.install(bundle, FACTS, into)
    assert (into / "pyvenv.cfg").read_text() == "before"


@pytest.mark.real  # creates an environment, which takes long
def test_an_install_that_fails_leaves_no_environment(bundle: Path) -> None:
    done = install(bundle)  # its one wheel is no wheel
    assert done.returncode == 1
    assert "pip could not install" in done.stderr
    assert not (bundle.parent / "venv").exists()


def test_a_nonempty_folder_is_not_replaced(tmp_path: Path, model: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("x")
    with pytest.raises(BundleError, match="not empty"):
        build_app()(["bundle", str(tmp_path / "out"), "--model", model, "--without", "vscode", "--source", str(ROOT)])
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_folder_that_is_not_a_checkout_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a checkout") as caught:
        build_app()(["bundle", str(tmp_path / "out"), "--source", str(tmp_path)])
    assert "--source" in caught.value.remedy


def test_without_npm_the_remedy_is_reported_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(BundleError, match="npm") as caught:
        build_app()(["bundle", str(tmp_path / "out"), "--source", str(ROOT)])
    assert "--without vscode" in caught.value.remedy


def test_too_little_space_is_reported_before_the_work(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(1, 1, 1_000))
    with pytest.raises(DiskSpaceError, match="0 MB are free"):
        build_app()(["bundle", str(tmp_path / "out"), "--model", model, "--without", "vscode", "--source", str(ROOT)])
    assert not (tmp_path / "out").exists()


class NoWheels(Wheels):
    """Records the requirements without fetching them."""

    asked: ClassVar[list[tuple[str, ...]]] = []

    def collect(self, on_step: StepCallback, *requirements: str, deps: bool = True) -> None:
        self.asked.append((*requirements, *([] if deps else ["alone"])))

    def version_of(self, name: str) -> str:
        return "0.1.0"


def test_jupyterlab_is_included_only_on_request(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nano_lsp.cli.bundle_parts.Wheels", NoWheels)
    monkeypatch.setattr(NoWheels, "asked", [])
    common = ["--model", model, "--without", "vscode", "--source", str(ROOT)]
    server, extension = f"nano-lsp[jupyter] @ {ROOT.as_uri()}", str(ROOT / "jupyter_ext")
    build_app()(["bundle", str(tmp_path / "out"), *common], standalone_mode=False)
    assert NoWheels.asked == [(server,), (extension, "alone")]
    build_app()(["bundle", str(tmp_path / "with"), *common, "--jupyterlab"], standalone_mode=False)
    assert NoWheels.asked[2:] == [(server, "jupyterlab"), (extension,)]
    facts = [json.loads((tmp_path / out / "bundle.json").read_text()) for out in ("out", "with")]
    assert [fact["jupyterlab"] for fact in facts] == [False, True]
    steps = [bundle_install.next_steps(tmp_path, fact, tmp_path / "venv/bin/nano-lsp") for fact in facts]
    assert "pip install --no-index" in steps[0]
    assert f"JupyterLab: {tmp_path / 'venv/bin/jupyter'} lab" in steps[1]


def test_the_server_path_is_printed_only_if_editors_do_not_find_it(
    bundle: Path,
) -> None:
    (bundle / "vscode").mkdir()
    (bundle / "vscode/neuro-nano.vsix").write_text("v")
    elsewhere = bundle_install.next_steps(bundle, FACTS, bundle / "venv/bin/nano-lsp")
    assert "nano.server.path" in elsewhere
    assert "cmd = {" in elsewhere
    usual = bundle_install.program(bundle_install.default_environment())
    steps = bundle_install.next_steps(bundle, FACTS, usual)
    assert "nano.server.path" not in steps
    assert 'require("nano").setup()' in steps


def test_the_output_of_a_failed_program_is_in_the_error_and_a_full_disk_is_reported() -> None:
    told: list[str] = []
    script = "import sys; print('one'); sys.exit('no such package')"
    with pytest.raises(BundleError, match="no such package"):
        run("Wheels", [sys.executable, "-c", script], told.append, env=os.environ)
    assert told == ["Wheels", "Wheels: one", "Wheels: no such package"]
    script = "import sys; sys.exit('OSError: [Errno 28] No space left on device')"
    with pytest.raises(DiskSpaceError):
        run("Wheels", [sys.executable, "-c", script], told.append, env=os.environ)

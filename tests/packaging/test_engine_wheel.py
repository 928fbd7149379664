"""The script that builds the engine's wheel, as far as it needs no compiler; and the wheel, where it is built."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "packaging/engine"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nano-lsp-tests"
WHEELS = sorted((CACHE / "engine").glob("llama_cpp_python-*.whl"))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_engine", ENGINE / "build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("kind", "version", "faulty"),
    [
        ("gcc", (11, 4), True),
        ("gcc", (12, 2), True),
        ("gcc", (12, 4), False),
        ("gcc", (13, 2), True),
        ("gcc", (13, 3), False),
        ("gcc", (14, 2), False),
        ("clang", (4, 2), False),  # what clang says it is compatible with
    ],
)
def test_compilers_that_make_faulty_code_for_amx(
    script: ModuleType, kind: str, version: tuple[int, ...], faulty: bool
) -> None:
    assert script.needs_sound_amx((kind, version)) is faulty


@pytest.mark.skipif(os.name == "nt", reason="a compiler that is a shell script")
@pytest.mark.parametrize(
    ("said", "switches"), [("__clang__ 12 2", True), ("1 4 2", False), ("__clang__ 14 2", False)]
)
def test_the_build_asks_the_compiler(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, switches: bool
) -> None:
    compiler = tmp_path / "c++"
    compiler.write_text(f"#!/bin/sh\necho '{said}'\n")
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", str(compiler))
    environment = script.build_environment(Path("/tools/bin/python"), tmp_path)
    assert ("-fno-tree-dse -fno-dse" in environment["CXXFLAGS"]) is switches
    assert f"-ffile-prefix-map={tmp_path}=." in environment["CFLAGS"]
    assert environment["SOURCE_DATE_EPOCH"].isdecimal()


@pytest.mark.skipif(not shutil.which("c++"), reason="needs a C++ compiler")
def test_the_version_of_the_compiler_that_is_here(script: ModuleType) -> None:
    kind, version = script.compiler_version("c++")
    assert kind in {"gcc", "clang"}
    assert version[0] >= 4


def test_tools_and_source_are_pinned_by_their_hashes() -> None:
    pinned = re.search(r'"(llama-cpp-python==[\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pinned
    source = (ENGINE / "source.txt").read_text(encoding="utf-8")
    assert re.search(rf"^{re.escape(pinned[1])} --hash=sha256:[0-9a-f]{{64}}$", source, re.MULTILINE)
    tools = (ENGINE / "tools.txt").read_text(encoding="utf-8")
    names = {line for line in (ENGINE / "tools.in").read_text(encoding="utf-8").split("\n") if line[:1].isalpha()}
    for name in names:
        assert re.search(rf"^{name}==\S+.*\\\n +--hash=sha256:", tools, re.MULTILINE), name


@pytest.mark.real  # a process for each variant
@pytest.mark.skipif(not WHEELS, reason=f"`python packaging/engine/build.py {CACHE / 'engine'}` builds it")
def test_each_variant_of_the_wheel_that_this_cpu_can_run_works(tmp_path: Path) -> None:
    with zipfile.ZipFile(WHEELS[-1]) as wheel:
        wheel.extractall(tmp_path)
    environment = {**os.environ, "LLAMA_CPP_LIB_PATH": str(tmp_path / "llama_cpp/lib")}
    command = [sys.executable, str(ENGINE / "check.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    works = re.findall(r"^(\S+)\.repacked: works", done.stdout, re.MULTILINE)
    assert works[-1] == ("x64" if "x86_64" in WHEELS[-1].name else "armv8.0_1")
    assert len(works) == len(set(works))


@pytest.mark.real
@pytest.mark.skipif(not WHEELS, reason="as above")
def test_the_wheel_names_no_folder_of_its_build() -> None:
    with zipfile.ZipFile(WHEELS[-1]) as wheel:
        libraries = [name for name in wheel.namelist() if ".so" in name]
        assert sum("ggml-base" in name for name in libraries) == 1  # a second copy would have devices of its own
        for name in libraries:
            assert b"/engine-" not in wheel.read(name), name

"""The self-test of llama.cpp on this CPU, and the layouts and errors that follow from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec
import pytest

from nano_lsp.errors import LibraryError
from nano_lsp.inference import hardware, llama_library, selftest
from nano_lsp.inference.library_files import variant_files
from nano_lsp.inference.llama_library import choose_variant
from nano_lsp.inference.selftest import (
    MAX_CRASHES,
    SelfTest,
    build_command,
    compiled_features,
    require_layout,
)
from nano_lsp.schema import WeightLayout
from tests import dying_library

REPACKED, AS_STORED = WeightLayout.REPACKED, WeightLayout.AS_STORED
VARIANTS = ["sapphirerapids", "zen4", "haswell"]  # the fastest first


@pytest.fixture
def lib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of llama.cpp's libraries, with a file that cannot be loaded."""
    folder = tmp_path / "lib"
    folder.mkdir()
    (folder / "libllama.so").write_bytes(b"a build")
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(folder))
    return folder


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[WeightLayout]:
    """Layouts for which a child process would have been started; all work."""
    layouts: list[WeightLayout] = []

    def try_layout(layout: WeightLayout, _left_out: Collection[str], _folder: Path) -> selftest._Trial:
        layouts.append(layout)
        return selftest._Trial("", "", "CPU : AVX2 = 1 | ")

    monkeypatch.setattr(selftest, "_try_layout", try_layout)
    return layouts


def test_the_build_that_is_installed_works_on_this_cpu(tmp_path: Path) -> None:
    """Also on a CPU with AMX and a compiler too old for it, though not in the fastest mode."""
    outcome = SelfTest(tmp_path).run()
    assert require_layout(outcome) in {REPACKED, AS_STORED}
    assert compiled_features(outcome.system_info) <= set(hardware.FEATURES)
    assert outcome.is_new
    assert bool(outcome.notice) == (outcome.layout is AS_STORED)


@pytest.mark.skipif("sys.platform != 'linux'", reason="names of files that are not UTF-8")
def test_a_model_is_loaded_from_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    command = [sys.executable, "-m", "nano_lsp.inference.selftest_child", AS_STORED]
    done = subprocess.run(command, env={**os.environ, "TMPDIR": str(folder)}, capture_output=True, check=False)
    assert b'"nmse"' in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("mode", "layout", "reason"),
    [
        ("dies-repacked", AS_STORED, "it died of SIG"),
        ("wrong-repacked", AS_STORED, ""),
        ("dies", None, "it died of SIGILL"),
    ],
)
def test_a_build_that_fails_is_used_as_far_as_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, layout: WeightLayout | None, reason: str
) -> None:
    for name, value in dying_library.environment(mode).items():
        monkeypatch.setenv(name, value)
    outcome = SelfTest(tmp_path).run()
    assert outcome.layout is layout
    assert reason in outcome.failures[REPACKED]
    if layout:
        assert "slower, safer mode" in outcome.notice
        assert "nano-lsp doctor" in outcome.notice
    else:
        with pytest.raises(LibraryError, match="does not work on this CPU") as raised:
            require_layout(outcome)
        assert "pip install --force-reinstall" in raised.value.remedy
        assert raised.value.exit_code == 3


def test_a_library_that_cannot_be_loaded_says_why(lib: Path, tmp_path: Path) -> None:
    outcome = SelfTest(tmp_path).run()
    assert outcome.layout is None
    assert "it could not be used" in outcome.failures[AS_STORED]


def test_a_missing_library_is_reported(lib: Path, tmp_path: Path) -> None:
    (lib / "libllama.so").unlink()
    with pytest.raises(LibraryError, match=r"not installed.*pip install llama-cpp-python"):
        SelfTest(tmp_path)


def test_an_outcome_is_cached_for_a_build_and_a_cpu(
    lib: Path, tmp_path: Path, tried: list[WeightLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = SelfTest(tmp_path)
    assert first.run().is_new
    assert not SelfTest(tmp_path).run().is_new
    assert tried == [REPACKED]
    (lib / "libllama.so").write_bytes(b"another build")
    assert SelfTest(tmp_path).key != first.key
    assert SelfTest(tmp_path).run().is_new
    (lib / "libllama.so").write_bytes(b"a build")
    assert SelfTest(tmp_path).key == first.key
    monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset({"amx_tile"}))
    assert SelfTest(tmp_path).key != first.key
    assert first.run(again=True).is_new


def test_the_cache_may_be_damaged_or_in_a_folder_that_cannot_be_written(
    lib: Path, tmp_path: Path, tried: list[WeightLayout]
) -> None:
    SelfTest(tmp_path).run()
    (tmp_path / "llama-selftest.json").write_bytes(b'{"a": 1')
    assert SelfTest(tmp_path).run().is_new
    assert not SelfTest(tmp_path).run().is_new
    (tmp_path / "file").write_text("")
    assert SelfTest(tmp_path / "file").run().layout is REPACKED


def test_crashes_before_a_first_answer_lead_to_the_safer_mode(
    lib: Path, tmp_path: Path, tried: list[WeightLayout]
) -> None:
    it = SelfTest(tmp_path)
    for _ in range(MAX_CRASHES - 1):
        assert it.record_crash("Segmentation fault").layout is REPACKED
    it.record_answer()
    for _ in range(MAX_CRASHES - 1):
        assert it.record_crash("Segmentation fault").layout is REPACKED
    outcome = it.record_crash("Segmentation fault")
    assert outcome.layout is AS_STORED
    assert outcome.is_new
    assert "died 2 times before its first answer (Segmentation fault)" in outcome.notice
    kept = SelfTest(tmp_path).run()
    assert (kept.layout, kept.is_new) == (AS_STORED, False)
    for _ in range(2 * MAX_CRASHES):  # there is no safer layout: it stays
        assert it.record_crash("Aborted").layout is AS_STORED
    assert it.run(again=True).layout is REPACKED


def test_a_layout_that_failed_the_self_test_is_not_used_as_a_fallback(
    lib: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def try_layout(layout: WeightLayout, _left_out: Collection[str], _folder: Path) -> selftest._Trial:
        return selftest._Trial("it died" * (layout is AS_STORED))

    monkeypatch.setattr(selftest, "_try_layout", try_layout)
    it = SelfTest(tmp_path)
    for _ in range(2 * MAX_CRASHES):
        assert it.record_crash("Segmentation fault").layout is REPACKED


def of_variants(works: Mapping[WeightLayout, Collection[str]]) -> Callable[..., selftest._Trial]:
    """A self-test of a build with three variants, of which some work in a layout."""

    def try_layout(layout: WeightLayout, left_out: Collection[str], _folder: Path) -> selftest._Trial:
        variant = next((name for name in VARIANTS if name not in left_out), "")
        return selftest._Trial("" if variant in works[layout] else "it died of SIGILL", variant)

    return try_layout


@pytest.mark.parametrize(
    ("works", "mode", "left_out"),
    [
        ({REPACKED: VARIANTS, AS_STORED: VARIANTS}, "sapphirerapids.repacked", []),
        ({REPACKED: ["zen4", "haswell"], AS_STORED: VARIANTS}, "zen4.repacked", ["sapphirerapids"]),
        ({REPACKED: ["haswell"], AS_STORED: VARIANTS}, "haswell.repacked", ["sapphirerapids", "zen4"]),
        ({REPACKED: [], AS_STORED: ["zen4"]}, "zen4.as-stored", ["sapphirerapids"]),
        ({REPACKED: [], AS_STORED: []}, "", []),
    ],
)
@pytest.mark.usefixtures("lib")
def test_variants_that_fail_are_left_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    works: Mapping[WeightLayout, Collection[str]],
    mode: str,
    left_out: list[str],
) -> None:
    monkeypatch.setattr(selftest, "_try_layout", of_variants(works))
    outcome = SelfTest(tmp_path).run()
    assert (outcome.mode, [*outcome.left_out]) == (mode, left_out)
    assert set(outcome.failures) == {each for each in works if not works[each]}
    assert bool(outcome.notice) == bool(left_out)
    assert msgspec.structs.replace(outcome, is_new=False) == SelfTest(tmp_path).run()


def test_crashes_before_a_first_answer_lead_to_the_next_variant(
    lib: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "_try_layout", of_variants({REPACKED: VARIANTS, AS_STORED: VARIANTS[:1]}))
    it = SelfTest(tmp_path)
    modes = [it.record_crash("Segmentation fault").mode for _ in range(5 * MAX_CRASHES)]
    expected = [f"{name}.repacked" for name in VARIANTS] + ["sapphirerapids.as-stored"]
    assert [*dict.fromkeys(modes)] == expected
    assert "died 2 times" in next(iter(SelfTest(tmp_path).run().failures.values()))


def test_a_variant_is_chosen_by_what_it_says_of_this_cpu(
    lib: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_library, "_scores", dict)
    assert choose_variant() == ""
    scores = {"x64": 1, "haswell": 63, "zen4": 1983, "sapphirerapids": 0}
    monkeypatch.setattr(llama_library, "_scores", lambda: scores)
    assert choose_variant() == "zen4"
    assert choose_variant(["zen4", "x64"]) == "haswell"
    with pytest.raises(LibraryError, match="None of the variants"):
        choose_variant(["zen4", "x64", "haswell"])


@pytest.mark.parametrize("suffix", [".so", ".dll"])
def test_variants_are_found_by_the_names_of_their_files(lib: Path, suffix: str) -> None:
    prefix = "" if suffix == ".dll" else "lib"
    for name in ("ggml-base", "ggml", "ggml-cpu", "ggml-cpu-armv8.2_1", "ggml-cpu-zen4"):
        (lib / f"{prefix}{name}{suffix}").touch()
    assert variant_files() == {name: lib / f"{prefix}ggml-cpu-{name}{suffix}" for name in ("armv8.2_1", "zen4")}


def test_features_that_llama_cpp_was_compiled_with() -> None:
    info = "CPU : SSE3 = 1 | AVX2 = 1 | AVX512 = 1 | AVX512_VNNI = 0 | AMX_INT8 = 1 | OPENMP = 1 | REPACK = 1 | "
    assert compiled_features(info) == {"avx2", "avx512f", "amx_int8"}
    assert compiled_features("CPU : NEON = 1 | DOTPROD = 1 | MATMUL_INT8 = 1 | ") == {"asimd", "asimddp", "i8mm"}
    assert compiled_features("") == frozenset()


@pytest.mark.skipif(sys.platform != "linux", reason="of compilers on Linux")
def test_the_command_that_builds_a_better_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset({"amx_tile"}))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    command = build_command()
    assert command.startswith('CXXFLAGS="-fno-tree-dse -fno-dse" env -u SOURCE_DATE_EPOCH ')
    assert sys.executable in command
    monkeypatch.setattr(hardware, "cpu_flags", frozenset)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert build_command().startswith(sys.executable)


GUARDED = """
import os, sys, ctypes
from pathlib import Path
from nano_lsp.inference import selftest
from nano_lsp.inference.crash_guard import CrashGuard
from nano_lsp.inference.selftest import SelfTest
selftest._try_layout = lambda *_: selftest._Trial("")  # every layout works
cache = Path(sys.argv[1])
guard = CrashGuard(SelfTest(cache), cache / "crashes")
print(guard.begin().layout.value, flush=True)
if sys.argv[2] == "fault": ctypes.string_at(0)
elif sys.argv[2] == "answer": guard.end(answered=True)
elif sys.argv[2] == "answer-fault": guard.end(answered=True); ctypes.string_at(0)
else: os.kill(os.getpid(), int(sys.argv[2]))
"""


def guarded(cache: Path, ending: str) -> str:
    """The layout that a process uses before it exits or crashes."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONFAULTHANDLER"}
    command = [sys.executable, "-c", GUARDED, str(cache), ending]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    return done.stdout.strip()


def test_only_faults_before_the_first_answer_count(lib: Path, tmp_path: Path, tried: list[WeightLayout]) -> None:
    cache = tmp_path / "cache"
    SelfTest(cache).run()
    for ending in ("fault", "answer", "fault", "answer-fault", str(signal.SIGTERM.value), "9", "9", "fault", "fault"):
        assert guarded(cache, ending) == REPACKED.value
    assert guarded(cache, "answer") == AS_STORED.value
    left = [*(cache / "crashes").iterdir()]  # of killed processes: they may run on another machine
    assert len(left) == 3
    for path in left:
        os.utime(path, (0, 0))
    assert guarded(cache, "answer") == AS_STORED.value
    assert not any((cache / "crashes").iterdir())

"""Self-test: whether the installed build of llama.cpp works on this CPU, checked before it is loaded.

A build may crash at its first batch, or compute wrong numbers: one for another CPU crashes with an illegal
instruction, one compiled by GCC before 12.4 or 13.3 for a CPU with AMX with a general protection fault (GCC bug
114098). So a child process evaluates a tiny model first, in each layout of the weights until one works. The outcome
is cached by the library's hash and the CPU: the test takes a second, once.

This module does not load llama.cpp.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import platform
import re
import shlex
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import msgspec

from nano_lsp.atomic_files import write_whole
from nano_lsp.errors import LibraryError
from nano_lsp.inference import hardware
from nano_lsp.lines import split_at_newlines
from nano_lsp.schema import WeightLayout

MAX_NMSE = 0.01
"""Maximum normalized mean squared error of the logits (error divided by their mean square) that counts as rounding:
correct kernels have 0.0005 on the tiny model."""
MAX_CRASHES = 2
"""Number of crashes before a first completion after which the next safer layout is used."""
_FORMAT = b"1"  # version of the tiny model and of cached outcomes
_TIMEOUT_S = 120.0  # a busy machine is slow to start a process
_MAX_CACHED = 32  # a home folder may be shared by the machines of a cluster
_LAYOUTS = (WeightLayout.REPACKED, WeightLayout.AS_STORED)  # the fastest first
_EXCEPTIONS = {
    0xC0000005: "0xC0000005 (access violation)",
    0xC000001D: "0xC000001D (illegal instruction)",
}  # NTSTATUS
_FEATURE_NAMES = {"AVX512": "avx512f", "NEON": "asimd", "DOTPROD": "asimddp", "MATMUL_INT8": "i8mm"}
logger = logging.getLogger(__name__)


class Outcome(msgspec.Struct, frozen=True):
    """Result of the self-test of one build of llama.cpp on one CPU.

    Attributes:
        layout: The fastest layout of the weights that works; None if none does.
        failures: Layouts that do not work, each with a clause that says why, such as `it died of SIGILL`.
        system_info: CPU features that llama.cpp was compiled with, in its own format; empty if it crashed earlier.
        crashes: Number of crashes since, between loading a model and the first completion.
        is_new: Whether the test ran just now, instead of being read from the cache.
    """

    layout: WeightLayout | None
    failures: dict[WeightLayout, str]
    system_info: str = ""
    crashes: int = 0
    is_new: bool = False

    @property
    def notice(self) -> str:
        """Notice for the user about a layout that is not the fastest one; empty if it is."""
        if self.layout in {None, _LAYOUTS[0]}:
            return ""
        return (
            f"llama.cpp runs in a slower, safer mode: in the fast one {self.failures[_LAYOUTS[0]]}. "
            "`nano-lsp doctor` prints the command that compiles llama.cpp for this CPU, "
            "`nano-lsp doctor --retest` tests the fast mode again."
        )


class SelfTest:
    """The self-test of the installed build of llama.cpp on this CPU; its outcomes are in a file in the cache folder.

    Attributes:
        key: Hash of the build and the CPU.
        path: Path of the file of outcomes.

    Raises:
        LibraryError: llama.cpp is not installed.
    """

    def __init__(self, cache: Path) -> None:
        self.key = _key(_library_files())
        self.path = cache / "llama-selftest.json"

    def run(self, *, again: bool = False) -> Outcome:
        """The outcome; takes a second where none is cached, or with `again`, which forgets the crashes, too."""
        cached = None if again else self._load().get(self.key)
        if cached:
            return cached
        outcome = _try_layouts(self.path.parent)
        self._save(outcome)
        if outcome.notice:
            logger.warning(outcome.notice)
        return msgspec.structs.replace(outcome, is_new=True)

    def record_crash(self, cause: str) -> Outcome:
        """Count a crash before a first completion; after `MAX_CRASHES` of them the next safer layout is used."""
        outcome = self.run()
        outcome = msgspec.structs.replace(outcome, crashes=outcome.crashes + 1)
        safer = _LAYOUTS[_LAYOUTS.index(outcome.layout) + 1 :] if outcome.layout else ()
        safer = tuple(layout for layout in safer if layout not in outcome.failures)
        if outcome.layout and safer and outcome.crashes >= MAX_CRASHES:
            failure = f"the engine died {outcome.crashes} times before its first answer ({cause})"
            failures = {**outcome.failures, outcome.layout: failure}
            outcome = msgspec.structs.replace(outcome, layout=safer[0], failures=failures, crashes=0)
            logger.warning(outcome.notice)
            self._save(outcome)
            return msgspec.structs.replace(outcome, is_new=True)
        self._save(outcome)
        return outcome

    def record_answer(self) -> None:
        """Reset the number of crashes: a model has completed a request in the layout of the outcome."""
        outcome = self._load().get(self.key)
        if outcome and outcome.crashes:
            self._save(msgspec.structs.replace(outcome, crashes=0))

    def _load(self) -> dict[str, Outcome]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, Outcome])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _save(self, outcome: Outcome) -> None:
        """Cache an outcome; where the disk cannot be written, the next process tests again."""
        cached = self._load()
        cached.pop(self.key, None)
        cached[self.key] = msgspec.structs.replace(outcome, is_new=False)
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, msgspec.json.encode(dict([*cached.items()][-_MAX_CACHED:])))


def require_layout(outcome: Outcome) -> WeightLayout:
    """The layout of the weights to load a model with.

    Raises:
        LibraryError: llama.cpp works with no layout.
    """
    if outcome.layout is None:
        reasons = "; ".join(f"with {layout.value} weights {reason}" for layout, reason in outcome.failures.items())
        raise LibraryError(
            f"The installed build of llama.cpp does not work on this CPU: {reasons}.",
            "If the machine was busy, run `nano-lsp doctor --retest`. Otherwise compile llama.cpp for this CPU: "
            f"{build_command()}",
        )
    return outcome.layout


def compiled_features(system_info: str) -> frozenset[str]:
    """CPU features that llama.cpp was compiled with, named as in `hardware.FEATURES`.

    Args:
        system_info: Output of `llama_print_system_info`, such as `CPU : AVX2 = 1 | OPENMP = 1 |`.
    """
    enabled = {name for name, value in re.findall(r"(\w+) = (\d)", system_info) if value == "1"}
    return frozenset(_FEATURE_NAMES.get(name, name.lower()) for name in enabled) & frozenset(hardware.FEATURES)


def build_command() -> str:
    """The shell command that compiles llama.cpp for this machine's CPU."""
    python = f'"{sys.executable}"' if sys.platform == "win32" else shlex.quote(sys.executable)
    package = f"llama-cpp-python=={version('llama-cpp-python')}"
    options = "--force-reinstall --no-deps --no-cache-dir --no-binary llama-cpp-python"
    command = f"{python} -m pip install {options} {package}"
    if sys.platform == "linux":
        if "SOURCE_DATE_EPOCH" in os.environ:  # with it, ggml's build disables all SIMD extensions
            command = f"env -u SOURCE_DATE_EPOCH {command}"
        if "amx_tile" in hardware.cpu_flags():
            # Without both, GCC before 12.4 and 13.3 leaves the tiles' configuration out (GCC bug 114098).
            command = f'CXXFLAGS="-fno-tree-dse -fno-dse" {command}'
    return command


def _library_files() -> list[Path]:
    """Shared libraries of llama.cpp that `llama_cpp` loads."""
    spec = importlib.util.find_spec("llama_cpp")
    package = Path(spec.origin).parent if spec and spec.origin else Path("llama_cpp")
    folder = Path(os.environ.get("LLAMA_CPP_LIB_PATH") or package / "lib")
    files = sorted(file for file in folder.glob("*") if file.suffix in {".so", ".dylib", ".dll"})
    if not files:
        raise LibraryError(
            f"llama.cpp is not installed: there is no library in {folder}.",
            f"Run {sys.executable} -m pip install llama-cpp-python.",
        )
    return files


def _key(files: list[Path]) -> str:
    """Hash of a build, by its bytes, and of the CPU, by its name and features."""
    digest = hashlib.sha256(_FORMAT)
    for file in files:
        digest.update(file.read_bytes())
    cpu = (platform.machine(), hardware.cpu_name(), *sorted(hardware.cpu_flags()))
    digest.update("\0".join(cpu).encode())
    return digest.hexdigest()


def _try_layouts(folder: Path) -> Outcome:
    """Test one layout after the other until one works, in child processes that run in a folder of the user."""
    failures: dict[WeightLayout, str] = {}
    system_info = ""
    for layout in _LAYOUTS:
        failure, info = _try_layout(layout, folder)
        system_info = info or system_info
        if not failure:
            return Outcome(layout, failures, system_info)
        failures[layout] = failure
    return Outcome(None, failures, system_info)


def _try_layout(layout: WeightLayout, folder: Path) -> tuple[str, str]:
    """Evaluate the tiny model in a child process.

    Returns:
        A clause that says what failed, empty where the layout works; and llama.cpp's system info.
    """
    command = [sys.executable, "-m", "nano_lsp.inference.selftest_child", layout.value]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW
    try:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(  # noqa: S603 - this package's own module
            command,
            cwd=folder,  # Python imports from it: not the folder of a project, which may contain a numpy.py
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            creationflags=flags,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer within {_TIMEOUT_S:.0f} seconds", ""
    except OSError as error:
        return f"the self-test could not be started ({error})", ""
    if done.returncode:
        return _describe_death(done.returncode, done.stderr), ""
    report = msgspec.json.decode(split_at_newlines(done.stdout)[-1], type=_Report)
    if report.nmse > MAX_NMSE:
        return (
            f"it computes wrong numbers (mean squared error {report.nmse:.2g}, allowed {MAX_NMSE})",
            report.system_info,
        )
    return "", report.system_info


class _Report(msgspec.Struct):
    """The output of the child process, as JSON."""

    nmse: float
    system_info: str


def _describe_death(code: int, stderr: bytes) -> str:
    """A clause that says how a child process ended: by a signal, a Windows exception or an error."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"it died of {signal.Signals(-code).name} ({signal.strsignal(-code)})"
        return f"it died of signal {-code}"
    if code >= 1 << 30:
        return f"it died of exception {_EXCEPTIONS.get(code, f'0x{code:08X}')}"
    lines = stderr.decode("utf-8", "replace").strip().split("\n")
    return f"it could not be used ({lines[-1].strip()[:300]})"

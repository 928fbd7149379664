"""Finds out whether the installed build of llama.cpp works on this CPU, before it is loaded.

A build may die at its first batch, or compute wrong numbers: one made for another CPU dies of an illegal
instruction, one made by GCC before 12.4 or 13.3 for a CPU with AMX of a general protection fault (GCC bug 114098). So
a child process evaluates a tiny model with it first, in each layout of the weights until one works. The outcome is
kept by the library's hash and the CPU: it costs a second, once.

Nothing here loads llama.cpp.
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

from nano_lsp.errors import LibraryError
from nano_lsp.inference import hardware
from nano_lsp.lines import split_at_newlines
from nano_lsp.schema import WeightLayout

MAX_NMSE = 0.01
"""Mean squared error of the logits, as a share of their mean square, that counts as rounding: sound kernels have
0.0005 on the tiny model."""
MAX_CRASHES = 2
"""Processes that die by a signal before their first answer, until the next safer layout is taken."""
_FORMAT = b"1"  # of the tiny model and of kept outcomes
_TIMEOUT_S = 120.0  # a busy machine takes long to start a process
_MAX_KEPT = 32  # a home folder may be shared by the machines of a cluster
_LAYOUTS = (WeightLayout.REPACKED, WeightLayout.AS_STORED)  # the fastest first
_FEATURE_NAMES = {"AVX512": "avx512f", "NEON": "asimd", "DOTPROD": "asimddp", "MATMUL_INT8": "i8mm"}
logger = logging.getLogger(__name__)


class Outcome(msgspec.Struct, frozen=True):
    """What is known of one build of llama.cpp on one CPU.

    Attributes:
        layout: The fastest layout of the weights that works; None if none does.
        failures: Layouts that do not work, each with a clause that says why, such as `it died of SIGILL`.
        system_info: llama.cpp's own list of the CPU features it was compiled with; empty if it died before that.
        crashes: Processes that have died by a signal since, between loading a model and their first answer.
        is_new: Whether this has been found out just now.
    """

    layout: WeightLayout | None
    failures: dict[WeightLayout, str]
    system_info: str = ""
    crashes: int = 0
    is_new: bool = False

    @property
    def notice(self) -> str:
        """Sentences for people about a layout that is not the fastest one; empty if it is."""
        if self.layout in {None, _LAYOUTS[0]}:
            return ""
        return (
            f"llama.cpp runs in a slower, safer mode: in the fast one {self.failures[_LAYOUTS[0]]}. "
            "`nano-lsp doctor` prints the command that builds a better one for this machine."
        )


class SelfTest:
    """The self-test of the installed build of llama.cpp on this CPU.

    Args:
        cache: The user's cache folder, where outcomes are kept.

    Attributes:
        key: Names the build and the CPU.
        path: The file of outcomes.

    Raises:
        LibraryError: llama.cpp is not installed.
    """

    def __init__(self, cache: Path) -> None:
        self.key = _key(_library_files())
        self.path = cache / "llama-selftest.json"

    def run(self, *, again: bool = False) -> Outcome:
        """The outcome; takes a second where none has been kept.

        Args:
            again: Test anew, and forget crashes.
        """
        kept = None if again else self._load().get(self.key)
        if kept is None:
            kept = _try_layouts(self.path.parent)
            self._keep(kept)
            if kept.notice:
                logger.warning(kept.notice)
            return msgspec.structs.replace(kept, is_new=True)
        return kept

    def record_crash(self, cause: str) -> Outcome:
        """Count a process that died before its first answer; the second one makes the next safer layout the fastest.

        Args:
            cause: What it died of, such as `Segmentation fault`.
        """
        outcome = self.run()
        outcome = msgspec.structs.replace(outcome, crashes=outcome.crashes + 1)
        safer = _LAYOUTS[_LAYOUTS.index(outcome.layout) + 1 :] if outcome.layout else ()
        safer = tuple(layout for layout in safer if layout not in outcome.failures)
        if outcome.layout and safer and outcome.crashes >= MAX_CRASHES:
            failure = f"the engine died {outcome.crashes} times before its first answer ({cause})"
            failures = {**outcome.failures, outcome.layout: failure}
            outcome = msgspec.structs.replace(outcome, layout=safer[0], failures=failures, crashes=0)
            logger.warning(outcome.notice)
            self._keep(outcome)
            return msgspec.structs.replace(outcome, is_new=True)
        self._keep(outcome)
        return outcome

    def record_answer(self) -> None:
        """Forget crashes: a model has answered in the layout of the outcome."""
        outcome = self._load().get(self.key)
        if outcome and outcome.crashes:
            self._keep(msgspec.structs.replace(outcome, crashes=0))

    def _load(self) -> dict[str, Outcome]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, Outcome])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _keep(self, outcome: Outcome) -> None:
        """Keep an outcome; where the disk refuses, the next process finds it out again."""
        kept = self._load()
        kept.pop(self.key, None)
        kept[self.key] = msgspec.structs.replace(outcome, is_new=False)
        aside = self.path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(msgspec.json.encode(dict([*kept.items()][-_MAX_KEPT:])))
            aside.replace(self.path)


def require_layout(outcome: Outcome) -> WeightLayout:
    """The layout to load a model with.

    Raises:
        LibraryError: llama.cpp works in none.
    """
    if outcome.layout is None:
        reasons = "; ".join(f"with {layout.value} weights {reason}" for layout, reason in outcome.failures.items())
        raise LibraryError(
            f"The installed build of llama.cpp does not work on this CPU: {reasons}.",
            f"Build it for this machine: {build_command()}",
        )
    return outcome.layout


def compiled_features(system_info: str) -> frozenset[str]:
    """The CPU features that llama.cpp was compiled with, named as in `hardware.FEATURES`.

    Args:
        system_info: llama.cpp's list, such as `CPU : AVX2 = 1 | OPENMP = 1 |`.
    """
    switched_on = {name for name, value in re.findall(r"(\w+) = (\d)", system_info) if value == "1"}
    return frozenset(_FEATURE_NAMES.get(name, name.lower()) for name in switched_on) & frozenset(hardware.FEATURES)


def build_command() -> str:
    """The shell command that builds llama.cpp for this machine's CPU."""
    python = f'"{sys.executable}"' if sys.platform == "win32" else shlex.quote(sys.executable)
    package = f"llama-cpp-python=={version('llama-cpp-python')}"
    options = "--force-reinstall --no-deps --no-cache-dir --no-binary llama-cpp-python"
    command = f"{python} -m pip install {options} {package}"
    if sys.platform == "linux":
        if "SOURCE_DATE_EPOCH" in os.environ:  # with it, ggml's build switches all SIMD extensions off
            command = f"env -u SOURCE_DATE_EPOCH {command}"
        if "amx_tile" in hardware.cpu_flags():
            # Without both, GCC before 12.4 and 13.3 leaves the tiles' configuration out (GCC bug 114098).
            command = f'CXXFLAGS="-fno-tree-dse -fno-dse" {command}'
    return command


def _library_files() -> list[Path]:
    """The shared libraries of llama.cpp that `llama_cpp` loads."""
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
    """Names a build by its bytes, and the CPU by its name and features."""
    digest = hashlib.sha256(_FORMAT)
    for file in files:
        digest.update(file.read_bytes())
    cpu = (platform.machine(), hardware.cpu_name(), *sorted(hardware.cpu_flags()))
    digest.update("\0".join(cpu).encode())
    return digest.hexdigest()


def _try_layouts(folder: Path) -> Outcome:
    """Try one layout after the other until one works, in child processes whose working folder is the user's own."""
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
    """Evaluate the tiny model in a child process: a clause that says what went wrong, or nothing; the system info."""
    command = [sys.executable, "-m", "nano_lsp.inference.selftest_child", layout.value]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW
    try:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(  # noqa: S603 - this package's own module
            command,
            cwd=folder,  # Python imports from it: not the folder of a project, which may hold a numpy.py
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            creationflags=flags,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer within {_TIMEOUT_S:.0f} seconds", ""
    except OSError as error:
        return f"it could not be tried ({error})", ""
    if done.returncode:
        return _describe_death(done.returncode, done.stderr), ""
    report = msgspec.json.decode(split_at_newlines(done.stdout)[-1], type=_Report)
    if report.nmse > MAX_NMSE:
        return f"it computes wrong numbers (error {report.nmse:.2g} of 1)", report.system_info
    return "", report.system_info


class _Report(msgspec.Struct):
    """What the child process prints."""

    nmse: float
    system_info: str


def _describe_death(code: int, stderr: bytes) -> str:
    """A clause that says how a child process ended: by a signal, a Windows exception or an error."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"it died of {signal.Signals(-code).name}"
        return f"it died of signal {-code}"
    if code >= 1 << 30:  # an NTSTATUS: 0xC0000005 is an access violation, 0xC000001D an illegal instruction
        return f"it died of exception 0x{code:08X}"
    lines = stderr.decode("utf-8", "replace").strip().split("\n")
    return f"it could not be used ({lines[-1].strip()[:300]})"

"""Self-test: whether the installed build of llama.cpp works on this CPU, checked before it is loaded.

A build may crash at its first batch, or compute wrong numbers: one for another CPU crashes with an illegal
instruction, one compiled by GCC before 12.4 or 13.3 for a CPU with AMX with a general protection fault (GCC bug
114098). So a child process evaluates a tiny model first, in each layout of the weights until one works. A build with
several variants of the code for the CPU is tried variant by variant in each layout, the fastest first. The outcome is
cached by the library's hash and the CPU: the test takes a second, once.

This module does not load llama.cpp.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path

import msgspec

from nano_lsp.atomic_files import write_whole
from nano_lsp.errors import LibraryError
from nano_lsp.inference import hardware
from nano_lsp.inference.library_files import library_files
from nano_lsp.lines import split_at_newlines
from nano_lsp.schema import WeightLayout
from nano_lsp.shell import pip_install

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
        variant: Variant of llama.cpp's code for the CPU to load; empty for a build with one.
        left_out: Faster variants that do not work in this layout, each with such a clause.
        system_info: CPU features that llama.cpp was compiled with, in its own format; empty if it crashed earlier.
        crashes: Number of crashes since, between loading a model and the first completion.
        is_new: Whether the test ran just now, instead of being read from the cache.
    """

    layout: WeightLayout | None
    failures: dict[WeightLayout, str]
    system_info: str = ""
    crashes: int = 0
    is_new: bool = False
    variant: str = ""
    left_out: dict[str, str] = {}

    @property
    def mode(self) -> str:
        """Identifier of the layout and the variant."""
        return ".".join(filter(None, [self.variant, self.layout.value if self.layout else ""]))

    @property
    def notice(self) -> str:
        """Notice for the user about a layout or a variant that is not the fastest one; empty if both are."""
        if self.layout is None:
            return ""
        if self.layout is not _LAYOUTS[0]:
            return (
                f"llama.cpp runs in a slower, safer mode: in the fast one {self.failures[_LAYOUTS[0]]}. "
                "`nano-lsp doctor` prints the command that compiles llama.cpp for this CPU, "
                "`nano-lsp doctor --retest` tests the fast mode again."
            )
        if not self.left_out:
            return ""
        name, reason = next(iter(self.left_out.items()))
        return (
            f"llama.cpp runs with its code for {self.variant}, as with that for {name} {reason}. "
            "`nano-lsp doctor --retest` tests that again."
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
        self.key = _key(library_files())
        self.path = cache / "llama-selftest.json"

    def run(self, *, again: bool = False) -> Outcome:
        """The outcome; takes a second where none is cached, or with `again`, which forgets the crashes, too."""
        cached = None if again else self._load().get(self.key)
        if cached:
            return cached
        outcome = find_mode(self.path.parent)
        self._save(outcome)
        if outcome.notice:
            logger.warning(outcome.notice)
        return msgspec.structs.replace(outcome, is_new=True)

    def record_crash(self, cause: str) -> Outcome:
        """Count a crash before a first completion; after `MAX_CRASHES` of them the next safer mode is used."""
        outcome = self.run()
        outcome = msgspec.structs.replace(outcome, crashes=outcome.crashes + 1)
        if outcome.layout and outcome.crashes >= MAX_CRASHES:
            failure = f"the engine died {outcome.crashes} times before its first answer ({cause})"
            safer = find_mode(self.path.parent, _failed(outcome, failure))
            if safer.layout:
                logger.warning(safer.notice)
                self._save(safer)
                return msgspec.structs.replace(safer, is_new=True)
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
    package = f"llama-cpp-python=={version('llama-cpp-python')}"
    options = ("--force-reinstall", "--no-deps", "--no-cache-dir", "--no-binary", "llama-cpp-python")
    command = pip_install(*options, package)
    if sys.platform == "linux":
        if "SOURCE_DATE_EPOCH" in os.environ:  # with it, ggml's build disables all SIMD extensions
            command = f"env -u SOURCE_DATE_EPOCH {command}"
        if "amx_tile" in hardware.cpu_flags():
            # Without both, GCC before 12.4 and 13.3 leaves the tiles' configuration out (GCC bug 114098).
            command = f'CXXFLAGS="-fno-tree-dse -fno-dse" {command}'
    return command


def _key(files: list[Path]) -> str:
    """Hash of a build, by its bytes, and of the CPU, by its name and features."""
    digest = hashlib.sha256(_FORMAT)
    for file in files:
        digest.update(file.read_bytes())
    cpu = (platform.machine(), hardware.cpu_name(), *sorted(hardware.cpu_flags()))
    digest.update("\0".join(cpu).encode())
    return digest.hexdigest()


def _failed(outcome: Outcome, failure: str) -> Outcome:
    """The outcome after its own layout and variant have failed."""
    if outcome.layout and outcome.variant:
        return msgspec.structs.replace(outcome, left_out={**outcome.left_out, outcome.variant: failure})
    failures = {**outcome.failures, outcome.layout: failure} if outcome.layout else outcome.failures
    return msgspec.structs.replace(outcome, failures=failures)


def find_mode(folder: Path, known: Outcome | None = None) -> Outcome:
    """Test one layout and variant after the other until one works, in child processes; nothing is cached.

    Args:
        folder: Folder of the user, in which they run.
        known: Outcome with what has failed already, and is not tested again.
    """
    failures = dict(known.failures) if known else {}
    system_info = known.system_info if known else ""
    for layout in _LAYOUTS:
        if layout in failures:
            continue
        left_out = dict(known.left_out) if known and known.layout is layout else {}
        while layout not in failures:
            tried = _try_layout(layout, left_out, folder)
            system_info = tried.system_info or system_info
            if not tried.failure:
                return Outcome(layout, failures, system_info, variant=tried.variant, left_out=left_out)
            if tried.variant:
                left_out[tried.variant] = tried.failure
            else:
                failures[layout] = next(iter(left_out.values()), tried.failure)
    return Outcome(None, failures, system_info)


class _Trial(msgspec.Struct):
    """One run of a child process.

    Attributes:
        failure: A clause that says what failed; empty where the layout works.
        variant: The variant that was tested; empty if there is no other one to test after it.
        system_info: llama.cpp's system info.
    """

    failure: str
    variant: str = ""
    system_info: str = ""


def _try_layout(layout: WeightLayout, left_out: Collection[str], folder: Path) -> _Trial:
    """Evaluate the tiny model in a child process, with the fastest variant that is not left out."""
    command = [sys.executable, "-m", "nano_lsp.inference.selftest_child", layout.value, *left_out]
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
        return _Trial(f"it did not answer within {_TIMEOUT_S:.0f} seconds")
    except OSError as error:
        return _Trial(f"the self-test could not be started ({error})")
    report = _Report()
    with contextlib.suppress(msgspec.MsgspecError):
        report = msgspec.json.decode(split_at_newlines(done.stdout.strip() or b"{}")[-1], type=_Report)
    failure = ""
    if done.returncode:
        failure = _describe_death(done.returncode, done.stderr)
    elif report.nmse > MAX_NMSE:
        failure = f"it computes wrong numbers (mean squared error {report.nmse:.2g}, allowed {MAX_NMSE})"
    return _Trial(failure, report.variant, report.system_info)


class _Report(msgspec.Struct):
    """The last line that the child process printed, as JSON; before it evaluates the model, without numbers."""

    variant: str = ""
    nmse: float = math.inf
    system_info: str = ""


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

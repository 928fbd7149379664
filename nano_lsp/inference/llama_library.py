"""llama.cpp's C API, loaded so that its threads sleep while they wait; the only module that imports llama_cpp."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Collection, Mapping

from nano_lsp.errors import LibraryError
from nano_lsp.inference.library_files import library_folder, variant_files
from nano_lsp.inference.threads import sleeping_threads, spins_by_choice

with sleeping_threads():
    import llama_cpp
    import llama_cpp.llama_cpp as llama
    from llama_cpp._ctypes_extensions import load_shared_library

VERSION: str = llama_cpp.__version__
"""Version of llama-cpp-python, which determines that of llama.cpp."""

__all__ = ["VERSION", "choose_variant", "llama", "load_variant", "threads_sleep"]


def threads_sleep() -> bool:
    """Whether llama.cpp's threads sleep while they wait: without OpenMP they spin; on Windows it is not measured."""
    # Without OpenMP, ggml's barrier between the nodes of a graph spins whatever the polling level of its thread pool
    # (`ggml_barrier` in ggml-cpu.c): a thread pool with little polling would change nothing, fewer threads do.
    openmp = b"OPENMP = 1" in llama.llama_print_system_info()
    return openmp and sys.platform != "win32" and not spins_by_choice()


def choose_variant(left_out: Collection[str] = ()) -> str:
    """The fastest variant of llama.cpp's code that this CPU can run; empty for a build with one.

    Args:
        left_out: Names of variants not to choose.

    Raises:
        LibraryError: There are several, and none of those that are left can run.
    """
    scores = {name: score for name, score in _scores().items() if score and name not in left_out}
    if _scores() and not scores:
        raise LibraryError(
            "None of the variants of llama.cpp's code runs on this CPU.", "Install llama-cpp-python again."
        )
    return max(scores, key=scores.__getitem__, default="")


@functools.cache  # once in a process: llama.cpp keeps what it has loaded
def load_variant(name: str) -> None:
    """Load a variant of llama.cpp's code for the CPU, which a build with several needs before all else.

    Args:
        name: Name of the variant; empty does nothing, for a build with one.

    Raises:
        LibraryError: It is missing, or cannot be loaded.
    """
    if not name:
        return
    # Not `ggml_backend_load_all_from_path`: it knows no variant to leave out. Without either call, llama.cpp loads
    # libraries from the current folder, which may be that of an untrusted project.
    load = load_shared_library("ggml", library_folder()).ggml_backend_load
    load.argtypes, load.restype = [ctypes.c_char_p], ctypes.c_void_p
    path = variant_files().get(name)
    with sleeping_threads():
        if path is None or not load(os.fsencode(path)):
            raise LibraryError(
                f"llama.cpp's code for {name} cannot be loaded from {path or library_folder()}.",
                "Run `nano-lsp doctor --retest`, or install llama-cpp-python again.",
            )


@functools.cache
def _scores() -> Mapping[str, int]:
    """What each variant says of itself: 0 where the CPU lacks an instruction; more instructions, a higher score."""
    with sleeping_threads():
        return {name: ctypes.CDLL(str(path)).ggml_backend_score() for name, path in variant_files().items()}

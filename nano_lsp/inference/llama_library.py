"""llama.cpp's C API, loaded so that its threads sleep while they wait: llama_cpp is imported nowhere else first."""

from __future__ import annotations

import sys

from nano_lsp.inference.threads import sleeping_threads, spins_by_choice

with sleeping_threads():
    import llama_cpp
    import llama_cpp.llama_cpp as llama

VERSION: str = llama_cpp.__version__
"""Of llama-cpp-python; it names the version of llama.cpp as well."""

__all__ = ["VERSION", "llama", "threads_sleep"]


def threads_sleep() -> bool:
    """Whether threads sleep while they wait. Without OpenMP they spin; Windows' OpenMP has not been measured."""
    openmp = b"OPENMP = 1" in llama.llama_print_system_info()
    return openmp and sys.platform != "win32" and not spins_by_choice()

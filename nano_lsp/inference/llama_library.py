"""llama.cpp's C API, loaded so that its threads sleep while they wait; the only module that imports llama_cpp."""

from __future__ import annotations

import sys

from nano_lsp.inference.threads import sleeping_threads, spins_by_choice

with sleeping_threads():
    import llama_cpp
    import llama_cpp.llama_cpp as llama

VERSION: str = llama_cpp.__version__
"""Version of llama-cpp-python, which determines that of llama.cpp."""

__all__ = ["VERSION", "llama", "threads_sleep"]


def threads_sleep() -> bool:
    """Whether llama.cpp's threads sleep while they wait: without OpenMP they spin; on Windows it is not measured."""
    # Without OpenMP, ggml's barrier between the nodes of a graph spins whatever the polling level of its thread pool
    # (`ggml_barrier` in ggml-cpu.c): a thread pool with little polling would change nothing, fewer threads do.
    openmp = b"OPENMP = 1" in llama.llama_print_system_info()
    return openmp and sys.platform != "win32" and not spins_by_choice()

"""The files of llama.cpp, found without loading them."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

from nano_lsp.errors import LibraryError
from nano_lsp.shell import pip_install

_SUFFIXES = {".so", ".dylib", ".dll"}


def library_folder() -> Path:
    """The folder of the shared libraries that `llama_cpp` loads."""
    spec = importlib.util.find_spec("llama_cpp")
    package = Path(spec.origin).parent if spec and spec.origin else Path("llama_cpp")
    return Path(os.environ.get("LLAMA_CPP_LIB_PATH") or package / "lib")


def library_files() -> list[Path]:
    """The shared libraries of llama.cpp.

    Raises:
        LibraryError: llama.cpp is not installed.
    """
    folder = library_folder()
    files = sorted(file for file in folder.glob("*") if file.suffix in _SUFFIXES)
    if not files:
        raise LibraryError(
            f"llama.cpp is not installed: there is no library in {folder}.",
            f"Run {pip_install('llama-cpp-python')}.",
        )
    return files


def variant_files() -> dict[str, Path]:
    """The libraries of a build with several variants of the code for the CPU, by their names, such as `haswell`.

    Empty for a build with one.
    """
    found = {file: re.fullmatch(r"(?:lib)?ggml-cpu-(\w[\w.]*)", file.stem) for file in library_files()}
    return {name[1]: file for file, name in found.items() if name}

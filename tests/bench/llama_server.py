"""llama-server of the llama.cpp that llama-cpp-python brings: `python -m tests.bench.llama_server` prints its path.

Its source is in that package's sdist. Building takes about ten minutes on two cores, once: the result is kept in the
user's cache folder, under the package's version.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import platformdirs
from filelock import FileLock

_OPTIONS = (
    *("-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_BUILD_SERVER=ON", "-DLLAMA_BUILD_TOOLS=ON"),
    *("-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_CURL=OFF", "-DLLAMA_OPENSSL=OFF"),
    "-DLLAMA_BUILD_UI=OFF",
)


def llama_server() -> Path:
    """The program; built first where it is not there yet.

    Raises:
        subprocess.CalledProcessError: it cannot be fetched or built.
    """
    package = f"llama-cpp-python-{version('llama-cpp-python')}"
    folder = platformdirs.user_cache_path("nano-lsp-tests") / package
    program = folder / ("llama-server.exe" if os.name == "nt" else "llama-server")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "building"):
        if not program.is_file():
            work = folder / "work"  # kept where building fails, so that the next try goes on there
            shutil.move(_build(work, package), program)
            shutil.rmtree(work)
    return program


def _build(work: Path, package: str) -> Path:
    name, _, number = package.rpartition("-")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    if not [*work.glob("*.tar.gz")]:
        _run([*pip, "--no-binary", name, "--dest", str(work), f"{name}=={number}"])
    (sdist,) = work.glob("*.tar.gz")
    if not [*work.glob("*/vendor/llama.cpp")]:
        with tarfile.open(sdist) as archive:
            archive.extractall(work, filter="data")
    (source,) = work.glob("*/vendor/llama.cpp")
    _run(["cmake", "-S", str(source), "-B", str(work / "build"), *_OPTIONS])
    _run(["cmake", "--build", str(work / "build"), "--target", "llama-server", "-j", str(os.cpu_count() or 2)])
    return work / "build" / "bin" / ("llama-server.exe" if os.name == "nt" else "llama-server")


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    print(llama_server())

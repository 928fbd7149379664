"""Builds one wheel of llama-cpp-python for every CPU: `python packaging/engine/build.py FOLDER`.

llama.cpp is built once for each generation of processors (14 variants on x86-64); the fastest one that works is
chosen when the library is loaded (nano_lsp/inference/llama_library.py). Run twice, it gives the same bytes. It needs
a C++ compiler, and the package index for the pinned source and build tools.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD_TAG = "1everycpu"  # in the wheel's name; pip prefers it to a wheel without a tag
EPOCH = "315532800"  # 1980, the oldest time that a wheel can hold
_OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "ON",
    "GGML_NATIVE": "OFF",
    "GGML_BACKEND_DL": "ON",  # each variant is a library of its own, of which one is loaded
    "GGML_CPU_ALL_VARIANTS": "ON",
    "GGML_METAL": "OFF",  # nano-lsp computes on the CPU
    "CMAKE_PLATFORM_NO_VERSIONED_SONAME": "ON",  # wheels have no links: each library would be there three times
    "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",
    "CMAKE_INSTALL_RPATH": "@loader_path" if sys.platform == "darwin" else "$ORIGIN",
    # Only the libraries that nano-lsp loads: the binding's own build makes programs and their dependencies as well.
    **dict.fromkeys(
        (f"LLAMA_BUILD_{part}" for part in ("COMMON", "TESTS", "TOOLS", "EXAMPLES", "SERVER", "APP")), "OFF"
    ),
}
_LIBRARIES = {".so", ".dylib", ".dll"}
# GCC before 12.4 and 13.3 leaves the configuration of AMX tiles out (GCC bug 114098). Without both optimizations it
# does not; with the first switch alone the code dies of SIGILL.
_SOUND_AMX = ("-fno-tree-dse", "-fno-dse")


def main() -> None:
    """Build the wheel into a folder and print its path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for the wheel")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="processes of the compiler (default: all CPUs)"
    )
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="engine-") as work:
        print(build(Path(work), options.folder.resolve(), options.jobs))


def build(work: Path, folder: Path, jobs: int) -> Path:
    """Build the wheel.

    Args:
        work: Empty folder for tools, source and intermediate files; 600 MB.
        folder: Folder for the wheel.
        jobs: Number of processes of the compiler.

    Returns:
        Path of the wheel.
    """
    python = make_tools(work / "tools")
    source = fetch_source(python, work)
    environment = build_environment(python, work)
    build_libraries(source, work / "build", environment, jobs)
    return pack(python, source, work, folder, environment)


def build_libraries(source: Path, build: Path, environment: dict[str, str], jobs: int) -> None:
    """Build llama.cpp's libraries into the folder of the source where the binding looks for them."""
    cmake = [shutil.which("cmake", path=environment["PATH"]) or "cmake"]
    options = [f"-D{name}={value}" for name, value in _OPTIONS.items()]
    generator = [] if sys.platform == "win32" else ["-G", "Ninja"]  # there Ninja would need the compiler on PATH
    configure = [*cmake, *generator, "-S", str(source / "vendor/llama.cpp"), "-B", str(build), *options]
    subprocess.run(configure, env=environment, check=True)
    make = [
        *cmake,
        "--build",
        str(build),
        "--config",
        "Release",
        "--parallel",
        str(jobs),
        "--target",
        "llama",
        "ggml",
    ]
    subprocess.run(make, env=environment, check=True)
    target = source / "llama_cpp/lib"
    target.mkdir(exist_ok=True)
    for library in (build / "bin").rglob("*"):
        if library.suffix in _LIBRARIES:
            shutil.copy(library, target)


def pack(python: Path, source: Path, work: Path, folder: Path, environment: dict[str, str]) -> Path:
    """Make the wheel of the binding and the libraries in its folder; returns its path in the folder."""
    command = [str(python), "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    # The binding's .gitignore would keep libraries out.
    settings = {"wheel.build-tag": BUILD_TAG, "sdist.include": "llama_cpp/lib/*"}
    options = [f"--config-settings={name}={value}" for name, value in settings.items()]
    options += ["--wheel-dir", str(work / "plain"), str(source)]
    without_build = {**environment, "CMAKE_ARGS": "-DLLAMA_BUILD=OFF"}
    subprocess.run([*command, *options], env=without_build, check=True)
    (wheel,) = (work / "plain").glob("*.whl")
    if sys.platform == "linux":  # takes the OpenMP library in, and names the oldest glibc that will do
        repair = [str(python), "-m", "auditwheel", "repair", "--strip", "--wheel-dir", str(work / "repaired")]
        subprocess.run([*repair, str(wheel)], env=environment, check=True)
        (wheel,) = (work / "repaired").glob("*.whl")
    return Path(shutil.copy(wheel, folder))


def make_tools(folder: Path) -> Path:
    """Install the pinned build tools into a virtual environment; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = [str(python), "-m", "pip", "install", "-q", "--require-hashes", "--only-binary", ":all:"]
    subprocess.run([*install, "-r", str(HERE / "tools.txt")], check=True)
    return python


def fetch_source(python: Path, work: Path) -> Path:
    """Download and unpack the pinned source of llama-cpp-python; returns its folder."""
    download = [str(python), "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", "--require-hashes"]
    command = [*download, "--no-binary", ":all:", "-d", str(work), "-r", str(HERE / "source.txt")]
    subprocess.run(command, env={**os.environ, "CMAKE_ARGS": ""}, check=True)
    (archive,) = work.glob("llama_cpp_python-*.tar.gz")
    shutil.unpack_archive(archive, work, filter="data")
    return archive.with_name(archive.name.removesuffix(".tar.gz"))


def build_environment(python: Path, work: Path) -> dict[str, str]:
    """Environment variables of the build."""
    flags = [] if sys.platform == "win32" else [f"-ffile-prefix-map={work}=."]  # paths are in messages of assertions
    compiler = os.environ.get("CXX") or shutil.which("c++") or ""
    if compiler and needs_sound_amx(compiler_version(compiler)):
        flags += _SOUND_AMX
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", "")]),
        "CFLAGS": " ".join(flags),
        "CXXFLAGS": " ".join(flags),
        "SOURCE_DATE_EPOCH": EPOCH,
    }


def compiler_version(compiler: str) -> tuple[str, tuple[int, ...]]:
    """Kind of a compiler, `gcc` or `clang`, and its version."""
    script = "__clang__ __GNUC__ __GNUC_MINOR__"
    done = subprocess.run(
        [compiler, "-E", "-P", "-x", "c", "-"], input=script, capture_output=True, text=True, check=True
    )
    clang, *version = done.stdout.split()
    return ("clang" if clang == "1" else "gcc"), tuple(int(part) for part in version if re.fullmatch(r"\d+", part))


def needs_sound_amx(compiler: tuple[str, tuple[int, ...]]) -> bool:
    """Whether a compiler makes faulty code for AMX without the two switches."""
    kind, version = compiler
    return kind == "gcc" and (version < (12, 4) or (13,) <= version < (13, 3))


if __name__ == "__main__":
    main()

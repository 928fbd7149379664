"""Makes llama.cpp fail like a build for another CPU, by preloading `dying_library.c`."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


def environment(mode: str) -> dict[str, str]:
    """Environment variables that make llama.cpp fail in a process.

    Args:
        mode: Kind of failure; see `dying_library.c`.
    """
    return {"LD_PRELOAD": str(_compile()), "DYING_LIBRARY": mode}


@functools.cache
def _compile() -> Path:
    if sys.platform != "linux":
        pytest.skip("libraries are preloaded on Linux")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None and os.environ.get("CI") != "true":
        pytest.skip("needs a C compiler: `apt install build-essential`")
    assert compiler, "no C compiler"
    library = Path(tempfile.mkdtemp()) / "dying.so"
    source = Path(__file__).with_suffix(".c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return library

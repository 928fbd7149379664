"""The steps of docs/how-to/install.md on a machine that has Python and nothing else: no compiler, no network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.places import missing

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nano-lsp-tests"
LIMIT_S = 900  # on a machine that does other things as well
FORBIDDEN = ("cc", "gcc", "g++", "c++", "clang", "make", "cmake", "ninja")

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(2 * LIMIT_S),
    pytest.mark.skipif(sys.platform != "linux", reason="a root folder of Debian's packages"),
]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Path]:
    """The root folder of a machine with Python; see `.ci/debian-root`."""
    if os.geteuid() != 0:
        missing("root", "run the test as root: it changes the root folder")
    archive = CACHE / "debian-root.tar"
    if not archive.exists():
        missing("a root folder", "run .ci/debian-root")
    root = tmp_path / "machine"
    root.mkdir()
    subprocess.run(["tar", "xf", str(archive), "-C", str(root)], check=True, timeout=LIMIT_S)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """The project's folder of wheels: the engine for every CPU if it has been built, else for this one."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for wheel in (CACHE / "engine").glob("*.whl"):  # of packaging/engine/build.py
        os.link(wheel, folder / wheel.name)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--find-links",
        str(folder),
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(pip, check=True, timeout=LIMIT_S)
    return folder


def test_three_steps_to_the_first_completion(machine: Path, wheels: Path, smol_file: Path) -> None:
    home = machine / "home/somebody"
    home.mkdir(parents=True)
    wheels.rename(home / "wheels")
    shutil.copyfile(smol_file, home / "nano.gguf")
    (home / "sums.py").write_text("def add(a, b):\n    return ")
    built_here = next((home / "wheels").glob("llama_cpp_python-*-linux_*.whl"), None)
    if built_here:  # such a wheel takes the OpenMP library from the machine: on Debian, the package libgomp1
        for library in Path("/usr/lib").glob("*-linux-gnu/libgomp.so.1"):
            shutil.copy(library, machine / library.parent.relative_to("/"))
    version = run(machine, "python3 -c 'import sys; print(*sys.version_info[:2], sep=\".\")'").strip()
    if version != f"{sys.version_info[0]}.{sys.version_info[1]}":
        missing(f"Python {version}", "run the tests with the Python version of Debian's python3")
    assert run(machine, f"command -v {' '.join(FORBIDDEN)} || true") == ""
    assert not any((machine / "usr/include").glob("python*"))

    started = time.monotonic()
    said = [run(machine, step) for step in steps()]
    print(f"{len(said)} steps in {time.monotonic() - started:.0f} s")
    assert said[-1].strip() == "a + b"


def steps() -> list[str]:
    """The commands of the page's section on a folder of wheels."""
    page = (ROOT / "docs/how-to/install.md").read_text(encoding="utf-8")
    section = page.partition("## From a folder of wheels\n")[2].partition("\n## ")[0]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block
    commands = block[1].strip().split("\n")
    assert len(commands) == 3
    return commands


def run(machine: Path, command: str) -> str:
    """What a command prints on that machine, in its user's folder; all that it starts ends with it."""
    inside = 'mount -t proc proc proc && exec chroot . /bin/sh -c "cd /home/somebody && $1"'
    namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    environment = {"HOME": "/home/somebody", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}
    done = subprocess.run(
        [*namespaces, "/bin/sh", "-c", inside, "sh", command],
        cwd=machine,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout

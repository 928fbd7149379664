"""A real bundle: made here, installed in a network namespace without a network, and used there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from nano_lsp import __version__
from tests.editors.places import missing
from tests.processes import without_network

ROOT = Path(__file__).parents[2]
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
LIMIT_S = 900  # on a machine that does other things as well

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(2 * LIMIT_S),  # the first test has the bundle made, and installs it
    pytest.mark.skipif(not hasattr(os, "geteuid") or sys.platform != "linux", reason="namespaces are Linux'"),
]


def path_with_node() -> str:
    """PATH, with the Node that .ci/code-server has fetched."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folders = [str(folder) for folder in sorted((cache / "nano-lsp-tests").glob("code-server-*/node/bin"))]
    path = os.pathsep.join([*folders, os.environ["PATH"]])
    if not shutil.which("npm", path=path):
        missing("Node 24", "run .ci/code-server, or install it")
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, smol_file: Path) -> Path:
    """A bundle of all parts and JupyterLab, with the small model."""
    folder = tmp_path_factory.mktemp("made")
    out = folder / "nano lsp"  # a name with a space, as people have them
    env = {**os.environ, "PATH": path_with_node(), "NANO_LSP_HOME": str(with_smol(folder / "home", smol_file))}
    command = [sys.executable, "-m", "nano_lsp", "bundle", str(out), "--model", "smol", "--jupyterlab"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in folder.iterdir()) == ["home", "nano lsp"]
    return out


def with_smol(home: Path, smol_file: Path) -> Path:
    """A home whose store has smol, without copying it."""
    (home / "models").mkdir(parents=True)
    (home / "models/smol.gguf").symlink_to(smol_file)
    (home / "models/smol.verified").write_bytes(smol_file.with_suffix(".verified").read_bytes())
    return home


def in_an_empty_home(
    home: Path, *command: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command without a network, as somebody who has nothing yet."""
    surroundings = {"HOME": str(home), "PATH": SYSTEM_PATH, "LANG": "C.UTF-8", **(env or {})}
    command = (*without_network(), *command)
    return subprocess.run(
        command, cwd=home, env=surroundings, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[\d+m", "", text)


def test_it_installs_and_completes_without_a_network(bundle: Path, tmp_path: Path) -> None:
    home = tmp_path / "somebody"
    home.mkdir()
    installed = in_an_empty_home(home, sys.executable, str(bundle / "install.py"))
    assert installed.returncode == 0, installed.stdout + installed.stderr
    nano_lsp = home / ".local/share/nano-lsp/venv/bin/nano-lsp"
    assert f"Installed: {nano_lsp}" in installed.stdout
    assert f'code --install-extension "{bundle / "vscode/neuro-nano.vsix"}"' in installed.stdout
    assert (home / ".local/share/nano-lsp/models/smol.gguf").stat().st_size == 98_362_432

    (home / "sums.py").write_text("def add(a, b):\n    return ")
    env = {"NANO_LSP_MODEL": "smol", "NANO_LSP_ENGINE": "in-process"}
    completed = in_an_empty_home(home, str(nano_lsp), "complete", "sums.py:2:12", env=env)
    assert completed.stdout.strip() == "a + b", completed.stderr
    magics = in_an_empty_home(home, str(nano_lsp.with_name("python")), "-c", "import IPython, ipykernel")
    assert magics.returncode == 0, magics.stderr

    jupyter = str(nano_lsp.with_name("jupyter"))
    assert f"JupyterLab: {jupyter} lab" in installed.stdout
    lab = in_an_empty_home(home, jupyter, "labextension", "list")
    assert f"neuro-nano-jupyter v{__version__} enabled OK" in without_colours(lab.stdout + lab.stderr)
    server = in_an_empty_home(home, jupyter, "server", "extension", "list")
    assert "nano_lsp_jupyter enabled" in without_colours(server.stdout + server.stderr)


def test_it_holds_what_the_editors_need(bundle: Path) -> None:
    with zipfile.ZipFile(bundle / "vscode/neuro-nano.vsix") as archive:
        assert "extension/dist/extension.cjs" in archive.namelist()
    assert (bundle / "nvim/lua/nano/init.lua").read_bytes() == (ROOT / "editors/nvim/lua/nano/init.lua").read_bytes()
    wheels = {file.name.partition("-")[0] for file in (bundle / "wheels").iterdir()}
    assert {"nano_lsp", "llama_cpp_python", "numpy", "ipython", "nano_lsp_jupyter", "jupyterlab"} <= wheels
    assert all(file.suffix == ".whl" for file in (bundle / "wheels").iterdir())


def test_a_wheel_that_was_tampered_with_is_refused(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy, copy_function=os.link)
    wheel = next((copy / "wheels").glob("nano_lsp-*.whl"))
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    wheel.unlink()
    wheel.write_bytes(content)
    home = tmp_path / "somebody"
    home.mkdir()
    installed = in_an_empty_home(home, sys.executable, str(copy / "install.py"))
    assert installed.returncode == 1
    assert wheel.name in installed.stderr
    assert list(home.iterdir()) == []


def test_ctrl_c_leaves_nothing(tmp_path: Path, smol_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NANO_LSP_HOME", str(with_smol(tmp_path / "home2", smol_file)))
    out = tmp_path / "place/out"
    what = ["--model", "smol", "--without", "vscode", "--source", str(ROOT)]
    process = subprocess.Popen(
        [sys.executable, "-m", "nano_lsp", "bundle", str(out), *what], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr
    while b"Wheels" not in (line := process.stderr.readline()):
        assert line, "it ended before it fetched wheels"
    assert [folder.name.startswith(".out-") for folder in out.parent.iterdir()] == [True]
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, told
    assert list(out.parent.iterdir()) == []

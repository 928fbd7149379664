"""Windows and macOS, as far as Linux can stand in for them: what their Python lacks is taken away.

docs/reference/systems.md lists what is simulated here, and what nobody has tried.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import platformdirs.macos
import platformdirs.windows
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp import shell
from nano_lsp.cli import bundle_install
from nano_lsp.code import file_replacement
from nano_lsp.code.document import is_secret
from nano_lsp.code.uris import path_of
from nano_lsp.config import Folders, find_folders
from nano_lsp.engine import endpoint, launcher
from nano_lsp.inference import hardware, page_residency, selftest
from nano_lsp.models.gguf import read_header
from tests.gguf_files import write_model

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="simulates other systems on Linux")

# What modules may not import, and what they may not name, when they are imported: Windows has none of these.
MISSING_MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")
MISSING_NAMES = {
    "os": ("fork", "getuid", "geteuid", "getgid", "setsid", "killpg", "chown", "listxattr", "sched_getaffinity"),
    "signal": ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGPIPE", "SIGALRM", "setitimer"),
    "socket": ("AF_UNIX",),
    "mmap": ("MADV_DONTNEED", "MAP_SHARED", "PROT_READ"),
}
IMPORT_AS_ON_WINDOWS = """
import importlib, pkgutil, sys
import nano_lsp

def names():
    for module in pkgutil.walk_packages(nano_lsp.__path__, "nano_lsp."):
        if not module.name.endswith(("torch_model", "__main__")):  # PyTorch need not be there
            yield module.name

for name in names():
    importlib.import_module(name)  # the libraries, as they are on this system
for name in [name for name in sys.modules if name.partition(".")[0] == "nano_lsp"]:
    del sys.modules[name]
for name in MISSING_MODULES:
    sys.modules[name] = None
for module, missing in MISSING_NAMES.items():
    for name in missing:
        delattr(importlib.import_module(module), name)
imported = [importlib.import_module(name).__name__ for name in names()]
print(len(imported))
"""


def test_all_modules_are_imported_without_what_windows_lacks() -> None:
    script = f"MISSING_MODULES, MISSING_NAMES = {MISSING_MODULES!r}, {MISSING_NAMES!r}\n{IMPORT_AS_ON_WINDOWS}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 150


# Not: what Windows forbids in names, and what it drops at their end.
CHARACTERS = st.characters(exclude_categories=["C"], exclude_characters='<>:"/\\|?*')
NAMES = st.text(CHARACTERS, min_size=1, max_size=12).filter(lambda name: name.strip() and name[-1] not in ". ")


@given(drive=st.sampled_from("cD"), names=st.lists(NAMES, max_size=4))
def test_a_windows_path_survives_its_uri(drive: str, names: list[str]) -> None:
    path = PureWindowsPath(f"{drive}:\\", *names)
    assert PureWindowsPath(path_of(path.as_uri())) == path
    vscode = re.sub(r"^file:///(\w):", lambda found: f"file:///{found[1].lower()}%3A", path.as_uri())
    assert PureWindowsPath(path_of(vscode)) == path


@given(names=st.lists(NAMES, min_size=1, max_size=4))
def test_a_network_share_survives_its_uri(names: list[str]) -> None:
    path = PureWindowsPath("\\\\server\\share\\", *names)
    assert PureWindowsPath(path_of(path.as_uri())) == path


@pytest.mark.parametrize("path", [r"C:\w\.env", r"\\server\share\id_rsa", "file:///c%3A/w/.env", r"C:\w\server.KEY"])
def test_secrets_are_known_by_windows_paths(path: str) -> None:
    assert is_secret(path)


def test_the_engine_listens_on_a_port_with_a_token_without_unix_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "HAS_UNIX_SOCKETS", False)
    monkeypatch.delattr(os, "getuid")
    folders = Folders(config=tmp_path, models=tmp_path, cache=tmp_path / "cache", runtime=tmp_path / ("x" * 120))
    found = endpoint.find_endpoint(folders)
    assert (found.tcp, found.folder) == (True, folders.runtime)  # no limit of a socket's path
    with found.listen() as listening:
        port = found.read_port()
        assert port
        assert port.port == listening.getsockname()[1]
        assert listening.getsockname()[0] == "127.0.0.1"
        assert len(port.token) >= 32
    found.clear()
    assert found.read_port() is None


def test_the_engine_is_started_without_a_console_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, Any] = {}

    def popen(command: list[str], **named: Any) -> SimpleNamespace:  # noqa: ANN401 - of subprocess
        started.update(named, command=command)
        return SimpleNamespace(wait=lambda: 0)

    monkeypatch.setattr(launcher, "sys", SimpleNamespace(platform="win32", executable="python.exe"))
    monkeypatch.setattr(subprocess, "DETACHED_PROCESS", 8, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 512, raising=False)
    monkeypatch.setattr(subprocess, "Popen", popen)
    launcher.start_process(endpoint.EngineEndpoint(tmp_path, tmp_path / "cache/engine.log", tcp=True))
    assert started["command"] == ["python.exe", "-m", "nano_lsp", "engine", "run"]
    assert started["creationflags"] == 8 | 512


def test_folders_without_a_session_of_unix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getuid")
    folders = find_folders({"XDG_RUNTIME_DIR": "/run/user/1"})
    assert folders.runtime == folders.cache / "run"


def test_folders_are_those_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+)[^|]*\| [^|]+\| `([^`]+)` \| `([^`]+)` \|$", page, re.MULTILINE)
    assert {name for name, *_ in rows} == {"configuration", "models", "cache"}
    monkeypatch.setenv("HOME", "/Users/x")
    local = {"CSIDL_LOCAL_APPDATA": r"C:\Local"}
    monkeypatch.setattr(platformdirs.windows, "get_win_folder", local.__getitem__)
    mac = platformdirs.macos.MacOS("nano-lsp", appauthor=False)
    windows = platformdirs.windows.Windows("nano-lsp", appauthor=False)
    for name, *documented in rows:
        found = []
        for system in (mac, windows):
            of_kind = {"configuration": system.user_config_dir, "cache": system.user_cache_dir}
            found.append(of_kind.get(name) or f"{system.user_data_dir}/models")
        assert found[0].replace("/Users/x", "~") == documented[0]
        assert found[1].replace("/", "\\").replace(r"C:\Local", "%LOCALAPPDATA%") == documented[1]


def test_cores_and_memory_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert hardware.cpu_flags(tmp_path) == frozenset()
    assert hardware.cpu_features(tmp_path) == frozenset()
    assert hardware.usable_cores(tmp_path) >= 1
    assert hardware.usable_cpus() >= 1
    memory = hardware.find_memory(tmp_path)
    assert memory.available_bytes > 0
    assert memory.limit_bytes == 0


def test_cpu_features_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    def sysctl(command: list[str], **_named: object) -> SimpleNamespace:
        assert command[0] == "/usr/sbin/sysctl"
        return SimpleNamespace(stdout="AVX2 BMI2\nFPU FMA F16C\n")

    monkeypatch.setattr(hardware, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(subprocess, "run", sysctl)
    assert hardware.cpu_features() == {"avx2", "fma", "f16c"}


def test_nothing_is_mapped_or_released_without_madvise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_residency, "SUPPORTED", False)
    monkeypatch.setattr(page_residency, "_madvise", None)  # a call would raise an error
    path = write_model(tmp_path / "small.gguf")
    weights = page_residency.ResidentWeights(path, read_header(path))
    weights.release_all()
    weights.set_buffers({"CPU_REPACK"})
    weights.release_cold()
    assert page_residency.cached_share(path) is None


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_files_are_replaced_without_extended_attributes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line_end: bytes
) -> None:
    monkeypatch.delattr(os, "listxattr")
    path = tmp_path / "a.py"
    path.write_bytes(b"x = 1" + line_end)
    before = path.stat()
    file_replacement.replace_file(path, b"x = 22" + line_end, expected=b"x = 1" + line_end)
    assert path.read_bytes() == b"x = 22" + line_end
    assert path.stat().st_ino == before.st_ino  # written in place: what Windows keeps beside a file stays
    assert [each.name for each in tmp_path.iterdir()] == ["a.py"]


def test_the_build_command_for_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    program = r"C:\Program Files\Python\python.exe"
    for module in (selftest, shell):
        monkeypatch.setattr(module, "sys", SimpleNamespace(platform="win32", executable=program))
    command = selftest.build_command()
    assert command.startswith(f'"{program}" -m pip install ')
    assert "CXXFLAGS" not in command
    folder = r"C:\it's mine"
    assert shell.command_line("nano-lsp", "adapter", "use", folder) == f'nano-lsp adapter use "{folder}"'


@pytest.mark.parametrize(
    ("code", "said"),
    [(0xC000001D, "illegal instruction"), (0xC0000005, "access violation"), (0xC0000135, "0xC0000135")],
)
def test_how_a_process_died_on_windows(code: int, said: str) -> None:
    assert said in selftest._describe_death(code, b"")


def test_the_installer_of_a_bundle_knows_the_folders_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = SimpleNamespace(name="nt", environ={"LOCALAPPDATA": "/C/Users/x/AppData/Local"})
    monkeypatch.setattr(bundle_install, "os", windows)
    assert bundle_install.default_environment() == Path("/C/Users/x/AppData/Local/nano-lsp/venv")
    assert bundle_install.program(Path("/v")) == Path("/v/Scripts/nano-lsp.exe")
    assert (bundle_install.python_command(), bundle_install.python_command("3.12")) == ("py", "py -3.12")

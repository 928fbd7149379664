"""Settings and folders."""

from __future__ import annotations

import os
import re
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp import config
from nano_lsp.config import (
    MachineFolders,
    find_folders,
    is_offline,
    load_settings,
    machine_folders,
    portable_environment,
    with_absolute_paths,
)
from nano_lsp.errors import ConfigError
from nano_lsp.settings import Settings


def test_the_later_source_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text("n_ctx = 1024\nn_batch = 16\nmodel = 'pico'\nsnapshots = true\n")
    monkeypatch.setenv("NANO_LSP_N_CTX", "2048")
    monkeypatch.setenv("NANO_LSP_N_BATCH", "64")
    settings = load_settings(os.environ, n_batch=8, max_tokens=None)
    assert (settings.n_ctx, settings.n_batch, settings.model, settings.snapshots) == (2048, 8, "pico", True)
    assert settings.max_tokens == Settings().max_tokens


@pytest.fixture
def machine_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The administrator's configuration file, which does not exist yet."""
    folders = MachineFolders(tmp_path / "etc.toml", tmp_path / "shared")
    monkeypatch.setattr(config, "machine_folders", lambda: folders)
    return folders.config_file


def test_the_administrators_file_comes_before_the_users(home: Path, machine_file: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text("n_ctx = 1024\n")
    machine_file.write_text("n_ctx = 2048\nn_threads = 1\n")
    assert (load_settings().n_ctx, load_settings().n_threads) == (1024, 1)
    machine_file.write_text("nonsense = 1\n")
    with pytest.raises(ConfigError, match=re.escape(str(machine_file))):
        load_settings()


def test_nothing_switches_offline_off(home: Path, machine_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load_settings().offline
    machine_file.write_text("offline = true\n")
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text("offline = false\n")
    monkeypatch.setenv("NANO_LSP_OFFLINE", "false")
    assert load_settings(offline=False).offline
    machine_file.unlink()
    assert load_settings(offline=True).offline
    assert not load_settings().offline


@pytest.mark.parametrize("users", ["n_ctx = [", "nonsense = 1\n", "offline = 3\n"])
def test_offline_holds_where_other_settings_are_invalid(
    home: Path, machine_file: Path, monkeypatch: pytest.MonkeyPatch, users: str
) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text(users)
    assert not is_offline()
    machine_file.write_text("offline = true\n")
    assert is_offline()
    with pytest.raises(ConfigError):
        load_settings()
    machine_file.write_text("[")
    monkeypatch.setenv("NANO_LSP_OFFLINE", "perhaps")
    assert not is_offline()
    monkeypatch.setenv("NANO_LSP_OFFLINE", "true")
    assert is_offline()


@pytest.mark.parametrize("system", ["linux", "darwin", "win32", "freebsd14"])
def test_no_variable_of_the_user_moves_the_administrators_file(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\ProgramFilesDir": "/programs"}
    registry = SimpleNamespace(
        HKEY_LOCAL_MACHINE="HKLM",
        OpenKey=lambda root, name: nullcontext(f"{root}\\{name}"),
        QueryValueEx=lambda key, name: (values[f"{key}\\{name}"], 1),
    )
    monkeypatch.setitem(sys.modules, "winreg", registry)
    monkeypatch.setattr(sys, "platform", system)
    before = machine_folders()
    for name in ("XDG_CONFIG_DIRS", "XDG_DATA_DIRS", "HOME", "NANO_LSP_HOME", "PROGRAMDATA", "PROGRAMFILES"):
        monkeypatch.setenv(name, "/elsewhere")
    assert machine_folders() == before
    assert before.config_file.parts[-2:] == ("nano-lsp", "config.toml")


@given(st.integers())
def test_a_number_is_in_range_or_refused(n_ctx: int) -> None:
    if 512 <= n_ctx <= 32_768:
        assert Settings(n_ctx=n_ctx).n_ctx == n_ctx
    else:
        with pytest.raises(ConfigError) as caught:
            Settings(n_ctx=n_ctx)
        assert "512 to 32768" in caught.value.remedy


@pytest.mark.parametrize(
    "content",
    [
        "n_ctx = 'many'",
        "n_ctx = true",
        "n_ctx = 1.5",
        "model = 5",
        "snapshots = 'maybe'",
        "nonsense = 1",
        "= 1",
        "\xff",
        pytest.param("n_ctx = " + "9" * 5000, id="digits"),
        pytest.param("n_ctx = " + "[" * 5000, id="brackets"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(home: Path, content: str) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert caught.value.remedy


def test_a_byte_order_mark_is_ignored(home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_bytes(b"\xef\xbb\xbfn_ctx = 1024\r\n")
    assert load_settings().n_ctx == 1024


def test_folders_follow_the_system_or_one_home(tmp_path: Path) -> None:
    folders = find_folders({"NANO_LSP_HOME": str(tmp_path)})
    assert {folders.config, folders.models, folders.cache} == {tmp_path / n for n in ("config", "models", "cache")}
    assert find_folders({}).models.parts[-2:] == ("nano-lsp", "models")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="has no passwd")
@pytest.mark.parametrize("home", [None, "relative"])
def test_without_a_home_the_remedy_is_told(home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has a number and no entry in /etc/passwd."""
    import pwd  # noqa: PLC0415 - not on Windows

    def unknown(_: object) -> None:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    if home:
        monkeypatch.setenv("HOME", home)
    with pytest.raises(ConfigError, match="no home folder") as caught:
        find_folders({})
    assert "NANO_LSP_HOME" in caught.value.remedy
    assert find_folders({"NANO_LSP_HOME": "/x"}).config == Path("/x/config").absolute()
    if home is None:
        with pytest.raises(ConfigError, match="no home folder"):
            find_folders({"NANO_LSP_HOME": "~/x"})


def test_relative_paths_mean_the_same_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_folders({"NANO_LSP_HOME": "h"}).models == tmp_path / "h" / "models"
    assert portable_environment({"NANO_LSP_HOME": "h", "A": "b"}) == {"NANO_LSP_HOME": str(tmp_path / "h"), "A": "b"}
    assert portable_environment({"A": "b"}) == {"A": "b"}
    for model, expected in {
        "nano": "nano",
        "my.gguf": str(tmp_path / "my.gguf"),
        os.path.join("..", "my.gguf"): str(tmp_path.parent / "my.gguf"),  # noqa: PTH118 - as it is typed
        "scripted:a.json": f"scripted:{tmp_path / 'a.json'}",
        str(tmp_path / "b.gguf"): str(tmp_path / "b.gguf"),
    }.items():
        found = with_absolute_paths(Settings(model=model, adapter="lora.gguf"))
        assert (found.model, found.adapter) == (expected, str(tmp_path / "lora.gguf"))
    assert [with_absolute_paths(Settings(adapter=name)).adapter for name in ("auto", "", "mine")] == [
        "auto",
        "",
        "mine",
    ]

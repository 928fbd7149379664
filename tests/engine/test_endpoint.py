"""Where the engine is, and who may reach it."""

from __future__ import annotations

import errno
import os
import socket
import stat
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nano_lsp.config import find_folders
from nano_lsp.engine.endpoint import challenge_response, find_endpoint
from nano_lsp.errors import EngineError

NULL_LISTENER = 65_534


def connect_as(user: int, address: Path) -> int:
    """What connecting gives to a process of another user: an error number, 0 for none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks with threads: the child only connects
        child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        os._exit(socket.socket(socket.AF_UNIX).connect_ex(str(address)))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_only_this_user_can_open_the_socket_and_its_folder() -> None:
    place = find_endpoint(find_folders())
    with place.listen():
        assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(place.address.stat().st_mode) == 0o600
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(place.address))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_another_users_process_cannot_connect() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        place = find_endpoint(replace(find_folders(), runtime=Path(folder) / "run"))
        with place.listen():
            assert connect_as(0, place.address) == 0
            assert connect_as(NULL_LISTENER, place.address) == errno.EACCES
            place.folder.chmod(0o755)  # even then the socket's own mode keeps others out
            assert connect_as(NULL_LISTENER, place.address) == errno.EACCES


@pytest.fixture
def short_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files whose path is short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_a_folder_of_somebody_else_is_refused(home: Path, short_tmp: Path) -> None:
    home.mkdir()
    (home / "run").symlink_to(short_tmp)  # whoever made it could read along
    place = find_endpoint(find_folders())
    assert place.folder.parent == short_tmp
    place.folder.rmdir()
    (short_tmp / "other").mkdir()
    place.folder.symlink_to(short_tmp / "other")
    with pytest.raises(EngineError, match="another user"):
        find_endpoint(find_folders())


@pytest.mark.usefixtures("short_tmp")
def test_a_long_path_has_a_short_one_in_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NANO_LSP_HOME", str(tmp_path / ("x" * 120)))
    place = find_endpoint(find_folders())
    with place.listen():
        assert place.address.exists()


def test_a_port_is_told_with_a_token_in_a_file_of_this_user() -> None:
    place = replace(find_endpoint(find_folders()), tcp=True)
    with place.listen() as listening:
        port = place.read_port()
        assert port is not None
        assert (port.port, listening.getsockname()[0]) == (listening.getsockname()[1], "127.0.0.1")
        assert len(port.token) >= 32
        assert stat.S_IMODE(place.port.stat().st_mode) == 0o600
    assert (
        challenge_response(port.token, "a") != challenge_response(port.token, "b") != challenge_response("other", "b")
    )


def test_a_strict_umask_keeps_nobody_from_their_own_engine(home: Path) -> None:
    home.mkdir()
    before = os.umask(0o777)
    try:
        place = find_endpoint(find_folders())
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700


def test_no_folder_for_temporary_files_is_needed_where_there_is_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # A socket's path has at most 107 bytes, and a test's own folder is long where tests run in several processes.
    monkeypatch.setenv("NANO_LSP_HOME", str(tmp_path_factory.mktemp("short")))

    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert find_endpoint(find_folders()).folder.is_dir()
    monkeypatch.setenv("NANO_LSP_HOME", "/dev/null/x")
    with pytest.raises(EngineError, match="No usable temporary directory") as caught:
        find_endpoint(find_folders())
    assert "NANO_LSP_HOME" in caught.value.remedy


def test_a_card_that_is_none_is_none() -> None:
    place = replace(find_endpoint(find_folders()), tcp=True)
    assert place.read_port() is None
    place.port.write_text('{"port": "x"}')
    assert place.read_port() is None

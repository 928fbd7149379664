"""Files are there as a whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from nano_lsp import atomic_files
from nano_lsp.atomic_files import file_beside, require_disk_space, whole_file, write_whole
from nano_lsp.errors import DiskSpaceError

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@posix
@pytest.mark.parametrize("mask", [0o022, 0o007, 0o077])
def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        write_whole(tmp_path / "made", b"content")
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o666 & ~mask


@posix
def test_nobody_else_reads_what_is_not_complete(tmp_path: Path) -> None:
    with whole_file(tmp_path / "made") as new:
        assert stat.S_IMODE(new.stat().st_mode) == 0o600
        assert not (tmp_path / "made").exists()


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"old")
    with contextlib.suppress(KeyboardInterrupt), whole_file(tmp_path / "file") as new:
        new.write_bytes(b"half")
        raise KeyboardInterrupt
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("number", [5, 32, 33, None])
def test_what_a_virus_scanner_has_open_for_a_moment_is_replaced_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    """Windows, whose error has a number of its own; without one, it is an error at once."""
    replace, waited = Path.replace, list[float]()

    def refuse_twice(new: Path, path: Path) -> Path:
        if len(waited) == 2:
            return replace(new, path)
        error = PermissionError(errno.EACCES, "in use", str(new))
        if number is not None:
            error.winerror = number  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(Path, "replace", refuse_twice)
    monkeypatch.setattr(atomic_files, "time", SimpleNamespace(sleep=waited.append, time=time.time))
    with contextlib.suppress(PermissionError):
        write_whole(tmp_path / "file", b"content")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"content"] * (number is not None)


def test_a_file_that_stays_open_elsewhere_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        error = PermissionError(errno.EACCES, "in use")
        error.winerror = 32  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(atomic_files, "time", SimpleNamespace(sleep=lambda _: None, time=time.time))
    with pytest.raises(PermissionError):
        write_whole(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    write_whole(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink()
    assert [path.read_bytes() for path in (tmp_path / "folder").iterdir()] == [b"content"]


def test_what_a_killed_process_has_left_is_deleted_by_the_next_one(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from nano_lsp.atomic_files import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as new: new.write_bytes(b'half'); print(flush=True); input()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "file")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline()
        with file_beside(tmp_path / "other"):
            assert len([*tmp_path.iterdir()]) == 2  # that of a running process stays
        process.kill()
    with file_beside(tmp_path / "other"):
        assert len([*tmp_path.iterdir()]) == 2  # it may be of a process that runs on another machine
    (leftover,) = tmp_path.iterdir()
    an_hour_ago = time.time() - 3601
    os.utime(leftover, (an_hour_ago, an_hour_ago))
    write_whole(tmp_path / "other", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_too_little_room_is_said_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    require_disk_space("It", tmp_path, 2_000_000, "Free some space.")
    with pytest.raises(DiskSpaceError, match=r"It needs 3 MB in .*, 2 MB are free\. Free some space\."):
        require_disk_space("It", tmp_path, 3_000_000, "Free some space.")

"""What writing a file leaves as it was: names, owner, mode, attributes, and what was saved meanwhile."""

from __future__ import annotations

import errno
import os
import stat
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nano_lsp.code import file_replacement as replacement
from nano_lsp.code.file_replacement import replace_file
from nano_lsp.errors import DocumentError

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has these attributes")
is_root = hasattr(os, "geteuid") and os.geteuid() == 0
OLD, NEW = b"old\n", b"new, and longer\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "a.py"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    replace_file(tmp_path / "made", "é\r\n")
    assert (tmp_path / "made").read_bytes() == "é\r\n".encode()
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_hard_links_stay_one_file(file: Path) -> None:
    other = file.with_name("other.py")
    other.hardlink_to(file)
    replace_file(file, NEW, OLD)
    assert other.read_bytes() == NEW
    assert file.samefile(other)
    replace_file(other, b"x", NEW)  # shorter: cut off
    assert file.read_bytes() == b"x"
    assert sorted(path.name for path in file.parent.iterdir()) == ["a.py", "other.py"]


@posix
def test_a_link_stays_a_link_and_the_mode_stays(file: Path) -> None:
    file.chmod(0o751)
    link = file.with_name("link.py")
    link.symlink_to("a.py")
    replace_file(link, NEW, OLD)
    assert link.is_symlink()
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (NEW, 0o751)


@posix
@pytest.mark.skipif(not is_root, reason="only root gives files away")
def test_owner_and_group_stay(file: Path) -> None:
    os.chown(file, 1234, 4321)
    replace_file(file, NEW, OLD)
    found = file.stat()
    assert (found.st_uid, found.st_gid, file.read_bytes()) == (1234, 4321, NEW)


@posix
@pytest.mark.skipif(not is_root, reason="only root becomes somebody else")
@pytest.mark.parametrize("folder_mode", [0o755, 0o777])
def test_somebody_elses_file_that_one_may_write_stays_theirs(folder_mode: int) -> None:
    """With and without the right to make a file beside it."""
    code = (
        "import os, sys; from pathlib import Path; from nano_lsp.code.file_replacement import replace_file\n"
        "os.setgid(5678); os.setuid(5678); replace_file(Path(sys.argv[1]), sys.argv[2])"
    )
    with tempfile.TemporaryDirectory() as name:  # pytest's folders are closed to others
        folder, file = Path(name), Path(name) / "a.py"
        folder.chmod(folder_mode)
        file.write_bytes(OLD)
        file.chmod(0o666)
        os.chown(file, 1234, 4321)
        subprocess.run([sys.executable, "-c", code, file, NEW.decode()], check=True, timeout=60)
        found = file.stat()
        assert (found.st_uid, found.st_gid, file.read_bytes()) == (1234, 4321, NEW)
        assert list(folder.iterdir()) == [file]


@linux
def test_attributes_and_access_lists_stay(file: Path) -> None:
    # acl(5) as the kernel has it: version 2; entries (tag, permissions, id): owner, user 1234, group, mask, others.
    entries = [(1, 6, 2**32 - 1), (2, 6, 1234), (4, 4, 2**32 - 1), (16, 6, 2**32 - 1), (32, 4, 2**32 - 1)]
    wanted = {"system.posix_acl_access": struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)}
    wanted["user.origin"] = b"elsewhere"
    try:
        for name, value in wanted.items():
            os.setxattr(file, name, value)
    except OSError as error:
        pytest.skip(f"this file system has no such attributes: {error}")
    replace_file(file, NEW, OLD)
    assert {name: os.getxattr(file, name) for name in wanted} == wanted
    assert file.read_bytes() == NEW


@linux
def test_attributes_that_cannot_be_copied_stay_as_well(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(replacement, "_attributes", lambda path: {"security.label": b"x"} if path == file else {})
    monkeypatch.setattr(os, "setxattr", refuse)
    before = file.stat().st_ino
    replace_file(file, NEW, OLD)
    assert (file.read_bytes(), file.stat().st_ino) == (NEW, before)


def test_a_read_only_file_is_refused(file: Path) -> None:
    file.chmod(0o444)
    with pytest.raises(OSError, match="read-only"):
        replace_file(file, NEW, OLD)
    assert file.read_bytes() == OLD
    file.chmod(0o644)


def test_the_same_content_is_not_written_again(file: Path) -> None:
    os.utime(file, ns=(1, 1))
    replace_file(file, OLD, OLD)
    assert file.stat().st_mtime_ns == 1


@pytest.mark.parametrize("linked", [False, True], ids=["by a rename", "in place"])
def test_a_save_in_between_is_not_overwritten(file: Path, linked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The save comes at the last moment that there is: the new content is on the disk already."""
    if linked:
        file.with_name("other.py").hardlink_to(file)
    sync = os.fsync

    def save_meanwhile(handle: int) -> None:
        sync(handle)
        file.write_bytes(b"saved meanwhile\n")

    monkeypatch.setattr(os, "fsync", save_meanwhile)
    with pytest.raises(DocumentError, match="changed meanwhile"):
        replace_file(file, NEW, OLD)
    assert file.read_bytes() == b"saved meanwhile\n"
    assert not [path for path in file.parent.iterdir() if path.suffix == ".tmp"]


def test_a_disk_that_fills_up_leaves_the_old_content(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.with_name("other.py").hardlink_to(file)
    write = os.write
    failed: list[int] = []

    def fill_up(handle: int, data: memoryview) -> int:
        if not failed:
            failed.append(write(handle, data[:5]))
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data)

    monkeypatch.setattr(os, "write", fill_up)
    with pytest.raises(OSError, match="No space left"):
        replace_file(file, NEW, OLD)
    assert failed == [5]
    assert file.read_bytes() == OLD


@posix
def test_what_is_no_file_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        replace_file(pipe, NEW)
        assert reader.communicate(timeout=60)[0] == NEW
    assert pipe.is_fifo()


def test_a_name_that_leaves_no_room_for_another(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 252 + ".py")
    path.write_bytes(OLD)
    replace_file(path, NEW, OLD)
    assert path.read_bytes() == NEW

"""Files that are there as a whole or not at all: written beside their place, synced to disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from nano_lsp.errors import DiskSpaceError

TEMPORARY = ".nano-lsp-*.tmp"
"""Glob pattern of the names of temporary files."""
_LEFTOVER_S = 3600.0
_WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.8)
_MAY_PASS = {5, 32, 33}  # Windows: ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
_TEMPORARY_OF_PROCESS = re.compile(r"\.nano-lsp-(\d+)-\w+\.tmp")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file beside a path, for content of any size: it takes the path's place once it is complete.

    Its permissions are those of a new file (the process's umask). Symbolic links are followed.

    Yields:
        Path of the temporary file, which is empty; after an exception it is deleted, and the old file is unchanged.

    Raises:
        OSError: The file cannot be written.
    """
    path = Path(os.path.realpath(path))
    with file_beside(path) as new:
        yield new
        sync(new)
        new.chmod(0o666 & ~_umask())
        move_over(new, path)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, or replace one, as `whole_file` does.

    Raises:
        OSError: The file cannot be written; an old one is unchanged.
    """
    with whole_file(path) as new:
        new.write_bytes(content)


def move_over(new: Path, path: Path) -> None:
    """Rename a file to another name in its folder, in place of the file that has this name.

    On Windows, who has one of the two open prevents that; a virus scanner has it for a moment only.

    Raises:
        OSError: The file cannot be renamed.
    """
    for wait_s in _WAITS_S:
        try:
            new.replace(path)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _MAY_PASS:
                raise
            time.sleep(wait_s)
        else:
            return
    new.replace(path)


@contextlib.contextmanager
def file_beside(path: Path) -> Iterator[Path]:
    """An empty temporary file in a path's folder, which only this user can read; deleted at the end if it exists.

    Temporary files that killed processes have left in the folder more than an hour ago are deleted first.

    Raises:
        OSError: No file can be created there.
    """
    for leftover in path.parent.glob(TEMPORARY):
        found = _TEMPORARY_OF_PROCESS.fullmatch(leftover.name)
        with contextlib.suppress(OSError):
            if found and is_leftover(leftover, int(found[1])):
                leftover.unlink()
    handle, name = tempfile.mkstemp(prefix=f".nano-lsp-{os.getpid()}-", suffix=".tmp", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def is_leftover(path: Path, process_id: int) -> bool:
    """Whether a killed process has left a file: it does not run here, and has not written the file for an hour.

    Processes of other machines and containers that share the folder are not seen here, and use the same ids.

    Raises:
        OSError: The file does not exist.
    """
    return not psutil.pid_exists(process_id) and time.time() - path.stat().st_mtime > _LEFTOVER_S


def sync(path: Path) -> None:
    """Wait until a file's content is on disk.

    Raises:
        OSError: It could not be written.
    """
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def free_disk_bytes(folder: Path) -> int:
    """Free space on the disk of a folder, which need not exist.

    Raises:
        OSError: The disk does not exist or is not accessible.
    """
    for existing in (folder, *folder.parents):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return shutil.disk_usage(existing).free
    raise FileNotFoundError(errno.ENOENT, "the disk does not exist", str(folder))


def require_disk_space(what: str, folder: Path, needed_bytes: int, remedy: str) -> int:
    """Check that a folder's disk has room, and return its free space in bytes.

    Args:
        what: What needs the space, the subject of a sentence.
        folder: A folder, which need not exist.
        needed_bytes: Number of bytes.
        remedy: What the user can do where there is less.

    Raises:
        DiskSpaceError: There is less.
        OSError: The disk does not exist or is not accessible.
    """
    free = free_disk_bytes(folder)
    if free < needed_bytes:
        raise DiskSpaceError(
            f"{what} needs {needed_bytes / 1e6:,.0f} MB in {folder}, {free / 1e6:,.0f} MB are free.", remedy
        )
    return free


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

"""Gives a file another content, and keeps what else belongs to it.

The new content is written beside the file and renamed over it, so that each reader finds one whole text, whatever
happens meanwhile. That makes another file of the same name; where it cannot have all that the old one has (its other
names, its owner and group, extended attributes with its access control list), the old file is written in place, and
the new content lies beside it until that is done. Editors do the same (Vim's `backupcopy=auto`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nano_lsp.errors import DocumentError


def replace_file(path: Path, content: str | bytes, expected: bytes | None = None) -> None:
    """Give a file another content; a link's target is written, and a file that has this content is left alone.

    Args:
        path: The file, which need not be there.
        content: Its new content; text is written in UTF-8, its line breaks as they are.
        expected: The content that it had when it was read; None writes over any.

    Raises:
        DocumentError: It has another content than expected; it is as it was.
        OSError: It cannot be written; it is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():  # a pipe, a terminal or another device has no content to replace
        path.write_bytes(data)
        return
    path = Path(os.path.realpath(path))
    old = path.stat() if path.exists() else None
    if old is None:
        with _written_beside(path, data) as new:
            new.chmod(0o666 & ~_umask())  # as a plain open() would make it
            new.replace(path)
        return
    before = path.read_bytes()
    if before == data:  # by another of its names, for instance
        return
    _compare(path, before, expected)
    if not old.st_mode & 0o222 or not os.access(path, os.W_OK):  # a rename would not mind
        raise PermissionError(errno.EACCES, "it is read-only", str(path))
    try:
        with _written_beside(path, data) as new:
            if _can_take_the_place(new, path, old):
                _compare(path, path.read_bytes(), expected)
                new.replace(path)
            else:
                _write_in_place(path, data, expected)
    except _FolderClosedError:
        _write_in_place(path, data, expected)


class _FolderClosedError(Exception):
    """The file may be written, but nothing beside it."""


@contextlib.contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """A file in the same folder, on disk; removed at the end where it is still there."""
    try:
        handle, name = tempfile.mkstemp(prefix=".nano-lsp-", suffix=".tmp", dir=path.parent)
    except PermissionError as error:
        if path.exists():
            raise _FolderClosedError from error
        raise
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _can_take_the_place(new: Path, path: Path, old: os.stat_result) -> bool:
    """Give a new file all that belongs to an old one but its content; False where that cannot be done."""
    if old.st_nlink > 1 or not hasattr(os, "listxattr"):
        return False  # outside Linux, Python knows no access control lists, nor Windows' streams
    try:
        made = new.stat()
        if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
            os.chown(new, old.st_uid, old.st_gid)
        wanted, found = _attributes(path), _attributes(new)
        for name in found.keys() - wanted.keys():  # what the folder gives to new files
            os.removexattr(new, name)
        for name, value in wanted.items():
            if found.get(name) != value:
                os.setxattr(new, name, value)
        new.chmod(stat.S_IMODE(old.st_mode))
    except OSError:
        return False
    return True


def _attributes(path: Path) -> dict[str, bytes]:
    """The extended attributes of a file, its POSIX access control list among them."""
    try:
        return {name: os.getxattr(path, name) for name in os.listxattr(path)}
    except OSError as error:
        if error.errno == errno.ENOTSUP:  # the file system has none
            return {}
        raise


def _write_in_place(path: Path, data: bytes, expected: bytes | None) -> None:
    """Write over a file; what it had is put back where the disk refuses."""
    with path.open("r+b", buffering=0) as stream:
        before = stream.readall()
        _compare(path, before, expected)
        try:
            _overwrite(stream.fileno(), data)
        except OSError:
            _overwrite(stream.fileno(), before)
            raise


def _overwrite(handle: int, data: bytes) -> None:
    """Write over an open file; it is cut to the length only in the end, so that the disk has room for going back."""
    os.lseek(handle, 0, os.SEEK_SET)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.ftruncate(handle, len(data))
    os.fsync(handle)


def _compare(path: Path, found: bytes, expected: bytes | None) -> None:
    if expected is not None and found != expected:
        raise DocumentError(f"{path} has changed meanwhile, and is left as it is.", "Run the command again.")


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

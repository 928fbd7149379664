"""Atomic replacement of a file's content that preserves its metadata.

The new content is written to a temporary file in the same folder and renamed over the file, so that each reader finds
one whole text, whatever happens meanwhile. A rename creates another inode; if it cannot have all properties of the
old one (hard links, owner and group, extended attributes with the access control list), the old file is written in
place, and the temporary file is kept until that is done. Editors do the same (Vim's `backupcopy=auto`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nano_lsp.atomic_files import file_beside, move_over, sync, write_whole
from nano_lsp.errors import DocumentError


def replace_file(path: Path, content: str | bytes, expected: bytes | None = None) -> None:
    """Replace a file's content. Symbolic links are followed; a file that already has this content is not touched.

    Args:
        path: Path of the file, which need not exist.
        content: New content; text is encoded in UTF-8, its line breaks unchanged.
        expected: Content of the file when it was read; None overwrites any content.

    Raises:
        DocumentError: The file's content is not the expected one; it is unchanged.
        OSError: The file cannot be written; it is unchanged.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():  # a pipe, a terminal or another device has no content to replace
        path.write_bytes(data)
        return
    path = Path(os.path.realpath(path))
    old = path.stat() if path.exists() else None
    if old is None:
        write_whole(path, data)
        return
    before = path.read_bytes()
    if before == data:  # written under another of its names, for instance
        return
    _compare(path, before, expected)
    if not old.st_mode & 0o222 or not os.access(path, os.W_OK):  # a rename would succeed nevertheless
        raise PermissionError(errno.EACCES, "it is read-only", str(path))
    try:
        with _written_beside(path, data) as new:
            if _can_take_the_place(new, path, old):
                _compare(path, path.read_bytes(), expected)
                move_over(new, path)
            else:
                _write_in_place(path, data, expected)
    except _FolderClosedError:
        _write_in_place(path, data, expected)


class _FolderClosedError(Exception):
    """The file is writable, but no file can be created in its folder."""


@contextlib.contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """A temporary file in the same folder, synced to disk; deleted at the end if it still exists."""
    with contextlib.ExitStack() as stack:
        try:
            new = stack.enter_context(file_beside(path))
        except PermissionError as error:
            raise _FolderClosedError from error
        new.write_bytes(data)
        sync(new)
        yield new


def _can_take_the_place(new: Path, path: Path, old: os.stat_result) -> bool:
    """Copy the metadata of the old file to the new one; False if that is not possible."""
    if old.st_nlink > 1 or not hasattr(os, "listxattr"):
        return False  # outside Linux, Python has no access to access control lists or Windows' alternate streams
    try:
        made = new.stat()
        if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
            os.chown(new, old.st_uid, old.st_gid)
        wanted, found = _attributes(path), _attributes(new)
        for name in found.keys() - wanted.keys():  # inherited by new files from the folder
            os.removexattr(new, name)
        for name, value in wanted.items():
            if found.get(name) != value:
                os.setxattr(new, name, value)
        new.chmod(stat.S_IMODE(old.st_mode))
    except OSError:
        return False
    return True


def _attributes(path: Path) -> dict[str, bytes]:
    """Extended attributes of a file, its POSIX access control list included."""
    try:
        return {name: os.getxattr(path, name) for name in os.listxattr(path)}
    except OSError as error:
        if error.errno == errno.ENOTSUP:  # the file system has none
            return {}
        raise


def _write_in_place(path: Path, data: bytes, expected: bytes | None) -> None:
    """Overwrite a file; the old content is restored if writing fails."""
    with path.open("r+b", buffering=0) as stream:
        before = stream.readall()
        _compare(path, before, expected)
        try:
            _overwrite(stream.fileno(), data)
        except OSError:
            _overwrite(stream.fileno(), before)
            raise


def _overwrite(handle: int, data: bytes) -> None:
    """Overwrite an open file; it is truncated only at the end, so that the disk has space to restore the content."""
    os.lseek(handle, 0, os.SEEK_SET)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.ftruncate(handle, len(data))
    os.fsync(handle)


def _compare(path: Path, found: bytes, expected: bytes | None) -> None:
    if expected is not None and found != expected:
        raise DocumentError(f"{path} has changed meanwhile, and is left as it is.", "Run the command again.")

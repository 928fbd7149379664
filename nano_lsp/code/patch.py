r"""Patches in git's format: `git apply` turns the old bytes of a file into exactly the new ones.

Format: gitformat-diff, "Generating patch text with -p". Lines are bytes and end with `\n`; any other character, such
as `\r`, belongs to the line.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from nano_lsp.lines import split_at_newlines

_QUOTED = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')
_LETTERS = {7: b"a", 8: b"b", 9: b"t", 10: b"n", 11: b"v", 12: b"f", 13: b"r", 34: b'"', 92: b"\\"}
"""C escapes of these bytes; git's `quote.c` writes all others as three octal digits."""


def build_patch(name: str, before: bytes, after: bytes) -> bytes:
    """Build the patch from the old to the new content of a file; empty if they are the same.

    Args:
        name: Path of the file relative to the folder that the patch is applied in, with slashes.
        before: Old content.
        after: New content.
    """
    return b"".join(_lines(os.fsencode(name), before, after)) if before != after else b""


def _lines(name: bytes, before: bytes, after: bytes) -> Iterator[bytes]:
    old, new = _quoted(b"a/" + name), _quoted(b"b/" + name)
    tab = b"\t" if b" " in name else b""  # marks the end of a name with blanks for GNU patch; git writes it, too
    yield b"diff --git %s %s\n--- %s%s\n+++ %s%s\n" % (old, new, old, tab, new, tab)
    old_lines, new_lines = (
        [line.decode("latin-1") for line in split_at_newlines(data, keep_ends=True)] for data in (before, after)
    )
    for line in list(difflib.unified_diff(old_lines, new_lines))[2:]:
        yield line.encode("latin-1")
        if not line.endswith("\n"):
            yield b"\n\\ No newline at end of file\n"


def _quoted(name: bytes) -> bytes:
    """A file name as git writes it in a patch: C-quoted if it has bytes other than printable ASCII."""
    if not _QUOTED.search(name):
        return name
    return b'"' + _QUOTED.sub(lambda found: b"\\" + _LETTERS.get(found[0][0], b"%03o" % found[0][0]), name) + b'"'


def find_base(files: Sequence[Path]) -> Path:
    """Return the folder in which `git apply` is to be run for a patch of these files.

    This is the repository of the current folder, else the current folder; if a file is outside of it, the repository
    of the files' common folder, else that folder.

    Raises:
        ValueError: The files are on different drives.
    """
    paths = [path.resolve() for path in files]
    current = Path.cwd()
    base = find_repository(current) or current
    if all(path.is_relative_to(base) for path in paths):
        return base
    common = Path(os.path.commonpath([path.parent for path in paths]))
    return find_repository(common) or common


def find_repository(folder: Path) -> Path | None:
    """Return the top folder of the git repository that contains a folder; None outside of any."""
    for each in (folder, *folder.parents):
        if (each / ".git" / "HEAD").exists() or (each / ".git").is_file():  # a file in worktrees and submodules
            return each
    return None

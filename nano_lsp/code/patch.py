r"""The change of a file as a patch: `git apply` makes of the old bytes exactly the new ones.

Format: git's own (gitformat-diff, "Generating patch text with -p"). Its lines end with `\n` and are bytes; whatever
else a file has in a line belongs to it.
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
"""As C names these bytes; git's `quote.c` writes all others as three octal digits."""


def build_patch(name: str, before: bytes, after: bytes) -> bytes:
    """The patch that makes one content of a file of another; empty where they are the same.

    Args:
        name: The file's path from the folder that the patch is for, with slashes.
        before: Its content.
        after: Its new content.
    """
    return b"".join(_lines(os.fsencode(name), before, after)) if before != after else b""


def _lines(name: bytes, before: bytes, after: bytes) -> Iterator[bytes]:
    old, new = _quoted(b"a/" + name), _quoted(b"b/" + name)
    tab = b"\t" if b" " in name else b""  # ends a name with blanks for GNU patch; git writes it, too
    yield b"diff --git %s %s\n--- %s%s\n+++ %s%s\n" % (old, new, old, tab, new, tab)
    old_lines, new_lines = (
        [line.decode("latin-1") for line in split_at_newlines(data, keep_ends=True)] for data in (before, after)
    )
    for line in list(difflib.unified_diff(old_lines, new_lines))[2:]:
        yield line.encode("latin-1")
        if not line.endswith("\n"):
            yield b"\n\\ No newline at end of file\n"


def _quoted(name: bytes) -> bytes:
    """A name as git writes it in a patch: quoted as in C where it has other bytes than printable ASCII."""
    if not _QUOTED.search(name):
        return name
    return b'"' + _QUOTED.sub(lambda found: b"\\" + _LETTERS.get(found[0][0], b"%03o" % found[0][0]), name) + b'"'


def find_base(files: Sequence[Path]) -> Path:
    """The folder that a patch of these files is for: `git apply` takes it in there.

    That is the repository that the current folder is in, else the current folder; where a file lies outside, the
    same of the folder that they all lie in.

    Args:
        files: Their paths.

    Raises:
        ValueError: They lie on several drives.
    """
    paths = [path.resolve() for path in files]
    current = Path.cwd()
    base = find_repository(current) or current
    if all(path.is_relative_to(base) for path in paths):
        return base
    common = Path(os.path.commonpath([path.parent for path in paths]))
    return find_repository(common) or common


def find_repository(folder: Path) -> Path | None:
    """The top folder of the git repository that a folder is in; None outside of any."""
    for each in (folder, *folder.parents):
        if (each / ".git" / "HEAD").exists() or (each / ".git").is_file():  # a file in worktrees and submodules
            return each
    return None

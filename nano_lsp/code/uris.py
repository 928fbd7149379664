"""Parsing of document URIs: the path, and the names of all files that a URI mentions.

Editors open more than files: `git:/w/a.py?{"path":"/w/a.py","ref":"~"}`, `vscode-vfs://github/owner/name/a.py`,
`fugitive:///w/.git//0/a.py`, `gitsigns:///w/.git//:0:a.py`, `jar:file:///w/a.jar!/a.py`, `untitled:a.py`. URIs are
split as in RFC 3986, appendix B; only `path_within` and `innermost` access a disk, to resolve links.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

_PARTS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]+):"  # two letters at least: one is a drive
    r"(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?",
    re.DOTALL,
)
_DRIVE = re.compile(r"/([A-Za-z]:)(?=/|\Z)")
_WITHIN_NAMES = re.compile(r"[:!;,=|@#\0]")  # `:0:a.py`, `a.jar!a.py`, `a.zip::a.py`, `a.py;version=3`, `a.py@tip`
_MAX_ESCAPES = 4  # maximum levels of percent-encoding: `%252Eenv` has two
_REVISIONS = {"ref", "sha", "commit", "branch"}


def path_of(uri: str) -> str:
    """Return the path in a URI of any scheme, its bytes that are not UTF-8 as Python has them in paths.

    A plain path is returned as it is.
    """
    parts = _PARTS.fullmatch(uri)
    if parts is None:
        return uri
    path = unquote(parts["path"], errors="surrogateescape")
    if "/.." in path:  # RFC 3986, section 5.2.4
        path = posixpath.normpath(path)
    authority = unquote(parts["authority"] or "")
    if parts["scheme"].lower() == "file" and authority.lower() not in {"", "localhost"}:
        return f"//{authority}{path}"  # a network share
    return _DRIVE.sub(lambda drive: drive[1].lower(), path, count=1) if _DRIVE.match(path) else path


def file_path(uri: str) -> Path | None:
    """Return the path of a `file:` URI; None for other schemes and plain paths."""
    parts = _PARTS.fullmatch(uri)
    is_file = parts is not None and parts["scheme"].lower() == "file" and "\0" not in path_of(uri)
    return Path(path_of(uri)) if is_file else None


def names_in(uri: str, n_folders: int = 0) -> set[str]:
    """Return the names of all files that a URI or a path mentions; some may be other names.

    Args:
        uri: The URI or path.
        n_folders: Maximum number of folders before each name: 1 for `folder/name`.
    """
    found = set()
    for text in _texts(uri):
        *folders, name = re.split(r"[/\\]", text.rstrip("/\\"))
        around = "".join(f"{folder}/" for folder in folders[max(0, len(folders) - n_folders) :])
        found |= {around + each for each in (name, *_WITHIN_NAMES.split(name)) if each}
    return found


def innermost(folders: Sequence[Path], path: Path) -> Path | None:
    """Return the deepest of the folders that contain a path, by its name or with links resolved; None for none."""
    around = [folder for folder in folders if path_within(folder, path) is not None]
    return max(around, key=lambda folder: len(folder.parts), default=None)


def path_within(folder: Path, path: Path) -> Path | None:
    """Return a path relative to a folder, or else with the links in both resolved; None where it is outside."""
    if path.is_relative_to(folder):
        return path.relative_to(folder)
    try:
        resolved, around = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    except ValueError:  # no file can have this name
        return None
    return resolved.relative_to(around) if resolved.is_relative_to(around) else None


def _texts(uri: str) -> Iterator[str]:
    """Yield the decoded parts of a URI, and the strings in JSON data that some contain."""
    parts = _PARTS.fullmatch(uri)
    if parts is None:
        yield uri
        return
    yield _unescaped(parts["path"])
    for part in (parts["authority"], parts["query"], parts["fragment"]):
        text = _unescaped(part or "")
        data = _data(text)
        yield from (re.split(r"[?&#]", text) if data is None else _strings(data))


def _unescaped(text: str) -> str:
    """Decode percent-encoding, which may be nested."""
    for _ in range(_MAX_ESCAPES):
        text = unquote(text)
    return text


def _data(text: str) -> object:
    """JSON in a part of a URI: plain, in base64 or in hexadecimal digits; None for anything else."""
    readings = (str.encode, bytes.fromhex, lambda given: base64.b64decode(given + "=" * (-len(given) % 4)))
    for read in readings:
        try:
            data = json.loads(read(text))
        except (ValueError, binascii.Error, RecursionError):
            continue
        if isinstance(data, (dict, list)):
            return data
    return None


def _strings(data: object) -> Iterator[str]:
    if isinstance(data, str):
        yield from _texts(data)
        yield _unescaped(data)
    elif isinstance(data, list):
        for item in data:
            yield from _strings(item)
    elif isinstance(data, dict):
        for key, item in data.items():
            if key not in _REVISIONS:
                yield from _strings(item)

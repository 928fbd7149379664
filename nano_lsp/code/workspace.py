"""Index of a workspace's files: their outlines in an SQLite database, updated when a file changes.

Files ignored by git, hidden folders, virtual environments, links and files that usually hold secrets are left out.
The index is optional: a file that cannot be read, parsed or written is missing from it, without an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from nano_lsp.code.document import is_secret, load_document
from nano_lsp.code.file_outline import outline_of
from nano_lsp.code.languages import LANGUAGES, PYTHON, language_of
from nano_lsp.code.outline import Outline
from nano_lsp.code.queries import query_text
from nano_lsp.code.syntax_tree import MAX_BYTES, SyntaxTree
from nano_lsp.errors import DocumentError
from nano_lsp.lines import split_at_newlines

MAX_FILES = 10_000  # with the same suffix
MAX_SECONDS = 120.0
_BATCH = 64  # files per transaction
_SCHEMA = 4
_INDEXED = frozenset(
    suffix for each in LANGUAGES if each is PYTHON or query_text(each, "imports") for suffix in each.suffixes
)
_SKIPPED_FOLDERS = {"node_modules", "__pycache__", "site-packages", "build", "dist"}


class Workspace:
    """Index of one workspace folder. Thread-safe.

    Args:
        root: Workspace folder.
        store: Folder for the index file; if it is not writable, the index is kept in memory.

    Attributes:
        root: Workspace folder with links resolved.
        n_indexed: Number of updates that have changed the index.
    """

    def __init__(self, root: Path, store: Path) -> None:
        self.root = root.resolve()
        self.n_indexed = 0
        self._lock = threading.Lock()
        self._read: set[str] = set()  # files indexed by `read` since an update began
        self._updating = threading.Lock()
        self._wanted = False  # whether an update is requested
        self._file = _open_store(
            store / f"{hashlib.sha256(str(self.root).encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.db"
        )
        # Not all owners close it before they go, and Python 3.13 warns of a database that nobody has closed.
        weakref.finalize(self, self._file.close)

    def update(self, files: Iterable[Path] | None = None, *, stopped: Callable[[], bool] = lambda: False) -> int:
        """Scan all files: index new and changed ones and remove deleted ones; returns the number of files indexed.

        Args:
            files: The workspace's files; None for all of indexed languages that git does not ignore, Python's first.
            stopped: Called before each file; True cancels the update.
        """
        deadline = time.monotonic() + MAX_SECONDS
        known = {path: (mtime, size) for path, mtime, size in self._query("SELECT path, mtime_ns, size FROM files")}
        seen: set[str] = set()
        batch: list[tuple[object, ...]] = []
        n_read = 0
        gone: set[str] = set()
        self._read = set()
        n_files = Counter[str]()
        for path in _find_indexed(self.root) if files is None else files:
            if stopped() or time.monotonic() > deadline:
                break
            name = path.relative_to(self.root).as_posix()
            n_files[path.suffix] += 1
            if not _is_utf8(name) or n_files[path.suffix] > MAX_FILES:
                continue
            seen.add(name)
            try:
                status = path.stat()
            except OSError:
                continue  # deleted since the folder was listed
            if known.get(name) != (status.st_mtime_ns, status.st_size):
                batch.append(self._row(name, path, status.st_mtime_ns, status.st_size))
                n_read += 1
            if len(batch) == _BATCH:
                self._write(batch)
                batch = []
        else:
            gone = known.keys() - seen - self._read
            self._forget(gone)
        self._write(batch)
        self.n_indexed += bool(n_read or gone)
        return n_read

    def read(self, paths: Iterable[Path]) -> None:
        """Update the index for files and folders that were saved, created, renamed or deleted.

        If there are many, or a whole folder was added, a background thread scans all files; paths outside the
        workspace are ignored.
        """
        inside = {path: name for path in paths if (name := self.relative(str(path)))}
        if len(inside) > _BATCH or any(path.name == ".gitignore" or path.is_dir() for path in inside):
            self._wanted = True
            threading.Thread(target=self._update_if_wanted, name="nano-lsp-index", daemon=True).start()
            return
        for path, name in inside.items():
            self._read.add(name)
            self._forget_folder(name)
            if self._is_listed(self.root / name):
                with contextlib.suppress(OSError):  # deleted
                    status = path.stat()
                    self._put([self._row(name, self.root / name, status.st_mtime_ns, status.st_size)])
                    continue
            self._forget({name})
        self.n_indexed += bool(inside)

    def relative(self, path: str) -> str | None:
        """Return a file's path relative to the root, with slashes; None outside of it, and if it is not UTF-8."""
        try:
            name = Path(path).resolve().relative_to(self.root).as_posix()
        except (ValueError, OSError, RuntimeError):  # the last, before Python 3.13, for links that form a loop
            return None
        return name if _is_utf8(name) else None

    def outline(self, name: str) -> Outline | None:
        """Return the outline of a file by its path relative to the root, with slashes; None if it is not indexed."""
        rows = self._query("SELECT outline FROM files WHERE path = ?", name)
        return Outline.from_json(rows[0][0]) if rows else None

    def find_module(self, module: str, importer: str) -> str | None:
        """Return the file of a module, as a path relative to the root; None if the workspace has none.

        Args:
            module: Dotted name, with a leading dot for each level of a relative import.
            importer: Path of the importing file, relative to the root.
        """
        stem = module.lstrip(".").replace(".", "/")
        level = len(module) - len(module.lstrip("."))
        if level:
            folder = "/".join(importer.split("/")[:-level])
            base = "/".join(part for part in (folder, stem) if part)
            rows = self._query(
                "SELECT path FROM files WHERE path IN (?, ?)", f"{base}.py", f"{base}/__init__.py".lstrip("/")
            )
        else:
            # The shortest path is the nearest to the root, as with `src/` layouts.
            rows = self._query(
                "SELECT path FROM files WHERE tail = ? AND (path IN (?, ?) OR path LIKE ? OR path LIKE ?)"
                " ORDER BY length(path) LIMIT 1",
                stem.rsplit("/", 1)[-1],
                f"{stem}.py",
                f"{stem}/__init__.py",
                f"%/{stem}.py",
                f"%/{stem}/__init__.py",
            )
        return str(rows[0][0]) if rows else None

    def first_file(self, names: Iterable[str]) -> list[str]:
        """The first of some files that is indexed, as a list; empty if none is.

        Args:
            names: Paths relative to the root; with `%` before it, any path that ends so: the shortest is taken.
        """
        for name in names:
            end = name.removeprefix("%")
            if end == name:
                rows = self._query("SELECT path FROM files WHERE path = ?", name)
            else:
                rows = self._query(
                    "SELECT path FROM files WHERE tail = ? AND substr(path, ?) = ? ORDER BY length(path) LIMIT 1",
                    _tail(end),
                    -len(end),
                    end,
                )
            if rows:
                return [str(rows[0][0])]
        return []

    def folders(self, suffix: str) -> set[str]:
        """The folders with indexed files of a suffix, as paths relative to the root."""
        rows = self._query("SELECT path FROM files WHERE substr(path, ?) = ?", -len(suffix), suffix)
        return {str(path).rpartition("/")[0] for (path,) in rows}

    def files(self, suffixes: Collection[str]) -> list[str]:
        """The indexed files with some suffixes, in order, as paths relative to the root."""
        rows = self._query("SELECT path FROM files ORDER BY path")
        return [str(path) for (path,) in rows if str(path).endswith(tuple(suffixes))]

    def files_in(self, folder: str, suffix: str) -> list[str]:
        """The indexed files of a suffix directly in a folder, in order, as paths relative to the root."""
        start = f"{folder}/" if folder else ""
        rows = self._query(
            "SELECT path FROM files WHERE substr(path, 1, ?) = ? AND substr(path, ?) = ? ORDER BY path",
            len(start),
            start,
            -len(suffix),
            suffix,
        )
        return [str(path) for (path,) in rows if "/" not in str(path)[len(start) :]]

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._file.close()

    def _row(self, name: str, path: Path, mtime_ns: int, size: int) -> tuple[object, ...]:
        """The database row of a file; a file with a new modification time but the same content is not parsed."""
        outline, digest = Outline(), b""
        with contextlib.suppress(DocumentError):
            if size <= MAX_BYTES:
                text = load_document(path).text
                digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
                rows = self._query("SELECT outline FROM files WHERE path = ? AND digest = ?", name, digest)
                if rows:
                    return (name, _tail(name), mtime_ns, size, digest, rows[0][0])
                tree = SyntaxTree.parse(text, language_of(name, text=text))
                outline = outline_of(tree) if tree else outline
        return (name, _tail(name), mtime_ns, size, digest, outline.to_json())

    def _update_if_wanted(self) -> None:
        with self._updating:  # of several requested updates, the first serves all
            wanted, self._wanted = self._wanted, False
            if wanted:
                self.update()

    def _is_listed(self, path: Path) -> bool:
        """Whether an update would list a file, if it exists."""
        rules, folders = tuple(_rules_above(self.root)), path.relative_to(self.root).parts[:-1]
        folder = self.root
        for name in (*folders, ""):
            rules = (*rules, *_read_rules(folder))
            if (folder / "pyvenv.cfg").exists() or (name and not _enters(folder / name, rules)):
                return False
            folder /= name
        return not path.is_symlink() and _takes(path, rules)

    def _write(self, rows: list[tuple[object, ...]]) -> None:
        """Store the rows of an update, except for files that `read` has indexed meanwhile."""
        self._put([row for row in rows if row[0] not in self._read])

    def _put(self, rows: list[tuple[object, ...]]) -> None:
        # A full disk or a closed database loses the rows but must not fail the editor.
        with self._lock, contextlib.suppress(sqlite3.Error), self._file:
            self._file.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _forget(self, names: set[str]) -> None:
        with self._lock, contextlib.suppress(sqlite3.Error), self._file:
            self._file.executemany("DELETE FROM files WHERE path = ?", [(name,) for name in names])

    def _forget_folder(self, name: str) -> None:
        with self._lock, contextlib.suppress(sqlite3.Error), self._file:
            self._file.execute("DELETE FROM files WHERE substr(path, 1, ?) = ?", (len(name) + 1, f"{name}/"))

    def _query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, contextlib.suppress(sqlite3.Error):
            return self._file.execute(sql, values).fetchall()
        return []


def _find_indexed(root: Path) -> Iterator[Path]:
    """Yield the files of indexed languages, Python's while the others are found."""
    others = []
    for path in find_files(root, _INDEXED):
        if path.suffix in PYTHON.suffixes:
            yield path
        else:
            others.append(path)
    yield from others


def find_files(root: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Yield the files with given suffixes in a folder that git does not ignore.

    They have a fixed order; links are not followed, and files that may hold secrets are left out.
    """
    root = root.resolve()
    yield from _walk(root, tuple(_rules_above(root)), suffixes)


def _rules_above(root: Path) -> list[tuple[Path, GitIgnoreSpec]]:
    """The `.gitignore` rules of the folders above one in a repository, outermost first."""
    above = [folder for folder in (root, *root.parents) if (folder / ".git").exists()][:1]
    folders = [folder for folder in root.parents if above and folder.is_relative_to(above[0])]
    return [rule for folder in reversed(folders) for rule in _read_rules(folder)]


def _read_rules(folder: Path) -> list[tuple[Path, GitIgnoreSpec]]:
    try:
        text = (folder / ".gitignore").read_bytes().decode("utf-8-sig", "replace")
    except OSError:
        return []
    lines = [line.removesuffix("\r") for line in split_at_newlines(text)]
    try:
        return [(folder, GitIgnoreSpec.from_lines(lines))]
    except (ValueError, re.error):
        return [(folder, GitIgnoreSpec.from_lines(line for line in lines if not pattern_error(line)))]


def pattern_error(pattern: str) -> str:
    """Why a line of `.gitignore` is not valid, so that git ignores it; empty if it is valid."""
    try:
        GitIgnoreSpec.from_lines([pattern])
    except (ValueError, re.error) as error:
        return str(error)
    return ""


def _walk(folder: Path, rules: tuple[tuple[Path, GitIgnoreSpec], ...], suffixes: Collection[str]) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    names = {entry.name for entry in entries}
    if "pyvenv.cfg" in names:
        return
    if ".gitignore" in names:
        rules = (*rules, *_read_rules(folder))
    for entry in entries:
        if entry.is_symlink():
            continue
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if _enters(path, rules):
                yield from _walk(path, rules, suffixes)
        elif entry.is_file(follow_symlinks=False) and _takes(path, rules, suffixes):  # a pipe would be waited for
            yield path


def _enters(folder: Path, rules: tuple[tuple[Path, GitIgnoreSpec], ...]) -> bool:
    """Whether a folder is scanned, according to its name and the rules above it."""
    left_out = folder.name.startswith(".") or folder.name in _SKIPPED_FOLDERS
    return not left_out and not _ignored(folder, rules, folder=True)


def _takes(path: Path, rules: tuple[tuple[Path, GitIgnoreSpec], ...], suffixes: Collection[str] = _INDEXED) -> bool:
    """Whether a file is listed, according to its name and the rules."""
    left_out = path.name.startswith(".") or path.suffix not in suffixes or is_secret(path.name)
    return not left_out and not _ignored(path, rules)


def _ignored(path: Path, rules: tuple[tuple[Path, GitIgnoreSpec], ...], *, folder: bool = False) -> bool:
    """Whether the innermost `.gitignore` with a matching rule ignores a path."""
    for base, spec in reversed(rules):
        said = spec.check_file(path.relative_to(base).as_posix() + "/" * folder).include
        if said is not None:
            return said
    return False


def _is_utf8(name: str) -> bool:
    """Whether the database can hold a path; Python code cannot import others, which have lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _tail(name: str) -> str:
    """Last part of a module's dotted name."""
    *folders, last = name.removesuffix(".py").removesuffix(".pyi").removesuffix(".pyw").split("/")
    return folders[-1] if last == "__init__" and folders else last


def _open_store(path: Path) -> sqlite3.Connection:
    """The index's database: a file, or in memory if the file cannot be used, for instance while it is locked."""
    for place in (path, path, None):
        try:
            if place:
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # signatures of the user's code
            return _prepare(sqlite3.connect(place or ":memory:", check_same_thread=False))
        except (OSError, sqlite3.OperationalError):  # locked, read-only, on a file system without locks, a full disk
            continue
        except sqlite3.DatabaseError:  # damaged, or not a database: the index can be rebuilt from the files
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    raise AssertionError("a database in memory can always be opened")


def _prepare(file: sqlite3.Connection) -> sqlite3.Connection:
    """Create this version's table if it is missing; return the same connection."""
    try:
        with file:
            file.execute("PRAGMA synchronous=OFF")  # lost rows are indexed again
            if file.execute("PRAGMA user_version").fetchone()[0] != _SCHEMA:
                file.execute("DROP TABLE IF EXISTS files")
                file.execute(f"PRAGMA user_version={_SCHEMA}")
            file.execute(
                "CREATE TABLE IF NOT EXISTS files"
                " (path TEXT PRIMARY KEY, tail TEXT, mtime_ns INTEGER, size INTEGER, digest BLOB, outline TEXT)"
            )
            file.execute("CREATE INDEX IF NOT EXISTS by_tail ON files (tail)")
    except sqlite3.Error:
        file.close()  # on Windows an open file cannot be deleted
        raise
    return file

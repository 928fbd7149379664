"""Files of the workspace that are not open, in which the newest edits may have to be made again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from nano_lsp.code.document import load_document
from nano_lsp.code.languages import LANGUAGES, Language, language_of
from nano_lsp.code.uris import file_path, innermost
from nano_lsp.code.workspace import Workspace
from nano_lsp.editor.session import Session
from nano_lsp.errors import DocumentError
from nano_lsp.lines import split_lines
from nano_lsp.next_edit.history import Edit
from nano_lsp.next_edit.patterns import n_equal
from nano_lsp.next_edit.places import removed_words
from nano_lsp.next_edit.renames import Source

_MAX_READ = 400  # files
_MAX_SECONDS = 0.3
_MAX_FILE_BYTES = 256 << 10
_MAX_FOUND = 8


class ClosedFiles:
    """Finds files by the index of the workspace, which the engine keeps up to date.

    Files that git ignores, that usually hold secrets or get no suggestions are not read, and none is where the
    workspace is untrusted or the setting `workspace` is off.

    Args:
        session: The session with the workspace folders and the settings.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._indexes: dict[Path, Workspace] = {}

    def find(self, edits: Sequence[Edit], opened: Collection[str]) -> list[Source]:
        """Files with a word that an edit has removed, those near the newest edit first; takes up to 0.3 s.

        Args:
            edits: The edits of the session, the newest first.
            opened: URIs of all open documents.
        """
        path, words = file_path(edits[0].document), removed_words(edits)
        root = innermost(self._session.roots, path) if path else None
        if path is None or root is None or not words or not self._session.settings.reads_files:
            return []
        if root not in self._indexes:
            self._indexes[root] = Workspace(root, self._session.folders.cache / "index")
        index = self._indexes[root]
        open_paths = {os.path.realpath(opened_path) for uri in opened if (opened_path := file_path(uri))}
        suffixes = _suffixes_like(language_of(path.name))
        folders = (index.relative(str(path)) or "").split("/")[:-1]
        names = sorted(index.files(suffixes), key=lambda name: _distance(name, folders))
        paths = [index.root / name for name in names[:_MAX_READ]]
        closed = (each for each in paths if str(each) not in open_paths)
        expression = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b")
        found: list[Source] = []
        deadline = time.monotonic() + _MAX_SECONDS
        for each, text in _read(closed):
            if expression.search(text) and self._gets_suggestions(each, text):
                found.append(Source(each.as_uri(), text))
            if len(found) == _MAX_FOUND or time.monotonic() > deadline:
                break
        return found

    def _gets_suggestions(self, path: Path, text: str) -> bool:
        language = language_of(path.name, text=text).name
        return self._session.quiet_reason(str(path), language, len(text)) is None


def is_unchanged(source: Source) -> bool:
    """Whether a file still has the text that was read."""
    path = file_path(source.name)
    return path is not None and [text for _, text in _read([path])] == [source.text]


def digest(text: str) -> str:
    r"""SHA-256 of a text in UTF-8, with `\n` between its lines and none at its end, as hexadecimal digits."""
    return hashlib.sha256("\n".join(split_lines(text)).encode("utf-8", "surrogatepass")).hexdigest()


def _read(paths: Collection[Path] | Iterator[Path]) -> Iterator[tuple[Path, str]]:
    for path in paths:
        with contextlib.suppress(DocumentError, OSError):
            if path.stat().st_size <= _MAX_FILE_BYTES:
                yield path, load_document(path).text


def _suffixes_like(language: Language) -> set[str]:
    """Suffixes of the languages with the same queries, whose files use each other's names."""
    common = {*language.queries[:1]}
    return {suffix for each in LANGUAGES if common & {*each.queries} for suffix in each.suffixes}


def _distance(name: str, folders: Sequence[str]) -> tuple[int, str]:
    """How far a file is from a folder: by the number of folders on the way, then by its name."""
    own = name.split("/")[:-1]
    return len(own) + len(folders) - 2 * n_equal(own, folders), name

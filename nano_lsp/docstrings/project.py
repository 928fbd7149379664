"""Docstrings for many files: what each lacks, what has been written for it so far, and the file with that in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nano_lsp.code.definitions import Definition, DefinitionKind, find_definitions, undocumented
from nano_lsp.code.document import TextEdit, apply_edits, read_bytes, read_document
from nano_lsp.code.file_replacement import replace_file
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree, is_python
from nano_lsp.docstrings.check import same_code
from nano_lsp.docstrings.writer import Docstring, is_outdated
from nano_lsp.errors import DocumentError
from nano_lsp.lines import line_number, split_at_newlines


@dataclass(frozen=True)
class Source:
    """A Python file as it was read.

    Attributes:
        path: The path of the file.
        data: its bytes.
        encoding: Python's name of the codec that makes these bytes of its text.
        tree: of its text.
    """

    path: Path
    data: bytes
    encoding: str
    tree: SyntaxTree

    def encode(self, text: str) -> bytes:
        """The bytes of another text for this file.

        Raises:
            DocumentError: The file's encoding lacks a character.
        """
        try:
            return text.encode(self.encoding)
        except UnicodeError as error:
            lacks = repr(text[error.start]) if isinstance(error, UnicodeEncodeError) else "form for this text"
            raise DocumentError(
                f"{self.path} is in {self.encoding}, which has no {lacks}; it is left as it is.",
                "Convert the file to UTF-8.",
            ) from error


def load_source(path: Path) -> Source:
    """Read a Python file.

    Raises:
        DocumentError: it cannot be read, or is no Python that can be parsed.
    """
    data = read_bytes(path)
    document = read_document(data, str(path), PYTHON)
    tree = SyntaxTree.parse(document.text, PYTHON)
    if tree is None:
        raise DocumentError(f"{path} is too large to be parsed.", "Leave it out.")
    if tree.n_errors():
        line = line_number(document.text, tree.offset(next(tree.errors()).start_byte))
        raise DocumentError(f"{path} is no sound Python: see line {line:,}.", "Correct it first.")
    source = Source(path, data, document.encoding, tree)
    if source.encode(document.text) != data:
        raise DocumentError(
            f"{path} is in {document.encoding}, and would get other bytes for the same text.",
            "Convert it to UTF-8.",
        )
    return source


def find_lacking(tree: SyntaxTree, name: str = "") -> list[Definition]:
    """What lacks a docstring, or has one that lists other things than the code has, in order.

    Args:
        tree: of a file.
        name: only what has this name, `Class.method` for a method, private or not; empty for all that is public.
    """
    every = list(find_definitions(tree))
    bare = list(undocumented(tree)) if not name else [d for d in every if d.name == name and d.docstring is None]
    stale = [d for d in every if d.docstring and name in {"", d.name} and is_outdated(tree, d, every)]
    return sorted([*bare, *stale], key=lambda definition: (definition.start, -definition.end))


def write_into(source: Source, docstrings: Sequence[Docstring]) -> bytes:
    """The content of a file with docstrings in it.

    Raises:
        DocumentError: they would change more than docstrings, or have characters that the file's encoding lacks.
    """
    before = source.tree
    text = apply_edits(before.text, [docstring.edit for docstring in docstrings])
    after = before.edited(text)
    if after is None or not same_code(before, after) or (is_python(before.text) and not is_python(text)):
        raise DocumentError(f"{source.path} would not keep its code.", "It is left as it is; please report it.")
    return source.encode(text)


def save(source: Source, data: bytes) -> None:
    """Put a content in the place of a file's, all of it or none; see `replace_file`.

    Raises:
        DocumentError: the file has changed since it was read, or cannot be written.
    """
    try:
        replace_file(source.path, data, source.data)
    except OSError as error:
        raise DocumentError(
            f"{source.path} cannot be written: {error.strerror}.", "Check its permissions."
        ) from error


class Drafts:
    """Docstrings written for one state of a file and not in it yet, on disk: a run that was stopped goes on there.

    Args:
        folder: for the drafts of all files; where it cannot be written, nothing is kept.
        source: the file.
        conditions: what the words depend on: model and style.
    """

    def __init__(self, folder: Path, source: Source, conditions: str) -> None:
        digest = hashlib.blake2b(f"{conditions}\0".encode() + source.data, digest_size=16).hexdigest()
        self._path = folder / f"{digest}.jsonl"
        self._known: dict[str, Docstring | None] = {}
        try:
            for line in split_at_newlines(self._path.read_text(encoding="utf-8")):
                key, made = json.loads(line)
                self._known[key] = Docstring(TextEdit(**made["edit"]), made["skeleton"]) if made else None
        except (OSError, ValueError, TypeError, KeyError):
            pass  # there are none, or the last line was cut off

    def __contains__(self, definition: Definition) -> bool:
        """Whether there is a draft for a definition."""
        return _key(definition) in self._known

    def get(self, definition: Definition) -> Docstring | None:
        """The draft for a definition; None where the model had nothing that holds."""
        return self._known[_key(definition)]

    def add(self, definition: Definition, docstring: Docstring | None) -> None:
        """Keep a draft; where the disk refuses, it lives until the end of the run."""
        self._known[_key(definition)] = docstring
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps([_key(definition), asdict(docstring) if docstring else None]) + "\n")
        except OSError:
            return

    def forget(self) -> None:
        """Remove the drafts: they are in the file now."""
        self._path.unlink(missing_ok=True)


def _key(definition: Definition) -> str:
    return f"{definition.start} {definition.name}"


def describe(definition: Definition) -> str:
    """A definition in words: `function A.f`, `module`."""
    return (
        definition.kind.value
        if definition.kind is DefinitionKind.MODULE
        else f"{definition.kind.value} {definition.name}"
    )

"""Docstrings and documentation comments for many files: finds missing ones, stores new ones, writes the files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nano_lsp.assistant.checkpoint import Checkpoint
from nano_lsp.code.definitions import Definition, DefinitionKind, find_definitions, has_documentation, undocumented
from nano_lsp.code.document import TextEdit, apply_edits, read_bytes, read_document
from nano_lsp.code.file_replacement import replace_file
from nano_lsp.code.languages import LANGUAGES, PLAIN, PYTHON, language_of
from nano_lsp.code.syntax_tree import SyntaxTree, breaks_parse
from nano_lsp.code.workspace import find_files
from nano_lsp.docstrings.check import same_code
from nano_lsp.docstrings.writer import Docstring, is_outdated
from nano_lsp.errors import DocumentError
from nano_lsp.lines import line_number
from nano_lsp.version import __version__


@dataclass(frozen=True)
class Source:
    """The content of a source file."""

    path: Path
    data: bytes
    encoding: str
    tree: SyntaxTree

    def encode(self, text: str) -> bytes:
        """Encode another text for this file.

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
    """Read a source file; one whose name tells no language is read as Python.

    Raises:
        DocumentError: The file cannot be read, its language has no convention, or it is not valid Python.
    """
    named = language_of(path.name)
    data = read_bytes(path)
    document = read_document(data, str(path), PYTHON if named is PLAIN else named)
    language = PYTHON if named is PLAIN else language_of(path.name, text=document.text)
    if not has_documentation(language):
        raise DocumentError(f"{path}: {language.name} has no convention for documentation comments.", "Leave it out.")
    if language.grammar is None:
        raise DocumentError(
            f"{path}: the grammar of {language.name} is not installed.",
            "Install nano-lsp again, with its dependencies.",
        )
    tree = SyntaxTree.parse(document.text, language)
    if tree is None:
        raise DocumentError(f"{path} is too large to be parsed.", "Leave it out.")
    if language is PYTHON and tree.n_errors():
        line = line_number(document.text, tree.offset(next(tree.errors()).start_byte))
        raise DocumentError(f"{path} has a syntax error in line {line:,}.", "Correct it first.")
    source = Source(path, data, document.encoding, tree)
    if source.encode(document.text) != data:
        raise DocumentError(
            f"{path} is in {document.encoding}, and its text would be encoded to other bytes.",
            "Convert it to UTF-8.",
        )
    return source


def find_sources(folder: Path) -> Iterator[Path]:
    """Yield the source files of a folder that can be documented and that git does not ignore; see `find_files`."""
    return find_files(folder, [suffix for each in LANGUAGES if has_documentation(each) for suffix in each.suffixes])


def find_missing_or_outdated(tree: SyntaxTree, name: str = "") -> list[Definition]:
    """The definitions without a docstring or with an outdated one: all public ones, or only `Class.method`."""
    every = list(find_definitions(tree))
    bare = list(undocumented(tree)) if not name else [d for d in every if d.name == name and d.docstring is None]
    stale = [d for d in every if d.docstring and name in {"", d.name} and is_outdated(tree, d, every)]
    return sorted([*bare, *stale], key=lambda definition: (definition.start, -definition.end))


def write_into(source: Source, docstrings: Sequence[Docstring]) -> bytes:
    """The content of a file with docstrings inserted.

    Raises:
        DocumentError: They would change other code, or have characters that the file's encoding lacks.
    """
    before = source.tree
    text = apply_edits(before.text, [docstring.edit for docstring in docstrings])
    after = before.edited(text)
    if after is None or not same_code(before, after) or breaks_parse(before, after):
        raise DocumentError(
            f"The docstrings would change the code of {source.path}.", "It is left as it is; please report it."
        )
    return source.encode(text)


def save(source: Source, data: bytes) -> None:
    """Replace the content of a file atomically; see `replace_file`.

    Raises:
        DocumentError: The file has changed since it was read, or cannot be written.
    """
    try:
        replace_file(source.path, data, source.data)
    except OSError as error:
        raise DocumentError(
            f"{source.path} cannot be written: {error.strerror}.", "Check its permissions."
        ) from error


class PendingDocstrings:
    """Generated docstrings that are not yet in their file; stored on disk, so that an interrupted run can be resumed.

    Args:
        folder: The folder for the pending docstrings of all files; if it cannot be written, they stay in memory.
        source: The file, in its current state.
        conditions: The model and the style, on which the docstrings depend.
    """

    def __init__(self, folder: Path, source: Source, conditions: str) -> None:
        text = f"{__version__} {conditions}\0".encode() + source.data
        self._saved = Checkpoint(folder / f"{hashlib.blake2b(text, digest_size=16).hexdigest()}.jsonl")

    def __contains__(self, definition: Definition) -> bool:
        """Whether a definition has been processed."""
        return _key(definition) in self._saved

    def get(self, definition: Definition) -> Docstring | None:
        """The pending docstring of a definition; None if none could be generated."""
        made = self._saved.get(_key(definition))
        return Docstring(TextEdit(**made["edit"]), made["skeleton"]) if made else None

    def add(self, definition: Definition, docstring: Docstring | None) -> None:
        """Store a pending docstring; if it cannot be written to disk, only in memory."""
        self._saved.add(_key(definition), asdict(docstring) if docstring else None)


def _key(definition: Definition) -> str:
    return f"{definition.start} {definition.name}"


def describe(definition: Definition) -> str:
    """A description of a definition, such as `function A.f` or `module`."""
    kind = definition.kind
    return kind.value if kind is DefinitionKind.MODULE else f"{kind.value} {definition.name}"


def name_of_documentation(languages: Iterable[str]) -> str:
    """What definitions in some languages are documented by, in the plural: docstrings in Python."""
    found = {"docstrings" if each == PYTHON.name else "documentation comments" for each in languages}
    return " and ".join(sorted(found)) or "docstrings"

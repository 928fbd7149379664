"""`nano-lsp docstring` and `nano-lsp explain`: document and explain code in files."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from nano_lsp.chat import Explain
from nano_lsp.cli.output import print_data
from nano_lsp.cli.terminal import (
    Context,
    Model,
    StreamPrinter,
    Threads,
    model_settings,
    open_assistant,
    row_progress,
    stderr,
    stdout,
)
from nano_lsp.code.definitions import Definition, find_definitions
from nano_lsp.code.document import load_document
from nano_lsp.code.languages import PLAIN, PYTHON, is_stub, language_of
from nano_lsp.code.patch import build_patch, find_base
from nano_lsp.config import find_folders, load_settings
from nano_lsp.docstrings import Docstring, WriteDocstrings, project
from nano_lsp.engine.connect import Assistant
from nano_lsp.errors import ConfigError, DocumentError
from nano_lsp.lines import line_number, line_start

EXAMPLES = """Examples:

`nano-lsp docstring src` prints the changes as a diff

`nano-lsp docstring src tests/helpers.py --write`

`nano-lsp docstring src --check` fails if a docstring is missing or outdated; it needs no model

`nano-lsp docstring src/app.py::Server.start --write`

`nano-lsp docstring src/server.ts` writes documentation comments: JSDoc, Go doc, Rustdoc, Javadoc and others
"""
EXPLAIN_EXAMPLES = """Examples:

`nano-lsp explain src/app.py::Server.start`

`nano-lsp explain src/app.py`
"""
_AUTO = "auto"


class StyleName(StrEnum):
    """Docstring styles; auto follows each file, and is Google style for files without docstrings."""

    AUTO = _AUTO
    GOOGLE = "google"
    NUMPY = "numpy"
    SPHINX = "sphinx"


@dataclass
class _Writer:
    """Writes docstrings; loads the model for the first one that is not pending from an earlier run."""

    style: StyleName
    overrides: dict[str, Any]
    stack: ExitStack
    n_todo: int = 0
    n_failed: int = 0
    _assistant: Assistant | None = field(default=None, init=False)

    def write(self, source: project.Source, lacking: Sequence[Definition], advance: Callable[[], None]) -> bytes:
        """The content of a file with all valid new docstrings."""
        settings = load_settings(**self.overrides)
        conditions = f"{settings.model} {self.style.value}"
        drafts = project.PendingDocstrings(find_folders().cache / "docstrings", source, conditions)
        docstrings = []
        for definition in lacking:
            if definition not in drafts:
                try:
                    drafts.add(definition, self._generate(source, definition))
                except DocumentError as error:
                    self.n_failed += 1
                    stderr.print(f"{_location(source, definition)}: {error}", markup=False)
                    advance()
                    continue
            docstring = drafts.get(definition)
            if docstring is None:
                self.n_failed += 1
                stderr.print(f"{_location(source, definition)}: the model wrote no valid docstring.", markup=False)
            else:
                docstrings.append(docstring)
                self.n_todo += docstring.skeleton
            advance()
        return project.write_into(source, docstrings)

    def _generate(self, source: project.Source, definition: Definition) -> Docstring | None:
        if self._assistant is None:
            self._assistant = self.stack.enter_context(open_assistant(**self.overrides))
        job = WriteDocstrings(
            source.tree.text, definition.start, definition.name, self.style.value, definition.language
        )
        docstrings = self._assistant.run(job)
        return docstrings[0] if docstrings else None


def docstring(  # noqa: PLR0917 - options, which typer passes by name
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Folders, files, or definitions as FILE::NAME.")
    ],
    write: Annotated[bool, typer.Option("--write", help="Write the docstrings into the files.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only list missing and outdated docstrings; exit code 1 if there are any.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print the changes as a diff; this is the default.")] = False,
    style: Annotated[
        StyleName, typer.Option(help="Style of new docstrings in Python; auto follows the docstrings of each file.")
    ] = StyleName.AUTO,
    model: Model = None,
    n_ctx: Context = None,
    threads: Threads = None,
) -> None:
    """Write missing docstrings and documentation comments of public definitions, and update outdated ones."""
    if write + check + diff > 1:
        raise ConfigError("--diff, --write and --check exclude each other.", "Give one of them.")
    work, all_read = _find_work(paths)
    if check:
        raise typer.Exit(int(_list(work) > 0 or not all_read))
    overrides = model_settings(model, n_ctx, threads)
    total = sum(len(lacking) for _, lacking in work)
    base = None if write else _find_base([source.path for source, _ in work])
    n_written: list[int] = []  # for each file that could be changed
    all_changed = all_read
    with ExitStack() as stack:
        writer = _Writer(style, overrides, stack)
        advance = stack.enter_context(row_progress("docstrings", total))
        for source, lacking in work:
            before = writer.n_failed
            try:
                data = writer.write(source, lacking, advance)
                if base is None:
                    project.save(source, data)
                else:
                    name = source.path.resolve().relative_to(base).as_posix()
                    print_data(build_patch(name, source.data, data))
            except DocumentError as error:
                all_changed = False
                stderr.print(str(error), markup=False)
            else:
                n_written.append(len(lacking) - writer.n_failed + before)
    hint = "" if write else "; --write writes them into the files"
    what = project.name_of_documentation(source.tree.language.name for source, _ in work)
    stderr.print(f"{sum(n_written)} {what} in {_count_files(n_written)}{hint}.")
    if base is not None and not all(source.path.resolve().is_relative_to(Path.cwd()) for source, _ in work):
        stderr.print(f"Not all files are in this folder: apply the diff with `git -C {base} apply`.", markup=False)
    if writer.n_todo:
        stderr.print(f"{writer.n_todo} of them have parts that the model could not describe, marked TODO.")
    raise typer.Exit(int(not all_changed))


def _find_work(paths: Sequence[str]) -> tuple[list[tuple[project.Source, list[Definition]]], bool]:
    """The files that lack docstrings, and whether all files could be read.

    Raises:
        DocumentError: The only file given cannot be read, or a definition does not exist.
    """
    all_read = True
    work: dict[Path, tuple[project.Source, list[Definition]]] = {}
    for path, name in _files(paths):
        key = path.resolve()
        try:
            source = work[key][0] if key in work else project.load_source(path)
        except DocumentError as error:
            if len(paths) == 1 and path == Path(paths[0].partition("::")[0]):
                raise
            is_named = any(path == Path(each.partition("::")[0]) for each in paths)
            all_read &= not is_named and language_of(path.name) is not PYTHON  # a folder has generated files, too
            stderr.print(str(error), markup=False)
            continue
        if name and all(found.name != name for found in find_definitions(source.tree)):
            raise _unknown_definition(path, name, source)
        _, lacking = work.setdefault(key, (source, []))
        lacking += [each for each in project.find_missing_or_outdated(source.tree, name) if each not in lacking]
    return [each for each in work.values() if each[1]], all_read


def _list(work: Sequence[tuple[project.Source, list[Definition]]]) -> int:
    """Print the missing and outdated docstrings, and return their number."""
    total = 0
    for source, lacking in work:
        for definition in lacking:
            total += 1
            what = project.name_of_documentation([definition.language]).removesuffix("s")
            print(f"{_location(source, definition)}: {'outdated' if definition.docstring else 'no'} {what}")
    what = project.name_of_documentation(source.tree.language.name for source, _ in work)
    stderr.print(f"{total} {what} are missing or outdated, in {_count_files(work)}.")
    return total


def explain(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE[::NAME]", help="File, or function or class in it, for example src/app.py::Server.start."
        ),
    ],
    model: Model = None,
    n_ctx: Context = None,
    threads: Threads = None,
) -> None:
    """Explain a function, a class or a whole file."""
    file, _, name = target.partition("::")
    code, language = _code_to_explain(Path(file), name)
    if not code.strip():
        raise DocumentError(f"{file} is empty.", "Choose another file.")
    with open_assistant(**model_settings(model, n_ctx, threads)) as assistant:
        text = assistant.run(Explain(code, language), StreamPrinter(show_text=stdout.is_terminal))
    print() if stdout.is_terminal else print(text)


def _code_to_explain(path: Path, name: str) -> tuple[str, str]:
    """A definition of a file, or the whole file without a name; and its language."""
    language = language_of(path.name)
    if not name and language not in {PYTHON, PLAIN}:
        return load_document(path).text, language.name
    source = project.load_source(path)
    text = source.tree.text
    if not name:
        return text, source.tree.language.name
    definition = next((each for each in find_definitions(source.tree) if each.name == name), None)
    if definition is None:
        raise _unknown_definition(source.path, name, source)
    return text[line_start(text, definition.start) : definition.end], definition.language


def _files(paths: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """The given files and those in given folders, each once, with the name of a definition; without stubs."""
    seen: set[tuple[Path, str]] = set()
    for target in paths:
        file, _, name = target.partition("::")
        path = Path(file)
        if not path.exists():
            raise DocumentError(f"{path} does not exist.", "Give folders, files, or FILE::NAME.")
        for each in project.find_sources(path) if path.is_dir() else [path]:
            if is_stub(each.name):
                if each == path:
                    stderr.print(f"{path} is a stub file; docstrings belong in its module.", markup=False)
            elif (each.resolve(), name) not in seen:
                seen.add((each.resolve(), name))
                yield each, name


def _count_files(files: Sequence[object]) -> str:
    return f"{len(files)} file{'' if len(files) == 1 else 's'}"


def _unknown_definition(path: Path, name: str, source: project.Source) -> DocumentError:
    close = difflib.get_close_matches(
        name, [each.name for each in find_definitions(source.tree) if each.name], 3, 0.4
    )
    return DocumentError(
        f"{path} does not define {name!r}.",
        f"Did you mean {', '.join(close)}?" if close else "Give methods as Class.method.",
    )


def _location(source: project.Source, definition: Definition) -> str:
    line = line_number(source.tree.text, definition.start)
    try:
        path = source.path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        path = str(source.path)
    return f"{path}:{line}: {project.describe(definition)}"


def _find_base(files: Sequence[Path]) -> Path:
    """The folder that the paths in a patch of some files are relative to."""
    try:
        return find_base(files)
    except ValueError as error:
        raise DocumentError(
            f"These files cannot be in one patch: {error}.", "Give files of one drive, or use --write."
        ) from error

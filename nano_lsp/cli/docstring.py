"""`nano-lsp docstring` and `nano-lsp explain`: code that lies in files."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from nano_lsp.assistant.job import Assistant
from nano_lsp.chat import Explain
from nano_lsp.cli.output import print_data
from nano_lsp.cli.progress import row_progress
from nano_lsp.cli.terminal import (
    Adapter,
    Context,
    Model,
    Stream,
    Threads,
    model_settings,
    open_assistant,
    stderr,
    stdout,
)
from nano_lsp.code.definitions import Definition, find_definitions
from nano_lsp.code.languages import is_stub
from nano_lsp.code.patch import build_patch, find_base
from nano_lsp.code.workspace import find_python_files
from nano_lsp.config import find_folders, load_settings
from nano_lsp.docstrings import Docstring, WriteDocstrings, project
from nano_lsp.errors import ConfigError, DocumentError
from nano_lsp.lines import line_number, line_start

EXAMPLES = """Examples:

`nano-lsp docstring src` prints what would change

`nano-lsp docstring src tests/helpers.py --write`

`nano-lsp docstring src --check` fails where something is undocumented or outdated; it needs no model

`nano-lsp docstring src/app.py::Server.start --write`
"""
EXPLAIN_EXAMPLES = """Examples:

`nano-lsp explain src/app.py::Server.start`

`nano-lsp explain src/app.py`
"""
_AUTO = "auto"


class StyleName(str, Enum):
    """Styles of docstrings; auto follows each file, and is Google's where a file shows none."""

    AUTO = _AUTO
    GOOGLE = "google"
    NUMPY = "numpy"
    SPHINX = "sphinx"


@dataclass
class _Writer:
    """Writes docstrings; loads the model for the first that has no draft."""

    style: StyleName
    overrides: dict[str, Any]
    stack: ExitStack
    n_todo: int = 0
    n_without: int = 0
    _assistant: Assistant | None = field(default=None, init=False)

    def write(self, source: project.Source, lacking: Sequence[Definition], advance: Callable[[], None]) -> bytes:
        """The content of a file with all docstrings that hold."""
        settings = load_settings(**self.overrides)
        conditions = f"{settings.model} {settings.adapter} {self.style.value}"
        drafts = project.Drafts(find_folders().cache / "docstrings", source, conditions)
        found = []
        for definition in lacking:
            if definition not in drafts:
                try:
                    drafts.add(definition, self._ask(source, definition))
                except DocumentError as error:
                    self.n_without += 1
                    stderr.print(f"{_place(source, definition)}: {error}", markup=False)
                    advance()
                    continue
            docstring = drafts.get(definition)
            if docstring is None:
                self.n_without += 1
                stderr.print(f"{_place(source, definition)}: the model has no docstring that holds.", markup=False)
            else:
                found.append(docstring)
                self.n_todo += docstring.skeleton
            advance()
        return project.write_into(source, found)

    def _ask(self, source: project.Source, definition: Definition) -> Docstring | None:
        if self._assistant is None:
            self._assistant = self.stack.enter_context(open_assistant(**self.overrides))
        job = WriteDocstrings(source.tree.text, definition.start, definition.name, self.style.value)
        found = self._assistant.run(job)
        return found[0] if found else None


def docstring(  # noqa: PLR0917 - options, which typer passes by name
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Folders, files, or FILE::NAME.")],
    write: Annotated[bool, typer.Option("--write", help="Change the files.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what lacks a docstring; exit with 1 if any.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print the changes; the default.")] = False,
    style: Annotated[StyleName, typer.Option(help="Of new docstrings; auto follows each file.")] = StyleName.AUTO,
    model: Model = None,
    adapter: Adapter = None,
    n_ctx: Context = None,
    threads: Threads = None,
) -> None:
    """Write docstrings for what is public and has none, and bring outdated ones up to date."""
    if write + check + diff > 1:
        raise ConfigError("--diff, --write and --check exclude each other.", "Give one of them.")
    work, sound = _find_work(paths)
    if check:
        raise typer.Exit(int(_list(work) > 0 or not sound))
    overrides = model_settings(model, adapter, n_ctx, threads)
    total = sum(len(lacking) for _, lacking in work)
    base = None if write else _find_base([source.path for source, _ in work])
    done: list[int] = []  # docstrings of each file that could be changed
    with ExitStack() as stack:
        writer = _Writer(style, overrides, stack)
        advance = stack.enter_context(row_progress("docstrings", total))
        for source, lacking in work:
            before = writer.n_without
            try:
                data = writer.write(source, lacking, advance)
                if base is None:
                    project.save(source, data)
                else:
                    name = source.path.resolve().relative_to(base).as_posix()
                    print_data(build_patch(name, source.data, data))
            except DocumentError as error:
                sound = False
                stderr.print(str(error), markup=False)
            else:
                done.append(len(lacking) - writer.n_without + before)
    stderr.print(f"{sum(done)} docstrings in {_files_of(done)}{'' if write else '; --write puts them there'}.")
    if base is not None and not all(source.path.resolve().is_relative_to(Path.cwd()) for source, _ in work):
        stderr.print(f"Not all of this lies here: apply it with `git -C {base} apply`.", markup=False)
    if writer.n_todo:
        stderr.print(f"The model had no words for some of {writer.n_todo} of them: these say TODO.")
    raise typer.Exit(int(not sound))


def _find_work(paths: Sequence[str]) -> tuple[list[tuple[project.Source, list[Definition]]], bool]:
    """The files that lack docstrings, and whether all could be read; one that is the only one must be."""
    sound = True
    work: dict[Path, tuple[project.Source, list[Definition]]] = {}
    for path, name in _files(paths):
        key = path.resolve()
        try:
            source = work[key][0] if key in work else project.load_source(path)
        except DocumentError as error:
            if len(paths) == 1 and path == Path(paths[0].partition("::")[0]):
                raise
            sound = False
            stderr.print(str(error), markup=False)
            continue
        if name and all(found.name != name for found in find_definitions(source.tree)):
            raise _unknown(path, name, source)
        _, known = work.setdefault(key, (source, []))
        known += [definition for definition in project.find_lacking(source.tree, name) if definition not in known]
    return [each for each in work.values() if each[1]], sound


def _list(work: Sequence[tuple[project.Source, list[Definition]]]) -> int:
    """Say what lacks a docstring, and how many do."""
    total = 0
    for source, lacking in work:
        for definition in lacking:
            total += 1
            print(f"{_place(source, definition)}: {'outdated' if definition.docstring else 'no'} docstring")
    stderr.print(f"{total} docstrings are missing or outdated, in {_files_of(work)}.")
    return total


def explain(
    place: Annotated[str, typer.Argument(metavar="FILE[::NAME]", help="For example src/app.py::Server.start")],
    model: Model = None,
    adapter: Adapter = None,
    n_ctx: Context = None,
    threads: Threads = None,
) -> None:
    """Explain a function, a class or a whole file."""
    name, _, wanted = place.partition("::")
    source = project.load_source(Path(name))
    found = next((each for each in find_definitions(source.tree) if each.name == wanted), None)
    if found is None:
        raise _unknown(source.path, wanted, source)
    code = source.tree.text[line_start(source.tree.text, found.start) : found.end]
    if not code.strip():
        raise DocumentError(f"{name} is empty.", "Choose another file.")
    with open_assistant(**model_settings(model, adapter, n_ctx, threads)) as assistant:
        text = assistant.run(Explain(code, "python"), Stream(show_text=stdout.is_terminal))
    print() if stdout.is_terminal else print(text)


def _files(paths: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """The files that are named or lie in a folder, each once, with the name of a definition in it; no stubs."""
    seen: set[tuple[Path, str]] = set()
    for given in paths:
        name, _, wanted = given.partition("::")
        path = Path(name)
        if not path.exists():
            raise DocumentError(f"{path} does not exist.", "Give folders, files, or FILE::NAME.")
        for each in find_python_files(path) if path.is_dir() else [path]:
            if is_stub(each.name):
                if each == path:
                    stderr.print(f"{path} is a stub; docstrings belong in its module.", markup=False)
            elif (each.resolve(), wanted) not in seen:
                seen.add((each.resolve(), wanted))
                yield each, wanted


def _files_of(work: Sequence[object]) -> str:
    return f"{len(work)} file{'' if len(work) == 1 else 's'}"


def _unknown(path: Path, name: str, source: project.Source) -> DocumentError:
    close = difflib.get_close_matches(
        name, [each.name for each in find_definitions(source.tree) if each.name], 3, 0.4
    )
    return DocumentError(
        f"{path} defines no {name!r}.",
        f"Did you mean {', '.join(close)}?" if close else "Methods are called Class.method.",
    )


def _place(source: project.Source, definition: Definition) -> str:
    line = line_number(source.tree.text, definition.start)
    return f"{_shown(source.path)}:{line}: {project.describe(definition)}"


def _find_base(files: Sequence[Path]) -> Path:
    """The folder that the names in a patch of some files begin at."""
    try:
        return find_base(files)
    except ValueError as error:
        raise DocumentError(f"No patch covers these files: {error}.", "Give those of one drive.") from error


def _shown(path: Path) -> str:
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)

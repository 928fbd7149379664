"""Documentation comments for real functions: how many are offered, and whether anything else changes.

    python -m tests.bench.bench_doc_comments FOLDER [--model nano] [--functions 30] [--seed 1] [--update] [--show]

For each language in the folder, functions are drawn at random, at most three of a file. Their own comments are taken
away first, so that the model writes all of it; with `--update`, functions with a comment are drawn and keep it.
Without `--model`, each answer is the same sentence, which measures the code alone. A comment counts as sound if the
document keeps every other byte, has no new syntax error, and needs no second change; in an update, all bytes of the
author's comment stay, in order.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from nano_lsp.code.definitions import Definition, DefinitionKind, find_definitions
from nano_lsp.code.document import TextEdit, apply_edits, load_document
from nano_lsp.code.languages import LANGUAGES, Language, language_of
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.workspace import find_files
from nano_lsp.config import find_folders, load_settings
from nano_lsp.docstrings import Docstring, WriteDocstrings
from nano_lsp.docstrings.comments.forms import form_of
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.errors import DocumentError
from nano_lsp.inference import hardware
from nano_lsp.lines import line_end, line_start
from tests.scripted_answers import run

Write = Callable[[WriteDocstrings], list[Docstring]]
_MAX_BYTES = 200_000
_MAX_OF_FILE = 3
_COMPLETE = "complete"


def functions(
    root: Path, language: Language, seed: int, *, documented: bool
) -> Iterator[tuple[Path, SyntaxTree, Definition]]:
    """The functions of a folder in random order, as (path, tree, definition); without their comments, or with."""
    source = random.Random(seed)  # noqa: S311 - repeatable, no secret
    paths = sorted(find_files(root, language.suffixes))
    source.shuffle(paths)
    for path in paths:
        tree = _parse(path, language)
        every = list(find_definitions(tree)) if tree else []
        fit = [
            (i, each)
            for i, each in enumerate(every)
            if each.kind is DefinitionKind.FUNCTION and (each.docstring or not documented)
        ]
        for i, definition in source.sample(fit, min(_MAX_OF_FILE, len(fit))):
            bare = tree
            if tree is not None and definition.docstring and not documented:
                start, end = (
                    line_start(tree.text, definition.docstring[0]),
                    line_end(tree.text, definition.docstring[1]),
                )
                bare = SyntaxTree.parse(apply_edits(tree.text, [TextEdit(start, end + 1, "")]), language)
            now = list(find_definitions(bare)) if bare else []
            if bare is not None and len(now) == len(every) and (now[i].docstring is not None) is documented:
                yield path, bare, now[i]


def _parse(path: Path, language: Language) -> SyntaxTree | None:
    with contextlib.suppress(DocumentError):
        text = load_document(path).text
        if len(text) <= _MAX_BYTES and language_of(path.name, text=text) is language:
            return SyntaxTree.parse(text, language)
    return None


def fault(tree: SyntaxTree, definition: Definition, written: Docstring, write: Write) -> str:
    """What is wrong with a comment that was offered; empty if nothing is."""
    edit = written.edit
    text = apply_edits(tree.text, [edit])
    after = SyntaxTree.parse(text, tree.language)
    if after is None or after.n_errors() > tree.n_errors():
        return "it adds a syntax error"
    if text[: edit.start] != tree.text[: edit.start] or text[edit.start + len(edit.text) :] != tree.text[edit.end :]:
        return "other bytes changed"
    left = iter(edit.text)
    if not all(character in left for character in tree.text[edit.start : edit.end]):
        return "bytes of the author's comment are lost"
    names = [each.name for each in find_definitions(tree)]
    if names != [each.name for each in find_definitions(after)]:
        return "the definitions changed"
    i = next(i for i, each in enumerate(find_definitions(tree)) if each == definition)
    own = list(find_definitions(after))[i]
    if own.docstring is None:
        return "the comment is not that of the function"
    again = write(WriteDocstrings(text, own.start, own.name, language=tree.language.name))
    return "a second run changes it" if again else ""


def measure(root: Path, language: Language, write: Write, options: argparse.Namespace) -> None:
    """Print the row of a language."""
    results: Counter[str] = Counter()
    n = skeletons = 0
    begun = time.perf_counter()
    for path, tree, definition in functions(root, language, options.seed, documented=options.update):
        if n == options.functions:
            break
        n += 1
        try:
            found = write(WriteDocstrings(tree.text, definition.start, definition.name, language=language.name))
        except DocumentError as error:
            results[str(error.message).partition(": ")[2] or str(error)] += 1
            if options.show:
                print(f"--- {path.relative_to(root)} {definition.name}: {error}")
            continue
        problem = fault(tree, definition, found[0], write) if found else ""
        results[problem or ("sound" if found else _COMPLETE)] += 1
        skeletons += bool(found) and found[0].skeleton
        if options.show or problem:
            print(f"--- {path.relative_to(root)} {definition.name} {problem}")
            for each in found:
                print(each.edit.text + tree.text[definition.start : definition.header_end][:500])
    if n:
        sound, complete = results["sound"], results[_COMPLETE]
        others = "".join(f"; {count} {what}" for what, count in results.items() if what not in {"sound", _COMPLETE})
        print(
            f"{language.name}: {n} functions, {sound} sound, {complete} complete ({(sound + complete) / n:.0%}), "
            f"{skeletons} with a placeholder, {(time.perf_counter() - begun) / n:.2f} s each{others}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="")
    parser.add_argument("--functions", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--language", default="")
    parser.add_argument("--update", action="store_true", help="keep the comments that the functions have")
    parser.add_argument("--show", action="store_true", help="print the comments")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        write: Write = lambda job: run(job.run, otherwise="the value that it is given")  # noqa: E731
        if options.model:
            settings, folders = load_settings(model=options.model, n_threads=options.threads), find_folders()
            loaded = LoadedModel.load(settings, folders, lambda *_: None)
            write = stack.enter_context(LocalAssistant(loaded, settings, folders)).run
            print(f"{options.model} on {hardware.cpu_name()}, {options.threads or hardware.usable_cores()} threads")
        for language in LANGUAGES:
            if form_of(language.name) and language.name.startswith(options.language):
                measure(options.folder, language, write, options)


if __name__ == "__main__":
    main()

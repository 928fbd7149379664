"""Docstrings for functions of the standard library: how many are offered, hold, and have words; what they cost.

    python -m tests.bench.bench_docstrings [--model nano] [--functions 100] [--seed 1] [--threads 0]

The functions are drawn at random; their own docstrings are taken away first, so that the model writes all of it.
"""

from __future__ import annotations

import argparse
import random
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

from nano_lsp.code.definitions import Definition, DefinitionKind, find_definitions
from nano_lsp.code.document import TextEdit, apply_edits
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree, is_python
from nano_lsp.config import find_folders, load_settings
from nano_lsp.docstrings import Style, WriteDocstrings
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.inference import hardware

_MAX_BYTES = 100_000


def bare_functions(seed: int) -> Iterator[tuple[Path, SyntaxTree, Definition]]:
    """Functions of the standard library without their docstrings, for ever."""
    source = random.Random(seed)  # noqa: S311 - repeatable, no secret
    root = Path(sysconfig.get_paths()["stdlib"])
    paths = [path for path in sorted(root.glob("*.py")) if path.stat().st_size < _MAX_BYTES]
    while True:
        path = source.choice(paths)
        code = path.read_text(encoding="utf-8")
        tree = SyntaxTree.parse(code, PYTHON)
        functions = [d for d in find_definitions(tree) if d.kind is DefinitionKind.FUNCTION] if tree else []
        if not functions:
            continue
        chosen = source.choice(functions)
        if chosen.docstring:
            bare = apply_edits(code, [TextEdit(*chosen.docstring, "pass")])
            tree = SyntaxTree.parse(bare, PYTHON)
            if tree is None or not is_python(bare):
                continue
            places = [d for d in find_definitions(tree) if (d.name, d.start) == (chosen.name, chosen.start)]
            chosen = places[0]
        if tree is not None:
            yield path, tree, chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="nano")
    parser.add_argument("--functions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print the docstrings")
    options = parser.parse_args()
    settings = load_settings(model=options.model, n_threads=options.threads)
    offered = worded = 0
    functions = bare_functions(options.seed)
    folders = find_folders()
    with LocalAssistant(LoadedModel.load(settings, folders, lambda *_: None), settings, folders) as assistant:
        begun = time.perf_counter()
        for i in range(options.functions):
            path, tree, definition = next(functions)
            job = WriteDocstrings(tree.text, definition.start, definition.name, list(Style)[i % 3].value)
            written = assistant.run(job)
            found = written[0] if written else None
            offered += found is not None
            worded += found is not None and not found.skeleton
            if options.show and found:
                print(f"--- {path.name} {definition.name}\n{definition.header}{found.edit.text}")
        spent, totals = time.perf_counter() - begun, assistant.totals
    n = options.functions
    print(
        f"{options.model} on {hardware.cpu_name()}, {options.threads or hardware.usable_cores()} threads: "
        f"{n} functions, {offered} offered and checked, {worded} without a placeholder; "
        f"{totals.evaluated_tokens / n:.0f} prompt tokens evaluated, {totals.cached_tokens / n:.0f} cached, "
        f"{totals.generated_tokens / n:.0f} generated and {spent / n:.1f} s a function"
    )


if __name__ == "__main__":
    main()

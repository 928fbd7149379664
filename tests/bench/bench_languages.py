"""Measures each language: the time of a key in a long document, and what loading its grammar and queries costs.

    python -m tests.bench.bench_languages [--lines 10000] [--keys 40] [--languages go rust]

The document is the definitions of the language's sample of the tests, repeated. A line with an open bracket is typed
in a function in its middle, as error recovery costs most there. A key is what a request does before the model: parse,
cursor context, imports and window. Tokens are counted at four characters each, so that no model is needed. CPU time,
so that other programs count little. Each language is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from nano_lsp.code.file_outline import imports_of
from nano_lsp.code.languages import LANGUAGES, language_of
from nano_lsp.code.open_documents import OpenDocuments
from nano_lsp.code.queries import FOLDER, find_query
from nano_lsp.code.window import cut_window
from tests.code.language_samples import build_document

TYPED = "value = compute(first, second(third, "


@dataclass(frozen=True)
class Figures:
    """Milliseconds of CPU time, and MiB.

    Attributes:
        load_ms: Grammar and queries, once per process.
        memory_mib: What they take.
        first_ms: The first parse of the document.
        parses_ms: The parse of each key.
        queries_ms: What each key asks the tree, and the window.
    """

    load_ms: float
    memory_mib: float
    first_ms: float
    parses_ms: tuple[float, ...]
    queries_ms: tuple[float, ...]


def count_tokens(text: str) -> int:
    """A stand-in for the model's tokenizer."""
    return len(text) // 4


def measure(name: str, n_lines: int, n_keys: int) -> Figures:
    """Measure one language, in a process that has loaded no grammar."""
    language = language_of("", name)
    process, started = psutil.Process(), time.thread_time()
    before = process.memory_info().rss
    for kind in {file.stem for file in FOLDER.glob("*/*.scm")}:
        find_query(language, kind)
    load_ms, memory = (time.thread_time() - started) * 1e3, process.memory_info().rss - before
    text, middle = build_document(name, n_lines)
    documents = OpenDocuments()
    started = time.thread_time()
    documents.update("document", text, name, middle)
    first_ms = (time.thread_time() - started) * 1e3
    parses, queries = [], []
    for i in range(1, n_keys + 1):
        edited, offset = text[:middle] + TYPED[:i] + text[middle:], middle + min(i, len(TYPED))
        started = time.thread_time()
        document = documents.update("document", edited, name, offset)
        parses.append((time.thread_time() - started) * 1e3)
        started = time.thread_time()
        document.cursor(offset)
        if document.tree:
            list(imports_of(document.tree))
        window = cut_window(edited, offset, 768, count_tokens, tree=document.tree, anchor=document.anchor)
        document.anchor = window.anchor
        queries.append((time.thread_time() - started) * 1e3)
    return Figures(load_ms, memory / 2**20, first_ms, tuple(parses), tuple(queries))


def main() -> None:
    """Print a row for each language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=len(TYPED))
    parser.add_argument("--languages", nargs="*", default=[each.name for each in LANGUAGES if each.grammar_module])
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    heads = "".join(f"{name + ' ms':>10} {'95 %':>6} {'most':>6}" for name in ("parse", "query"))
    print(f"{'language':16} {'load ms':>8} {'MiB':>6} {'first ms':>9} {heads}")
    for name in arguments.languages:
        with context.Pool(1) as pool:
            found = pool.apply(measure, (name, arguments.lines, arguments.keys))
        row = "".join(map(summary, (found.parses_ms, found.queries_ms)))
        print(f"{name:16} {found.load_ms:8.0f} {found.memory_mib:6.1f} {found.first_ms:9.0f} {row}", flush=True)


def summary(figures: Sequence[float]) -> str:
    """Median, 95 % and maximum."""
    ordered = sorted(figures)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"{statistics.median(ordered):10.1f} {p95:6.1f} {ordered[-1]:6.1f}"


if __name__ == "__main__":
    main()

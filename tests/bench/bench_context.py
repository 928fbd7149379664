"""Measures what stands between a keystroke and a request: the edit, the parse, the window; and the workspace's index.

    python tests/bench/bench_context.py [--lines 5000] [--files 2000] [--keys 200]

The document is this project's code, repeated; keys are typed in its middle. Tokens are counted at four characters
each, so that no model is needed: its tokenizer adds the time for the lines that it has not seen before.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from pathlib import Path

from nano_lsp.code.open_documents import OpenDocuments
from nano_lsp.code.window import cut_window
from nano_lsp.code.workspace import Workspace
from nano_lsp.inference import hardware

SOURCES = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parents[2].glob("nano_lsp/**/*.py"))]
TYPED = "    value = compute(first, second)\n"


def count_tokens(text: str) -> int:
    """A stand-in for the model's tokenizer."""
    return len(text) // 4


def measure_keys(n_lines: int, n_keys: int, *, extra: str) -> list[float]:
    """Milliseconds from each key to the window of its request.

    Args:
        n_lines: length of the document.
        n_keys: how many are typed.
        extra: a line of its own at the start of the document.
    """
    lines = "".join(SOURCES * (1 + n_lines * 40 // len("".join(SOURCES)))).splitlines(keepends=True)
    text = extra + "".join(lines[:n_lines])
    middle = text.index("\n", len(text) // 2) + 1
    documents, spent = OpenDocuments(), []
    for i in range(n_keys + 1):
        typed = (TYPED * n_keys)[:i]
        edited = text[:middle] + typed + text[middle:]
        started = time.perf_counter()
        document = documents.update("document.py", edited)
        document.cursor(middle + i)
        window = cut_window(edited, middle + i, 768, count_tokens, tree=document.tree, anchor=document.anchor)
        document.anchor = window.anchor
        spent.append((time.perf_counter() - started) * 1e3)
    return spent[1:]


def measure_index(n_files: int) -> tuple[float, float, float]:
    """Seconds of a first run and of one where nothing has changed, and the MiB that memory has grown by."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for i in range(n_files):
            path = root / f"package_{i // 50}" / f"module_{i}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(SOURCES[i % len(SOURCES)], encoding="utf-8")
        before = hardware.peak_rss_bytes()
        workspace = Workspace(root, root / "store")
        started = time.perf_counter()
        workspace.update()
        first = time.perf_counter() - started
        workspace.update()
        again = time.perf_counter() - started - first
        workspace.close()
        return first, again, (hardware.peak_rss_bytes() - before) / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=5000, help="of the document")
    parser.add_argument("--files", type=int, default=2000, help="of the workspace")
    parser.add_argument("--keys", type=int, default=200, help="typed")
    options = parser.parse_args()
    print(f"{hardware.cpu_name()}, {hardware.usable_cores()} cores, Python {platform.python_version()}")
    for title, extra in (("ASCII", ""), ("with an emoji", "# 🙂\n")):
        spent = measure_keys(options.lines, options.keys, extra=extra)
        median, slow = statistics.median(spent), sorted(spent)[len(spent) * 95 // 100]
        print(f"key to window, {options.lines:,} lines, {title}: {median:.1f} ms, 95 %: {slow:.1f} ms")
    first, again, grown = measure_index(options.files)
    print(f"index of {options.files:,} files: {first:.1f} s, again {again:.2f} s, {grown:.0f} MiB more memory")


if __name__ == "__main__":
    main()

"""Measures builds of llama.cpp against the installed one: same weights, same run, taking turns.

    python -m tests.bench.bench_builds WHEEL [--variant haswell --variant icelake] [--rounds 7]

WHEEL is what packaging/engine/build.py has made. Compared are the fastest variant that this CPU can run and those
named: haswell is AVX2, icelake AVX-512. Each build is a process of its own that waits while the others work. Printed
are medians, and the median of the ratios within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nano_lsp.config import find_folders
from nano_lsp.inference import hardware
from nano_lsp.models.store import ModelStore
from tests.bench.bench import Figures, ours

INSTALLED = "installed"
TITLES = ("prompt tokens/s", "decode tokens/s")


def serve(path: Path, n_prompt: int, n_decode: int, variant: str) -> None:
    """The child: load, then generate at each line of stdin, and answer with a line of JSON."""
    cold, _ = ours(path, n_prompt, n_decode, variant=variant)
    print(json.dumps({}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(dict(cold())), flush=True)


def measure(libraries: Path, variants: list[str], arguments: list[str], rounds: int) -> dict[str, list[Figures]]:
    """The figures of each build, round by round."""
    children: dict[str, subprocess.Popen[str]] = {}

    def read(name: str) -> Figures:
        pipe = children[name].stdout
        assert pipe is not None
        found: Figures = json.loads(pipe.readline())
        return found

    for name in (INSTALLED, "", *variants):
        environment = os.environ if name == INSTALLED else {**os.environ, "LLAMA_CPP_LIB_PATH": str(libraries)}
        command = [sys.executable, "-m", "tests.bench.bench_builds", *arguments]
        command += ["--serve", "" if name == INSTALLED else name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        children[name] = subprocess.Popen(command, **pipes, env=environment, text=True)  # type: ignore[call-overload]
        read(name)
    figures: dict[str, list[Figures]] = {name: [] for name in children}
    for _ in range(rounds):
        for name, child in children.items():
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
            figures[name].append(read(name))
    for child in children.values():
        child.communicate()
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--variant", action="append", default=[], help="another variant to measure")
    parser.add_argument("--model", default="nano", help="a name from `nano-lsp model list`, or a GGUF file")
    parser.add_argument("--prompt", type=int, default=512, help="tokens of the prompt")
    parser.add_argument("--decode", type=int, default=48, help="tokens of the answer")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        path = ModelStore(find_folders()).find(options.model)
        serve(path, options.prompt, options.decode, options.serve)
        return
    arguments = [str(options.wheel), "--model", options.model]
    arguments += ["--prompt", str(options.prompt), "--decode", str(options.decode)]
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(options.wheel) as wheel:
            wheel.extractall(folder)
        figures = measure(Path(folder) / "llama_cpp/lib", options.variant, arguments, options.rounds)
    machine = f"{hardware.cpu_name()}, {hardware.usable_cores()} cores, Python {platform.python_version()}"
    task = f"prompt {options.prompt}, answer {options.decode} tokens, {options.rounds} rounds"
    print(f"{options.model}, {machine}; {task}")
    table = Table("build", *(title for each in TITLES for title in (each, "ratio")), box=None)
    for name, rounds in figures.items():
        cells = []
        for title in TITLES:
            ratios = [mine[title] / other[title] for mine, other in zip(rounds, figures[INSTALLED], strict=True)]
            cells += [f"{statistics.median(one[title] for one in rounds):,.1f}", f"{statistics.median(ratios):.3f}"]
        table.add_row(name or "every CPU", *cells)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()

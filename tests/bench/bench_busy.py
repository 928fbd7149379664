"""Speed beside other programs that keep the machine busy: `python -m tests.bench.bench_busy`.

With 0, 1, 2 and 4 programs in plain loops: tokens a second of the engine alone; and through the shared engine, as the
language server asks, the time of a suggestion after each of several lines put into a file of Python's standard
library, whose prompt was read before the programs began. Beside it the same as llama.cpp does it by itself: threads
that spin while they wait, as many as there are cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.config import find_folders, load_settings
from nano_lsp.editor.ghost_text import GhostText
from nano_lsp.engine.client import SharedAssistant
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.inference import hardware
from nano_lsp.inference.generation import Engine, Generation
from nano_lsp.inference.kv_cache import KvCache
from nano_lsp.models.store import ModelStore
from nano_lsp.schema import GenerateParams
from nano_lsp.settings import Settings
from tests.processes import home_with_models

LIBRARY = Path(sysconfig.get_path("stdlib"))
PLACES = (("argparse.py", 0.5), ("tarfile.py", 0.5), ("zipfile.py", 0.5), ("configparser.py", 0.6), ("ast.py", 0.3))
"""Files, and how far down the lines are put in."""
N_LINES = 10
N_PROMPT, N_DECODE, DECODE_S = 256, 32, 8.0
LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(100_000))"  # ends with this bench
WAYS = ("now", "spinning")
SPINNING = {"GOMP_SPINCOUNT": "300000"}  # libgomp's own value where neither this nor OMP_WAIT_POLICY is set


@dataclass
class Cell:
    """What was measured of one way, beside so many programs."""

    prompt: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)


def settings_of(way: str, model: str) -> Settings:
    """Spinning threads are as many as there are cores; the others follow the machine."""
    return load_settings(model=model, n_threads=hardware.usable_cores() if way == "spinning" else None)


@contextmanager
def environment_of(way: str) -> Iterator[None]:
    """How the threads of an engine that is started meanwhile wait."""
    if way == "spinning":
        os.environ.update(SPINNING)
    try:
        yield
    finally:
        for name in SPINNING:
            os.environ.pop(name, None)


@contextmanager
def busy_programs(n: int, *, one_session: bool) -> Iterator[None]:
    """Programs that compute all the time, each in a session of its own, or all in that of this bench."""
    command = [sys.executable, "-c", LOOP]
    programs = [subprocess.Popen(command, start_new_session=not one_session) for _ in range(n)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


class Raw:
    """The engine alone, in a process that waits while others work."""

    def __init__(self, way: str, model: str) -> None:
        command = [sys.executable, "-m", "tests.bench.bench_busy", "--serve", way, "--model", model]
        with environment_of(way):
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self, cell: Cell) -> None:
        """Read a prompt and write on for a while."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        prompt, decode = json.loads(self._process.stdout.readline())
        cell.prompt.append(prompt)
        cell.decode.append(decode)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve(way: str, model: str) -> None:
    """The process of `Raw`: for each line of its input two speeds, in tokens a second."""
    from nano_lsp.inference.llama_backend import LlamaBackend  # noqa: PLC0415 - the parent process needs no llama.cpp

    backend = LlamaBackend.load(ModelStore(find_folders()).find(model), settings_of(way, model))
    engine = Engine(backend)
    tokens = backend.tokenize((LIBRARY / "argparse.py").read_text(encoding="utf-8"))[:N_PROMPT]
    more = GenerateParams(max_tokens=N_DECODE, min_tokens=N_DECODE, draft=False, deadline_ms=1e3 * DECODE_S)
    for _ in sys.stdin:
        engine.kv_cache = KvCache(engine.backend)
        read = Generation(engine, "bench", tokens, GenerateParams(max_tokens=1)).run().counters
        written = Generation(engine, "bench", tokens, more).run().counters
        print(json.dumps([read.prompt_tokens_per_s, written.decode_tokens_per_s]), flush=True)


class Typist:
    """Puts lines in at a place, and asks for a suggestion after each; use it once."""

    def __init__(self, client: SharedAssistant, place: int, mark: str) -> None:
        name, share = PLACES[place % len(PLACES)]
        lines = (LIBRARY / name).read_text(encoding="utf-8").splitlines(keepends=True)
        at = int(share * len(lines))
        self._above, self._new = "".join(lines[:at]), lines[at : at + N_LINES + 1]
        # Where what is below the cursor differs, the prompt begins anew: nothing read for another one is reused.
        self._below = f"# {mark}\n" + "".join(lines[at + N_LINES + 1 :])
        self._name = f"{mark}-{name}"
        self._ghost_text = GhostText(client)

    async def warm_up(self) -> None:
        """Have the place read."""
        await self._ask(0)
        await self.end()

    async def type(self, cell: Cell, limit_s: float) -> None:
        """Lines one after the other, as long as there is time; of the suggestions those that take the model."""
        until = time.monotonic() + limit_s
        for n in range(1, len(self._new)):
            asked, started = self._ghost_text.stats.model, time.perf_counter()
            await self._ask(n)
            if self._ghost_text.stats.model > asked:
                cell.took_ms.append((time.perf_counter() - started) * 1e3)
            if time.monotonic() > until:
                break

    async def end(self) -> None:
        """Wait for what is on its way."""
        await self._ghost_text.idle()

    async def _ask(self, n: int) -> None:
        """At the beginning of a line, behind the blanks that an editor puts there."""
        line = self._new[n]
        above = self._above + "".join(self._new[:n]) + line[: len(line) - len(line.lstrip(" "))]
        task = CompletionInput(self._name, f"{above}\n{self._below}", len(above))
        self._ghost_text.changed(task)
        await self._ghost_text.suggest(task)


def measure_raw(cells: dict[tuple[str, int], Cell], options: argparse.Namespace) -> None:
    """The engine alone, both ways in turns."""
    engines = {way: Raw(way, options.model) for way in options.ways}
    for _ in range(options.rounds):
        for n in options.busy:
            with busy_programs(n, one_session=options.one_session):
                for way, engine in engines.items():
                    engine.measure(cells[way, n])
    for engine in engines.values():
        engine.close()


async def measure_suggestions(cells: dict[tuple[str, int], Cell], options: argparse.Namespace) -> None:
    """Through the shared engine, one way after the other: each has an engine of its own."""
    for way in options.ways:
        with home_with_models(), environment_of(way):
            settings, place = settings_of(way, options.model), find_endpoint(find_folders())
            for number in range(options.places):
                for n in options.busy:
                    mark = f"{number}.{n}"
                    with SharedAssistant(place, settings, mark) as client:
                        typist = Typist(client, number, mark)
                        await typist.warm_up()
                        with busy_programs(n, one_session=options.one_session):
                            await typist.type(cells[way, n], options.limit)
                        await typist.end()


def show(cells: dict[tuple[str, int], Cell], options: argparse.Namespace) -> None:
    """The table."""
    machine = f"{hardware.cpu_name()}, {hardware.usable_cores()} cores, Python {platform.python_version()}"
    sessions = "all in one session" if options.one_session else "each in a session of its own"
    print(f"{options.model}, {machine}; busy programs {sessions}; in brackets times the idle machine")
    table = Table("busy", "threads", "prompt/s", "decode/s", "suggestions", "p50 s", "p75 s", "p95 s", box=None)
    for n in options.busy:
        for way in options.ways:
            cell, idle = cells[way, n], cells[way, options.busy[0]]
            row = [f"{_median(cell.prompt):.1f}", f"{_median(cell.decode):.1f}", str(len(cell.took_ms))]
            for share in (50, 75, 95):
                mine, theirs = _percentile(cell.took_ms, share) / 1e3, _percentile(idle.took_ms, share) / 1e3
                row.append(f"{mine:.2f} ({mine / theirs:.1f})" if theirs else "-")
            table.add_row(str(n), way, *row)
    Console(width=110).print(table)


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0


def _percentile(values: Sequence[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1] if len(values) > 1 else 0.0


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2, 4], help="numbers of busy programs")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=3, help="of the engine alone")
    parser.add_argument("--places", type=int, default=3, help=f"with {N_LINES} lines each")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for the lines of a place")
    parser.add_argument("--one-session", action="store_true", help="the programs share the session of this bench")
    parser.add_argument("--serve", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.model)
        return
    cells = {(way, n): Cell() for way in options.ways for n in options.busy}
    measure_raw(cells, options)
    asyncio.run(measure_suggestions(cells, options))
    show(cells, options)


if __name__ == "__main__":
    main()

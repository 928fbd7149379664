"""Many clients type at once on one shared engine: `python -m tests.bench.bench_load`.

Each types code at its own pace into a document of its own, and asks for a suggestion at each key, as an editor does
without waiting for the answer. Reported are how the requests ended, how long those took that were answered, and the
engine's memory at the beginning and at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import os
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from nano_lsp.config import find_folders, load_settings
from nano_lsp.context.cursor import CompletionTask
from nano_lsp.engine import hardware, kv_cache
from nano_lsp.errors import EngineBusyError, SupersededError
from nano_lsp.features.jobs import Complete
from nano_lsp.features.judgement import LEAST_TOKEN, Judgement
from nano_lsp.shared.client import SharedAssistant
from nano_lsp.shared.launch import ask_engine
from nano_lsp.shared.place import find_place

SOURCE = Path(inspect.getfile(kv_cache)).read_text(encoding="utf-8")
HOW = Judgement(modest=True, least_token=LEAST_TOKEN)


@dataclass
class Tally:
    """How requests ended."""

    ends: Counter[str] = field(default_factory=Counter)
    answered_ms: list[float] = field(default_factory=list)
    open: int = 0


async def ask(client: SharedAssistant, task: CompletionTask, tally: Tally) -> None:
    """One request."""
    started = time.perf_counter()
    tally.open += 1
    try:
        await client.carry_out_async(Complete(task, HOW))
    except SupersededError:
        tally.ends["superseded"] += 1
    except EngineBusyError:
        tally.ends["refused"] += 1
    else:
        tally.ends["answered"] += 1
        tally.answered_ms.append((time.perf_counter() - started) * 1e3)
    finally:
        tally.open -= 1


async def type_along(client: SharedAssistant, number: int, keys_per_s: float, until: float, tally: Tally) -> None:
    """One client: a key after the other, each with a request that nobody waits for."""
    start = 1000 + 37 * number
    asked = set()
    n = 0
    while time.monotonic() < until:
        n += 1
        task = CompletionTask(f"{number}.py", SOURCE[: start + n] + SOURCE[start + 400 :], start + n)
        asked.add(work := asyncio.ensure_future(ask(client, task, tally)))
        work.add_done_callback(asked.discard)
        await asyncio.sleep(1 / keys_per_s)
    await asyncio.wait({*asked, asyncio.ensure_future(asyncio.sleep(0))})
    while asked:
        await asyncio.wait({*asked})


async def run(options: argparse.Namespace) -> None:
    """The load, and the report."""
    settings, place = load_settings(model=options.model, prompt_tokens=256), find_place(find_folders())
    clients = [SharedAssistant(place, settings, f"load{i}") for i in range(options.clients)]
    await asyncio.to_thread(clients[0].connect)
    engine = psutil.Process((await ask_engine(place, "GET", "status"))["pid"])
    tally, until = Tally(), time.monotonic() + options.seconds
    typing = [type_along(client, i, options.keys, until, tally) for i, client in enumerate(clients)]
    work = asyncio.gather(*typing)
    await asyncio.sleep(options.seconds / 4)
    early = engine.memory_info().rss
    await work
    late = engine.memory_info().rss
    per_client = [client.totals.prompt_tokens > 0 for client in clients]
    took = sorted(tally.answered_ms)
    p50, p95 = statistics.median(took), statistics.quantiles(took, n=20)[-1]
    print(
        f"{options.model} on {hardware.cpu_name()}: {options.clients} clients, {options.keys:g} keys/s each, "
        f"{options.seconds:g} s: {dict(tally.ends)}, {tally.open} open; answered after {p50:,.0f} ms (median), "
        f"{p95:,.0f} ms (95 %); {sum(per_client)} clients were answered; memory after a quarter "
        f"{early / 2**20:,.0f} MiB, at the end {late / 2**20:,.0f} MiB"
    )
    for client in clients:
        client.close()
    await ask_engine(place, "POST", "shutdown")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--keys", type=float, default=5.0, help="a second, of each client")
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    models = find_folders().models
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NANO_LSP_HOME"] = folder
        (Path(folder) / "models").symlink_to(models)
        asyncio.run(run(options))


if __name__ == "__main__":
    main()

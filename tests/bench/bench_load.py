"""Many clients type at once on one shared engine: `python -m tests.bench.bench_load`.

Each types code at its own pace into a document of its own, and asks for a suggestion at each key without waiting
for the answer: as the language server does, which knows what it has shown and what is on its way, or with `--plain`
of the engine itself. Reported are how the requests ended, how long those took that were answered, and the engine's
memory.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.completion.postprocess import MIN_TOKEN_PROBABILITY, PostprocessOptions
from nano_lsp.config import find_folders, load_settings
from nano_lsp.editor.ghost_text import GhostText
from nano_lsp.engine.client import SharedAssistant
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.engine.launcher import ask_engine
from nano_lsp.errors import CancelledError, EngineBusyError, SupersededError
from nano_lsp.inference import hardware, kv_cache
from nano_lsp.lines import line_start
from tests.processes import home_with_models

SOURCE = Path(inspect.getfile(kv_cache)).read_text(encoding="utf-8")
HOW = PostprocessOptions(automatic=True, min_token_probability=MIN_TOKEN_PROBABILITY)


@dataclass
class Tally:
    """How requests ended."""

    ends: Counter[str] = field(default_factory=Counter)
    answered_ms: list[float] = field(default_factory=list)
    open: int = 0


Ask = Callable[[CompletionInput], Awaitable[bool]]
"""One request; whether it has been answered."""


def asks_plainly(client: SharedAssistant) -> Ask:
    """Each request is the engine's."""

    async def ask(task: CompletionInput) -> bool:
        await client.run_async(Complete(task, HOW))
        return True

    return ask


def asks_as_a_server(client: SharedAssistant) -> Ask:
    """As `adapters/lsp`: what has been typed since goes to the suggestions first; nothing to show is no answer."""
    ghost_text = GhostText(client, HOW)

    async def ask(task: CompletionInput) -> bool:
        ghost_text.changed(task)
        return any(found.text for found in await ghost_text.suggest(task))

    return ask


async def count(ask: Ask, task: CompletionInput, tally: Tally) -> None:
    """One request, counted."""
    started = time.perf_counter()
    tally.open += 1
    try:
        answered = await ask(task)
    except (SupersededError, CancelledError):
        tally.ends["superseded"] += 1
    except EngineBusyError as error:
        tally.ends[f"refused: {error}"] += 1
    else:
        tally.ends["answered" if answered else "empty"] += 1
        if answered:
            tally.answered_ms.append((time.perf_counter() - started) * 1e3)
    finally:
        tally.open -= 1


async def type_along(ask: Ask, number: int, keys_per_s: float, until: float, tally: Tally) -> None:
    """One client writes some lines anew: a key after the other, each with a request that nobody waits for."""
    start = line_start(SOURCE, 500 + 200 * number)
    rest = SOURCE[line_start(SOURCE, start + 1200) :]
    asked = set()
    n = 0
    while time.monotonic() < until:
        n += 1
        task = CompletionInput(f"{number}.py", f"{SOURCE[: start + n]}\n{rest}", start + n)
        asked.add(work := asyncio.ensure_future(count(ask, task, tally)))
        work.add_done_callback(asked.discard)
        await asyncio.sleep(1 / keys_per_s)
    await asyncio.wait({*asked, asyncio.ensure_future(asyncio.sleep(0))})
    while asked:
        await asyncio.wait({*asked})


async def run(options: argparse.Namespace) -> None:
    """The load, and the report."""
    settings, place = load_settings(model=options.model, prompt_tokens=256), find_endpoint(find_folders())
    clients = [SharedAssistant(place, settings, f"load{i}") for i in range(options.clients)]
    await asyncio.to_thread(clients[0].connect)
    engine = psutil.Process((await ask_engine(place, "GET", "status"))["pid"])
    tallies, until = [Tally() for _ in clients], time.monotonic() + options.seconds
    asks = [(asks_plainly if options.plain else asks_as_a_server)(client) for client in clients]
    typing = [
        type_along(ask, i, options.keys, until, tally)
        for i, (ask, tally) in enumerate(zip(asks, tallies, strict=True))
    ]
    work = asyncio.gather(*typing)
    await asyncio.sleep(options.seconds / 4)
    early = engine.memory_info().rss
    await work
    late = engine.memory_info().rss
    ends = sum((tally.ends for tally in tallies), Counter[str]())
    took = [ms for tally in tallies for ms in tally.answered_ms]
    per_client = [len(tally.answered_ms) for tally in tallies]
    print(
        f"{options.model} on {hardware.cpu_name()}: {options.clients} clients, {options.keys:g} keys/s each, "
        f"{options.seconds:g} s: {dict(ends)}, {sum(tally.open for tally in tallies)} open; answered after "
        f"{statistics.median(took):,.0f} ms (median), {statistics.quantiles(took, n=20)[-1]:,.0f} ms (95 %); "
        f"answers a client {min(per_client)} to {max(per_client)}, median {statistics.median(per_client):g}; "
        f"{sum(client.totals.evaluated_tokens for client in clients):,} prompt tokens evaluated; memory "
        f"after a quarter {early / 2**20:,.0f} MiB, at the end {late / 2**20:,.0f} MiB"
    )
    for client in clients:
        client.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--keys", type=float, default=5.0, help="a second, of each client")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--plain", action="store_true", help="each key asks the engine")
    options = parser.parse_args()
    with home_with_models():
        asyncio.run(run(options))


if __name__ == "__main__":
    main()

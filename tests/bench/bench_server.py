"""What an editor waits for: the answer to `initialize`, and a change in a long document.

`python -m tests.bench.bench_server` prints medians; the last column is their ratio to the time that Python takes to
import the protocol's types, or that a request without a change takes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from contextlib import closing
from statistics import median

from tests.processes import home_with_models
from tests.raw_client import URI, RawClient

LINE = "value_{} = compute(first={}, second='text')  # a line as they are\n"


def measure_initialize(rounds: int) -> tuple[float, float]:
    """Milliseconds from the start of the process to the answer, and to import lsprotocol alone."""
    answers, imports = [], []
    for _ in range(rounds):
        with home_with_models():
            begun = time.perf_counter()
            with closing(RawClient()) as client:
                client.initialize()
                answers.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import lsprotocol.types"], check=True)
        imports.append(time.perf_counter() - begun)
    return 1e3 * median(answers), 1e3 * median(imports)


def measure_change(rounds: int, n_lines: int) -> tuple[float, float]:
    """Milliseconds from a change to the answer of the request behind it, and of a request alone."""
    changes, requests = [], []
    with home_with_models() as folder, closing(RawClient()) as client:
        (folder / "script.json").write_text(json.dumps({}))
        client.initialize(model=f"scripted:{folder / 'script.json'}")
        client.wait_for_state("ready")
        client.open("".join(LINE.format(i, i) for i in range(n_lines)))
        for i in range(rounds):
            at = {"line": n_lines // 2, "character": 5}
            change = {"range": {"start": at, "end": at}, "text": "x"}
            identifier = {"uri": URI, "version": i + 2}
            begun = time.perf_counter()
            client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [change]})
            client.request(2 * i + 10, "nano/stats", {})
            changes.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            client.request(2 * i + 11, "nano/stats", {})
            requests.append(time.perf_counter() - begun)
    return 1e3 * median(changes), 1e3 * median(requests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--lines", type=int, default=5000)
    options = parser.parse_args()
    answer, imported = measure_initialize(options.rounds)
    print(f"initialize, process start included: {answer:.0f} ms, {answer / imported:.2f} of the import alone")
    change, request = measure_change(10 * options.rounds, options.lines)
    print(f"change in {options.lines:,} lines: {change:.2f} ms, {change / request:.2f} of a request alone")


if __name__ == "__main__":
    main()

"""A suggestion while an explanation streams: `python -m tests.bench.bench_preemption`.

One client types a line, and asks at each key; then the same again while another client has long code explained, again
and again. Reported are the medians, their ratio, what a token of the explanation takes, and what a key evaluates.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from pathlib import Path

from nano_lsp.assistant.context import ProgressListener
from nano_lsp.chat import Explain
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.client import SharedAssistant
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.inference import hardware, kv_cache
from tests.processes import home_with_models

SOURCE = Path(kv_cache.__file__).read_text(encoding="utf-8")
LINE = "        held = min(common_prefix(sequence.tokens, prompt), limit)\n"
MAX_TOKENS = 8


class Streaming(ProgressListener):
    """Knows that an answer has begun, and how often it has grown."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.times: list[float] = []

    def on_text(self, text: str) -> None:
        """The whole text so far."""
        self.times.append(time.perf_counter())
        if len(self.times) > 2:
            self.begun.set()


def type_line(client: SharedAssistant, name: str) -> tuple[list[float], float]:
    """Milliseconds to the suggestion at each key of a line, and the tokens a key evaluates."""
    start = SOURCE.index(LINE)
    took, evaluated = [], []
    for n in range(20, len(LINE) - 1):
        text = SOURCE[:start] + LINE[:n] + SOURCE[start + len(LINE) :]
        begun = time.perf_counter()
        done = client.run(Complete(CompletionInput(name, text, start + n), speculative=False))
        took.append((time.perf_counter() - begun) * 1e3)
        evaluated.append(done.counters.evaluated_tokens)
    return took[1:], statistics.mean(evaluated[1:])


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano")
    model = parser.parse_args().model
    with home_with_models():
        settings, place = load_settings(model=model, max_tokens=MAX_TOKENS), find_endpoint(find_folders())
        with (
            SharedAssistant(place, settings, "typist") as typist,
            SharedAssistant(place, settings, "reader") as reader,
        ):
            type_line(typist, "warm.py")
            idle, per_key = type_line(typist, "a.py")
            streaming, stop = Streaming(), threading.Event()

            def explain() -> None:
                while not stop.is_set():
                    reader.run(Explain(SOURCE[:1500], "python"), streaming)

            thread = threading.Thread(target=explain)
            thread.start()
            streaming.begun.wait()
            busy, per_key_busy = type_line(typist, "a.py")
            n = len(streaming.times)
            while len(streaming.times) < n + 20:
                time.sleep(0.05)
            steps = [b - a for a, b in zip(streaming.times[n:], streaming.times[n + 1 :], strict=False)]
            stop.set()
            thread.join()
    a_token = statistics.median(steps) * 1e3
    alone, disturbed = statistics.median(idle), statistics.median(busy)
    print(
        f"{model} on {hardware.cpu_name()}: {len(idle)} keys, up to {MAX_TOKENS} tokens each: {alone:.0f} ms on an "
        f"idle engine ({per_key:.2f} tokens evaluated a key), {disturbed:.0f} ms while an explanation streams "
        f"({per_key_busy:.2f}), {disturbed / alone:.2f} times; a token of the explanation takes {a_token:.0f} ms: "
        f"allowed are {1.3 * alone + a_token:.0f} ms"
    )


if __name__ == "__main__":
    main()

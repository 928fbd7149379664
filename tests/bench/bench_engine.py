"""What the shared engine costs over a model in the same process: `python -m tests.bench.bench_engine`.

Both take turns, request by request, on the scripted model, whose own work is the same and small. Reported are the
medians of the difference of two neighbours: of a completion, and of a token of a streamed answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

from nano_lsp.assistant.context import ProgressListener
from nano_lsp.assistant.job import Job
from nano_lsp.chat import Ask
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.client import SharedAssistant
from nano_lsp.engine.connect import Assistant
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.inference import hardware
from nano_lsp.schema import Completion
from tests.processes import home_with_models

CODE = "".join(f"def function_{i}(first, second):\n    return first + second * {i}\n\n\n" for i in range(150))
N_TOKENS = 400


class Reader(ProgressListener):
    """Reads along, as an editor does."""

    def __init__(self) -> None:
        self.n = 0

    def on_text(self, text: str) -> None:
        """The whole text so far."""
        self.n += len(text) > 0


def milliseconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def differences(local: Assistant, shared: Assistant, job: Job[Completion], n: int) -> list[float]:
    """What a job takes longer in the other process, in milliseconds, each time."""
    return [
        milliseconds(lambda: shared.run(job, Reader())) - milliseconds(lambda: local.run(job, Reader()))
        for _ in range(n)
    ]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--answers", type=int, default=20)
    parser.add_argument("--batch-ms", type=float, default=2.0, help="how long the model takes for a batch")
    options = parser.parse_args()
    with home_with_models() as home:
        script = home / "script.json"
        answer_text = "abcdefgh" * (N_TOKENS // 8)
        replies = {"x = ": "1 + 1\n", "assistant\n": answer_text, "$batch_ms": options.batch_ms}
        script.write_text(json.dumps(replies))
        settings, folders = load_settings(model=f"scripted:{script}", prompt_tokens=64), find_folders()
        place = find_endpoint(folders)
        with (
            LocalAssistant(LoadedModel.load(settings, folders, lambda *_: None), settings, folders) as local,
            SharedAssistant(place, settings, "bench") as shared,
        ):
            shared.connect()
            text = f"{CODE}x = "
            completion, answer = Complete(CompletionInput("a.py", text, len(text)), speculative=False), Ask("?")
            differences(local, shared, completion, 5)
            a_request = differences(local, shared, completion, options.requests)
            n = local.run(answer).counters.generated_tokens
            a_token = [difference / n for difference in differences(local, shared, answer, options.answers)]
    low, high = statistics.quantiles(a_request, n=20)[0], statistics.quantiles(a_request, n=20)[-1]
    print(
        f"{hardware.cpu_name()}: over the model in the same process, a completion in a document of {len(CODE):,} "
        f"characters takes {statistics.median(a_request):.2f} ms more (5 to 95 %: {low:.2f} to {high:.2f}), "
        f"one of {n} streamed tokens {statistics.median(a_token):.3f} ms more"
    )


if __name__ == "__main__":
    main()

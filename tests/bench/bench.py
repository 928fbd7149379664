"""Measures the engine against llama.cpp's own plain loop: same weights, same run, taking turns.

    python tests/bench/bench.py [--model nano] [--prompt 512] [--decode 48] [--rounds 5]

Each runs as a process of its own that waits while the others work; the median of the rounds is shown. The plain loop
is llama_cpp as it comes: its default context parameters, prompt chunks of 512, and the most probable token. The safer
mode reads the weights as they are stored; it is the only one where the others do not work on this CPU.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nano_lsp.config import find_folders
from nano_lsp.inference import hardware
from nano_lsp.inference.generation import Engine, Generation
from nano_lsp.inference.kv_cache import KvCache
from nano_lsp.inference.selftest import SelfTest
from nano_lsp.models.store import ModelStore
from nano_lsp.schema import Completion, GenerateParams, WeightLayout
from nano_lsp.settings import Settings

N_CTX = 4096
WARM_TOKENS = 8
TEXT = "".join(
    path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parents[2].glob("nano_lsp/**/*.py"))
)
Figures = Mapping[str, float]
Action = Callable[[], Figures]


def ours(
    path: Path, n_prompt: int, n_decode: int, layout: WeightLayout = WeightLayout.REPACKED, variant: str = ""
) -> tuple[Action, Action]:
    """This project's engine: a cold prompt with its answer, and a prompt that goes on from there."""
    from nano_lsp.inference.llama_backend import LlamaBackend  # noqa: PLC0415 - the parent process needs no llama.cpp

    backend = LlamaBackend.load(path, Settings(n_ctx=N_CTX), layout=layout, variant=variant)
    engine = Engine(backend)
    prompt = backend.tokenize(TEXT)[: n_prompt + WARM_TOKENS]

    def generate(n: int) -> Completion:
        params = GenerateParams(max_tokens=n_decode, draft=False)
        return Generation(engine, "bench", prompt[:n], params).run()

    def cold() -> Figures:
        engine.kv_cache = KvCache(engine.backend)
        counters = generate(n_prompt).counters
        return {
            "prompt tokens/s": counters.prompt_tokens_per_s,
            "decode tokens/s": counters.decode_tokens_per_s,
            "first token, cold, ms": counters.ttft_ms,
        }

    def warm() -> Figures:
        counters = generate(n_prompt + WARM_TOKENS).counters
        return {f"first token, {WARM_TOKENS} more, ms": counters.ttft_ms, "evaluated": counters.evaluated_tokens}

    return cold, warm


def plain(path: Path, n_prompt: int, n_decode: int) -> tuple[Action, Action]:
    """llama.cpp's plain loop, through llama_cpp."""
    import numpy as np  # noqa: PLC0415 - as above

    from nano_lsp.inference.llama_library import choose_variant, llama, load_variant  # noqa: PLC0415 - as above

    load_variant(choose_variant())
    silent = llama.llama_log_callback(lambda *_: None)
    llama.llama_log_set(silent, ctypes.c_void_p(0))
    llama.llama_backend_init()
    model = llama.llama_model_load_from_file(str(path).encode(), llama.llama_model_default_params())
    params = llama.llama_context_default_params()
    params.n_ctx = N_CTX
    params.n_batch = params.n_ubatch = 512
    params.n_threads = params.n_threads_batch = hardware.usable_cores()
    context = llama.llama_init_from_model(model, params)
    vocab = llama.llama_model_get_vocab(model)
    n_vocab = llama.llama_vocab_n_tokens(vocab)
    data = TEXT.encode()
    ids = (llama.llama_token * len(data))()
    llama.llama_tokenize(vocab, data, len(data), ids, len(data), False, False)
    keep = [silent]  # the library calls it as long as it lives

    def evaluate(tokens: list[int]) -> int:
        for at in range(0, len(tokens), 512):
            part = (llama.llama_token * len(tokens[at : at + 512]))(*tokens[at : at + 512])
            assert keep
            if llama.llama_decode(context, llama.llama_batch_get_one(part, len(part))):
                raise RuntimeError("llama_decode failed")
        return int(np.ctypeslib.as_array(llama.llama_get_logits_ith(context, -1), (n_vocab,)).argmax())

    def generate(n: int) -> Figures:
        llama.llama_memory_clear(llama.llama_get_memory(context), True)
        started = time.perf_counter()
        token = evaluate(list(ids[:n]))
        first = time.perf_counter()
        for _ in range(n_decode - 1):
            token = evaluate([token])
        done = time.perf_counter()
        return {
            "prompt tokens/s": n / (first - started),
            "decode tokens/s": n_decode / (done - first),
            "first token, cold, ms": (first - started) * 1e3,
        }

    def warm() -> Figures:
        figures = generate(n_prompt + WARM_TOKENS)  # it keeps nothing
        return {
            f"first token, {WARM_TOKENS} more, ms": figures["first token, cold, ms"],
            "evaluated": n_prompt + WARM_TOKENS,
        }

    return lambda: generate(n_prompt), warm


KINDS: dict[str, Callable[[Path, int, int], tuple[Action, Action]]] = {
    "plain loop": plain,
    "nano-lsp": ours,
    "safer mode": partial(ours, layout=WeightLayout.AS_STORED),
}


def serve(kind: str, path: Path, n_prompt: int, n_decode: int) -> None:
    """The child: load, then do what each line of stdin says, and answer with a line of JSON."""
    started = time.perf_counter()
    cold, warm = KINDS[kind](path, n_prompt, n_decode)
    print(json.dumps({"load, s": time.perf_counter() - started}), flush=True)
    actions: dict[str, Action] = {
        "cold": cold,
        "warm": warm,
        "rss": lambda: {"peak RSS, MiB": hardware.peak_rss_bytes() / 2**20},
    }
    for line in sys.stdin:
        print(json.dumps(dict(actions[line.strip()]())), flush=True)


def measure(model: str, n_prompt: int, n_decode: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """All figures of each kind that works on this CPU, by kind and title."""
    works = SelfTest(find_folders().cache).run().layout is WeightLayout.REPACKED
    figures: dict[str, dict[str, list[float]]] = {kind: {} for kind in KINDS if works or kind == "safer mode"}
    children: dict[str, subprocess.Popen[str]] = {}

    def note(kind: str) -> None:
        pipe = children[kind].stdout
        assert pipe is not None
        for title, value in json.loads(pipe.readline()).items():
            figures[kind].setdefault(title, []).append(value)

    for kind in figures:
        command = [sys.executable, __file__, "--serve", kind, "--model", model]
        command += ["--prompt", str(n_prompt), "--decode", str(n_decode)]
        children[kind] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        note(kind)
    for action in ["cold", "warm"] * rounds + ["rss"]:
        for kind, child in children.items():
            assert child.stdin is not None
            child.stdin.write(action + "\n")
            child.stdin.flush()
            note(kind)
    for child in children.values():
        child.communicate()
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", help="a name from `nano-lsp model list`, or a GGUF file")
    parser.add_argument("--prompt", type=int, default=512, help="tokens of the prompt")
    parser.add_argument("--decode", type=int, default=48, help="tokens of the answer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", choices=[*KINDS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    path = ModelStore(find_folders()).find(options.model)
    if options.serve:
        serve(options.serve, path, options.prompt, options.decode)
        return
    figures = measure(options.model, options.prompt, options.decode, options.rounds)
    machine = f"{hardware.cpu_name()}, {hardware.usable_cores()} cores, Python {platform.python_version()}"
    task = f"prompt {options.prompt}, answer {options.decode} tokens, median of {options.rounds} rounds"
    print(f"{options.model}, {machine}; {task}")
    table = Table("", *figures, *(f"{mine} / {other}" for mine, other in pairwise(reversed(figures))), box=None)
    for title in figures["safer mode"]:
        medians = {kind: statistics.median(values[title]) for kind, values in figures.items()}
        ratios = [f"{medians[mine] / medians[other]:.2f}" for mine, other in pairwise(reversed(figures))]
        table.add_row(title, *(f"{median:,.1f}" for median in medians.values()), *ratios)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()

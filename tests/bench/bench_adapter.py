"""What an adapter costs: `python -m tests.bench.bench_adapter [--model pico] [--rank 16] [--tokens 200]`.

A random adapter for all seven projections of each layer, on the real model. Printed are the CPU seconds of a token
with it and without it, taken in turns in one process, of a switch between the two, and its memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np

from nano_lsp.config import find_folders
from nano_lsp.inference.hardware import cpu_name, rss_bytes
from nano_lsp.inference.llama_backend import LlamaBackend
from nano_lsp.inference.selftest import SelfTest, require_layout
from nano_lsp.models.adapter_file import AdapterFile, check_adapter
from nano_lsp.models.adapters import find_base
from nano_lsp.models.gguf import read_header
from nano_lsp.models.store import ModelStore
from nano_lsp.settings import Settings

ROUNDS = 5
PROJECTIONS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
PROMPT = "def fibonacci(n):\n"


def write_random_adapter(path: Path, model: Path, rank: int, projections: Sequence[str]) -> None:
    """Write an adapter of small random values for some projections of each layer of a model."""
    header, random = read_header(model), np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, str(header.metadata["general.architecture"]))
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for tensor in header.tensors:
        if any(f".{name}.weight" in tensor.name for name in projections):
            n_in, n_out = tensor.shape
            for part, shape in (("a", (rank, n_in)), ("b", (n_out, rank))):
                values = random.normal(scale=0.01, size=shape).astype(np.float16)
                writer.add_tensor(f"{tensor.name}.lora_{part}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def cpu_seconds(backend: LlamaBackend, adapter: AdapterFile | None, n_tokens: int) -> tuple[float, float]:
    """CPU seconds of the switch with the first token, and of each further token."""
    prompt = backend.tokenize(PROMPT)
    backend.seq_trim(0, 0)
    started = time.process_time()
    backend.set_adapter(adapter)
    backend.decode(prompt[:1], n_past=0, seq_id=0)
    switched = time.process_time()
    for n_past in range(1, n_tokens + 1):
        backend.decode([prompt[n_past % len(prompt)]], n_past=n_past, seq_id=0)
    return switched - started, (time.process_time() - switched) / n_tokens


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pico")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--projections", nargs="+", default=PROJECTIONS, choices=PROJECTIONS)
    parser.add_argument("--tokens", type=int, default=200)
    options = parser.parse_args()
    folders = find_folders()
    model = ModelStore(folders).find(options.model)
    backend = LlamaBackend.load(model, Settings(n_ctx=1024), layout=require_layout(SelfTest(folders.cache).run()))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "random.gguf"
        write_random_adapter(file, model, options.rank, options.projections)
        adapter = check_adapter(file, find_base(options.model, folders))
        cpu_seconds(backend, None, options.tokens)
        size, before = file.stat().st_size, rss_bytes()
        cpu_seconds(backend, adapter, options.tokens)
        grown = rss_bytes() - before
        rounds = [[cpu_seconds(backend, used, options.tokens) for used in (None, adapter)] for _ in range(ROUNDS)]
    (plain_first, plain), (first, with_adapter) = np.median(rounds, axis=0)
    print(f"{cpu_name()}, {options.model}, rank {options.rank}, {' '.join(options.projections)}")
    print(f"CPU time, medians of {ROUNDS} rounds in turns")
    print(
        f"a token: {plain * 1e3:.1f} ms without, {with_adapter * 1e3:.1f} ms with: {with_adapter / plain:.2f} times"
    )
    switch = (plain_first - plain + first - with_adapter) / 2
    print(f"a switch, beyond its token: {switch * 1e3:.1f} ms")
    print(f"memory: {grown / 2**20:.0f} MiB more; the file has {size / 2**20:.0f} MiB")
    backend.close()


if __name__ == "__main__":
    main()

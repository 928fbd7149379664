"""Child process of the self-test of llama.cpp: `python -m nano_lsp.inference.selftest_child LAYOUT [LEFT_OUT…]`.

It tests the fastest variant of llama.cpp's code for the CPU that is not left out, which may crash it without harm. So
it prints a line of JSON with the variant first, and one with the result then:
`{"variant": "haswell", "nmse": …, "system_info": …}`.
"""

from __future__ import annotations

import ctypes
import json
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np

from nano_lsp.inference.selftest_model import N_CTX, SelfTestModel
from nano_lsp.schema import WeightLayout
from nano_lsp.settings import Settings

_SINGLE = 8  # tokens evaluated one by one, after a batch: llama.cpp has different kernels for the two


def main(layout: WeightLayout, left_out: Collection[str]) -> None:
    """Evaluate the tiny model and print how far its logits are from the reference."""
    _disable_crash_reports()
    from nano_lsp.inference.backend import MAX_LOGITS  # noqa: PLC0415
    from nano_lsp.inference.llama_backend import LlamaBackend, system_info  # noqa: PLC0415 - may crash
    from nano_lsp.inference.llama_library import choose_variant  # noqa: PLC0415

    variant = choose_variant(left_out)
    print(json.dumps({"variant": variant}), flush=True)
    model = SelfTestModel()
    n_batch = len(model.tokens) - _SINGLE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "selftest.gguf"
        model.write(path)
        backend = LlamaBackend.load(path, Settings(n_ctx=N_CTX), layout=layout, variant=variant)
        backend.decode(model.tokens[:n_batch], n_past=0, seq_id=0, n_logits=MAX_LOGITS)
        rows = [backend.logits(i).copy() for i in range(MAX_LOGITS)]
        for i in range(n_batch, len(model.tokens)):
            backend.decode(model.tokens[i : i + 1], n_past=i, seq_id=0)
            rows.append(backend.logits(0).copy())
        backend.close()  # Windows cannot delete a mapped file
    reference = model.logits()[-len(rows) :]
    nmse = float(np.mean((np.stack(rows) - reference) ** 2) / np.mean(reference**2))
    report = {"variant": variant, "nmse": nmse if np.isfinite(nmse) else 1e9, "system_info": system_info()}
    print(json.dumps(report))


def _disable_crash_reports() -> None:
    """Disable core dumps and crash dialogs for this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0)  # PR_SET_DUMPABLE: prctl(2)
    elif sys.platform == "win32":
        ctypes.windll.kernel32.SetErrorMode(3)  # SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX


if __name__ == "__main__":
    main(WeightLayout(sys.argv[1]), sys.argv[2:])

"""The process in which llama.cpp is tried: `python -m nano_lsp.inference.selftest_child LAYOUT`.

It may die; that is what it is for. Otherwise it prints one line of JSON: `{"nmse": …, "system_info": …}`.
"""

from __future__ import annotations

import ctypes
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from nano_lsp.config import Settings
from nano_lsp.inference.selftest_model import N_CTX, SelfTestModel
from nano_lsp.schema import WeightLayout

_SINGLE = 8  # tokens evaluated one by one, behind a batch; llama.cpp has other kernels for each


def main(layout: WeightLayout) -> None:
    """Evaluate the tiny model and print how far its logits are from the reference."""
    _die_quietly()
    from nano_lsp.inference.llama_backend import MAX_LOGITS, LlamaBackend, system_info  # noqa: PLC0415 - may die

    model = SelfTestModel()
    n_batch = len(model.tokens) - _SINGLE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "selftest.gguf"
        model.write(path)
        backend = LlamaBackend.load(path, Settings(n_ctx=N_CTX), layout=layout)
        backend.decode(model.tokens[:n_batch], n_past=0, seq_id=0, n_logits=MAX_LOGITS)
        rows = [backend.logits(i).copy() for i in range(MAX_LOGITS)]
        for i in range(n_batch, len(model.tokens)):
            backend.decode(model.tokens[i : i + 1], n_past=i, seq_id=0)
            rows.append(backend.logits(0).copy())
        backend.close()  # Windows deletes no file that is mapped
    reference = model.logits()[-len(rows) :]
    nmse = float(np.mean((np.stack(rows) - reference) ** 2) / np.mean(reference**2))
    print(json.dumps({"nmse": nmse if np.isfinite(nmse) else 1e9, "system_info": system_info()}))


def _die_quietly() -> None:
    """Have the system report no crash of this process: no core dump, no dialog."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0)  # PR_SET_DUMPABLE: prctl(2)
    elif sys.platform == "win32":
        ctypes.windll.kernel32.SetErrorMode(3)  # SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX


if __name__ == "__main__":
    main(WeightLayout(sys.argv[1]))

"""Checks the installed llama.cpp: the self-test with each variant that this CPU can run, the fastest first.

`python packaging/engine/check.py` prints a line for each; it needs nano-lsp and the engine's wheel.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from nano_lsp.inference.selftest import Outcome, compiled_features, find_mode
from nano_lsp.schema import WeightLayout


def main() -> int:
    """Print what became of each variant; 1 if one of them fails."""
    left_out: dict[str, str] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        while True:
            known = Outcome(WeightLayout.REPACKED, {WeightLayout.AS_STORED: "not tested"}, left_out=left_out)
            outcome = find_mode(Path(folder), known)
            failed |= {name: reason for name, reason in outcome.left_out.items() if name not in left_out}
            if outcome.layout is None:
                break
            print(
                f"{outcome.mode}: works, with {', '.join(sorted(compiled_features(outcome.system_info)))}", flush=True
            )
            if not outcome.variant:
                break
            left_out = {**outcome.left_out, outcome.variant: "tested"}
    for name, reason in failed.items():
        print(f"{name}: {reason}")
    return 1 if failed or not (left_out or outcome.layout) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Child process: quantizes a model file to Q4_K_M: `python -m nano_lsp.inference.quantize_child SOURCE TARGET`.

llama.cpp may end it without harm. Tensors that have their type in this mixture already are copied. Its log, on
standard error, has a line with `[ 12/ 338]` for each tensor.
"""

from __future__ import annotations

import ctypes
import os
import sys

from nano_lsp.inference.hardware import usable_cores
from nano_lsp.inference.llama_library import llama


def main(source: str, target: str) -> int:
    """Quantize a file; returns llama.cpp's code, 0 for success."""
    params = llama.llama_model_quantize_default_params()
    params.ftype = llama.LLAMA_FTYPE_MOSTLY_Q4_K_M
    params.allow_requantize = True  # of the few tensors that have another type there
    params.nthread = usable_cores()
    code: int = llama.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""`nano-lsp engine run`: the engine's process. A module of its own, as the other commands' imports need memory."""

from __future__ import annotations

import os

import numpy  # noqa: F401 - imported after typing_extensions, it takes 70 ms longer: that slows down `typing`

from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.engine.server import run_engine


def run() -> None:
    """Run the engine in this process until it is idle for long enough or is stopped."""
    folders = find_folders()
    code = run_engine(find_endpoint(folders), folders, load_settings())
    os._exit(code)  # a thread that still reads a model must not keep the process running

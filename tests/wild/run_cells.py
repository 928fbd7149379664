"""Runs the cells of a JSON array in IPython: prints their output, a NUL, and the code put into the next cell."""

from __future__ import annotations

import json
import sys
from typing import Any

from IPython.core.interactiveshell import InteractiveShell


def main() -> None:
    shell: Any = InteractiveShell.instance()
    shell.history_manager.enabled = False
    shell.colors = "nocolor"
    put_in = [""]
    shell.set_next_input = lambda text, replace=False: put_in.append(text)
    shell.run_cell("%load_ext nano_lsp")
    for cell in json.loads(sys.argv[1]):
        shell.run_cell(cell, store_history=True)
    sys.stdout.flush()
    sys.stdout.write("\0" + put_in[-1])


if __name__ == "__main__":
    main()

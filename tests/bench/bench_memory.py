"""What an editor's server, two kernels and a command take together: `python -m tests.bench.bench_memory`.

All of them ask the shared engine at once; the resident memory of each process is read when all have been answered.
Needs `pip install -e '.[jupyter]'`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import Any

import psutil
from jupyter_client.manager import KernelManager, start_new_kernel

from tests.processes import engines_of, home_with_models
from tests.raw_client import RawClient

N_KERNELS = 2
IN_KERNEL = """
from nano_lsp.config import find_folders, load_settings
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.engine.connect import open_assistant
assistant = open_assistant(load_settings(model={model!r}), find_folders(), "kernel", lambda *_: None)
print(assistant.run(Complete(CompletionInput("cell", "total = sum(", 12))).text)
"""


def rss_mib(pid: int) -> float:
    """Resident memory of a process, shared pages included."""
    return float(psutil.Process(pid).memory_info().rss / 2**20)


def pid_of(manager: KernelManager) -> int:
    """The process of a kernel."""
    provisioner: Any = manager.provisioner
    return int(provisioner.pid)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano")
    model = parser.parse_args().model
    os.environ["NANO_LSP_ENGINE"] = "shared"
    with home_with_models() as home:
        editor = RawClient(home=home)
        editor.initialize(model=model)
        editor.wait_for_state("ready")
        editor.open("total = sum(\n")
        editor.suggest(2, 0, 12)
        kernels = [start_new_kernel() for _ in range(N_KERNELS)]
        bare = [rss_mib(pid_of(manager)) for manager, _ in kernels]
        for _, client in kernels:
            client.execute_interactive(IN_KERNEL.format(model=model))
        command = [sys.executable, "-m", "nano_lsp", "ask", "Count from 1 to 200.", "--model", model]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as asking:
            assert asking.stdout is not None
            asking.stdout.read(4)
            (engine,) = engines_of(home)
            sizes = {
                "engine": rss_mib(engine.pid),
                "editor's server": rss_mib(editor.process.pid),
                **{f"kernel {i}": rss_mib(pid_of(m)) for i, (m, _) in enumerate(kernels)},
                "command": rss_mib(asking.pid),
            }
            asking.kill()
        n_clients = len(sizes) - 1
        for name, size in sizes.items():
            print(f"{name:>16} {size:7,.0f} MiB")
        print(f"{'together':>16} {sum(sizes.values()):7,.0f} MiB; allowed are {1250 + 120 * n_clients:,}")
        print(f"A kernel that has not asked anything takes {min(bare):,.0f} MiB.")
        for manager, client in kernels:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
        editor.close()


if __name__ == "__main__":
    main()

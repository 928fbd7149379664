"""Jupyter kernels that tests start, as a front end does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.client import KernelClient
from jupyter_client.manager import KernelManager

LIMIT_S = 300


@dataclass
class Ran:
    """The outputs of a cell that has run.

    Attributes:
        reply: The kernel's reply.
        streams: Text on stdout and stderr.
        displays: Displays in their last state, as Markdown or text.
        updates: Number of updates of displays.
    """

    reply: dict[str, Any]
    streams: dict[str, str] = field(default_factory=lambda: {"stdout": "", "stderr": ""})
    displays: dict[str, str] = field(default_factory=dict)
    updates: int = 0

    @property
    def shown(self) -> str:
        """All outputs below the cell."""
        return "\n".join([*self.displays.values(), *filter(None, self.streams.values())])

    @property
    def next_input(self) -> str:
        """The code that is put into the next cell."""
        return "".join(each["text"] for each in self.reply.get("payload", []) if each["source"] == "set_next_input")


class Kernel:
    """A running kernel."""

    def __init__(self, manager: KernelManager, client: KernelClient) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str, *, keep: bool = True) -> Ran:
        """Run a cell and wait for its outputs; `keep` adds it to the history."""
        ran = Ran({})

        def on_output(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                ran.streams[content["name"]] += content["text"]
            elif message["msg_type"] in {"display_data", "update_display_data"}:
                key = content.get("transient", {}).get("display_id", str(len(ran.displays)))
                ran.displays[key] = content["data"].get("text/markdown", content["data"].get("text/plain", ""))
                ran.updates += message["msg_type"] == "update_display_data"
            elif message["msg_type"] == "execute_result":
                ran.displays[f"result {len(ran.displays)}"] = content["data"]["text/plain"]
            elif message["msg_type"] == "error":
                ran.streams["stderr"] += "\n".join(content["traceback"])

        reply = self.client.execute_interactive(
            code, store_history=keep, allow_stdin=False, timeout=LIMIT_S, output_hook=on_output
        )
        ran.reply = reply["content"]
        return ran

    def evaluate(self, expression: str) -> str:
        """The repr of an expression, evaluated without changing the kernel's history."""
        reply = self.client.execute_interactive(
            "", silent=True, user_expressions={"x": expression}, timeout=LIMIT_S, allow_stdin=False
        )
        found = reply["content"]["user_expressions"]["x"]
        assert found["status"] == "ok", found
        return str(found["data"]["text/plain"])


@contextmanager
def started_kernel(**env: str) -> Iterator[Kernel]:
    """Start a kernel of this Python, with the magics loaded."""
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.start_kernel(env={**os.environ, "JUPYTER_PLATFORM_DIRS": "1", **env})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=LIMIT_S)
        kernel = Kernel(manager, client)
        assert kernel.run("%load_ext nano_lsp").reply["status"] == "ok"
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.term()

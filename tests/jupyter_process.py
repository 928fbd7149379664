"""Starts a real Jupyter server with the installed extension."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests import without_iris
from tests.processes import end_with_all_below

LIMIT_S = 120  # generous, for a busy machine
TOKEN = "a-token-of-the-tests"  # noqa: S105 - of a local test server
BASE = "/user/someone/"
_OTHER_EXTENSIONS = ("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp", "jupyter_server_terminals")


@dataclass(frozen=True)
class Jupyter:
    """A running Jupyter server.

    Attributes:
        address: Address with the base URL.
        root: Root directory of the server.
        process_id: Process id of the server.
    """

    address: str
    root: Path
    process_id: int

    def client(self, *, token: str = TOKEN) -> httpx.Client:
        """HTTP client for the extension; anonymous without a token."""
        headers = {"Authorization": f"token {token}"} if token else {}
        return httpx.Client(base_url=f"{self.address}nano-lsp/", headers=headers, timeout=LIMIT_S)


@contextmanager
def open_jupyter(
    root: Path, home: Path, *, app: str = "server", env: Mapping[str, str] | None = None, alone: bool = False
) -> Iterator[Jupyter]:
    """Start a Jupyter server; it and its child processes end with the block.

    Args:
        root: Root directory of the server.
        home: Empty folder for its configuration and data.
        app: `server`, `lab` or `notebook`.
        env: Additional environment variables.
        alone: Without the other extensions that come with JupyterLab and the notebook: a third of the start.
    """
    root.mkdir(parents=True, exist_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    folders = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    ours = {"IPYTHONDIR": str(home / "ipython"), "JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
    workspaces = {"JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}
    switches = [
        f"--ServerApp.base_url={BASE}",
        f"--IdentityProvider.token={TOKEN}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
        "--ServerApp.open_browser=False",
        f"--ServerApp.root_dir={root}",
        "--ServerApp.allow_root=True",
    ]
    if alone:
        switches.append(f"--ServerApp.jpserver_extensions={dict.fromkeys(_OTHER_EXTENSIONS, False)}")
    shutil.copy(without_iris.__file__, home / "sitecustomize.py")
    path = os.pathsep.join([str(home), *filter(None, [os.environ.get("PYTHONPATH")])])
    log = home / "jupyter.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", app, *switches],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": path, **folders, **ours, **workspaces, **(env or {})},
            start_new_session=True,
        )
    try:
        yield Jupyter(_address(process, home / "runtime", log), root, process.pid)
    finally:
        end_with_all_below(process)


def _address(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """The address from the server's own info file, once it responds."""
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        assert process.poll() is None, log.read_text()
        for file in runtime.glob("jpserver-*.json"):
            try:
                url = str(json.loads(file.read_text())["url"])
                if httpx.get(f"{url}api", timeout=LIMIT_S).status_code == httpx.codes.OK:
                    return url
            except (json.JSONDecodeError, httpx.TransportError):
                pass
        time.sleep(0.05)
    raise AssertionError(f"Jupyter does not respond: {log.read_text()}")

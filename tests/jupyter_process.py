"""A real Jupyter server with the extension, as it is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.processes import end_with_all_below

LIMIT_S = 120  # on a machine that does other things as well
TOKEN = "a-token-of-the-tests"  # noqa: S105 - of a server that only the test knows
BASE = "/user/someone/"


@dataclass(frozen=True)
class Jupyter:
    """A Jupyter server that runs.

    Attributes:
        address: with the base URL.
        root: folder that it shows.
        process_id: of it.
    """

    address: str
    root: Path
    process_id: int

    def client(self, *, token: str = TOKEN) -> httpx.Client:
        """Asks the extension; without a token as anybody could."""
        headers = {"Authorization": f"token {token}"} if token else {}
        return httpx.Client(base_url=f"{self.address}nano-lsp/", headers=headers, timeout=LIMIT_S)


@contextmanager
def open_jupyter(
    root: Path, home: Path, *, app: str = "server", env: Mapping[str, str] | None = None
) -> Iterator[Jupyter]:
    """A Jupyter server until the end of the block; whatever it has started ends with it.

    Args:
        root: folder that it shows.
        home: empty folder for what it keeps.
        app: `server`, `lab` or `notebook`.
        env: more of its environment.
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
    log = home / "jupyter.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", app, *switches],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **folders, **ours, **workspaces, **(env or {})},
            start_new_session=True,
        )
    try:
        yield Jupyter(_address(process, home / "runtime", log), root, process.pid)
    finally:
        end_with_all_below(process)


def _address(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """Where it listens, as it has written down itself, once it answers."""
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
    raise AssertionError(f"Jupyter does not answer: {log.read_text()}")

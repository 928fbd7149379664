"""Starts a real JupyterHub; its users' servers have the installed extension."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.editors.places import missing
from tests.jupyter_process import LIMIT_S, Jupyter
from tests.processes import end_with_all_below

PASSWORD = "a-password-of-the-tests"  # noqa: S105 - of a local test hub
# The hub's default proxy is an npm package, so it is a development dependency of the front end.
_PROXY = Path(__file__).parents[1] / "jupyter_ext/node_modules/.bin/configurable-http-proxy"


@dataclass(frozen=True)
class Hub:
    """A running hub.

    Attributes:
        address: Public address of its proxy.
        homes: Folder with the users' home folders.
        process_id: Process id of the hub.
    """

    address: str
    homes: Path
    process_id: int

    def server(self, user: str) -> Jupyter:
        """The server of a user who has started one."""
        return Jupyter(f"{self.address}user/{user}/", self.homes / user, self.process_id)


@contextmanager
def open_hub(folder: Path, homes: Path, env: Mapping[str, str]) -> Iterator[Hub]:
    """Start a hub; it and its child processes end with the block. Any user name is accepted with the password.

    Args:
        folder: Empty folder for its data.
        homes: Folder for the users' home folders.
        env: Additional environment variables of the users' servers.
    """
    folder.mkdir(parents=True)
    proxy_port, api_port, hub_port = _free_ports(3)
    address = f"http://127.0.0.1:{proxy_port}/"
    config = {
        "JupyterHub": {
            "authenticator_class": "shared-password",
            "spawner_class": "simple",
            "bind_url": address,
            "hub_bind_url": f"http://127.0.0.1:{hub_port}",
        },
        "ConfigurableHTTPProxy": {"api_url": f"http://127.0.0.1:{api_port}", "command": _proxy_command()},
        "Authenticator": {"allow_all": True},
        "SharedPasswordAuthenticator": {"user_password": PASSWORD},
        "SimpleLocalProcessSpawner": {"home_dir_template": f"{homes}/{{username}}"},
        "Spawner": {
            "cmd": [sys.executable, "-m", "jupyterhub.singleuser"],
            "args": ["--allow-root"],
            "default_url": "/lab",
            "environment": dict(env),
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    log = folder / "hub.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", "config.json"],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
    try:
        _wait(process, address, log)
        yield Hub(address, homes, process.pid)
    finally:
        end_with_all_below(process)


def _free_ports(count: int) -> list[int]:
    """Find free ports: the hub's parts must know each other's ports before they start."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _proxy_command() -> list[str]:
    """Command of the hub's proxy, run by the installed Node or that of .ci/code-server."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nano-lsp-tests"
    fetched = [str(folder) for folder in sorted(cache.glob("code-server-*/nodejs/bin"))]
    node = shutil.which("node", path=os.pathsep.join([*fetched, os.environ["PATH"]]))
    if not node:
        missing("Node 20 or newer", "run .ci/code-server, or install it")
    if not _PROXY.exists():
        missing("configurable-http-proxy", "cd jupyter_ext && npm ci")
    return [node, str(_PROXY)]


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Wait until the hub responds behind its proxy."""
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{address}hub/api", timeout=LIMIT_S).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"JupyterHub does not respond: {log.read_text()}")

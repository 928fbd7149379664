"""`nano-lsp engine`: controls the process that owns the model for all of the user's programs."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections import deque
from typing import Annotated, Any

import psutil
import typer

from nano_lsp.cli.output import print_json
from nano_lsp.cli.terminal import Model, stderr, stdout
from nano_lsp.config import find_folders
from nano_lsp.engine.endpoint import EngineEndpoint, find_endpoint
from nano_lsp.errors import EngineError

_STOP_S = 40.0

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Control the engine: one process that owns the model for all editors, notebooks and commands. It starts "
    "automatically when one of them needs it.",
    epilog="`nano-lsp engine status` shows models and clients, `nano-lsp engine logs` errors.",
)


@app.command(epilog="Example: `nano-lsp engine start`")
def start(model: Model = None) -> None:
    """Start the engine, and load the model."""
    from nano_lsp.cli.terminal import open_assistant  # noqa: PLC0415 - the others need no assistant

    with open_assistant(engine="shared", model=model):
        pass
    _show(_request("GET", "status"), as_json=False)


@app.command(epilog="Example: `nano-lsp engine stop --now`")
def stop(
    now: Annotated[bool, typer.Option("--now", help="Stop at once, without finishing the running jobs.")] = False,
) -> None:
    """Stop the engine after its running jobs; the next program that needs it starts it again."""
    endpoint = find_endpoint(find_folders())
    process = endpoint.find_process()
    if process is None:
        _stop_without_process(endpoint)
        return
    if now:
        process.kill()
    else:
        _request("POST", "shutdown")
    try:
        process.wait(_STOP_S)
    except psutil.TimeoutExpired:
        raise EngineError(f"Process {process.pid} is still running.", "Run `nano-lsp engine stop --now`.") from None
    stderr.print("The engine has stopped.")


def _stop_without_process(endpoint: EngineEndpoint) -> None:
    """Stop an engine whose process cannot be looked up, as without /proc; usually none is running."""
    try:
        _request("POST", "shutdown")
    except EngineError:
        stderr.print("The engine is not running.")
        return
    deadline = time.monotonic() + _STOP_S
    while endpoint.identity() is not None:
        if time.monotonic() > deadline:
            raise EngineError("The engine is still running.", "See `nano-lsp engine logs`.")
        time.sleep(0.05)
    stderr.print("The engine has stopped.")


@app.command(epilog="Example: `nano-lsp engine status --json`")
def status(as_json: Annotated[bool, typer.Option("--json", help="Print the status as JSON.")] = False) -> None:
    """Show the engine's models, clients and memory. Exit code 5: the engine is not running."""
    _show(_request("GET", "status"), as_json=as_json)


@app.command(epilog="Example: `nano-lsp engine logs --follow`")
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Number of newest log lines to print.")] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new log lines until Ctrl-C.")] = False,
) -> None:
    """Print the engine's log."""
    path = find_endpoint(find_folders()).log
    if not path.is_file():
        stderr.print(f"There is no log yet: {path}")
        return
    with path.open(encoding="utf-8", errors="replace") as stream:
        sys.stdout.writelines(deque(stream, lines))
        while follow:
            if path.stat().st_size < stream.tell():  # it had grown too long and was emptied
                stream.seek(0)
            sys.stdout.write(stream.read())
            sys.stdout.flush()
            time.sleep(0.2)


@app.command(
    epilog="Example: `nano-lsp engine serve --port 8012`, then in llama.vim "
    "`let g:llama_config = {'endpoint': 'http://127.0.0.1:8012/infill'}`"
)
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 selects a free one.")] = 8012,
) -> None:
    """Serve the OpenAI- and llama-server-compatible API on a TCP port, until Ctrl-C.

    If NANO_LSP_SERVE_KEY is set, clients must send it as their API key; for other addresses than loopback it is
    required.
    """
    from nano_lsp.engine.proxy import serve as serve_api  # noqa: PLC0415 - the others need no server

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    serve_api(find_endpoint(find_folders()), host, port, os.environ.get("NANO_LSP_SERVE_KEY", ""))


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    stdout.print(f"nano-lsp {found['version']}, process {found['pid']}, {found['rss_bytes'] / 2**20:,.0f} MiB")
    for model in found["models"]:
        activity = f"{model['n_jobs']} jobs running" if model["n_jobs"] else f"idle for {model['idle_s']:,.0f} s"
        totals = model["totals"]
        stdout.print(
            f"{model['name']}: {activity}, context {model['n_ctx']:,} tokens; "
            f"{totals['evaluated_tokens']:,} tokens evaluated, {totals['cached_tokens']:,} from the cache, "
            f"{totals['generated_tokens']:,} generated"
        )
        if model["notice"]:
            stdout.print(f"  {model['notice']}")
        for client in model["clients"]:
            stdout.print(f"  {client}")
    if not found["models"]:
        stdout.print("No model is loaded; the next request loads one.")


def _request(method: str, name: str) -> dict[str, Any]:
    """Send a request to the running engine, without starting one."""
    from nano_lsp.engine.launcher import ask_engine  # noqa: PLC0415 - `--help` needs no connection

    return asyncio.run(ask_engine(find_endpoint(find_folders()), method, name))

"""`nano-lsp engine`: the process that owns the model for all programs of a user."""

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
    help="One process owns the model for all editors, notebooks and commands of a user. They start it by themselves.",
    epilog="`nano-lsp engine status` shows what it is at, `nano-lsp engine logs` what went wrong.",
)


@app.command(epilog="Example: `nano-lsp engine start`")
def start(model: Model = None) -> None:
    """Start the engine, and load the model."""
    from nano_lsp.cli.terminal import open_assistant  # noqa: PLC0415 - the others need no assistant

    with open_assistant(engine="shared", model=model):
        pass
    _show(_ask("GET", "status"), as_json=False)


@app.command(epilog="Example: `nano-lsp engine stop --now`")
def stop(now: Annotated[bool, typer.Option("--now", help="Do not wait for what it is at.")] = False) -> None:
    """End the engine once it has done what it is at. Who needs it later starts it again."""
    place = find_endpoint(find_folders())
    process = place.find_process()
    if process is None:
        _stop_unseen(place)
        return
    if now:
        process.kill()
    else:
        _ask("POST", "shutdown")
    try:
        process.wait(_STOP_S)
    except psutil.TimeoutExpired:
        raise EngineError(f"Process {process.pid} goes on.", "Run `nano-lsp engine stop --now`.") from None
    stderr.print("The engine has ended.")


def _stop_unseen(place: EngineEndpoint) -> None:
    """End an engine whose process cannot be looked up, as without /proc; most often there is none."""
    try:
        _ask("POST", "shutdown")
    except EngineError:
        stderr.print("The engine does not run.")
        return
    deadline = time.monotonic() + _STOP_S
    while place.identity() is not None:
        if time.monotonic() > deadline:
            raise EngineError("The engine goes on.", "See `nano-lsp engine logs`.")
        time.sleep(0.05)
    stderr.print("The engine has ended.")


@app.command(epilog="Example: `nano-lsp engine status --json`")
def status(as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False) -> None:
    """Show whether the engine runs, its models, clients and memory. Exit code 5: it does not run."""
    _show(_ask("GET", "status"), as_json=as_json)


@app.command(epilog="Example: `nano-lsp engine logs --follow`")
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the newest.")] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come; Ctrl-C ends it.")] = False,
) -> None:
    """Show what the engine has logged."""
    path = find_endpoint(find_folders()).log
    if not path.is_file():
        stderr.print(f"There is no log yet: {path}")
        return
    with path.open(encoding="utf-8", errors="replace") as stream:
        sys.stdout.writelines(deque(stream, lines))
        while follow:
            if path.stat().st_size < stream.tell():  # it has been emptied: it had grown too long
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
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 8012,
) -> None:
    """Open the doors that other clients know on a TCP port, until Ctrl-C: OpenAI's /v1, llama-server's /infill.

    Clients must show the key in NANO_LSP_SERVE_KEY, where it is set; beyond this machine it must be.
    """
    from nano_lsp.engine.proxy import serve as serve_doors  # noqa: PLC0415 - the others need no server

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    serve_doors(find_endpoint(find_folders()), host, port, os.environ.get("NANO_LSP_SERVE_KEY", ""))


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    stdout.print(f"nano-lsp {found['version']}, process {found['pid']}, {found['rss_bytes'] / 2**20:,.0f} MiB")
    for model in found["models"]:
        at_work = f"{model['n_jobs']} at work" if model["n_jobs"] else f"idle for {model['idle_s']:,.0f} s"
        totals = model["totals"]
        stdout.print(
            f"{model['name']}: {at_work}, context {model['n_ctx']:,} tokens; "
            f"{totals['evaluated_tokens']:,} tokens evaluated, {totals['cached_tokens']:,} from the cache, "
            f"{totals['generated_tokens']:,} generated"
        )
        if model["notice"]:
            stdout.print(f"  {model['notice']}")
        for client in model["clients"]:
            stdout.print(f"  {client}")
    if not found["models"]:
        stdout.print("No model is loaded; the next request loads one.")


def _ask(method: str, what: str) -> dict[str, Any]:
    """Ask the running engine; none is started."""
    from nano_lsp.engine.launcher import ask_engine  # noqa: PLC0415 - `--help` needs no connection

    return asyncio.run(ask_engine(find_endpoint(find_folders()), method, what))

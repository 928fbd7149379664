"""The way of one keystroke through the code: `python -m tests.bench.hops`.

A real language server and a real shared engine, with the scripted model, answer one inline completion. In both
processes the Python stack is read where the request leaves the process or reaches the model; the stack of the task's
creator goes before it. Printed is each function of the package on that way, in order, with its thread, and how many
functions, modules and threads there are. The scripted model's `decode` stands for `LlamaBackend.decode`, which calls
`llama_decode`.
"""

# ruff: noqa: ANN401 - stands in for functions of others, whatever they take
from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

OUTPUT = "NANO_HOPS"
"""Environment variable: file that both processes append their stops to."""
_PACKAGE = str(Path(__file__).parents[2] / "nano_lsp") + os.sep
_EVENT_LOOP = os.path.join("asyncio", "events.py")  # noqa: PTH118 - the end of a path
_creators: weakref.WeakKeyDictionary[Any, list[list[str]]] = weakref.WeakKeyDictionary()


def _stops() -> list[list[str]]:
    """The functions of the package on the way here: thread, module and function, outermost first."""
    found: list[list[str]] = []
    frame: FrameType | None = sys._getframe(1)
    thread = f"{os.getpid()} {threading.current_thread().name}"
    while frame is not None:
        path = frame.f_code.co_filename
        if path.endswith(_EVENT_LOOP):  # what stands below it is the same for everything
            break
        if path.startswith(_PACKAGE):
            module = path.removeprefix(_PACKAGE).removesuffix(".py").replace(os.sep, ".")
            found.insert(0, [thread, module, getattr(frame.f_code, "co_qualname", frame.f_code.co_name)])
        frame = frame.f_back
    task = None
    with contextlib.suppress(RuntimeError):  # no event loop on this thread
        task = asyncio.current_task()
    return [*_creators.get(task, []), *found] if task else found


def instrument() -> None:
    """Record the stops of this process; called by `sitecustomize` in both processes."""
    output = Path(os.environ[OUTPUT])

    def write(kind: str, stops: list[list[str]]) -> None:
        with output.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([kind, stops]) + "\n")

    create_task: Callable[..., Any] = asyncio.BaseEventLoop.create_task

    def creating(loop: asyncio.BaseEventLoop, work: Any, **named: Any) -> Any:
        stops = _stops()
        task = create_task(loop, work, **named)
        _creators[task] = stops
        return task

    asyncio.BaseEventLoop.create_task = creating  # type: ignore[method-assign, assignment]

    import aiohttp  # noqa: PLC0415 - only in the processes that are traced

    from nano_lsp.inference.worker import Worker  # noqa: PLC0415
    from nano_lsp.testing.scripted_backend import ScriptedBackend  # noqa: PLC0415

    post, submit, decode = aiohttp.ClientSession.post, Worker.submit, ScriptedBackend.decode

    def posting(self: Any, url: Any, **named: Any) -> Any:
        if str(url).endswith("/Complete"):
            write("client", _stops())
        return post(self, url, **named)

    def submitting(self: Worker, request: Any) -> Any:
        thread = f"{os.getpid()} {threading.current_thread().name}"
        write("engine", [*_stops(), [thread, "inference.worker", "Worker.submit"]])
        return submit(self, request)

    def decoding(self: ScriptedBackend, *arguments: Any, **named: Any) -> Any:
        write("worker", _stops())
        return decode(self, *arguments, **named)

    aiohttp.ClientSession.post = posting  # type: ignore[method-assign]
    Worker.submit = submitting  # type: ignore[method-assign]
    ScriptedBackend.decode = decoding  # type: ignore[method-assign]


def trace() -> list[list[str]]:
    """The stops of one inline completion, from the handler of the language server to the model."""
    from tests.processes import engines_of  # noqa: PLC0415 - the traced processes need none of this
    from tests.raw_client import URI, RawClient, inline  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text("from tests.bench.hops import instrument\ninstrument()\n", "utf-8")
        script = folder / "script.json"
        script.write_text(json.dumps({"x = ": "1 + 1\n"}), "utf-8")
        output = folder / "stops.jsonl"
        root = str(Path(__file__).parents[2])
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([name, root]),
            OUTPUT: str(output),
            "NANO_LSP_MODEL": f"scripted:{script}",
            "NANO_LSP_ENGINE": "shared",
        }
        client = RawClient(home=folder / "home", environment=environment)
        try:
            client.request(1, "initialize", {"processId": None, "rootUri": None, "capabilities": {}})
            client.send({"jsonrpc": "2.0", "method": "initialized", "params": {}})
            client.open("x = \n", URI)
            answer = client.request(2, "textDocument/inlineCompletion", inline(invoked=False))
            assert answer["result"]["items"], answer
        finally:
            client.process.kill()
            client.process.wait()
            for process in engines_of(folder / "home"):
                process.kill()
        lines = [json.loads(line) for line in output.read_text("utf-8").splitlines()]  # JSON lines of our own
    first: dict[str, list[list[str]]] = {}
    for kind, stops in lines:
        first.setdefault(kind, stops)  # what follows is work in advance
    way: list[list[str]] = []
    for kind in ("client", "engine", "worker"):
        way += [stop for stop in first[kind] if stop not in way]
    handler = next(i for i, (_, module, _name) in enumerate(way) if module == "lsp.handlers.suggestions")
    return way[handler:]


def main() -> None:
    """Print the way."""
    way = trace()
    for thread, module, function in way:
        print(f"{thread:32} {module:32} {function}")
    modules = list(dict.fromkeys(module for _, module, _ in way))
    print(f"{len(way)} functions, {len(modules)} modules, {len({thread for thread, *_ in way})} threads")


if __name__ == "__main__":
    main()

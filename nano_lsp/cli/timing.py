"""`nano-lsp doctor --timing`: where the time from the start of an editor's server to its first suggestion goes.

A server and an engine are really started, with a home folder of their own, so that those in use are not disturbed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

from nano_lsp.config import SCRIPTED, Folders, find_folders, portable_environment, with_absolute_paths
from nano_lsp.engine.endpoint import EngineEndpoint, find_endpoint
from nano_lsp.engine.launcher import ask_engine
from nano_lsp.errors import EngineError, NanoError, StoreWriteError
from nano_lsp.inference.page_residency import cached_share
from nano_lsp.lsp.server import STATUS
from nano_lsp.models.store import ModelStore
from nano_lsp.settings import SHARED, Settings
from nano_lsp.version import __version__

_LIMIT_S = 600.0  # a cold file on a slow disk
_END_S = 10.0
_URI = "file:///doctor.py"
_BEFORE = "\n    first_ms = "  # the suggestion is made after this text of the present module
_LOAD_STEPS = {
    "find": "find the model's file",
    "checks": "check memory and llama.cpp",
    "library": "load llama.cpp",
    "file": "open the model's file",
    "context": "create its context",
}


@dataclass(frozen=True)
class Timing:
    """Where the time until the first suggestion went.

    Attributes:
        cached_share: Share of the model's file that was in the page cache before, 0 to 1; None if that is not known.
        prompt_tokens: Number of tokens that the model had to read.
        suggestion: The suggestion; empty if the model was not sure enough of it.
        steps_ms: Milliseconds of each step, in their order.
    """

    cached_share: float | None
    prompt_tokens: int
    suggestion: str
    steps_ms: dict[str, float]

    @property
    def sum_ms(self) -> float:
        """Milliseconds from the start of the server to its answer."""
        return sum(self.steps_ms.values())


def measure(settings: Settings) -> Timing:
    """Start a server and an engine, ask for one suggestion, and end them.

    Args:
        settings: Settings with the model; the others are read by the server as always.

    Raises:
        StoreWriteError: There is no room for temporary files, or links cannot be made.
        EngineError: The server has ended, or does not answer.
        NanoError: The model cannot be loaded.
    """
    folders, settings = find_folders(), with_absolute_paths(settings)
    share = None
    if not settings.model.startswith(SCRIPTED):
        share = cached_share(ModelStore(folders).find(settings.model))
    with tempfile.TemporaryDirectory(prefix="nano-lsp-", ignore_cleanup_errors=True) as home:
        environment = {**portable_environment(), "NANO_LSP_HOME": home}
        try:
            _link(folders, find_folders(environment))
        except OSError as error:
            raise StoreWriteError(
                f"{home} cannot link to this user's folders: {error.strerror}.",
                "Allow this user to make symbolic links; on Windows, switch on its developer mode.",
            ) from error
        try:
            return asyncio.run(asyncio.wait_for(_measure(settings, environment, share), _LIMIT_S))
        except (TimeoutError, RuntimeError) as error:  # RuntimeError: pygls', of a server that ended
            raise EngineError(f"The server does not answer. {error}".strip(), "Run `nano-lsp doctor`.") from error


def _link(folders: Folders, own: Folders) -> None:
    """Make the user's models, adapters, configuration and outcome of the self-test those of another home folder."""
    for target, link in (
        (folders.models, own.models),
        (folders.adapters, own.adapters),
        (folders.config, own.config),
    ):
        if target.is_dir():
            link.symlink_to(target, target_is_directory=True)
    own.cache.mkdir()
    with suppress(FileNotFoundError):
        shutil.copy(folders.cache / "llama-selftest.json", own.cache)


async def _measure(settings: Settings, environment: dict[str, str], share: float | None) -> Timing:
    endpoint = find_endpoint(find_folders(environment))
    editor = LanguageClient("nano-lsp doctor", __version__)
    loaded: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    @editor.feature(STATUS)  # type: ignore[untyped-decorator]
    def on_status(status: Any) -> None:  # noqa: ANN401 - as pygls decodes it
        if status.state == "error" and not loaded.done():
            loaded.set_exception(NanoError(status.message, status.remedy))
        elif status.state == "ready" and not loaded.done():
            loaded.set_result(time.time())

    times = [time.time()]
    try:
        await editor.start_io(
            sys.executable, "-m", "nano_lsp", "server", env=environment, cwd=environment["NANO_LSP_HOME"]
        )
        with suppress(JsonRpcException):  # before `initialize` it answers with an error, as soon as it runs
            await editor.protocol.send_request_async("nano/stats", {})
        times.append(time.time())
        await editor.initialize_async(_initialization(settings))
        times.append(time.time())
        editor.initialized(types.InitializedParams())
        ready, answer = await asyncio.gather(loaded, _ask(editor))
        answered = time.time()
        stats = await editor.protocol.send_request_async("nano/stats", {})
        engine = await ask_engine(endpoint, "GET", "status")
        listening = (endpoint.identity() or (0, 0))[1] / 1e9
        await editor.shutdown_async(None)
    finally:
        editor.exit(None)
        await editor.stop()  # type: ignore[no-untyped-call]
        await asyncio.to_thread(_end, endpoint)
    load_ms = engine["models"][0]["load_ms"]
    first_ms = stats.ttft_ms_p50
    steps = {
        "start the server: Python and its modules": 1e3 * (times[1] - times[0]),
        "initialize": 1e3 * (times[2] - times[1]),
        "start the engine: Python and its modules": 1e3 * (listening - times[2]),
        **{title: load_ms[step] for step, title in _LOAD_STEPS.items() if step in load_ms},
        "connect, and other work of both": 1e3 * (ready - listening) - sum(load_ms.values()),
        f"read {stats.evaluated_tokens} tokens, up to the first token of the suggestion": first_ms,
        "the rest of the suggestion": 1e3 * (answered - ready) - first_ms,
    }
    text = str(answer.items[0].insert_text) if answer.items else ""
    return Timing(share, stats.evaluated_tokens, text, {step: max(0.0, ms) for step, ms in steps.items()})


def _initialization(settings: Settings) -> types.InitializeParams:
    options = {
        "model": settings.model,
        "engine": SHARED,
        "debounceMs": 0,
        "prefetch": False,
        "warmUp": "never",
        "statistics": False,
    }
    return types.InitializeParams(types.ClientCapabilities(), process_id=os.getpid(), initialization_options=options)


async def _ask(editor: LanguageClient) -> types.InlineCompletionList:
    """Open this module, and ask for a suggestion in it."""
    text = Path(__file__).read_text(encoding="utf-8")
    before, after = text.split(_BEFORE, 1)
    before, after = before + _BEFORE, after[after.index("\n") :]
    editor.text_document_did_open(
        types.DidOpenTextDocumentParams(types.TextDocumentItem(_URI, "python", 1, before + after))
    )
    position = types.Position(before.count("\n"), len(_BEFORE) - 1)
    context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
    found = await editor.text_document_inline_completion_async(
        types.InlineCompletionParams(context, types.TextDocumentIdentifier(_URI), position)
    )
    assert isinstance(found, types.InlineCompletionList)  # noqa: S101 - it is what the server answers
    return found


def _end(endpoint: EngineEndpoint) -> None:
    """End the engine, and remove its folder, which is not in its home where that has a long path."""
    process = endpoint.find_process()
    if process:
        process.kill()
        process.wait(_END_S)
    shutil.rmtree(endpoint.folder, ignore_errors=True)

"""Handlers from `initialize` to `shutdown`: settings, workspace folders, the model, statistics, the editor's exit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from nano_lsp.code.positions import Encoding
from nano_lsp.code.uris import file_path
from nano_lsp.lsp.server import NanoServer

STATS = "nano/stats"
_WATCHED = "**/{*.py,*.pyi,*.pyw,pyproject.toml,.gitignore}"
_PARENT_CHECK_S = 0.5
_EDITOR_TIMEOUT_S = 5.0
_SETTINGS_TIMEOUT_S = 2.0  # a model that was loaded with other settings is loaded again
logger = logging.getLogger(__name__)


def register(server: NanoServer) -> None:
    """Add these handlers to a server."""
    server.feature(types.INITIALIZE)(_on_initialize)
    server.feature(types.INITIALIZED)(_on_initialized)
    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(_on_did_change_configuration)
    server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(_on_did_change_workspace_folders)
    server.feature(types.SHUTDOWN)(_on_shutdown)
    server.feature(STATS)(lambda _params: _stats(server))
    server.command("nano.showStats")(lambda *_: _stats(server))  # some editors pass arguments always
    server.command("nano.pause")(lambda *_: _set_paused(server, paused=True))
    server.command("nano.resume")(lambda *_: _set_paused(server, paused=False))
    server.command("nano.reload")(_on_reload)
    server.command("nano.selectModel")(_on_select_model)


def _on_initialize(server: NanoServer, params: types.InitializeParams) -> None:
    server.documents.encoding = Encoding(server.workspace.position_encoding or "utf-16")
    opened = [folder.uri for folder in params.workspace_folders or ()]
    if not opened:
        opened = [params.root_uri or params.root_path or ""]
    server.session.roots = _folders(opened)
    server.session.initial = params.initialization_options
    apply_settings(server)
    server.session.announce_start()
    # A client that is late with its settings, or never sends `initialized`, is served with those that are known.
    asyncio.get_running_loop().call_later(_SETTINGS_TIMEOUT_S, server.session.start_announced)
    if params.process_id:
        _exit_with_editor(server, params.process_id)
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):
        with contextlib.suppress(
            NotImplementedError, AttributeError, RuntimeError, ValueError
        ):  # Windows; not the main thread
            number = getattr(signal, name)
            asyncio.get_running_loop().add_signal_handler(number, _end, server, 128 + number)


async def _on_initialized(server: NanoServer, _params: types.InitializedParams) -> None:
    if server.session.started:
        return
    await _fetch_settings(server)
    server.session.start_announced()
    await _watch_files(server)


def _on_did_change_workspace_folders(server: NanoServer, params: types.DidChangeWorkspaceFoldersParams) -> None:
    session, event = server.session, params.event
    removed = _folders(folder.uri for folder in event.removed)
    added = _folders(folder.uri for folder in event.added)
    session.roots = [*dict.fromkeys([*(root for root in session.roots if root not in removed), *added])]
    apply_settings(server)


def _folders(uris: Iterable[str]) -> list[Path]:
    """Folders by their URIs, or by paths, which older clients send; without those on other machines."""
    return [path for uri in uris if uri and (path := file_path(uri) or Path(uri)).is_absolute()]


async def _watch_files(server: NanoServer) -> None:
    """Ask the editor to send notifications of files that change outside it, if it supports that."""
    workspace = server.client_capabilities.workspace
    watched = workspace.did_change_watched_files if workspace else None
    if not watched or not watched.dynamic_registration:
        return
    options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(_WATCHED)])
    method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    params = types.RegistrationParams([types.Registration("nano-files", method, options)])
    # Without this, `didSave` still reports files saved in the editor.
    with contextlib.suppress(JsonRpcException, TimeoutError):
        async with asyncio.timeout(_EDITOR_TIMEOUT_S):
            await server.client_register_capability_async(params)


async def _on_did_change_configuration(server: NanoServer, params: types.DidChangeConfigurationParams) -> None:
    if not await _fetch_settings(server):
        server.session.given = params.settings
        apply_settings(server)


async def _on_shutdown(server: NanoServer, _params: None) -> None:
    server.keep()
    server.session.stop()
    await server.session.closed()


def _set_paused(server: NanoServer, *, paused: bool) -> None:
    server.session.paused = paused
    server.show_status(server.session.idle_status)
    server.refresh_quiet()


async def _on_reload(server: NanoServer, *_: object) -> None:
    server.forget_messages()
    apply_settings(server)  # settings files may have been corrected
    server.session.start()


async def _on_select_model(server: NanoServer, *arguments: Any) -> str:  # noqa: ANN401 - sent by a client
    """Load a model by name or path; without one, let the user choose among the installed models."""
    from nano_lsp.models.store import ModelStore  # noqa: PLC0415 - seldom needed

    model = arguments[0] if arguments else None
    if model is None:
        statuses = ModelStore(server.session.folders).statuses()
        actions = [types.MessageActionItem(status.entry.name) for status in statuses if status.present]
        question = types.ShowMessageRequestParams(types.MessageType.Info, "Which model?", actions)
        chosen = await server.window_show_message_request_async(question)
        model = chosen.title if chosen else None
    if isinstance(model, str) and model:
        server.session.select_model(model)
    return server.session.settings.model


async def _fetch_settings(server: NanoServer) -> bool:
    """Request the settings from the editor; False if it does not support that."""
    workspace = server.client_capabilities.workspace
    if workspace is None or not workspace.configuration:
        return False
    items = [types.ConfigurationItem(section="nano")]
    request = server.workspace_configuration_async(types.ConfigurationParams(items))
    fetching = asyncio.ensure_future(request)
    fetching.add_done_callback(lambda fetched: _use_fetched_settings(server, fetched))  # also if it comes too late
    await asyncio.wait([fetching], timeout=_SETTINGS_TIMEOUT_S)
    return True


def _use_fetched_settings(server: NanoServer, fetched: asyncio.Future[Any]) -> None:
    """Apply the settings that the editor has sent; if it has answered with an error, they stay as they are."""
    if fetched.cancelled() or fetched.exception() is not None or not fetched.result():
        return
    server.session.given = fetched.result()[0]  # null: no settings are set any more
    apply_settings(server)


def apply_settings(server: NanoServer) -> None:
    """Apply the editor's settings for each workspace folder: current ones override the initialization options."""
    session = server.session
    by_root = {root: session.read_settings(session.initial, session.given, project=root) for root in session.roots}
    settings, warnings = next(iter(by_root.values()), None) or session.read_settings(
        session.initial, session.given, project=None
    )
    for warning in (*warnings, *(warning for _, others in by_root.values() for warning in others)):
        server.show_message_once(warning)
    session.apply(settings, {root: root_settings for root, (root_settings, _) in by_root.items()})
    server.next_edits.settings_changed()
    server.refresh_quiet()


def _stats(server: NanoServer) -> dict[str, object]:
    ghost_text = server.session.ghost_text
    stats: dict[str, Any] = {
        "shown": server.session.acceptance.n_shown,
        "accepted": server.session.acceptance.n_accepted,
        "hidden": server.session.n_hidden,
        "state": server.status.state.value,
    }
    if ghost_text:
        totals = asdict(ghost_text.assistant.totals)
        stats |= {**asdict(ghost_text.stats), **{name: n for name, n in totals.items() if name.endswith("_tokens")}}
        stats["pending"] = server.session.pending
        stats["ttft_ms_p50"] = ghost_text.assistant.ttft_ms_p50
    return stats


def _exit_with_editor(server: NanoServer, process_id: int) -> None:
    """Exit when the editor's process has ended, also after a crash.

    The process of an editor in a container or a sandbox, or on another machine, is not visible here.
    """
    try:
        editor = psutil.Process(process_id)
    except (psutil.Error, ValueError, OverflowError):
        logger.warning(
            "The editor's process %d is not visible here; this server exits when its input closes.", process_id
        )
        return

    def watch() -> None:
        while editor.is_running() and not _is_zombie(editor):
            time.sleep(_PARENT_CHECK_S)
        _end(server, 1)

    threading.Thread(target=watch, name="nano-lsp-parent", daemon=True).start()


def _end(server: NanoServer, code: int) -> None:
    """End the process at once, but for what is kept for the next session."""
    try:
        server.keep()
    finally:
        os._exit(code)


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False  # not accessible, or ended: `is_running` says which

"""From `initialize` to `exit`: settings, the model, statistics, and the editor's end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
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
_EDITOR_ANSWERS_S = 5.0
logger = logging.getLogger(__name__)


def register(server: NanoServer) -> None:
    """Add these handlers to a server."""
    server.feature(types.INITIALIZE)(_on_initialize)
    server.feature(types.INITIALIZED)(_on_initialized)
    server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(_on_did_change_configuration)
    server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(_on_did_change_workspace_folders)
    server.feature(types.SHUTDOWN)(_on_shutdown)
    server.feature(STATS)(_on_stats)
    server.command("nano.showStats")(_on_show_stats)
    server.command("nano.pause")(_on_pause)
    server.command("nano.resume")(_on_resume)
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
    if params.process_id:
        _leave_with(server, params.process_id)


async def _on_initialized(server: NanoServer, _params: types.InitializedParams) -> None:
    if server.session.started:
        return
    await _fetch_settings(server)
    server.session.start()
    await _watch_files(server)


def _on_did_change_workspace_folders(server: NanoServer, params: types.DidChangeWorkspaceFoldersParams) -> None:
    session, event = server.session, params.event
    removed = _folders(folder.uri for folder in event.removed)
    added = _folders(folder.uri for folder in event.added)
    session.roots = [*dict.fromkeys([*(root for root in session.roots if root not in removed), *added])]
    apply_settings(server)


def _folders(found: Iterable[str]) -> list[Path]:
    """Folders by their URIs, or their paths as older clients send them; those on other machines left out."""
    return [path for uri in found if uri and (path := file_path(uri) or Path(uri)).is_absolute()]


async def _watch_files(server: NanoServer) -> None:
    """Have the editor say which files change that are not open, where it can."""
    workspace = server.client_capabilities.workspace
    watched = workspace.did_change_watched_files if workspace else None
    if not watched or not watched.dynamic_registration:
        return
    options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(_WATCHED)])
    method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    params = types.RegistrationParams([types.Registration("nano-files", method, options)])
    # An editor that refuses still tells what it saves.
    with contextlib.suppress(JsonRpcException, asyncio.TimeoutError):
        await asyncio.wait_for(server.client_register_capability_async(params), _EDITOR_ANSWERS_S)


async def _on_did_change_configuration(server: NanoServer, params: types.DidChangeConfigurationParams) -> None:
    if not await _fetch_settings(server):
        server.session.given = params.settings
        apply_settings(server)


async def _on_shutdown(server: NanoServer, _params: None) -> None:
    server.session.acceptance.flush()
    server.session.stop()
    await server.session.closed()


def _on_stats(server: NanoServer, _params: Any) -> dict[str, object]:  # noqa: ANN401 - of a method pygls does not know
    return _stats(server)


def _on_show_stats(server: NanoServer) -> dict[str, object]:
    return _stats(server)


def _on_pause(server: NanoServer) -> None:
    _set_paused(server, paused=True)


def _on_resume(server: NanoServer) -> None:
    _set_paused(server, paused=False)


def _set_paused(server: NanoServer, *, paused: bool) -> None:
    server.session.paused = paused
    server.show_status(server.session.idle_status)
    server.refresh_quiet()


async def _on_reload(server: NanoServer) -> None:
    server.forget_warnings()
    apply_settings(server)  # files of settings may have been corrected
    server.session.start()


async def _on_select_model(server: NanoServer, *arguments: Any) -> str:  # noqa: ANN401 - sent by a client
    """Load the model of a name or path; without one, let the user choose among those that are here."""
    from nano_lsp.models.store import ModelStore  # noqa: PLC0415 - seldom needed

    model = arguments[0] if arguments else None
    if model is None:
        statuses = ModelStore.open(server.session.folders).statuses()
        here = [status.entry.name for status in statuses if status.present]
        actions = [types.MessageActionItem(name) for name in here]
        asked = types.ShowMessageRequestParams(types.MessageType.Info, "Which model?", actions)
        chosen = await server.window_show_message_request_async(asked)
        model = chosen.title if chosen else None
    if isinstance(model, str) and model:
        server.session.select_model(model)
    return server.session.settings.model


async def _fetch_settings(server: NanoServer) -> bool:
    """Ask the editor for its settings; False where it cannot be asked."""
    workspace = server.client_capabilities.workspace
    if workspace is None or not workspace.configuration:
        return False
    items = [types.ConfigurationItem(section="nano")]
    # An editor that refuses, or does not answer, keeps the settings there are.
    with contextlib.suppress(JsonRpcException, asyncio.TimeoutError):
        asked = server.workspace_configuration_async(types.ConfigurationParams(items))
        found = await asyncio.wait_for(asked, _EDITOR_ANSWERS_S)
        if found:  # null: nothing is set any more
            server.session.given = found[0]
            apply_settings(server)
    return True


def apply_settings(server: NanoServer) -> None:
    """Take over what the editor has set since it started the server, over what it said then, for each folder."""
    session = server.session
    found = {root: session.read_settings(session.initial, session.given, project=root) for root in session.roots}
    settings, warnings = next(iter(found.values()), None) or session.read_settings(
        session.initial, session.given, project=None
    )
    for warning in (*warnings, *(warning for _, others in found.values() for warning in others)):
        server.warn(warning)
    session.apply(settings, {root: of_folder for root, (of_folder, _) in found.items()})
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


def _leave_with(server: NanoServer, process_id: int) -> None:
    """End this process when the editor's is gone, however it went.

    An editor in a container or a sandbox, or on another machine, has processes that are not seen from here.
    """
    try:
        editor = psutil.Process(process_id)
    except (psutil.Error, ValueError, OverflowError):
        logger.warning("The editor's process %d is not seen from here; this one ends with its input.", process_id)
        return

    def watch() -> None:
        gone = threading.Event()
        while editor.is_running() and not _is_zombie(editor):
            gone.wait(_PARENT_CHECK_S)
        try:
            server.session.acceptance.flush()
        finally:
            os._exit(1)

    threading.Thread(target=watch, name="nano-lsp-parent", daemon=True).start()


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False  # not to be looked into, or gone: `is_running` knows

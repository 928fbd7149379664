"""A session lets go of every assistant that it has opened, and never keeps the event loop waiting for that."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from nano_lsp.config import find_folders
from nano_lsp.editor.session import Session
from nano_lsp.engine import connect
from nano_lsp.schema import Counters, Notice
from nano_lsp.settings import EditorSettings

LIMIT_S = 60


class SlowAssistant:
    """Takes as long to close as the test lets it."""

    notice = Notice()
    totals = Counters()
    decode_tokens_per_s = 0.0

    def __init__(self) -> None:
        self.closing, self.may_close, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.indexing = threading.Event()
        self.folders: list[tuple[Path, int]] = []
        self.changed: set[Path] = set()

    def use_workspace(self, root: Path, settings: Any, **_: Any) -> None:  # noqa: ANN401
        self.folders.append((root, settings.max_tokens))

    def index_workspaces(self, stopped: Any) -> None:  # noqa: ANN401
        self.indexing.set()

    def leave_workspace(self, root: Path) -> None:
        self.folders = [found for found in self.folders if found[0] != root]

    def files_changed(self, paths: Iterable[Path]) -> None:
        self.changed.update(paths)

    def close(self) -> None:
        self.closing.set()
        self.may_close.wait(LIMIT_S)
        self.closed.set()


def open_session(monkeypatch: pytest.MonkeyPatch, assistant: SlowAssistant, may_open: threading.Event) -> Session:
    def open_assistant(*_: object, **__: object) -> SlowAssistant:
        may_open.wait(LIMIT_S)
        return assistant

    monkeypatch.setattr(connect, "open_assistant", open_assistant)
    return Session(find_folders(), lambda _status: None)


def loading_thread() -> threading.Thread:
    return next(thread for thread in threading.enumerate() if thread.name == "nano-lsp-load")


def test_stopping_does_not_keep_the_event_loop_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    assistant, may_open = SlowAssistant(), threading.Event()
    may_open.set()

    async def run() -> None:
        session = open_session(monkeypatch, assistant, may_open)
        session.start()
        await session.wait()
        session.stop()
        assert not assistant.closed.is_set()
        assert await asyncio.to_thread(assistant.closing.wait, LIMIT_S)
        assert session.ghost_text is None
        assistant.may_close.set()
        await session.closed()
        assert assistant.closed.is_set()

    asyncio.run(run())


def test_what_is_loaded_after_a_stop_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    assistant, may_open = SlowAssistant(), threading.Event()
    assistant.may_close.set()

    async def run() -> None:
        session = open_session(monkeypatch, assistant, may_open)
        session.start()
        session.stop()
        may_open.set()
        assert await asyncio.to_thread(assistant.closed.wait, LIMIT_S)

    asyncio.run(run())


def test_what_is_loaded_when_a_stop_comes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    assistant, may_open = SlowAssistant(), threading.Event()
    assistant.may_close.set()

    async def run() -> None:
        session = open_session(monkeypatch, assistant, may_open)
        session.start()
        may_open.set()
        loading_thread().join(LIMIT_S)  # it is there, and the event loop has not heard of it
        session.stop()
        assert await asyncio.to_thread(assistant.closed.wait, LIMIT_S)
        assert session.ghost_text is None

    asyncio.run(run())


def test_the_folders_are_known_before_the_first_request_and_read_in_the_background(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assistant, may_open = SlowAssistant(), threading.Event()
    assistant.may_close.set()
    may_open.set()
    one, two = tmp_path / "one", tmp_path / "two"
    start, late = threading.Thread.start, list[threading.Thread]()

    def start_later(thread: threading.Thread) -> None:
        if thread.name == "nano-lsp-index":
            late.append(thread)
        else:
            start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_later)

    async def run() -> None:
        session = open_session(monkeypatch, assistant, may_open)
        session.roots = [one]
        session.start()
        await session.wait()
        assert [root for root, _ in assistant.folders] == [one]
        session.roots = [two, one]
        session.apply(EditorSettings(), {})
        assert [root for root, _ in assistant.folders] == [two, one]
        assert not assistant.indexing.is_set()
        for thread in late:
            start(thread)
        assert await asyncio.to_thread(assistant.indexing.wait, LIMIT_S)
        session.stop()
        await session.closed()

    asyncio.run(run())


def test_each_folder_has_its_settings_when_they_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assistant, may_open = SlowAssistant(), threading.Event()
    assistant.may_close.set()
    may_open.set()
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    short = EditorSettings(max_tokens=7, max_lines=1, exclude=["gen/*"])

    async def run() -> None:
        session = open_session(monkeypatch, assistant, may_open)
        session.roots = [outer, inner]
        session.start()
        await session.wait()
        session.apply(EditorSettings(), {outer: EditorSettings(), inner: short})
        uri = (inner / "a.py").as_uri()
        assert session.settings_of(uri) == short
        assert (await session.wait(uri)).postprocess.max_lines == 1
        assert (await session.wait((outer / "a.py").as_uri())).postprocess.max_lines == 0
        quiet = session.quiet_reason(f"git:{inner.as_posix()}/gen/a.py?%7B%7D", "python", 9)
        assert quiet is not None
        assert quiet.reason == "excluded"
        session.files_changed([inner / f"{i}.py" for i in range(1000)])
        assert assistant.changed == {outer, inner}
        session.stop()
        await session.closed()

    asyncio.run(run())

"""Debounce, stale requests and type-through, which are the server's for every editor; on the scripted model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.config import find_folders
from nano_lsp.editor import suggester
from nano_lsp.editor.ghost_text import Suggestion
from nano_lsp.editor.session import Session
from nano_lsp.editor.suggester import Suggester
from nano_lsp.schema import Counters
from nano_lsp.settings import EditorSettings

REPLIES = {"x = ": "len([1, 2])\n", "y = ": "22\n"}
ENDLESS_MS = 1_000_000  # a debounce that no test waits for


class Editor:
    """An editor of one document, which asks at each key and cancels nothing."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.now_s = 100.0
        self.suggester = Suggester(session, lambda: self.now_s)
        self.cursor = CompletionInput("a.py", "", 0)

    def type(self, text: str) -> None:
        self.cursor = self.cursor.after(text)
        self.suggester.changed(self.cursor)

    def move(self, code: str) -> None:
        before, after = code.split("|")
        self.cursor = CompletionInput("a.py", before + after, len(before))

    def ask(self, *, invoked: bool = False) -> asyncio.Task[Sequence[Suggestion] | None]:
        """Send a request; the task has reached the server once this editor waits for something."""
        return asyncio.ensure_future(self.suggester.suggest(self.cursor, invoked=invoked))

    async def shown(self, *, invoked: bool = False) -> list[str]:
        return [found.text for found in await self.ask(invoked=invoked) or ()]

    @property
    def n_model(self) -> int:
        assert self.session.ghost_text is not None
        return self.session.ghost_text.stats.model

    @property
    def n_stale(self) -> int:
        assert self.session.ghost_text is not None
        return self.session.ghost_text.stats.stale


def run(
    folder: Path,
    work: Callable[[Editor], Coroutine[Any, Any, None]],
    debounce_ms: int = 0,
    replies: dict[str, str] = REPLIES,
) -> None:
    """Run an editor's work once the model is loaded."""
    script = folder / "script.json"
    script.write_text(json.dumps(replies))

    async def start() -> None:
        session = Session(find_folders(), lambda _status: None)
        settings = EditorSettings(model=f"scripted:{script}", engine="in-process", prefetch=False)
        session.apply(settings)
        session.start()
        await session.wait()
        waiting = replace(settings)
        object.__setattr__(waiting, "debounce_ms", debounce_ms)  # longer than users may set it
        session.apply(waiting)
        try:
            await work(Editor(session))
        finally:
            session.stop()
            await session.closed()

    asyncio.run(asyncio.wait_for(start(), 20))


def test_a_burst_of_keys_is_one_request_to_the_model(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        requests = []
        for key in "x = ":
            editor.type(key)
            requests.append(editor.ask())
            await asyncio.sleep(0)
        *older, newest = await asyncio.gather(*requests)
        assert older == [None, None, None]
        assert [found.text for found in newest or ()] == ["len([1, 2])"]
        assert (editor.n_model, editor.n_stale) == (1, 3)

    run(tmp_path, work, debounce_ms=20)


def test_a_stale_request_is_answered_at_once(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.type("x = ")
        request = editor.ask()
        await asyncio.sleep(0)
        editor.type("!")  # no request follows
        assert await request is None
        assert editor.n_model == 0

    run(tmp_path, work, debounce_ms=ENDLESS_MS)


def test_requests_for_another_document_or_the_same_cursor_make_none_stale(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.type("x = ")
        first, again = editor.ask(), editor.ask()  # the completion menu and ghost text
        await asyncio.sleep(0)
        editor.suggester.changed(CompletionInput("b.py", "y", 1))
        assert [found.text for found in await first or ()] == ["len([1, 2])"]
        assert await again == await first
        assert (editor.n_model, editor.n_stale) == (1, 0)

    run(tmp_path, work, debounce_ms=20)


def test_a_request_at_another_cursor_makes_an_older_one_stale(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.move("x = |\ny = \n")
        first = editor.ask()
        await asyncio.sleep(0)
        editor.move("x = \ny = |\n")
        assert await editor.shown() == ["22"]
        assert await first is None
        assert editor.n_model == 1

    run(tmp_path, work, debounce_ms=20)


def test_an_explicit_request_does_not_wait_and_replaces_an_automatic_one(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.type("x = ")
        automatic = editor.ask()
        await asyncio.sleep(0)
        assert "len([1, 2])" in await editor.shown(invoked=True)
        assert await automatic is None

    run(tmp_path, work, debounce_ms=ENDLESS_MS)


def test_of_an_explicit_and_an_automatic_request_the_model_may_give_up_one_without_an_error(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.move("x = |")
        requests = [editor.ask(invoked=True), editor.ask()]
        answers = [await request or () for request in requests]
        assert "len([1, 2])" in [suggestion.text for answer in answers for suggestion in answer]

    run(tmp_path, work)


def test_typing_a_suggestion_needs_neither_the_model_nor_a_wait(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.type("x = ")
        editor.now_s += ENDLESS_MS
        assert await editor.shown() == ["len([1, 2])"]
        for i, key in enumerate("len([1, 2]", start=1):
            editor.type(key)
            assert await editor.shown() == ["len([1, 2])"[i:]]
        assert editor.n_model == 1

    run(tmp_path, work, debounce_ms=ENDLESS_MS)


def test_the_alternatives_requested_explicitly_stay_while_they_are_typed(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.type("x = ")
        best, second, *_ = await editor.shown(invoked=True)
        assert (best, second) == ("len([1, 2])", "len")
        assert editor.session.ghost_text is not None
        editor.session.ghost_text.min_mean_probability = 1.1  # hides all automatic suggestions
        editor.type("l")
        assert await editor.shown() == ["en([1, 2])", "en"]
        editor.type("en")
        assert await editor.shown() == ["([1, 2])"]
        assert editor.n_model == 1

    run(tmp_path, work, debounce_ms=ENDLESS_MS)


def test_the_debounce_begins_with_the_key(tmp_path: Path) -> None:
    """An editor that waits itself, as Neovim 0.12 does, does not wait twice."""

    async def work(editor: Editor) -> None:
        editor.type("x = ")
        editor.now_s += ENDLESS_MS
        assert await editor.shown() == ["len([1, 2])"]
        for entry in ("", "so", "sorted"):  # no key: it begins when the cursor or the menu's selection moves
            editor.move("x| = ")
            editor.now_s += ENDLESS_MS
            request = editor.suggester.suggest(editor.cursor, editor.cursor.after(entry), invoked=False)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(request, 0.01)
        assert editor.n_model == 1

    run(tmp_path, work, debounce_ms=ENDLESS_MS)


def test_the_debounce_is_that_of_the_documents_folder(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        session = editor.session
        session.roots = [tmp_path]
        session.apply(session.settings, {tmp_path: replace(session.settings, debounce_ms=0)})
        editor.cursor = CompletionInput(str(tmp_path / "a.py"), "", 0)
        editor.type("x = ")
        assert await editor.shown() == ["len([1, 2])"]

    run(tmp_path, work, debounce_ms=ENDLESS_MS)


def test_the_requests_of_a_closed_document_are_stale(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.type("x = ")
        request = editor.ask()
        await asyncio.sleep(0)
        editor.suggester.close("a.py")
        assert await request is None

    run(tmp_path, work, debounce_ms=ENDLESS_MS)


def test_a_request_cancelled_by_the_editor_ends(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.type("x = ")
        request = editor.ask()
        await asyncio.sleep(0)
        request.cancel()
        await asyncio.wait({request})
        assert request.cancelled()
        assert editor.n_stale == 0
        assert await editor.shown(invoked=True)

    run(tmp_path, work, debounce_ms=ENDLESS_MS)


def test_the_models_work_for_a_stale_request_goes_on_if_its_answer_is_being_typed(tmp_path: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.type("x = ")
        first = editor.ask()
        while editor.n_model == 0:
            await asyncio.sleep(0)
        editor.type("le")
        assert await editor.shown() == ["n([1, 2])"]
        assert await first is None
        assert editor.n_model == 1

    run(tmp_path, work)


CODE = "".join(f"def f{i}(a):\n    return a + {i}\n\n\n" for i in range(30))


def totals(editor: Editor) -> Counters:
    assert editor.session.ghost_text is not None
    return editor.session.ghost_text.assistant.totals


@pytest.mark.parametrize("warm_up", ["always", "never"])
def test_the_code_around_a_resting_cursor_is_read_before_the_first_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_up: str
) -> None:
    monkeypatch.setattr(suggester, "_REST_S", 0)

    async def work(editor: Editor) -> None:
        editor.session.apply(replace(editor.session.settings, warm_up=warm_up))
        editor.move(CODE + "x =| \n" + CODE)
        editor.suggester.moved(editor.cursor)
        while warm_up == "always" and totals(editor).evaluated_tokens < 400:  # the whole window
            await asyncio.sleep(0)
        before = totals(editor).evaluated_tokens
        editor.type(" ")
        assert await editor.shown() == ["len([1, 2])"]
        assert (totals(editor).evaluated_tokens - before < 10) == (warm_up == "always")

    run(tmp_path, work)


def test_a_cursor_that_moves_on_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggester, "_REST_S", 0)

    async def work(editor: Editor) -> None:
        editor.move(CODE + "x =| \n")
        editor.suggester.moved(editor.cursor)
        editor.suggester.close("a.py")
        editor.suggester.moved(editor.cursor)
        editor.suggester.changed(editor.cursor)
        for _ in range(20):
            await asyncio.sleep(0)
        assert totals(editor).evaluated_tokens == 0

    run(tmp_path, work)


def test_on_battery_or_beside_other_programs_nothing_is_read_in_advance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggester, "_REST_S", 0)

    async def work(editor: Editor) -> None:
        editor.move(CODE + "x =| \n")
        for name in ("on_battery", "is_overloaded"):
            with monkeypatch.context() as changed:
                changed.setattr(suggester, name, lambda: True)
                editor.suggester.moved(editor.cursor)
                for _ in range(20):
                    await asyncio.sleep(0)
        assert totals(editor).evaluated_tokens == 0

    run(tmp_path, work)


def test_events_of_another_document_do_not_end_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggester, "_REST_S", 0)

    async def work(editor: Editor) -> None:
        editor.session.apply(replace(editor.session.settings, warm_up="always"))
        editor.move(CODE + "x =| \n")
        editor.suggester.moved(editor.cursor)
        editor.suggester.close("other.py")
        editor.suggester.changed(CompletionInput("third.py", "y", 1))
        while totals(editor).evaluated_tokens < 300:
            await asyncio.sleep(0)

    run(tmp_path, work)

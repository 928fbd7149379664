"""Ghost text on the scripted backend: which suggestions need the model and which do not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.assistant.context import ProgressListener
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.config import find_folders
from nano_lsp.editor.ghost_text import GhostText, typed_since
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.settings import Settings
from nano_lsp.testing.scripted_backend import ScriptedBackend, reply_script


def completion_input(code: str, name: str = "a.py") -> CompletionInput:
    before, after = code.split("|")
    return CompletionInput(name, before + after, len(before))


def ghost_text(replies: dict[str, str], **values: Any) -> GhostText:  # noqa: ANN401 - fields of any type
    return ghost_text_with(ScriptedBackend(script=reply_script(replies)), **values)


def ghost_text_with(backend: ScriptedBackend, **values: Any) -> GhostText:  # noqa: ANN401 - fields of any type
    return GhostText(LocalAssistant(LoadedModel(backend), Settings(), find_folders()), **values)


def held_back(
    replies: dict[str, str],
    **values: Any,  # noqa: ANN401 - fields of any type
) -> tuple[GhostText, threading.Event, threading.Event]:
    """Suggestions of a model that blocks in each batch; the events: it has started, it may continue."""
    backend = ScriptedBackend(script=reply_script(replies))
    started, go_on = threading.Event(), threading.Event()

    def on_decode() -> None:
        started.set()
        go_on.wait(20)

    backend.on_decode = on_decode
    return ghost_text_with(backend, prefetch=False, **values), started, go_on


def run(ghost: GhostText, work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(asyncio.wait_for(work, 20))
    finally:
        ghost.assistant.close()


def test_typing_a_suggestion_going_back_and_accepting_part_of_it_are_answered_from_the_cache() -> None:
    ghost = ghost_text({"x = ": "len([1, 2])\n"}, prefetch=False)

    async def work() -> None:
        assert (await ghost.suggest(completion_input("x = |\ny = 1\n")))[0].text == "len([1, 2])"
        assert (await ghost.suggest(completion_input("x = len|\ny = 1\n")))[0].text == "([1, 2])"
        assert (await ghost.suggest(completion_input("x = le|\ny = 1\n")))[0].text == "n([1, 2])"
        assert (await ghost.suggest(completion_input("x = |\ny = 1\n")))[0].text == "len([1, 2])"
        assert (ghost.stats.model, ghost.stats.cached) == (1, 3)
        await ghost.suggest(completion_input("x = |\ny = 2\n"))  # another suffix needs another request
        assert ghost.stats.model == 2

    run(ghost, work())


def test_the_suggestion_after_an_accepted_one_is_prefetched() -> None:
    ghost = ghost_text({"x = 1\n": "z = 3\n", "x = ": "1\n"})

    async def work() -> None:
        assert (await ghost.suggest(completion_input("x = |\n")))[0].text == "1"
        await ghost.idle()
        assert ghost.stats.prefetched == 2
        assert (await ghost.suggest(completion_input("x = 1|\n")))[0].text == ""
        assert (await ghost.suggest(completion_input("x = 1\n|\n")))[0].text == "z = 3"
        assert ghost.stats.cached == 2
        assert ghost.stats.model == 1

    run(ghost, work())


def test_the_line_after_a_return_is_prefetched_with_less_indentation() -> None:
    ghost = ghost_text({"    return 1\n": "y = 2\n", "    return ": "1\n"})

    async def work() -> None:
        assert (await ghost.suggest(completion_input("def f():\n    return |\n")))[0].text == "1"
        await ghost.idle()
        assert (await ghost.suggest(completion_input("def f():\n    return 1\n|\n")))[0].text == "y = 2"
        assert ghost.stats.model == 1

    run(ghost, work())


def test_a_request_joins_one_in_flight() -> None:
    ghost, started, go_on = held_back({"x = ": "len([1, 2])\n"})

    async def work() -> None:
        first = asyncio.ensure_future(ghost.suggest(completion_input("x = |\n")))
        await asyncio.to_thread(started.wait, 20)
        ghost.changed(completion_input("x = le|\n"))
        first.cancel()
        second = asyncio.ensure_future(ghost.suggest(completion_input("x = le|\n")))
        await asyncio.sleep(0)
        go_on.set()
        assert (await second)[0].text == "n([1, 2])"
        assert (ghost.stats.model, ghost.stats.joined) == (1, 1)

    run(ghost, work())


class RecordingListener(ProgressListener):
    """Records the texts that it receives."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def on_text(self, text: str) -> None:
        self.texts.append(text)


def test_complete_lines_are_streamed_also_to_a_request_that_joins() -> None:
    body = "\n    a = 1\n    b = 2\n    return b"
    ghost, started, go_on = held_back({"def f():": f"{body}\n\n\n"})
    first, second = RecordingListener(), RecordingListener()

    async def work() -> None:
        one = asyncio.ensure_future(ghost.suggest(completion_input("def f():|\n"), first))
        await asyncio.to_thread(started.wait, 20)
        ghost.changed(completion_input("def f():\n    a|\n"))
        two = asyncio.ensure_future(ghost.suggest(completion_input("def f():\n    a|\n"), second))
        await asyncio.sleep(0)
        go_on.set()
        assert (await one)[0].text == body
        assert (await two)[0].text == body.removeprefix("\n    a")

    run(ghost, work())
    assert {text for text in first.texts if "\n" in text} == {"\n    a = 1", "\n    a = 1\n    b = 2", body}
    assert " = 1\n    b = 2" in second.texts


def test_a_request_without_callers_is_cancelled() -> None:
    ghost, started, go_on = held_back({"x = ": "1\n"})

    async def work() -> None:
        first = asyncio.ensure_future(ghost.suggest(completion_input("x = |\n")))
        await asyncio.to_thread(started.wait, 20)
        first.cancel()
        await asyncio.wait({first})
        go_on.set()
        await ghost.idle()
        assert not ghost.find(completion_input("x = |\n"))

    run(ghost, work())


def test_typing_another_text_cancels_the_request_and_makes_a_new_one() -> None:
    ghost = ghost_text({"x = ": "1\n", "y = ": "22\n"}, prefetch=False)

    async def work() -> None:
        first = asyncio.ensure_future(ghost.suggest(completion_input("x = |\n")))
        await asyncio.sleep(0)
        ghost.changed(completion_input("y = |\n"))
        assert (await ghost.suggest(completion_input("y = |\n")))[0].text == "22"
        assert (await first)[0].text == ""

    run(ghost, work())


def test_a_stale_request_is_replaced_by_one_with_the_newest_text() -> None:
    ghost, started, go_on = held_back({"x = le": "n([1, 2])\n", "x = ": "7\n"}, stale_after_s=0)

    async def work() -> None:
        other = asyncio.ensure_future(ghost.suggest(completion_input("x = |\n", "other.py")))
        await asyncio.to_thread(started.wait, 20)
        first = asyncio.ensure_future(ghost.suggest(completion_input("x = |\n")))
        await asyncio.sleep(0)
        ghost.changed(completion_input("x = le|\n"))
        second = asyncio.ensure_future(ghost.suggest(completion_input("x = le|\n")))
        await asyncio.sleep(0)
        go_on.set()
        assert [(await each)[0].text for each in (other, first, second)] == ["7", "", "n([1, 2])"]

    run(ghost, work())


def test_of_several_waiting_requests_only_the_newest_is_sent() -> None:
    ghost, started, go_on = held_back({"x = ": "7\n", "x = len": "([1, 2])\n"})

    async def work() -> None:
        typed = ["x = |\n", "x = l|\n", "x = le|\n", "x = len|\n"]
        requests = []
        for code in typed:  # none is cancelled, as some editors never cancel
            ghost.changed(completion_input(code))
            requests.append(asyncio.ensure_future(ghost.suggest(completion_input(code))))
            await asyncio.to_thread(started.wait, 20)
        go_on.set()
        assert [(await each)[0].text for each in requests] == ["7", "", "", "([1, 2])"]
        assert ghost.stats.model == 2

    run(ghost, work())


def test_a_request_with_a_selected_entry_continues_while_the_entry_is_typed() -> None:
    ghost, started, go_on = held_back({"x = sorted": "([1])\n"})
    chosen = completion_input("x = sorted|\n")

    async def work() -> None:
        ghost.changed(completion_input("x = so|\n"))
        first = asyncio.ensure_future(ghost.suggest(chosen, typed=completion_input("x = so|\n")))
        await asyncio.to_thread(started.wait, 20)
        ghost.changed(completion_input("x = sor|\n"))
        first.cancel()  # as editors do at each key
        await asyncio.wait({first})
        second = asyncio.ensure_future(ghost.suggest(chosen, typed=completion_input("x = sor|\n")))
        await asyncio.sleep(0)
        go_on.set()
        assert (await second)[0].text == "([1])"
        assert (ghost.stats.model, ghost.stats.joined) == (1, 1)

    run(ghost, work())


@pytest.mark.parametrize("now", ["x = so |\n", "x = so|\ny\n", "x = s|\n"])
def test_a_request_with_a_selected_entry_is_cancelled_when_something_else_is_typed(now: str) -> None:
    ghost, started, go_on = held_back({"x = sorted": "([1])\n"})

    async def work() -> None:
        first = asyncio.ensure_future(
            ghost.suggest(completion_input("x = sorted|\n"), typed=completion_input("x = so|\n"))
        )
        await asyncio.to_thread(started.wait, 20)
        ghost.changed(completion_input(now))
        assert ghost.pending == 0
        go_on.set()
        assert (await first)[0].text == ""

    run(ghost, work())


def test_a_request_with_a_selected_entry_is_cancelled_with_its_caller_where_nothing_was_typed() -> None:
    ghost, started, go_on = held_back({"x = sorted": "([1])\n"})

    async def work() -> None:
        ghost.changed(completion_input("x = so|\n"))
        first = asyncio.ensure_future(
            ghost.suggest(completion_input("x = sorted|\n"), typed=completion_input("x = so|\n"))
        )
        await asyncio.to_thread(started.wait, 20)
        first.cancel()
        await asyncio.wait({first})
        assert ghost.pending == 0
        go_on.set()

    run(ghost, work())


def test_a_closed_document_is_forgotten() -> None:
    ghost = ghost_text({"x = ": "1\n"}, prefetch=False)

    async def work() -> None:
        await ghost.suggest(completion_input("x = |\n"))
        ghost.close("a.py")
        assert not ghost.find(completion_input("x = |\n"))

    run(ghost, work())


def test_an_explicit_request_gets_alternatives() -> None:
    ghost = ghost_text({"x = ": "1\n"}, n_alternatives=2)

    async def work() -> None:
        suggestions = await ghost.alternatives(completion_input("x = |\n"))
        assert suggestions[0].text == "1"
        assert len({found.text for found in suggestions}) == len(suggestions)
        assert ghost.find(completion_input("x = |\n")) == suggestions

    run(ghost, work())


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_typed_since_finds_the_typed_text(prefix: str, typed: str, suffix: str) -> None:
    before = CompletionInput("a.py", prefix + suffix, len(prefix))
    now = CompletionInput("a.py", prefix + typed + suffix, len(prefix + typed))
    assert typed_since(before, now) == typed
    assert typed_since(now, before) == ("" if not typed else None)
    if prefix:
        assert typed_since(before, CompletionInput("a.py", "!" + now.text[1:], now.offset)) in (None, typed)

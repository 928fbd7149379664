"""When a request for suggestions is answered, and whether the model is asked: the same for all editors and notebooks.

A client sends a request after each key and shows what comes. Here a request waits for the next key, and ends when the
document has moved on; `GhostText` answers it without the model while a suggestion is typed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nano_lsp.assistant.context import NULL_LISTENER, ProgressListener
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.editor.session import Session
from nano_lsp.editor.typing_pace import TypingPace
from nano_lsp.errors import CancelledError, NanoError
from nano_lsp.inference.hardware import is_overloaded, on_battery

if TYPE_CHECKING:  # not imported at run time: servers respond before the assistant is imported
    from nano_lsp.editor.ghost_text import Suggestion

_REST_S = 0.3  # without another move or key: a cursor that moves on is not followed


class Suggester:
    """Answers the requests for suggestions of one server. Use it on one event loop.

    Args:
        session: The session with the model and the settings.
        clock: Returns the time in seconds, by a monotonic clock.
    """

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._pace = TypingPace()
        self._waiting: set[_Request] = set()
        self._requested: CompletionInput | None = None  # by the newest request
        self._has_changed = False  # a document, since that request
        self._since_s = 0.0  # time of the newest change, or of a request for another cursor or entry
        self._followed: CompletionInput | None = None  # the cursor that rests, or did
        self._reading_ahead: asyncio.Task[None] | None = None

    def changed(self, now: CompletionInput) -> None:
        """The user has changed a document: older requests for it are stale.

        Args:
            now: The current document, and the offset where the change ended.
        """
        self._since_s = self._clock()
        self._has_changed = True
        self._pace.observe(self._since_s)
        self._end_stale(now)
        self._stop_following(now.name)

    def moved(self, now: CompletionInput) -> None:
        """The cursor is at another place: if it rests there, the model reads the code around it.

        Args:
            now: The document, which may be read into prompts, and the cursor.
        """
        if now not in {self._requested, self._followed}:
            if self._reading_ahead:
                self._reading_ahead.cancel()
            self._followed, self._reading_ahead = now, asyncio.ensure_future(self._read_ahead(now))

    async def suggest(
        self,
        typed: CompletionInput,
        completion_input: CompletionInput | None = None,
        listener: ProgressListener = NULL_LISTENER,
        *,
        invoked: bool,
    ) -> Sequence[Suggestion] | None:
        """Suggestions at the cursor, once the model is loaded.

        Args:
            typed: The document and the cursor.
            completion_input: The same with the selected entry of a completion list inserted; None for no entry.
            listener: Receives the text of an automatic suggestion while it grows, unless its confidence may hide it
                once it is complete.
            invoked: The user has requested suggestions explicitly: alternatives, without waiting for the next key.

        Returns:
            The suggestions, the best first; those without text are not to be shown. None if the request is stale: the
            document has been changed or closed, or a newer request has come: explicit, or for another cursor in it.

        Raises:
            NanoError: Inference failed, or the request is explicit and the model cannot be loaded.
        """
        completion_input = completion_input or typed
        if completion_input != self._requested and not self._has_changed:
            self._since_s = self._clock()  # the cursor or the selection has moved
        self._requested, self._has_changed = completion_input, False
        self._stop_following(typed.name)
        self._end_stale(typed, invoked=invoked)
        request = _Request(typed)
        self._waiting.add(request)
        try:
            if invoked:
                ghost_text = await self._session.wait(typed.name)
                return await ghost_text.alternatives(completion_input)
            loaded = await self._session.wait_quietly(typed.name)
            if loaded is None:
                return ()
            if not loaded.find(completion_input):
                debounce_s = self._pace.wait_s(self._session.settings_of(typed.name).debounce_ms / 1000)
                # An editor that waits itself before it sends a request does not wait twice.
                await asyncio.sleep(self._since_s + debounce_s - self._clock())
            return await loaded.suggest(completion_input, listener, typed=typed)
        except asyncio.CancelledError:
            if not request.was_ended():
                raise
        except CancelledError:
            pass  # a newer request took its place at the model
        finally:
            self._waiting.discard(request)
        if counted := self._session.ghost_text:
            counted.stats.stale += 1
        return None

    def close(self, name: str) -> None:
        """A document was closed: its requests are stale, and its suggestions are forgotten."""
        self._end(lambda typed: typed.name == name)
        self._stop_following(name)
        if ghost_text := self._session.ghost_text_of(name):
            ghost_text.close(name)

    def _stop_following(self, name: str) -> None:
        if self._reading_ahead and self._followed and self._followed.name == name:
            self._reading_ahead.cancel()
            self._followed = None

    async def _read_ahead(self, now: CompletionInput) -> None:
        await asyncio.sleep(_REST_S)
        ghost_text = await self._session.wait_quietly(now.name)
        warm_up = self._session.settings_of(now.name).warm_up
        if ghost_text is None or warm_up == "never" or self._session.paused:
            return
        if warm_up == "auto" and (on_battery() or is_overloaded()):
            return
        with contextlib.suppress(NanoError):  # the next request says what is wrong
            await ghost_text.read_ahead(now)

    def _end_stale(self, now: CompletionInput, *, invoked: bool = False) -> None:
        """End the requests that a newer state of a document makes stale; the model goes on where that is useful."""
        if ghost_text := self._session.ghost_text_of(now.name):
            ghost_text.changed(now)
        # Without a newer state, the completion menu and ghost text of one editor both get their answer.
        self._end(lambda typed: typed.name == now.name and (invoked or typed != now))

    def _end(self, is_stale: Callable[[CompletionInput], bool]) -> None:
        for request in [request for request in self._waiting if is_stale(request.typed)]:
            self._waiting.discard(request)
            request.end()


class _Request:
    """A request that waits in the current task, and can be ended there, as `asyncio.timeout` does it."""

    def __init__(self, typed: CompletionInput) -> None:
        self.typed = typed
        self._task = asyncio.current_task()
        self._is_ended = False

    def end(self) -> None:
        """Raise `asyncio.CancelledError` where it waits."""
        assert self._task is not None  # noqa: S101 - it waits in a coroutine
        self._is_ended = True
        self._task.cancel()

    def was_ended(self) -> bool:
        """Whether that error is due to `end` alone, so that the task goes on."""
        return self._is_ended and self._task is not None and not self._task.uncancel()

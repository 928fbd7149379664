"""Ghost text: automatic suggestions while typing, with a cache, shared requests and prefetch.

A suggestion stays valid while its own text is typed or partly accepted, and when the cursor returns. A request joins
one that is in flight where the user has typed the beginning of its text. While a suggestion is shown and the model is
idle, the next one is prefetched: the document is completed as if the suggestion had been accepted.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from nano_lsp.assistant.context import NULL_LISTENER, ProgressListener
from nano_lsp.code.cursor_context import CompletionInput, wants_completion
from nano_lsp.code.document import indent_of
from nano_lsp.completion.completer import Alternatives, Complete, ReadAhead
from nano_lsp.completion.postprocess import MIN_TOKEN_PROBABILITY, PostprocessOptions
from nano_lsp.editor.adaptive_threshold import AdaptiveThreshold
from nano_lsp.errors import CancelledError, NanoError
from nano_lsp.lines import line_break_of, line_start
from nano_lsp.schema import Completion

if TYPE_CHECKING:  # not imported: it is given
    from nano_lsp.engine.connect import Assistant

_LEAVES_BLOCK = re.compile(r"\s*(return|raise|break|continue|pass)\b")  # after these, editors reduce the indentation
_IN_WORD = re.compile(r"\w*")
_MAX_CACHED = 64
_MAX_TYPED = 400  # characters typed since a suggestion was made, for it to be looked up
_IDS = itertools.count(1)  # global: after a reload of the model, ids of suggestions still shown must not be reused


@dataclass(frozen=True)
class Suggestion:
    """A suggestion to show at a cursor.

    Attributes:
        text: The text to show; empty for none.
        id: Identifier, which stays the same while the suggestion is typed; 0 for none.
        confidence: Geometric mean of the probabilities of its tokens, 0 to 1.
        threshold: Minimum confidence of automatic suggestions in this language, 0 to 1; a suggestion below it is
            hidden: its text is empty, its confidence is not 0.
        learned: The threshold is the adaptive one, not the user's setting.
        weight: Number of suggestions that this one represents in statistics (`Record.weight`).
        invoked: It was requested explicitly, so it is never hidden.
    """

    text: str = ""
    id: int = 0
    confidence: float = 0.0
    threshold: float = 0.0
    learned: bool = False
    weight: float = 1.0
    invoked: bool = False

    @property
    def hidden(self) -> bool:
        """Whether the suggestion is hidden because its confidence is below the threshold."""
        return not self.text and self.confidence > 0


NOTHING = Suggestion()


@dataclass
class GhostTextStats:
    """Counters of suggestions by origin.

    Attributes:
        requests: Number of requests by the editor.
        cached: Number of requests answered from the cache.
        joined: Number of requests that joined one in flight.
        model: Number of requests sent to the model, without those for prefetch.
        prefetched: Number of suggestions computed in advance.
        stale: Number of requests that became stale before they were answered.
    """

    requests: int = 0
    cached: int = 0
    joined: int = 0
    model: int = 0
    prefetched: int = 0
    stale: int = 0


@dataclass(eq=False)
class _InFlight(ProgressListener):
    """A request in flight, shared by all requests that it answers.

    Attributes:
        completion_input: The code and the cursor, with the selected entry of a completion list inserted.
        typed: The code and the cursor without that entry.
        text: The text generated so far.
        created_s: When the request was made, by the monotonic clock.
        started: The model has begun to work on it.
        n_waiting: Number of callers that wait for the result.
        task: The task that computes the result; None until it is started.
        found: The result, once the task is done.
        listeners: Listeners, each with the text typed between this request and the listener's own.
    """

    completion_input: CompletionInput
    typed: CompletionInput
    text: str = ""
    created_s: float = field(default_factory=time.monotonic)
    started: bool = False
    n_waiting: int = 0
    task: asyncio.Task[Completion] | None = None
    found: Suggestion = NOTHING
    listeners: tuple[tuple[str, ProgressListener], ...] = ()

    def on_progress(self, done: int, total: int) -> None:  # noqa: ARG002 - a listener's method
        """The model evaluates the prompt."""
        self.started = True

    def on_text(self, text: str) -> None:
        """The text has grown."""
        self.text, self.started = text, True
        for typed, listener in self.listeners:
            if text.startswith(typed):
                listener.on_text(text[len(typed) :])

    def add_listener(self, completion_input: CompletionInput, listener: ProgressListener) -> None:
        """Add a listener for the text that follows what has been typed since the request."""
        typed = typed_since(self.completion_input, completion_input)
        if listener is not NULL_LISTENER and typed is not None:
            self.listeners += ((typed, listener),)
            if self.text.startswith(typed):
                listener.on_text(self.text[len(typed) :])

    def may_answer(self, completion_input: CompletionInput) -> bool:
        """Whether the result may be valid for another cursor, judging by the text so far."""
        typed = typed_since(self.completion_input, completion_input)
        return typed is not None and (self.text.startswith(typed) or typed.startswith(self.text))

    def may_still_answer(self, now: CompletionInput) -> bool:
        """Whether the result may be valid for the current document, or after its selected entry is accepted."""
        typed = typed_since(self.typed, now)
        return self.may_answer(now) or (
            self.typed != self.completion_input and typed is not None and bool(_IN_WORD.fullmatch(typed))
        )

    @property
    def queued_s(self) -> float:
        """Time that the request has been queued behind other work, in seconds."""
        return 0.0 if self.started else time.monotonic() - self.created_s


@dataclass
class GhostText:
    """The suggestions of one assistant. Use it on one event loop.

    Attributes:
        assistant: The assistant with the model.
        postprocess: Options of postprocessing for automatic suggestions.
        n_alternatives: Number of alternatives when a suggestion is requested explicitly.
        prefetch: Compute the next suggestion in advance while the current one is displayed.
        stale_after_s: Seconds after which a request still queued behind other work is replaced by one with the newest
            text.
        min_mean_probability: Confidence below which automatic suggestions are hidden, 0 to 1.
        threshold: The adaptive threshold, which hides more suggestions; None to hide no more.
        stats: Counters of suggestions by origin.
    """

    assistant: Assistant
    postprocess: PostprocessOptions = field(
        default_factory=lambda: PostprocessOptions(automatic=True, min_token_probability=MIN_TOKEN_PROBABILITY)
    )
    n_alternatives: int = 3
    prefetch: bool = True
    stale_after_s: float = 1.0
    min_mean_probability: float = 0.0
    threshold: AdaptiveThreshold | None = None
    stats: GhostTextStats = field(default_factory=GhostTextStats)
    _cache: OrderedDict[CompletionInput, Sequence[Suggestion]] = field(default_factory=OrderedDict)
    _in_flight: dict[str, _InFlight] = field(default_factory=dict)
    _latest: dict[str, CompletionInput] = field(default_factory=dict)
    _accepted: CompletionInput | None = None
    _prefetching: asyncio.Task[None] | None = None

    async def suggest(
        self,
        completion_input: CompletionInput,
        listener: ProgressListener = NULL_LISTENER,
        *,
        typed: CompletionInput | None = None,
    ) -> Sequence[Suggestion]:
        """The suggestions to show at a cursor while typing, the best first.

        There is one at most, unless several are left of those requested explicitly.

        Args:
            completion_input: The code and the cursor.
            listener: Receives the text while it grows, if it cannot be hidden in the end; lines above the last are
                final.
            typed: The actual document, where the input has the selected entry of a completion list inserted.

        Raises:
            EngineError: Inference failed.
        """
        self.stats.requests += 1
        found = self.find(completion_input)
        if found:
            self.stats.cached += 1
        elif not wants_completion(completion_input.text, completion_input.offset):
            return ()
        else:
            listener = NULL_LISTENER if self._may_hide(completion_input.language) else listener
            in_flight = self._in_flight.get(completion_input.name)
            if in_flight and in_flight.may_answer(completion_input):
                self.stats.joined += 1
                in_flight.add_listener(completion_input, listener)
                await self._join(in_flight)
                found = self.find(completion_input)
                if not found and typed_since(
                    completion_input, self._latest.get(completion_input.name, completion_input)
                ):
                    return (NOTHING,)  # a newer request has been or will be made for the text typed since
            elif in_flight:
                self._cancel(in_flight)
            if not found:
                self.stats.model += 1
                in_flight = _InFlight(completion_input, typed or completion_input)
                in_flight.add_listener(completion_input, listener)
                work = self.assistant.run_async(Complete(completion_input, self.postprocess), in_flight)
                in_flight.task = asyncio.ensure_future(work)
                in_flight.task.add_done_callback(partial(self._end, in_flight))
                self._in_flight[completion_input.name] = in_flight
                found = [await self._join(in_flight)]
        found = [self._hide_unsure(completion_input.language, each) for each in found]
        if found[0].text and self.prefetch:
            self._prefetch(completion_input, found[0].text)
        return found

    async def read_ahead(self, completion_input: CompletionInput) -> None:
        """Have the model read the code around a cursor, unless nothing is to be suggested there.

        Raises:
            EngineError: The engine cannot be reached.
        """
        if wants_completion(completion_input.text, completion_input.offset):
            await self.assistant.run_async(ReadAhead(completion_input))

    async def alternatives(self, completion_input: CompletionInput) -> Sequence[Suggestion]:
        """Up to `n_alternatives` suggestions for an explicit request, the best first.

        Raises:
            EngineError: Inference failed.
        """
        self.stats.requests += 1
        self.stats.model += 1
        work = asyncio.ensure_future(self.assistant.run_async(Alternatives(completion_input, self.n_alternatives)))
        try:
            await asyncio.wait({work})
        finally:
            work.cancel()
        found = [] if work.cancelled() else work.result()  # cancelled if the assistant was closed
        suggestions = [replace(self._suggestion(each), invoked=True) for each in found if each.text]
        if suggestions:
            self._cache_suggestions(completion_input, suggestions)
        return suggestions

    def find(self, completion_input: CompletionInput) -> Sequence[Suggestion]:
        """The cached suggestions that are valid at a cursor; one without text if nothing is to be suggested there."""
        for cached, suggestions in reversed(self._cache.items()):
            typed = typed_since(cached, completion_input)
            if typed is not None and (
                rest := [_rest(each, typed) for each in suggestions if _continues(each, typed)]
            ):
                return rest
        return ()

    def changed(self, completion_input: CompletionInput) -> None:
        """A document has changed: cancel the request in flight if it is no longer valid.

        Args:
            completion_input: The current document, and the offset where the change ended.
        """
        if self._latest.get(completion_input.name) == completion_input:
            return
        self._latest[completion_input.name] = completion_input
        in_flight = self._in_flight.get(completion_input.name)
        if in_flight and (
            not in_flight.may_still_answer(completion_input) or in_flight.queued_s > self.stale_after_s
        ):
            self._cancel(in_flight)

    @property
    def pending(self) -> int:
        """Number of requests in flight, prefetch included."""
        return len(self._in_flight) + (self._prefetching is not None and not self._prefetching.done())

    async def idle(self) -> None:
        """Wait until no request is in flight."""
        while tasks := {in_flight.task for in_flight in self._in_flight.values() if in_flight.task}:
            await asyncio.wait(tasks)
        if self._prefetching:
            await asyncio.wait({self._prefetching})

    def close(self, name: str) -> None:
        """Forget a document."""
        in_flight = self._in_flight.get(name)
        if in_flight:
            self._cancel(in_flight)
        self._latest.pop(name, None)
        for cached in [cached for cached in self._cache if cached.name == name]:
            del self._cache[cached]
        self.assistant.forget(name)

    async def _join(self, in_flight: _InFlight) -> Suggestion:
        """Wait for a request; cancel it once no caller waits any more, unless it may answer the newest text."""
        assert in_flight.task is not None  # noqa: S101 - set by the caller
        in_flight.n_waiting += 1
        try:
            await asyncio.wait({in_flight.task})
        finally:
            in_flight.n_waiting -= 1
            latest = self._latest.get(in_flight.completion_input.name)
            still_useful = (
                latest is not None and latest.offset > in_flight.typed.offset and in_flight.may_still_answer(latest)
            )
            if not in_flight.n_waiting and not in_flight.task.done() and not still_useful:
                self._cancel(in_flight)
        error = None if in_flight.task.cancelled() else in_flight.task.exception()
        if error is not None and not isinstance(error, CancelledError):
            raise error
        return in_flight.found  # nothing if a newer request has replaced it, or the engine has stopped

    def _end(self, in_flight: _InFlight, task: asyncio.Task[Completion]) -> None:
        """Cache the result of a request; called before those that wait for it go on."""
        if self._in_flight.get(in_flight.completion_input.name) is in_flight:
            del self._in_flight[in_flight.completion_input.name]
        if not task.cancelled() and not task.exception():
            completion = task.result()
            in_flight.found = self._suggestion(completion)
            if completion.text or not completion.provisional:
                self._cache_suggestions(in_flight.completion_input, [in_flight.found])

    def _cancel(self, in_flight: _InFlight) -> None:
        if self._in_flight.get(in_flight.completion_input.name) is in_flight:
            del self._in_flight[in_flight.completion_input.name]
        if in_flight.task:
            in_flight.task.cancel()

    def _prefetch(self, completion_input: CompletionInput, text: str) -> None:
        accepted = completion_input.after(text)
        if not self.find(accepted) and accepted != self._accepted:
            if self._prefetching:
                self._prefetching.cancel()
            self._accepted = accepted
            self._prefetching = asyncio.ensure_future(self._prefetch_next(accepted))

    async def _prefetch_next(self, completion_input: CompletionInput) -> None:
        """Complete the document with the suggestion accepted; if nothing is to be added there, the line below."""
        found = await self._prefetch_at(completion_input)
        if found is not None and not found.text and (next_line := _after_enter(completion_input)):
            await self._prefetch_at(next_line)

    async def _prefetch_at(self, completion_input: CompletionInput) -> Suggestion | None:
        if cached := self.find(completion_input):
            return cached[0]
        if not wants_completion(completion_input.text, completion_input.offset):
            return None
        self.stats.prefetched += 1
        try:
            completion = await self.assistant.run_async(Complete(completion_input, self.postprocess, prefetch=True))
        except NanoError:  # superseded, or too much to do; the next request says if something is wrong
            return None
        found = self._suggestion(completion)
        self._cache_suggestions(completion_input, [found])
        return found

    def _may_hide(self, language: str) -> bool:
        """Whether suggestions in a language may be hidden once they are complete."""
        if self.min_mean_probability > 0:
            return True
        return self.threshold is not None and self.threshold.learned(language).value > 0

    def _hide_unsure(self, language: str, found: Suggestion) -> Suggestion:
        """The suggestion if its confidence is high enough; else one without text."""
        if not found.text or found.invoked:
            return found
        if found.confidence < self.min_mean_probability:
            return Suggestion(confidence=found.confidence, threshold=self.min_mean_probability)
        if self.threshold is None:
            return found
        decision = self.threshold.decide(language, found.id, found.confidence)
        if not decision.shown:
            return Suggestion(confidence=found.confidence, threshold=decision.threshold, learned=True)
        return replace(found, weight=decision.weight)

    def _suggestion(self, completion: Completion) -> Suggestion:
        if not completion.text:
            return NOTHING
        return Suggestion(completion.text, next(_IDS), completion.confidence)

    def _cache_suggestions(self, completion_input: CompletionInput, found: Sequence[Suggestion]) -> None:
        self._cache.pop(completion_input, None)
        self._cache[completion_input] = found
        if len(self._cache) > _MAX_CACHED:
            self._cache.popitem(last=False)


def _continues(suggestion: Suggestion, typed: str) -> bool:
    """Whether a suggestion is still valid after some text was typed; one without text, if none was typed."""
    text = suggestion.text
    return text == typed == "" or (text.startswith(typed) and len(text) > len(typed))


def _rest(suggestion: Suggestion, typed: str) -> Suggestion:
    return replace(suggestion, text=suggestion.text[len(typed) :])


def _after_enter(before: CompletionInput) -> CompletionInput | None:
    """The document after Enter at the end of a line, indented as editors do; None within a line."""
    line = before.text[line_start(before.text, before.offset) : before.offset]
    if not line.strip() or not re.match(r"\r?(\n|\Z)", before.suffix):
        return None
    indent = line[: indent_of(line)]
    if _LEAVES_BLOCK.match(line):
        indent = indent[:-1] if indent.endswith("\t") else indent[:-4]
    return before.after(line_break_of(before.text) + indent + "    " * line.rstrip().endswith(":"))


def typed_since(before: CompletionInput, now: CompletionInput) -> str | None:
    """The text typed between two inputs; None where something else has changed."""
    n = now.offset - before.offset
    if (
        before.name != now.name
        or before.context != now.context
        or not 0 <= n <= _MAX_TYPED
        or len(now.text) - n != len(before.text)
        or not now.text.startswith(before.prefix)
        or not now.text.endswith(before.suffix)
    ):
        return None
    return now.text[before.offset : now.offset]

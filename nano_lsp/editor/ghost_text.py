"""Suggestions while somebody types: what is known already is not asked for again.

A suggestion stays good while its own text is typed, or part of it accepted, and when the cursor comes back. A request
whose answer is on its way is joined by one that has typed the beginning of that answer. What is shown is thought on:
the model completes the document as if the suggestion had been accepted, while nothing else is asked of it.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nano_lsp.assistant.context import NULL_LISTENER, ProgressListener
from nano_lsp.assistant.job import Assistant
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.code.document import indent_of
from nano_lsp.code.open_documents import OpenDocuments
from nano_lsp.completion.completer import Alternatives, Complete
from nano_lsp.completion.postprocess import MIN_TOKEN_PROBABILITY, PostprocessOptions
from nano_lsp.editor.adaptive_threshold import AdaptiveThreshold
from nano_lsp.errors import CancelledError
from nano_lsp.lines import line_break_of, line_start
from nano_lsp.schema import Completion

_LEAVES_BLOCK = re.compile(r"\s*(return|raise|break|continue|pass)\b")  # behind these, editors indent less
_IN_WORD = re.compile(r"\w*")
_MAX_KNOWN = 64
_MAX_TYPED = 400  # characters between where a suggestion was made and where it is looked for
_IDS = itertools.count(1)  # of the process: a model loaded anew must not reuse the ids of suggestions still shown


@dataclass(frozen=True)
class Suggestion:
    """What to show at a cursor.

    Attributes:
        text: to show; empty for nothing.
        id: the same while it is typed along, 0 for nothing.
        confidence: geometric mean of the probabilities of its tokens, 0 to 1.
        threshold: Confidence that an automatic suggestion has to have here, 0 to 1; one with less is hidden: its text
            is empty, its confidence is not 0.
        learned: That threshold is the adaptive one, not the user's setting.
        weight: Number of suggestions that this one stands for in statistics (`Record.weight`).
    """

    text: str = ""
    id: int = 0
    confidence: float = 0.0
    threshold: float = 0.0
    learned: bool = False
    weight: float = 1.0

    @property
    def hidden(self) -> bool:
        """Whether there is a suggestion that is not sure enough to be shown."""
        return not self.text and self.confidence > 0


NOTHING = Suggestion()


@dataclass
class GhostTextStats:
    """How suggestions came about.

    Attributes:
        requests: asked for.
        known: answered without the model.
        joined: waited for an answer that was on its way.
        model: asked of the model.
        ahead: thought on before anybody asked.
    """

    requests: int = 0
    known: int = 0
    joined: int = 0
    model: int = 0
    ahead: int = 0


@dataclass(eq=False)
class _InFlight(ProgressListener):
    """A suggestion on its way, and what it says so far; `typed` is the document without the selected entry."""

    task: CompletionInput
    typed: CompletionInput
    text: str = ""
    asked: float = field(default_factory=time.monotonic)
    begun: bool = False
    n_waiting: int = 0
    work: asyncio.Task[Suggestion] | None = None
    followers: tuple[tuple[str, ProgressListener], ...] = ()

    def on_progress(self, done: int, total: int) -> None:  # noqa: ARG002 - of a listener
        """The model is at it."""
        self.begun = True

    def on_text(self, text: str) -> None:
        """The whole text so far."""
        self.text, self.begun = text, True
        for typed, listener in self.followers:
            if text.startswith(typed):
                listener.on_text(text[len(typed) :])

    def follow(self, task: CompletionInput, listener: ProgressListener) -> None:
        """Tell somebody what is left of the text after what has been typed since."""
        typed = typed_since(self.task, task)
        if listener is not NULL_LISTENER and typed is not None:
            self.followers += ((typed, listener),)
            if self.text.startswith(typed):
                listener.on_text(self.text[len(typed) :])

    def fits(self, task: CompletionInput) -> bool:
        """Whether the answer may hold for another task, by what it says so far."""
        typed = typed_since(self.task, task)
        return typed is not None and (self.text.startswith(typed) or typed.startswith(self.text))

    def is_wanted(self, now: CompletionInput) -> bool:
        """Whether the answer may hold for a document as it is now, or once the selected entry is chosen there."""
        typed = typed_since(self.typed, now)
        return self.fits(now) or (self.typed != self.task and typed is not None and bool(_IN_WORD.fullmatch(typed)))

    @property
    def waited_s(self) -> float:
        """How long the model has been at other work."""
        return 0.0 if self.begun else time.monotonic() - self.asked


@dataclass
class GhostText:
    """The suggestions of one assistant. Use it on one event loop.

    Attributes:
        assistant: has the model.
        postprocess: how strict to be with what nobody asked for.
        n_alternatives: how many to alternatives who asks.
        prefetch: complete what follows a suggestion as if it had been accepted.
        stale_after_s: a request that has waited longer for a model at other work is asked anew with what has been typed.
        min_confidence: Confidence below which automatic suggestions are hidden, 0 to 1.
        threshold: Hides further ones, by what the user keeps; None hides none.
        stats: how suggestions came about.
    """

    assistant: Assistant
    postprocess: PostprocessOptions = field(
        default_factory=lambda: PostprocessOptions(automatic=True, min_token_probability=MIN_TOKEN_PROBABILITY)
    )
    n_alternatives: int = 3
    prefetch: bool = True
    stale_after_s: float = 1.0
    min_confidence: float = 0.0
    threshold: AdaptiveThreshold | None = None
    stats: GhostTextStats = field(default_factory=GhostTextStats)
    _known: OrderedDict[CompletionInput, Suggestion] = field(default_factory=OrderedDict)
    _in_flight: dict[str, _InFlight] = field(default_factory=dict)
    _latest: dict[str, CompletionInput] = field(default_factory=dict)
    _accepted: CompletionInput | None = None
    _prefetching: asyncio.Task[None] | None = None
    _documents: OpenDocuments = field(default_factory=OpenDocuments)

    async def suggest(
        self,
        task: CompletionInput,
        listener: ProgressListener = NULL_LISTENER,
        *,
        typed: CompletionInput | None = None,
    ) -> Suggestion:
        """What to show at a cursor while typing.

        Args:
            task: the code and the cursor.
            typed: the document as it is, where the task has the selected entry of a completion list inserted.
            listener: is told of the text while it grows; lines above the last are whole, and hold. Where `may_hide`
                says so, what it is told may be hidden in the end.

        Raises:
            EngineError: inference failed.
        """
        self.stats.requests += 1
        found = self.find(task)
        if found is not None:
            self.stats.known += 1
        elif not self._wants(task):
            return NOTHING
        else:
            found = await self._wait_for(task, typed or task, listener)
        found = self._admit(task.language, found)
        if found.text and self.prefetch:
            self._prefetch(task, found.text)
        return found

    async def alternatives(self, task: CompletionInput) -> Sequence[Suggestion]:
        """What to alternatives somebody who asks: up to `n_alternatives` suggestions, the best first.

        Raises:
            EngineError: inference failed.
        """
        self.stats.requests += 1
        self.stats.model += 1
        completions = await self.assistant.run_async(Alternatives(task, self.n_alternatives))
        offered = [self._suggestion(completion) for completion in completions if completion.text]
        if offered:
            self._remember(task, offered[0])
        return offered

    def may_hide(self, language: str) -> bool:
        """Whether suggestions in a language may be hidden once they are whole."""
        return self.min_confidence > 0 or (self.threshold is not None and self.threshold.learned(language).value > 0)

    def find(self, task: CompletionInput) -> Suggestion | None:
        """What is known to be good at a cursor; None where nothing is known."""
        for known, found in reversed(self._known.items()):
            typed, text = typed_since(known, task), found.text
            if typed is not None and (text == typed == "" or (text.startswith(typed) and len(text) > len(typed))):
                return replace(found, text=text[len(typed) :])
        return None

    def changed(self, task: CompletionInput) -> None:
        """A document has changed: call off what is on its way and no longer fits.

        Args:
            task: the document as it is now, and where the change ended.
        """
        self._latest[task.name] = task
        in_flight = self._in_flight.get(task.name)
        if in_flight and (not in_flight.is_wanted(task) or in_flight.waited_s > self.stale_after_s):
            self._cancel(in_flight)

    @property
    def pending(self) -> int:
        """How many suggestions are on their way, those thought on ahead included."""
        return len(self._in_flight) + (self._prefetching is not None and not self._prefetching.done())

    async def idle(self) -> None:
        """Wait until nothing is on its way."""
        while work := {in_flight.work for in_flight in self._in_flight.values() if in_flight.work}:
            await asyncio.wait(work)
        if self._prefetching:
            await asyncio.wait({self._prefetching})

    def close(self, name: str) -> None:
        """Forget a document."""
        in_flight = self._in_flight.get(name)
        if in_flight:
            self._cancel(in_flight)
        self._latest.pop(name, None)
        for task in [task for task in self._known if task.name == name]:
            del self._known[task]
        self._documents.close(name)
        self.assistant.forget(name)

    async def _wait_for(
        self, task: CompletionInput, typed: CompletionInput, listener: ProgressListener
    ) -> Suggestion:
        """The model's answer: the one on its way if it fits, else a new one."""
        in_flight = self._in_flight.get(task.name)
        if in_flight and in_flight.fits(task):
            self.stats.joined += 1
            in_flight.follow(task, listener)
            await self._join(in_flight)
            found = self.find(task)
            if found is not None:
                return found
            if typed_since(task, self._latest.get(task.name, task)):
                return NOTHING  # whoever has typed on asks for that
        elif in_flight:
            self._cancel(in_flight)
        self.stats.model += 1
        in_flight = _InFlight(task, typed)
        in_flight.follow(task, listener)
        in_flight.work = asyncio.ensure_future(self._run(in_flight))
        self._in_flight[task.name] = in_flight
        return await self._join(in_flight)

    async def _join(self, in_flight: _InFlight) -> Suggestion:
        """Wait for a in_flight; it is called off when nobody waits any more, unless what was typed since still fits."""
        assert in_flight.work is not None  # noqa: S101 - set where it is made
        in_flight.n_waiting += 1
        try:
            await asyncio.wait({in_flight.work})
        finally:
            in_flight.n_waiting -= 1
            latest = self._latest.get(in_flight.task.name)
            typed_on = latest is not None and latest.offset > in_flight.typed.offset and in_flight.is_wanted(latest)
            if not in_flight.n_waiting and not in_flight.work.done() and not typed_on:
                self._cancel(in_flight)
        if in_flight.work.cancelled() or isinstance(in_flight.work.exception(), CancelledError):
            return NOTHING  # a newer one took its place, or the engine went away
        return in_flight.work.result()

    async def _run(self, in_flight: _InFlight) -> Suggestion:
        try:
            completion = await self.assistant.run_async(Complete(in_flight.task, self.postprocess), in_flight)
            found = self._suggestion(completion)
            self._remember(in_flight.task, found)
            return found
        finally:
            if self._in_flight.get(in_flight.task.name) is in_flight:
                del self._in_flight[in_flight.task.name]

    def _cancel(self, in_flight: _InFlight) -> None:
        if self._in_flight.get(in_flight.task.name) is in_flight:
            del self._in_flight[in_flight.task.name]
        if in_flight.work:
            in_flight.work.cancel()

    def _prefetch(self, task: CompletionInput, text: str) -> None:
        accepted = task.after(text)
        if self.find(accepted) is None and accepted != self._accepted:
            if self._prefetching:
                self._prefetching.cancel()
            self._accepted = accepted
            self._prefetching = asyncio.ensure_future(self._prefetch_next(accepted))

    async def _prefetch_next(self, task: CompletionInput) -> None:
        """Complete an accepted suggestion; where it ends its line, the line that would follow."""
        found = await self._prefetch_at(task)
        if found is not None and not found.text and (entered := _entered(task)):
            await self._prefetch_at(entered)

    async def _prefetch_at(self, task: CompletionInput) -> Suggestion | None:
        if (known := self.find(task)) is not None:
            return known
        if not self._wants(task):
            return None
        self.stats.ahead += 1
        try:
            completion = await self.assistant.run_async(Complete(task, self.postprocess, prefetch=True))
        except CancelledError:
            return None
        found = self._suggestion(completion)
        self._remember(task, found)
        return found

    def _admit(self, language: str, found: Suggestion) -> Suggestion:
        """A suggestion that is sure enough to be shown; else one without text."""
        if not found.text:
            return found
        if found.confidence < self.min_confidence:
            return Suggestion(confidence=found.confidence, threshold=self.min_confidence)
        if self.threshold is None:
            return found
        decision = self.threshold.decide(language, found.id, found.confidence)
        if not decision.shown:
            return Suggestion(confidence=found.confidence, threshold=decision.threshold, learned=True)
        return replace(found, weight=decision.weight)

    def _wants(self, task: CompletionInput) -> bool:
        """Whether to suggest something at a cursor without being asked."""
        return self._documents.update(task.name, task.text, task.language).cursor(task.offset).wants_completion

    def _suggestion(self, completion: Completion) -> Suggestion:
        if not completion.text:
            return NOTHING
        return Suggestion(completion.text, next(_IDS), completion.confidence)

    def _remember(self, task: CompletionInput, found: Suggestion) -> None:
        self._known.pop(task, None)
        self._known[task] = found
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)


def _entered(task: CompletionInput) -> CompletionInput | None:
    """The task after Enter at a line's end, as editors indent; None elsewhere."""
    line = task.text[line_start(task.text, task.offset) : task.offset]
    if not line.strip() or not re.match(r"\r?(\n|\Z)", task.suffix):
        return None
    indent = line[: indent_of(line)]
    if _LEAVES_BLOCK.match(line):
        indent = indent[:-1] if indent.endswith("\t") else indent[:-4]
    return task.after(line_break_of(task.text) + indent + "    " * line.rstrip().endswith(":"))


def typed_since(before: CompletionInput, now: CompletionInput) -> str | None:
    """What has been typed between two tasks; None where something else has changed."""
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

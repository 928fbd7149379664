"""When the next edit is looked for, and whether it is shown: the same for all editors and notebooks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import accumulate

from nano_lsp.editor.closed_files import ClosedFiles
from nano_lsp.editor.session import Session
from nano_lsp.next_edit.candidates import find_candidates
from nano_lsp.next_edit.evidence import choose, is_sure, needed_gain
from nano_lsp.next_edit.history import ChangeKind, Edit, EditHistory
from nano_lsp.next_edit.place import Place
from nano_lsp.next_edit.renames import Source
from nano_lsp.settings import IN_PROCESS, SHARED

_PAUSE = 3  # times the longest debounce, without a key: shorter pauses are within a change
_MAX_REJECTED = 64
_MAX_CHARS = 1 << 20  # of all documents that are searched


class NextEdits:
    """The next edits of one server. Use it on one event loop.

    Args:
        session: The session with the model and the settings.
        clock: Returns the time in seconds, by a monotonic clock.
    """

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._history = EditHistory(clock)
        self._closed_files = ClosedFiles(session)
        self._changed_s = 0.0
        self._kind = ChangeKind.BULK  # of the newest change
        self._ended = asyncio.Event()  # of the searches since the newest change
        self._running: asyncio.Future[list[float]] | None = None
        self._offered: tuple[str, str] | None = None  # document, and its text once the edit is accepted
        self._rejected: deque[tuple[str, str]] = deque(maxlen=_MAX_REJECTED)  # old and new lines

    def is_on(self, document: str) -> bool:
        """Whether next edits are looked for in a document, given by its path or URI."""
        settings = self._session.settings_of(document)
        return settings.next_edit and settings.engine in {SHARED, IN_PROCESS}

    def changed(self, name: str, before: str, after: str) -> None:
        """Record a change of a document, which ends the search for the next edit.

        Args:
            name: Name of the document.
            before: Its text before the change.
            after: Its text after it.
        """
        self._end_search()
        self._changed_s = self._clock()
        suggested, self._offered = self._offered == (name, after), None
        self._kind = self._history.record(name, before, after, suggested=suggested)

    def forget(self, name: str) -> None:
        """A document was closed, or gets no suggestions any more."""
        self._history.forget(name)

    def settings_changed(self) -> None:
        """Forget the edits of documents in which next edits are off now."""
        off = [document for document in self._history.documents if not self.is_on(document)]
        for document in off:
            self._history.forget(document)
        if off:
            self._end_search()
        if not self._history.documents:
            self._offered = None
            self._rejected.clear()

    def reject(self, old: str, new: str) -> None:
        """The user does not want an edit: it is not offered again."""
        self._rejected.append((old.strip(), new.strip()))

    async def find(
        self, sources: Sequence[Source], opened: Collection[str] | None = None
    ) -> tuple[Place, Source] | None:
        """The next edit and its document, once no key has been pressed for a while; None if there is nothing to show.

        Args:
            sources: The documents to search, with their current texts, the one with the cursor first; up to 1 MiB is
                searched.
            opened: URIs of all open documents, where other files of the workspace are searched as well, if these
                documents have no place; None where they are not.

        Raises:
            NanoError: Inference failed.
        """
        ended = self._ended
        sources = _within_limit(sources)
        names = {source.name for source in sources}
        edits = [edit for edit in self._history.edits() if edit.document in names]
        if self._kind is not ChangeKind.TYPED or not edits:
            return None
        pause_s = _PAUSE * self._session.settings_of(edits[0].document).debounce_ms / 1000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._changed_s + pause_s - self._clock()):
                await ended.wait()
        if ended.is_set():
            return None
        places, sources = await asyncio.to_thread(self._search, edits, sources, opened)
        ghost_text = await self._session.wait_quietly(edits[0].document) if places else None
        if ghost_text is None or ended.is_set():
            return None
        from nano_lsp.next_edit.scoring import make_choice, score_edits  # noqa: PLC0415 - the assistant is loaded by now

        by_name = {source.name: source for source in sources}
        choices = [make_choice(by_name[p.document].text, p.start, p.old, p.new, needed_gain(p)) for p in places]
        job = score_edits(edits, choices)
        running = self._running = asyncio.ensure_future(ghost_text.assistant.run_async(job))
        try:
            await asyncio.wait({running})
        finally:
            running.cancel()
        if running.cancelled() or ended.is_set():
            return None
        best = choose(places, running.result())
        if best is None or not best.is_shown:
            return None
        source = by_name[best.place.document]
        self._offered = source.name, best.place.apply(source.text)
        return best.place, source

    def _search(
        self, edits: Sequence[Edit], sources: Sequence[Source], opened: Collection[str] | None
    ) -> tuple[list[Place], Sequence[Source]]:
        """The candidates that the user has not rejected, and the documents that were searched."""
        rejected = {*self._rejected}

        def find(sources: Sequence[Source]) -> list[Place]:
            places = find_candidates(edits, sources)
            return [place for place in places if (place.old.strip(), place.new.strip()) not in rejected]

        places = find(sources)
        closed = self._closed_files.find(edits, opened) if not places and opened is not None else []
        if closed:
            sources = [*sources, *closed]
            places = [*filter(is_sure, find(sources))]
        return places, sources

    def _end_search(self) -> None:
        self._ended.set()
        self._ended = asyncio.Event()
        if self._running:
            self._running.cancel()


def _within_limit(sources: Sequence[Source]) -> list[Source]:
    """The first document, and the others up to the limit of what is searched."""
    ends = accumulate(len(source.text) for source in sources)
    return [source for i, (source, end) in enumerate(zip(sources, ends, strict=True)) if not i or end <= _MAX_CHARS]

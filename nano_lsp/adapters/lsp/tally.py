"""What becomes of the suggestions that an editor was given: accepted, and still there a while later."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from nano_lsp.adapters.lsp.documents import Documents
from nano_lsp.config import Folders
from nano_lsp.features.statistics import KEPT_AFTER_S, Record, Statistics

if TYPE_CHECKING:  # not imported: it would bring the whole assistant along
    from nano_lsp.features.ghost_text import Suggestion

_MAX_OPEN = 64


@dataclass(frozen=True)
class _Shown:
    """A suggestion that the user may still accept."""

    uri: str
    text: str
    record: Record


class Tally:
    """Follows suggestions until it is known what became of them.

    Args:
        folders: of this user; numbers are kept in the cache.
        documents: that are open.

    Attributes:
        shown: how many were given to the editor.
        accepted: of these.
        enabled: keep numbers for later.
    """

    def __init__(self, folders: Folders, documents: Documents) -> None:
        self.statistics = Statistics(folders.cache)
        self.shown = 0
        self.accepted = 0
        self.enabled = True
        self._documents = documents
        self._open: OrderedDict[int, _Shown] = OrderedDict()

    def show(self, uri: str, language: str, suggestion: Suggestion) -> None:
        """A suggestion is given to the editor; once for all that is typed along it."""
        if not suggestion.text or suggestion.id in self._open:
            return
        self.shown += 1
        record = Record(date.today().isoformat(), language, len(suggestion.text), round(suggestion.confidence, 4))
        self._open[suggestion.id] = _Shown(uri, suggestion.text, record)
        if len(self._open) > _MAX_OPEN:
            self._keep([self._open.popitem(last=False)[1].record])

    def accept(self, suggestion_id: int, call_later: Callable[[float, Callable[[], None]], object]) -> None:
        """The user has accepted a suggestion.

        Args:
            suggestion_id: of it.
            call_later: calls a function after so many seconds.
        """
        self.accepted += 1
        shown = self._open.pop(suggestion_id, None)
        if shown is not None:
            call_later(KEPT_AFTER_S, lambda: self._look_again(shown))

    def flush(self) -> None:
        """Write down what is known, at once: the process is about to end."""
        if self.enabled:
            self.statistics.add(shown.record for shown in self._open.values())
        self._open.clear()

    def _look_again(self, shown: _Shown) -> None:
        document = self._documents.get(shown.uri)
        kept = document is not None and shown.text.strip() in document.text
        self._keep([replace(shown.record, accepted=True, kept=kept)])

    def _keep(self, records: list[Record]) -> None:
        if self.enabled:
            asyncio.get_running_loop().run_in_executor(None, self.statistics.add, records)

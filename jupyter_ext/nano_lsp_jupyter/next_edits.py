"""The next edit in notebooks and files. What has been edited is derived from the texts that the page sends.

Each message has the texts of all code cells. A cell whose text is another one than before was edited, unless cells
were added or removed as well: then text has moved between them, as when a cell is split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from nano_lsp.code.languages import language_of
from nano_lsp.code.notebook import Cell
from nano_lsp.editor.next_edits import NextEdits
from nano_lsp.editor.session import Session
from nano_lsp.next_edit.renames import Source
from nano_lsp_jupyter import messages

_MAX_DOCUMENTS = 16  # whose texts are kept, those of the newest messages


@dataclass(frozen=True)
class _Texts:
    """The newest texts of a document.

    Attributes:
        page: Identifier of the page that has sent them.
        number: Number of its message.
        cells: The cells that get suggestions by their identifiers; that of a file is empty.
    """

    page: str
    number: int
    cells: Mapping[str, Source] = field(default_factory=dict)


class CellEdits:
    """The edits of one Jupyter server's notebooks and files, and where they go on. Use it on one event loop.

    Args:
        session: The session with the model and the settings.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._next_edits = NextEdits(session)
        self._texts: dict[str, _Texts] = {}  # by the document's name, that of the newest message last

    def update(self, name: str, cursor: messages.Cursor) -> Mapping[str, Source]:
        """Record what has been edited since the page's last message about a document.

        The first message with its texts only begins: the page sends one when the document is opened.

        Args:
            name: Name of the document.
            cursor: The message.

        Returns:
            The cells to search, by their identifiers; none if the message has been overtaken by a later one.
        """
        if not self._next_edits.is_on(name):
            return {}
        before = self._texts.get(name, _Texts(cursor.page, 0))
        if before.page == cursor.page and before.number > cursor.number:
            return {}
        now = _Texts(cursor.page, cursor.number, self._cells(name, cursor))
        if before.page != now.page:  # its texts may have been changed elsewhere
            self.forget(name)
            before = _Texts(now.page, 0)
        self._texts.pop(name, None)
        self._texts[name] = now
        if len(self._texts) > _MAX_DOCUMENTS:
            self.forget(next(iter(self._texts)))
        is_restructured = before.cells.keys() != now.cells.keys()
        for identifier, cell in before.cells.items():
            after = now.cells.get(identifier)
            if after is None or (is_restructured and after.text != cell.text):
                self._next_edits.forget(cell.name)
            elif after.text != cell.text:
                self._next_edits.changed(cell.name, cell.text, after.text)
        return now.cells

    async def find(self, name: str, cursor: messages.Cursor) -> dict[str, object] | None:
        """The next edit, once no key has been pressed for a while; None if there is nothing to show.

        Args:
            name: Name of the document.
            cursor: The message with its current texts.

        Returns:
            Identifier of its `cell`; `start` offset, `old` and `new` text of its lines; the `change` within them.

        Raises:
            NanoError: Inference failed.
        """
        cells = self.update(name, cursor)
        asked = cursor.cells[cursor.index].id
        order = sorted(cells, key=lambda identifier: identifier != asked)
        found = await self._next_edits.find([cells[identifier] for identifier in order])
        if found is None:
            return None
        place, _ = found
        identifier = next(each for each in order if cells[each].name == place.document)
        now = self._texts.get(name)
        if now is None or now.cells.get(identifier) != cells[identifier]:  # removed or changed meanwhile
            return None
        old, new = place.sides
        return {"cell": identifier, "start": place.start, "old": old, "new": new, "change": asdict(place.change)}

    def reject(self, old: str, new: str) -> None:
        """The user does not want an edit, given by the old and the new text of its lines: it is not offered again."""
        self._next_edits.reject(old, new)

    def forget(self, name: str) -> None:
        """Forget a document that was closed, or whose texts are not known any more."""
        for cell in self._texts.pop(name, _Texts("", 0)).cells.values():
            self._next_edits.forget(cell.name)

    def settings_changed(self) -> None:
        """Forget all of the documents in which next edits are off now."""
        self._next_edits.settings_changed()
        for name in [name for name in self._texts if not self._next_edits.is_on(name)]:
            del self._texts[name]

    def _cells(self, name: str, cursor: messages.Cursor) -> dict[str, Source]:
        """The cells that get suggestions, without those of a console, which have no identifiers."""
        size = sum(len(cell.code) for cell in cursor.cells)
        cells, is_quiet = {}, {}
        for cell in cursor.cells:
            if cursor.language and not cell.id:
                continue
            if cursor.language:
                language = Cell(cell.code, cell.language or cursor.language).body_language
            else:
                language = language_of(name, "", cell.code).name
            if language not in is_quiet:
                is_quiet[language] = self._session.quiet_reason(name, language, size) is not None
            if not is_quiet[language]:
                notebook = name if cell.id else ""
                cells[cell.id] = Source(f"{name}#{cell.id}" if cell.id else name, cell.code, language, notebook)
        return cells

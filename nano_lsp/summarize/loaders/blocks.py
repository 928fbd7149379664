"""A document as paragraphs with their places, and notes on content that was not read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Block:
    """A paragraph, or a row of a table.

    Attributes:
        text: The text, on one line.
        place: Place in the document, as `p. 12` or `line 340`.
        heading: The heading above it; empty for none.
    """

    text: str
    place: str
    heading: str = ""


@dataclass(frozen=True)
class Note:
    """A note on content of a document that was not read, or was interpreted.

    Attributes:
        kind: Machine-readable name, as `pages_without_text`.
        text: Sentence for the user, with a remedy if there is one.
        places: Places in the document; empty for the whole document.
    """

    kind: str
    text: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadedDocument:
    """The content of a document."""

    blocks: tuple[Block, ...]
    notes: tuple[Note, ...] = ()


_OCR = "If they are scans, run OCR on the file first, for instance with ocrmypdf."
_ACCEPTED = "Tracked changes are read as if they were accepted."
_OMITTED = {  # singular, plural, what happened to them, remedy or explanation
    "pages_without_text": ("page without text", "pages without text", "not read", _OCR),
    "unreadable_pages": (
        "page whose characters have no meaning",
        "pages whose characters have no meaning",
        "not read",
        "Run OCR on the file first, for instance with ocrmypdf --force-ocr.",
    ),
    "unreadable_passages": (
        "page with characters that have no meaning",
        "pages with characters that have no meaning",
        "read in part",
        "Run OCR on the file first, for instance with ocrmypdf --force-ocr.",
    ),
    "stamps": ("stamp", "stamps", "not read", ""),
    "pictures": ("picture", "pictures", "not read", ""),
    "comments": ("comment", "comments", "not read", ""),
    "deletions": ("tracked deletion", "tracked deletions", "left out", _ACCEPTED),
    "struck_out": ("struck-out passage", "struck-out passages", "left out", ""),
    "equations": ("equation", "equations", "not read", ""),
    "symbols": ("symbol of a picture font", "symbols of picture fonts", "not read", ""),
    "charts": ("chart or diagram", "charts and diagrams", "not read", ""),
    "embedded": ("embedded document or medium", "embedded documents and media", "not read", ""),
    "fields": ("field without a result", "fields without a result", "not read", "Update them where you edit it."),
    "repetitions": (
        "repetition of a cell that spans several rows",
        "repetitions of cells that span several rows",
        "left out",
        "",
    ),
    "list_numbers": ("automatic number of a paragraph", "automatic numbers of paragraphs", "not read", ""),
    "navigation": ("navigation menu", "navigation menus", "left out", ""),
    "hidden_by_style": ("passage that a style sheet hides", "passages that style sheets hide", "left out", ""),
    "frames": ("frame with another document", "frames with other documents", "not read", ""),
    "without_scripts": (
        "passage for browsers without scripts",
        "passages for browsers without scripts",
        "left out",
        "",
    ),
}
_MAX_REPEATED = 4 << 20  # characters: a page of 1 MB could stand for gigabytes
_MAX_PLACES = 8  # in the sentence; `Note.places` has all


@dataclass
class Repetitions:
    """Number of characters that a document's tables have repeated, in cells that span several rows."""

    n_chars: int = 0


@dataclass
class Collector:
    """Collects the paragraphs and notes of a loader. A heading without paragraphs becomes a paragraph itself.

    Attributes:
        repetitions: What tables have repeated, in all parts of the document.
    """

    repetitions: Repetitions = field(default_factory=Repetitions)
    _blocks: list[Block] = field(default_factory=list)
    _notes: list[Note] = field(default_factory=list)
    _omitted: dict[str, list[str]] = field(default_factory=dict)
    _heading: str = ""
    _bare: Block | None = None  # a heading without paragraphs so far

    def add_heading(self, text: str, place: str) -> None:
        """Start a section."""
        text = one_line(text)
        if text:
            self._end_heading()
            self._heading, self._bare = text, Block(text, place, text)

    def add(self, text: str, place: str) -> None:
        """Add a paragraph; one without letters and digits is ignored."""
        text = one_line(text)
        if re.search(r"\w", text):
            self._blocks.append(Block(text, place, self._heading))
            self._bare = None

    def may_repeat(self, n_chars: int, place: str) -> bool:
        """Whether a row may repeat cells of the row above; counts them as left out if the document has too many."""
        self.repetitions.n_chars += n_chars
        if self.repetitions.n_chars <= _MAX_REPEATED:
            return True
        self.omit("repetitions", place)
        return False

    def omit(self, kind: str, place: str) -> None:
        """Count an element that is not read."""
        self._omitted.setdefault(kind, []).append(place)

    def omit_as(self, other: Collector, place: str) -> None:
        """Count the elements that another collector has omitted, at a place of this document."""
        for kind, places in other._omitted.items():
            for _ in places:
                self.omit(kind, place)

    def note(self, kind: str, text: str, places: tuple[str, ...] = ()) -> None:
        """Add a note about the document."""
        self._notes.append(Note(kind, text, places))

    def finish(self) -> LoadedDocument:
        """The collected document."""
        self._end_heading()
        counted = [_count(kind, places) for kind, places in self._omitted.items()]
        return LoadedDocument(tuple(self._blocks), (*self._notes, *counted))

    def _end_heading(self) -> None:
        if self._bare:
            self._blocks.append(self._bare)
        self._bare = None


def one_line(text: str) -> str:
    """A text with single spaces as its only whitespace, without soft hyphens."""
    return re.sub(r"\s+", " ", text.replace("\u00ad", "")).strip()


def _count(kind: str, places: list[str]) -> Note:
    one, several, became, remedy = _OMITTED[kind]
    distinct = tuple(dict.fromkeys(places))
    ranges = _ranges(distinct)
    listed = ", ".join(ranges[:_MAX_PLACES]) + (", …" if len(ranges) > _MAX_PLACES else "")
    counted = f"1 {one} was" if len(places) == 1 else f"{len(places):,} {several} were"
    return Note(kind, f"{counted} {became} ({listed}). {remedy}".strip(), distinct)


def _ranges(places: tuple[str, ...]) -> list[str]:
    """Places with consecutive pages merged: `p. 2`, `p. 3`, `p. 4` become `p. 2-4`."""
    found: list[tuple[str, int, int]] = []  # text before the number, first, last
    for place in places:
        split = re.fullmatch(r"(p\. )(\d+)", place)
        number = int(split[2]) if split else 0
        if split and found and found[-1][0] == split[1] and found[-1][2] == number - 1:
            found[-1] = (split[1], found[-1][1], number)
        else:
            found.append((split[1] if split else place, number, number))
    return [f"{begin}{first}-{last}" if last > first else f"{begin}{first or ''}" for begin, first, last in found]

"""Layout of docstrings in each style: headings, beginnings of entries, and their order.

The styles are Google (Google Python Style Guide, 3.8), NumPy (numpydoc format), Sphinx (field lists of its Python
domain) and epytext, whose fields differ from those of Sphinx in their first character.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

_WIDTH = 79


class Style(StrEnum):
    """The style of a docstring."""

    GOOGLE = "google"
    NUMPY = "numpy"
    SPHINX = "sphinx"
    EPYTEXT = "epytext"

    @property
    def has_fields(self) -> bool:
        """Whether entries are fields of a field list, without a heading."""
        return self in {Style.SPHINX, Style.EPYTEXT}


class Topic(IntEnum):
    """The topics of sections, in the order of the sections."""

    TEXT = 0
    ATTRIBUTES = 1
    TYPE_PARAMETERS = 2
    PARAMETERS = 3
    OTHER_PARAMETERS = 4
    RETURNS = 5
    YIELDS = 6
    RAISES = 7
    PANICS = 8
    SAFETY = 9


_TITLES = {
    Topic.ATTRIBUTES: "Attributes",
    Topic.PARAMETERS: "Args",
    Topic.RETURNS: "Returns",
    Topic.YIELDS: "Yields",
    Topic.RAISES: "Raises",
}
_FIELDS = {
    Topic.ATTRIBUTES: "ivar",
    Topic.PARAMETERS: "param",
    Topic.RETURNS: "returns",
    Topic.YIELDS: "yields",
    Topic.RAISES: "raises",
}


@dataclass
class NewEntry:
    """An entry of a docstring whose text the model is to write.

    Attributes:
        topic: The topic of its section; TEXT for the summary.
        name: The parameter, field or exception; empty for a result and the summary.
        label: The beginning of the entry in its style, such as `name:`.
        lines: The lines of the entry; None until it has text.
        closing: The end of the entry in its style, such as `</param>`.
    """

    topic: Topic
    name: str = ""
    label: str = ""
    lines: list[str] | None = None
    closing: str = ""


@dataclass
class DocstringTemplate:
    """A docstring with new entries whose text is still to be written.

    Attributes:
        items: Numbers of the author's lines, new lines and new entries, in order.
        old: The author's lines without their common indentation, as shown to the model.
    """

    items: list[int | str | NewEntry]
    old: Sequence[str] = field(default_factory=list)

    def new_entries(self) -> list[NewEntry]:
        """The new entries."""
        return [item for item in self.items if isinstance(item, NewEntry)]

    def lines(self, until: NewEntry | None = None) -> list[str]:
        """The docstring's lines, up to an entry if given: the last line is then the beginning of the entry's."""
        return [line for item in self.items[: self._index(until)] for line in self._lines_of(item)] + (
            until.label.split("\n") if until else []
        )

    def _index(self, entry: NewEntry | None) -> int:
        return next((i for i, item in enumerate(self.items) if item is entry), len(self.items))

    def _lines_of(self, item: int | str | NewEntry) -> Sequence[str]:
        if isinstance(item, int):
            return [self.old[item]]
        return [item] if isinstance(item, str) else item.lines or []

    def added(self) -> Iterator[tuple[int, int, list[str]]]:
        """For each change, the numbers of the author's lines before and after it, and the new lines between them."""
        before, new = -1, list[str]()
        for item in [*self.items, len(self.old)]:
            if not isinstance(item, int):
                new += self._lines_of(item)
                continue
            if new or item > before + 1:
                yield before, item, new
            before, new = item, []


def begin_entry(
    style: Style, topic: Topic, name: str, *, stars: str, annotation: str, indent: str, unit: str
) -> NewEntry:
    """An entry without text; the name is a parameter, field or exception, empty for a result."""
    if style is Style.GOOGLE:
        label = f"{indent}{stars}{name}:" if name else indent
    elif style is Style.NUMPY:
        kind = f" : {annotation}" if name and annotation else annotation
        first = f"{stars}{name}{kind}" if name or annotation else "result"  # required by numpydoc
        label = f"{indent}{first}\n{indent}{unit}"
    else:
        mark = "@" if style is Style.EPYTEXT else ":"
        label = f"{indent}{mark}{_FIELDS[topic]}{' ' if name else ''}{name}:"
    return NewEntry(topic, name, label)


def heading(style: Style, topic: Topic) -> list[str]:
    """The lines above the entries of a new section."""
    title = _TITLES[topic]
    if style is Style.GOOGLE:
        return [f"{title}:"]
    if style is Style.NUMPY:
        title = "Parameters" if topic is Topic.PARAMETERS else title
        return [title, "-" * len(title)]
    return []


def fill(entry: NewEntry, text: str, indent: str) -> None:
    """Set the lines of an entry, wrapped at 79 columns."""
    *above, first = entry.label.split("\n")
    if not entry.label:
        entry.lines = [text]
        return
    is_blank = not first.strip()
    unit = "\t" if "\t" in indent else "    "
    hanging = first if is_blank else first[: len(first) - len(first.lstrip())] + unit
    wrapped = textwrap.wrap(
        first + ("" if is_blank else " ") + text,
        max(40, _WIDTH - len(indent.expandtabs(4))),
        initial_indent="",
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
        expand_tabs=False,
        replace_whitespace=False,
    )
    entry.lines = above + wrapped


def detect_style(code: str) -> Style | None:
    """The most frequent style of a file's docstrings; None for none."""
    titles = "Args|Arguments|Parameters|Returns|Yields|Raises|Attributes"
    patterns = {
        Style.GOOGLE: rf"^[ \t]*({titles}):[ \t]*$",
        Style.NUMPY: rf"^[ \t]*({titles})[ \t]*\r?\n[ \t]*-{{3,}}[ \t]*$",
        Style.SPHINX: r"^[ \t]*:(param|returns?|raises?|rtype|type)\b[^:\n]*:",
        Style.EPYTEXT: r"^[ \t]*@(param|returns?|raises?|rtype|type)\b[^:\n]*:",
    }
    counts = {style: len(re.findall(pattern, code, re.MULTILINE)) for style, pattern in patterns.items()}
    style = max(counts, key=lambda style: counts[style])
    return style if counts[style] else None

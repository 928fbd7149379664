"""A docstring in parts, in the three styles: what its author wrote stays as it stands, entries come and go.

Styles: Google (Google Python Style Guide, 3.8), NumPy (numpydoc format) and Sphinx (its Python domain's field lists).
Libraries that parse docstrings render them anew; who asks for one more entry wants nothing else to change.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum

_WIDTH = 79


class Style(str, Enum):
    """How a docstring is laid out."""

    GOOGLE = "google"
    NUMPY = "numpy"
    SPHINX = "sphinx"


class Topic(IntEnum):
    """What a part is about, in the order they stand in."""

    TEXT = 0
    ATTRIBUTES = 1
    PARAMETERS = 2
    RETURNS = 3
    YIELDS = 4
    RAISES = 5


_TITLES = {
    Topic.ATTRIBUTES: ("Attributes",),
    Topic.PARAMETERS: ("Args", "Parameters", "Arguments", "Params", "Other Parameters", "Keyword Args"),
    Topic.RETURNS: ("Returns", "Return"),
    Topic.YIELDS: ("Yields", "Yield"),
    Topic.RAISES: ("Raises", "Raise", "Exceptions"),
}
_TOPIC_OF_TITLE = {title: topic for topic, titles in _TITLES.items() for title in titles}
_TOPIC_OF_FIELD = {
    **dict.fromkeys(("ivar", "var", "cvar", "vartype"), Topic.ATTRIBUTES),
    **dict.fromkeys(("param", "parameter", "arg", "argument", "key", "keyword", "kwarg", "type"), Topic.PARAMETERS),
    **dict.fromkeys(("return", "returns", "rtype"), Topic.RETURNS),
    **dict.fromkeys(("yield", "yields", "ytype"), Topic.YIELDS),
    **dict.fromkeys(("raise", "raises", "except", "exception"), Topic.RAISES),
}
_FIELD_OF_TOPIC = {
    Topic.ATTRIBUTES: "ivar",
    Topic.PARAMETERS: "param",
    Topic.RETURNS: "returns",
    Topic.YIELDS: "yields",
    Topic.RAISES: "raises",
}
_UNNAMED = {Topic.RETURNS, Topic.YIELDS}
_GOOGLE_TITLE = re.compile(r"([A-Z]\w+(?: \w+)?):\s*$")
_GOOGLE_ENTRY = re.compile(r"\s*(\*{0,2}[\w.]+)\s*(?:\([^)]*\)|\[[^\]]*\])?\s*:")
_NUMPY_ENTRY = re.compile(r"(\*{0,2}[\w.]+)")
_FIELD = re.compile(r":(\w+)((?:\s+[^:\s][^:]*)?):(?:\s|$)")


@dataclass
class Entry:
    """What is said of one thing.

    Attributes:
        name: of the parameter, the field or the exception, without stars; empty for a result.
        lines: as they stand in the docstring, at the indentation of the whole; None while nobody has written them.
        label: how the style begins a new entry; `name:` for instance.
    """

    name: str = ""
    lines: list[str] | None = None
    label: str = ""


@dataclass
class Part:
    """A paragraph of text, or a section.

    Attributes:
        topic: of it.
        heading: its lines before the first entry.
        entries: what it lists; text is one entry.
    """

    topic: Topic
    heading: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Layout:
    """A docstring in parts.

    Attributes:
        style: how it is laid out.
        parts: in order; the first is text and begins with the summary.
    """

    style: Style
    parts: list[Part]

    @classmethod
    def parse(cls, text: str, style: Style) -> Layout:
        """The parts of a docstring.

        Args:
            text: of the docstring, its indentation removed (`inspect.cleandoc`).
            style: that it has.
        """
        parts = [Part(Topic.TEXT, entries=[Entry(lines=[] if text.strip() else None)])]
        lines = text.split("\n") if text.strip() else []
        read = {Style.GOOGLE: _read_google, Style.NUMPY: _read_numpy, Style.SPHINX: _read_sphinx}[style]
        read(lines, parts)
        return cls(style, parts)

    def part(self, topic: Topic) -> Part:
        """The first part of a topic; a new one, where it belongs, if there is none."""
        found = next((part for part in self.parts if part.topic is topic), None)
        if found is None:
            before = [i for i, part in enumerate(self.parts) if part.topic is not Topic.TEXT and part.topic < topic]
            after = [i for i, part in enumerate(self.parts) if part.topic > topic]
            at = before[-1] + 1 if before else after[0] if after else len(self.parts)
            found = Part(topic, self._heading(topic))
            self.parts.insert(at, found)
        return found

    def entries(self, topic: Topic) -> Iterator[Entry]:
        """What is said of a topic, wherever it stands."""
        return (entry for part in self.parts if part.topic is topic for entry in part.entries)

    def new_entry(self, topic: Topic, name: str, stars: str = "", annotation: str = "") -> Entry:
        """An entry that nobody has written yet.

        Args:
            topic: of the part that it is for.
            name: of what it describes.
            stars: in front of a parameter's name.
            annotation: its type, for the style that has types in docstrings.
        """
        if self.style is Style.GOOGLE:
            label = f"    {stars}{name}:" if name else "    "
        elif self.style is Style.NUMPY:
            kind = f" : {annotation}" if name and annotation else annotation
            label = f"{stars}{name}{kind}" if name or annotation else "result"  # numpydoc wants a line there
            label += "\n    "
        else:
            label = f":{_FIELD_OF_TOPIC[topic]}{' ' if name else ''}{name}:"
        return Entry(name, None, label)

    def blanks(self) -> Iterator[tuple[Part, Entry]]:
        """The entries that nobody has written yet."""
        return ((part, entry) for part in self.parts for entry in part.entries if entry.lines is None)

    def fill(self, entry: Entry, text: str, indent: str) -> None:
        """Write an entry, wrapped to lines of 79 columns.

        Args:
            entry: of this layout.
            text: what to say.
            indent: of the docstring in its file.
        """
        *above, first = entry.label.split("\n")
        if not entry.label:
            entry.lines = [text]
            return
        hanging = first if not first.strip() else "    " + first[: len(first) - len(first.lstrip())]
        space = "" if not first.strip() else " "
        width = max(40, _WIDTH - len(indent.expandtabs(4)))
        wrapped = textwrap.wrap(
            first + space + text,
            width,
            initial_indent="",
            subsequent_indent=hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )
        entry.lines = above + wrapped

    def lines_before(self, blank: Entry) -> list[str]:
        """The lines up to where an entry's words are to come, the beginning of its own line last."""
        return self._lines(blank)

    def lines(self) -> list[str]:
        """The lines of the docstring; entries that nobody has written are left out."""
        return self._lines(None)

    def _lines(self, until: Entry | None) -> list[str]:
        lines: list[str] = []
        for part in self.parts:
            written = [entry for entry in part.entries if entry.lines is not None or entry is until]
            if not written:
                continue
            close = self.style is Style.SPHINX and part.topic is not Topic.TEXT and _is_field(lines)
            if lines and not close:
                lines.append("")
            lines += part.heading
            for entry in written:
                if entry is until:
                    return lines + entry.label.split("\n")
                lines += entry.lines or []
        return lines

    def _heading(self, topic: Topic) -> list[str]:
        title = _TITLES[topic][0]
        if self.style is Style.GOOGLE:
            return [f"{title}:"]
        if self.style is Style.NUMPY:
            title = "Parameters" if topic is Topic.PARAMETERS else title
            return [title, "-" * len(title)]
        return []


def detect_style(code: str) -> Style | None:
    """The style that most docstrings of a file have; None where none shows.

    Args:
        code: of the file.
    """
    counts = {
        Style.GOOGLE: len(re.findall(r"^[ \t]*(Args|Returns|Yields|Raises|Attributes):[ \t]*$", code, re.MULTILINE)),
        Style.NUMPY: len(
            re.findall(
                r"^[ \t]*(Parameters|Returns|Yields|Raises|Attributes)[ \t]*\r?\n[ \t]*-{3,}[ \t]*$",
                code,
                re.MULTILINE,
            )
        ),
        Style.SPHINX: len(re.findall(r"^[ \t]*:(param|returns?|raises?|rtype|type)\b[^:\n]*:", code, re.MULTILINE)),
    }
    style = max(counts, key=lambda style: counts[style])
    return style if counts[style] else None


def _is_field(lines: list[str]) -> bool:
    """Whether the last lines are a field of a field list."""
    last = next((line for line in reversed(lines) if not line.startswith((" ", "\t"))), "")
    return bool(_FIELD.match(last))


def _add_text(parts: list[Part], line: str) -> None:
    if parts[-1].topic is not Topic.TEXT:
        if not line.strip():
            return
        parts.append(Part(Topic.TEXT, entries=[Entry(lines=[])]))
    written = parts[-1].entries[0].lines
    if written is not None:
        written.append(line)


def _strip_blank_end(parts: list[Part]) -> None:
    """Blank lines at a part's end belong to the space between two parts, which is laid out anew."""
    for part in parts:
        written = part.entries[-1].lines if part.entries else part.heading
        while written and not written[-1].strip():
            written.pop()


def _read_google(lines: list[str], parts: list[Part]) -> None:
    depth = -1  # of the current section's entries
    for i, line in enumerate(lines):
        title = _GOOGLE_TITLE.match(line)
        following = next((below for below in lines[i + 1 :] if below.strip()), "")
        if title and title[1] in _TOPIC_OF_TITLE and following.startswith((" ", "\t")):
            parts.append(Part(_TOPIC_OF_TITLE[title[1]], [line]))
            depth = -1
        elif parts[-1].topic is Topic.TEXT or (line.strip() and not line.startswith((" ", "\t"))):
            _add_text(parts, line)
        else:
            indent = len(line) - len(line.lstrip())
            depth = indent if depth < 0 and line.strip() else depth
            _read_entry(parts[-1], line, starts=bool(line.strip()) and indent <= depth, name=_GOOGLE_ENTRY)
    _strip_blank_end(parts)


def _read_numpy(lines: list[str], parts: list[Part]) -> None:
    i = 0
    while i < len(lines):
        line, below = lines[i], lines[i + 1] if i + 1 < len(lines) else ""
        if line.strip() and re.fullmatch(r"[-=]{3,}\s*", below):
            topic = _TOPIC_OF_TITLE.get(line.strip(), Topic.TEXT)
            if topic is Topic.TEXT:
                parts.append(Part(topic, entries=[Entry(lines=[line, below])]))
            else:
                parts.append(Part(topic, [line, below]))
            i += 2
            continue
        if parts[-1].topic is Topic.TEXT:
            _add_text(parts, line)
        else:
            starts = bool(line.strip()) and not line.startswith((" ", "\t"))
            _read_entry(parts[-1], line, starts=starts, name=_NUMPY_ENTRY)
        i += 1
    _strip_blank_end(parts)


def _read_entry(part: Part, line: str, *, starts: bool, name: re.Pattern[str]) -> None:
    """Add a section's line: to its last entry, or as the beginning of another."""
    if part.topic in _UNNAMED:
        starts = not part.entries
    if starts or not part.entries:
        found = None if part.topic in _UNNAMED else name.match(line)
        part.entries.append(Entry(found[1].lstrip("*") if found else line.strip(), [line]))
    else:
        last = part.entries[-1].lines
        if last is not None:
            last.append(line)


def _read_sphinx(lines: list[str], parts: list[Part]) -> None:
    within: Entry | None = None  # the field whose lines go on
    for line in lines:
        found = _FIELD.match(line)
        topic = _TOPIC_OF_FIELD.get(found[1]) if found else None
        if found and topic:
            name = "" if topic in _UNNAMED else found[2].split()[-1].lstrip("*\\") if found[2].split() else ""
            part = next((part for part in parts if part.topic is topic), None)
            if part is None:
                part = Part(topic)
                parts.append(part)
            within = next((entry for entry in part.entries if entry.name == name), None)
            if within is None:
                within = Entry(name)
                part.entries.append(within)
            within.lines = [*(within.lines or []), line]
        elif within is not None and within.lines is not None and line.startswith((" ", "\t")):
            within.lines.append(line)
        else:
            within = None if line.strip() else within
            if line.strip() or parts[-1].topic is Topic.TEXT:
                _add_text(parts, line)
    _strip_blank_end(parts)

"""Parses the sections and entries of a docstring, with their line numbers.

Grammars: the Google Python Style Guide, 3.8, with the section names of Sphinx Napoleon; numpydoc's format; the field
lists of Sphinx' Python domain, also with a list in one field (`:Parameters:`); epytext's fields. One docstring may
mix them. Everything else is text, and so are literal blocks, doctests, directives and fenced code. This parser exists
because docstring-parser, griffe and numpydoc return the content of a docstring, but not its positions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nano_lsp.docstrings.layout import Style, Topic
from nano_lsp.docstrings.names import Name, end_of_brackets, end_of_field, field_names, read_names

_TITLES = {
    **dict.fromkeys(("attributes", "attribute"), Topic.ATTRIBUTES),
    **dict.fromkeys(("args", "arguments", "parameters", "params", "parameter"), Topic.PARAMETERS),
    **dict.fromkeys(
        ("keyword args", "keyword arguments", "keyword parameters", "keyword params", "kwargs"),
        Topic.OTHER_PARAMETERS,
    ),
    **dict.fromkeys(
        ("other parameters", "other params", "other args", "other arguments", "optional args"), Topic.OTHER_PARAMETERS
    ),
    **dict.fromkeys(("returns", "return"), Topic.RETURNS),
    **dict.fromkeys(("yields", "yield"), Topic.YIELDS),
    **dict.fromkeys(("raises", "raise", "except", "exceptions"), Topic.RAISES),
    **dict.fromkeys(("receive", "receives", "warn", "warns", "methods", "functions", "classes"), Topic.TEXT),
    **dict.fromkeys(("note", "notes", "example", "examples", "see also", "references", "todo", "todos"), Topic.TEXT),
    **dict.fromkeys(("attention", "caution", "danger", "error", "hint", "important", "tip", "tips"), Topic.TEXT),
    **dict.fromkeys(("warning", "warnings", "deprecated", "modules", "type parameters", "usage"), Topic.TEXT),
    **dict.fromkeys(("summary", "extended summary", "short summary", "side effects", "history"), Topic.TEXT),
}
_FIELDS = {
    **dict.fromkeys(("ivar", "var", "cvar", "vartype"), Topic.ATTRIBUTES),
    **dict.fromkeys(("param", "parameter", "arg", "argument", "type"), Topic.PARAMETERS),
    **dict.fromkeys(("key", "keyword", "kwarg", "kwparam"), Topic.OTHER_PARAMETERS),
    **dict.fromkeys(("return", "returns", "rtype"), Topic.RETURNS),
    **dict.fromkeys(("yield", "yields", "ytype"), Topic.YIELDS),
    **dict.fromkeys(("raise", "raises", "except", "exception", "throw", "throws"), Topic.RAISES),
}
_FIELD_TITLES = {
    "keywords": Topic.OTHER_PARAMETERS,
    **dict.fromkeys(("ivariables", "cvariables", "variables"), Topic.ATTRIBUTES),
}
_UNNAMED = {Topic.RETURNS, Topic.YIELDS, Topic.TEXT}
_UNDERLINE = re.compile(r"[-=~]{2,}\s*")
_TITLE = re.compile(
    r"(?P<mark>#{1,6}\s+)?(?P<bold>\*\*)?(?P<title>[A-Za-z][A-Za-z ]*?)\s*"
    r"(?(bold)[:\uff1a]?\*\*[:\uff1a]?|(?(mark)[:\uff1a]?|[:\uff1a]))\s*"
)
"""A title with a colon, or as a heading or in bold print of Markdown (`# Arguments` of Keras)."""
_FIELD_TITLE = re.compile(r"[:@]([A-Za-z][A-Za-z ]*):\s*")
_INLINE = re.compile(r"(Returns?|Yields?|Raises)\s*:\s+(?=\S)")
_FIELD_NAME = re.compile(r"([:@])([A-Za-z]+)(?=[\s:])")
_GLUED_FIELD = re.compile(r"(\s+(?:[^\s:`]+\s+)?[^\s:`]+):(?=\S)")  # `:param name:Text`
_DASH = re.compile(r"\s+(?:-{1,2}|[\u2013\u2014])\s")
_COLON = re.compile(r"\s*(?::(?![\w.+-]+:`|:|//)|\uff1a)")  # except those of a role, a literal block and an address
_BULLET = re.compile(r"(?:[-*+\u2022]|\d+[.)])\s+")
_PROSE = re.compile(r"[A-Z][a-z]+|see|note|example|todo|default|defaults|e\.g|i\.e|where|either|returns|raises")
"""Words that begin prose more likely than an entry: such a line is never removed."""
_TYPED_NAME = re.compile(r"[\w.]+(?:\[[^:]*\])?\s+\*{0,2}([^\W\d]\w*)\s*:\s")
"""An entry with the type before the name, as in C."""
_GLUED = re.compile(r":\S")
_MAX_HEAD_LINES = 8


@dataclass(frozen=True)
class Entry:
    """The description of one name or several.

    Attributes:
        names: The parameters, fields or exceptions; empty for a result, and for text that may be prose.
        first: Number of its first line.
        last: Number of its last line that is not blank.
        certain: It has the form of an entry, and cannot be prose.
        bullet: The mark of a list before the names, such as `- ` or `1. `.
    """

    names: tuple[Name, ...]
    first: int
    last: int
    certain: bool = True
    bullet: str = ""


@dataclass(frozen=True)
class Section:
    """A section, or a field of a field list.

    Attributes:
        style: The style of the section.
        topic: The topic of the section.
        first: Number of its first line: its title, or the field.
        last: Number of its last line that is not blank.
        entries: The entries of the section.
        title: Its title in lower case, or the name of a field.
        in_field: Its entries are the body of a field; `style` is their form.
    """

    style: Style
    topic: Topic
    first: int
    last: int
    entries: tuple[Entry, ...] = ()
    title: str = ""
    in_field: bool = False


def find_sections(lines: Sequence[str]) -> list[Section]:
    """The sections of a docstring, in order.

    Args:
        lines: The unchanged lines of its value; the first one begins after the quotes.
    """
    return list(_Parser(lines).sections())


class _Parser:
    """Parses the lines of a docstring."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._texts = [line.strip() for line in lines]
        expanded = [line.expandtabs() for line in lines]
        self._indents = [len(line) - len(line.lstrip()) for line in expanded]
        self._starts = [len(line) - len(line.lstrip()) for line in lines]
        others = [indent for indent, text in zip(self._indents[1:], self._texts[1:], strict=True) if text]
        if self._indents and not (
            self._indents[0] and self._texts[0] and self._indents[0] >= min(others, default=99)
        ):
            self._indents[0] = min(others, default=0)  # the text after the quotes has no indentation of its own

    def sections(self) -> Iterator[Section]:
        i = 0
        while i < len(self._texts):
            section = self._section_at(i)
            if section is not None:
                yield section
                i = section.last + 1
            else:
                i = self._skip_text(i)

    def _section_at(self, i: int) -> Section | None:
        if not self._texts[i]:
            return None
        return self._numpy(i) or self._field_of_several(i) or self._field(i) or self._google(i) or self._inline(i)

    def _skip_text(self, i: int) -> int:
        """The line after a line of text, and after the fence, doctest, literal block or directive that it begins."""
        text, indent = self._texts[i], self._indents[i]
        if text.startswith(("```", "~~~")):
            end = next((j for j in range(i + 1, len(self._texts)) if self._texts[j].startswith(text[:3])), i)
            return end + 1
        if text.startswith(">>>"):
            return next((j for j in range(i + 1, len(self._texts)) if not self._texts[j]), len(self._texts))
        if text.endswith("::") or text.startswith(".. "):
            return self._last_deeper(i, indent) + 1
        return i + 1

    def _last_deeper(self, i: int, indent: int) -> int:
        """The last of the following lines that are indented deeper than a column; the line itself for none."""
        last = i
        for j in range(i + 1, len(self._texts)):
            if self._texts[j]:
                if self._indents[j] <= indent:
                    break
                last = j
        return last

    def _next(self, i: int) -> int:
        """The next line that is not blank; the number of lines for none."""
        return next((j for j in range(i + 1, len(self._texts)) if self._texts[j]), len(self._texts))

    # Google

    def _google(self, i: int) -> Section | None:
        found = _TITLE.fullmatch(self._texts[i])
        title = found["title"].lower() if found else ""
        if found is None or title not in _TITLES:
            return None
        topic, indent, following = _TITLES[title], self._indents[i], self._next(i)
        is_deeper = following < len(self._texts) and self._indents[following] > indent
        if is_deeper:
            last = self._last_deeper(i, indent)
        elif self._begins_list(i, following) and topic not in _UNNAMED:
            last = self._last_of_paragraph(following)  # not indented, contrary to the guide
        elif (
            found["title"][0].isupper()
            and topic is not Topic.TEXT
            and (following == len(self._texts) or self._section_at(following))
        ):
            return Section(Style.GOOGLE, topic, i, i, entries=(), title=title)  # an empty section
        else:
            return None
        entries = () if topic is Topic.TEXT else tuple(self._entries(following, last, topic))
        return Section(Style.GOOGLE, topic, i, last, entries=entries, title=title)

    def _inline(self, i: int) -> Section | None:
        """A section in one line, such as `Returns: the value`, which is not in the guide but common."""
        found = _INLINE.match(self._texts[i])
        if found is None:
            return None
        topic, last = _TITLES[found[1].lower()], self._last_deeper(i, self._indents[i])
        if topic is not Topic.RAISES:
            return Section(Style.GOOGLE, topic, i, last, entries=(Entry((), i, last),), title=found[1].lower())
        names, _ = self._names(i, found.end())
        below = [entry for entry in self._entries(self._next(i), last, topic) if entry.names and entry.certain]
        return Section(Style.GOOGLE, topic, i, last, entries=(Entry(names, i, i), *below), title=found[1].lower())

    def _begins_list(self, i: int, following: int) -> bool:
        """Whether the line after a title begins a list of entries although it has the title's indentation."""
        if following == len(self._texts):
            return False
        if following == i + 1 and self._is_entry(following):
            return True
        return self._texts[i].startswith(("#", "**")) and bool(self._bullet(following))

    def _is_entry(self, i: int) -> bool:
        entry = self._named_entry(i, i, is_numpy=False)
        return bool(entry.names) and entry.certain and not _TITLE.fullmatch(self._texts[i])

    def _last_of_paragraph(self, i: int) -> int:
        j = i
        while j + 1 < len(self._texts) and self._texts[j + 1] and not _TITLE.fullmatch(self._texts[j + 1]):
            j += 1
        return j

    def _entries(self, first: int, last: int, topic: Topic, style: Style = Style.GOOGLE) -> Iterator[Entry]:
        """The entries of a section's body, by the indentation of its first line."""
        if first > last:
            return
        if topic in _UNNAMED:
            yield Entry((), first, last)
            return
        depth = self._indents[first]
        starts = [j for j in range(first, last + 1) if self._texts[j] and self._indents[j] <= depth]
        head_end = -1
        heads = []
        for j in starts:
            if j > head_end:  # otherwise the line continues a type
                heads.append(j)
                head_end = self._end_of_head(j, last)
        for j, following in zip(heads, [*heads[1:], last + 1], strict=True):
            end = max(k for k in range(j, following) if self._texts[k])
            yield self._named_entry(j, end, is_numpy=style is Style.NUMPY)

    def _end_of_head(self, i: int, last: int) -> int:
        """The line in which the brackets of an entry's type are closed."""
        names, at = self._names(i, self._bullet(i))
        if not names:
            return i
        text = self._texts[i][at:].lstrip()
        if not text.startswith(tuple("([{")):
            return i
        for j in range(i, min(last, i + _MAX_HEAD_LINES) + 1):
            if j > i:
                text += "\n" + self._texts[j]
            if end_of_brackets(text) is not None:
                return j
        return i

    def _named_entry(self, i: int, last: int, *, is_numpy: bool) -> Entry:
        """An entry, with the names at the beginning of its first line."""
        start = self._bullet(i)
        names, at = self._names(i, start)
        if not names or (names[0].text.lower() in _TITLES and names[0].text[0].isupper()):
            return Entry((), i, last, certain=False)  # a note within the section
        loose = Entry(names, i, last, certain=False, bullet=self._texts[i][:start])
        rest = self._texts[i][at:]
        end_of_head = self._end_of_head(i, last)
        if rest.lstrip().startswith(tuple("([{")):
            whole = "\n".join([rest.lstrip(), *self._texts[i + 1 : end_of_head + 1]])
            end = end_of_brackets(whole)
            if end is None:
                return loose
            rest = whole[end:]
        has_text_below = last > end_of_head
        if _COLON.match(rest) or _DASH.match(rest):
            is_prose = _PROSE.fullmatch(names[0].text) or _GLUED.match(rest)
            return replace(loose, certain=not (start or is_prose))  # a list may belong to the entry above it
        if not rest.strip() or (is_numpy and re.match(r"\s*=", rest)):
            return replace(loose, certain=has_text_below and not start)
        typed = _TYPED_NAME.match(self._texts[i], start)
        if typed is not None:
            column = self._starts[i]
            return replace(loose, names=(*names, Name(typed[1], column + typed.start(1), column + typed.end(1))))
        return loose

    def _bullet(self, i: int) -> int:
        """The length of the mark of a list at the beginning of a line."""
        found = _BULLET.match(self._texts[i])
        return found.end() if found else 0

    def _names(self, i: int, at: int) -> tuple[tuple[Name, ...], int]:
        """The names in a line from an offset on, and where they end."""
        return read_names(self._texts[i], at, self._starts[i])

    # numpydoc

    def _is_numpy_title(self, i: int) -> bool:
        return (
            i + 1 < len(self._texts)
            and bool(self._texts[i])
            and _UNDERLINE.fullmatch(self._texts[i + 1]) is not None
            and not _UNDERLINE.fullmatch(self._texts[i])
            and self._indents[i] == self._indents[i + 1]
        )

    def _numpy(self, i: int) -> Section | None:
        title = self._texts[i].rstrip(": ").lower()
        if not self._is_numpy_title(i) or title not in _TITLES:
            return None
        topic, indent = _TITLES[title], self._indents[i]
        first = self._next(i + 1)
        depth = self._indents[first] if first < len(self._texts) else indent
        end = next(
            (j for j in range(i + 2, len(self._texts)) if self._ends_numpy(j, indent, depth)), len(self._texts)
        )
        last = max((j for j in range(i, end) if self._texts[j]), default=i + 1)
        entries = () if topic is Topic.TEXT else tuple(self._entries(first, last, topic, Style.NUMPY))
        return Section(Style.NUMPY, topic, i, last, entries=entries, title=title)

    def _ends_numpy(self, i: int, indent: int, depth: int) -> bool:
        if not self._texts[i] or self._indents[i] > indent:
            return False
        if self._indents[i] < indent or depth > indent or self._is_numpy_title(i):
            return True
        found, field, below = _TITLE.fullmatch(self._texts[i]), self._field(i), self._next(i)
        is_title = found is not None and found["title"][0].isupper() and found["title"].lower() in _TITLES
        is_title = is_title and below < len(self._texts) and self._indents[below] > indent
        return is_title or (field is not None and field.topic is not Topic.TEXT)

    # Fields

    def _field_of_several(self, i: int) -> Section | None:
        """A field whose body lists several entries, such as `:Parameters:`: epydoc's consolidated fields."""
        found, following = _FIELD_TITLE.fullmatch(self._texts[i]), self._next(i)
        title = found[1].lower() if found else ""
        topic = _FIELD_TITLES.get(title) or _TITLES.get(title, Topic.TEXT)
        if topic in _UNNAMED or following == len(self._texts) or self._indents[following] <= self._indents[i]:
            return None
        last = self._last_deeper(i, self._indents[i])
        entries = tuple(self._entries(following, last, topic))
        in_lines = entries[0].bullet or entries[0].last == entries[0].first
        style = Style.GOOGLE if in_lines else Style.NUMPY
        return Section(style, topic, i, last, entries=entries, title=title, in_field=True)

    def _field(self, i: int) -> Section | None:
        text = self._texts[i]
        found = _FIELD_NAME.match(text)
        if found is None:
            return None
        style = Style.SPHINX if found[1] == ":" else Style.EPYTEXT
        name, topic = found[2].lower(), _FIELDS.get(found[2].lower(), Topic.TEXT)
        end = end_of_field(text, found.end())
        glued = _GLUED_FIELD.match(text, found.end()) if end is None and name in _FIELDS else None
        end = glued.end(1) if glued else end
        if text[found.end()] == ":" and end != found.end():
            return None  # a role
        if end is None:
            if style is Style.SPHINX or name not in _FIELDS:
                return None
            words = text[found.end() :].split(None, 1)
            end = (
                text.index(words[0], found.end()) + len(words[0]) if words and topic not in _UNNAMED else found.end()
            )
        last = self._last_deeper(i, self._indents[i])
        names = self._field_names(i, found.end(), end, topic)
        return Section(style, topic, i, last, entries=(Entry(names, i, last),), title=name)

    def _field_names(self, i: int, start: int, end: int, topic: Topic) -> tuple[Name, ...]:
        if topic in _UNNAMED:
            return ()
        several = topic is Topic.RAISES
        return tuple(field_names(self._texts[i], start, end, self._starts[i], exceptions=several))

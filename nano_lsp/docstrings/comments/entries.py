"""The entries of a documentation comment, and which ones the code has that the comment lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nano_lsp.code.definition import Definition
from nano_lsp.docstrings.comments.forms import CommentForm
from nano_lsp.docstrings.layout import Topic

_FENCE = re.compile(r"\s*(?:[*] )?(?:```|~~~|[@\\](?:end)?(?:code|verbatim)\b|</?(?:pre|code)>\s*$)")
_ELSEWHERE = re.compile(
    r"\{?@inherit[dD]oc\b|@(?:type|satisfies)\s*\{|<(?:inheritdoc|include)\b|[@\\](?:copydoc|copydetails|overload)\b"
    r"|\(see [#\w]|:nodoc:"
)
"""The comment of another definition is this one's, too."""
_LATER = {"example", "examples", "see", "seealso", "since", "deprecated", "author", "version", "todo", "usage"}
"""Tags and titles that come after the entries."""
_NO_NAME = {"if", "when", "a", "an", "the", "on", "any", "in", "for", "thrown", "throws"}


@dataclass(frozen=True)
class Wanted:
    """An entry that the code calls for; a name that the code does not have is the position of a parameter."""

    topic: Topic
    name: str = ""
    is_unnamed: bool = False


@dataclass(frozen=True)
class Entry:
    """An entry, or a section of the comment.

    Attributes:
        topic: Its topic; None for another tag or title.
        names: The parameters or exceptions that it describes.
        first: Its first line.
        last: Its last line that is not blank.
        tag: Its tag or title, in lower case; empty for an item of a section's list.
    """

    topic: Topic | None
    names: tuple[str, ...]
    first: int
    last: int
    tag: str = ""


def wanted_entries(definition: Definition, form: CommentForm) -> list[Wanted]:
    """The entries that the code calls for, in their order."""
    found = [
        *(Wanted(Topic.TYPE_PARAMETERS, name) for name in definition.type_parameters),
        *(Wanted(Topic.PARAMETERS, each.name, each.is_unnamed) for each in definition.parameters),
        *[Wanted(Topic.RETURNS)] * definition.returns,
        *[Wanted(Topic.YIELDS)] * definition.yields,
        *(Wanted(Topic.RAISES, name) for name in definition.raises),
        *[Wanted(Topic.RAISES)] * (definition.fails and not definition.raises),
        *[Wanted(Topic.PANICS)] * definition.panics,
        *[Wanted(Topic.SAFETY)] * definition.unsafe,
    ]
    return [each for each in found if each.topic in form.labels]


class Comparison:
    """The comparison of a comment with the definition that it documents."""

    def __init__(self, lines: Sequence[str], definition: Definition, form: CommentForm) -> None:
        self.lines, self.definition, self.form = lines, definition, form

    @cached_property
    def entries(self) -> list[Entry]:
        """The entries, sections and items of sections, in order."""
        return list(_find_entries(self.lines, self.form))

    @cached_property
    def wanted(self) -> list[tuple[Wanted, Entry | None, bool]]:
        """What the code calls for, the entry for it, and whether the comment describes it."""
        own = {each.name for each in self.definition.parameters if not each.is_unnamed}
        foreign = [
            each
            for each in self.entries
            if each.topic is Topic.PARAMETERS and each.names and not own & set(map(_root, each.names))
        ]
        roots = list(dict.fromkeys(_root(each.names[0]) for each in foreign))
        by_position = iter([next(each for each in foreign if _root(each.names[0]) == root) for root in roots])
        found = []
        for each in wanted_entries(self.definition, self.form):
            entry = next(by_position, None) if each.is_unnamed else self._entry(each)
            found.append((each, entry, entry is not None or self._is_mentioned(each)))
        return found

    @property
    def missing(self) -> list[Wanted]:
        """What the comment does not describe."""
        if _ELSEWHERE.search("\n".join(self.lines)):
            return []
        return [each for each, _, is_described in self.wanted if not is_described]

    @property
    def is_outdated(self) -> bool:
        """Whether a list of entries is incomplete; lists that do not exist are not required."""
        topics = {each.topic for each in self.entries}
        return any(each.topic in topics for each in self.missing)

    @property
    def is_readable(self) -> bool:
        """Whether each entry for a parameter says for which one; `@name:`, as in the Linux kernel, is not read."""
        named = {Topic.PARAMETERS, Topic.TYPE_PARAMETERS} if self.form.item is None else set[Topic | None]()
        return not any(each.topic in named and not each.names for each in self.entries) and not any(
            re.match(r"\s*@\w+:(?!:)", line) for line in self.lines
        )

    def _entry(self, wanted: Wanted) -> Entry | None:
        of_topic = [each for each in self.entries if each.topic is wanted.topic]
        if not wanted.name:
            return of_topic[0] if of_topic else None
        if wanted.topic is Topic.RAISES:
            return next((each for each in of_topic if not each.names or _last(wanted.name) in each.names), None)
        return next((each for each in of_topic if wanted.name in map(_root, each.names)), None)

    def _is_mentioned(self, wanted: Wanted) -> bool:
        text = "\n".join(self.lines)
        if wanted.topic in self.form.mentions:
            return self.form.mentions[wanted.topic].match(text) is not None
        if wanted.topic is Topic.PARAMETERS and wanted.name.startswith("_"):
            return True  # not used
        pattern = self.form.names_in_text.format(name=re.escape(wanted.name)) if wanted.name else ""
        return bool(pattern) and re.search(pattern, text) is not None

    def position(self, topic: Topic, name: str = "") -> tuple[int, Entry | None]:
        """The line after which a new entry goes, and the entry of the same topic before or after it."""
        order = [(each, entry) for each, entry, _ in self.wanted if each.topic is topic]
        at = next((i for i, (each, _) in enumerate(order) if each.name == name), 0)
        before = next((entry for _, entry in reversed(order[:at]) if entry), None)
        if before:
            return max(each.last for each in self.entries if each is before or _is_part(each, before)), before
        after = next((entry for _, entry in order[at + 1 :] if entry), None)
        if after:
            return self._above(after.first), after
        same = [each for each in self.entries if each.topic is topic]
        if same:
            return same[-1].last, same[-1]
        lower = [each for each in self.entries if each.topic is not None and each.topic < topic]
        if lower:
            return max(each.last for each in lower), None
        later = [each for each in self.entries if each.topic is not None or each.tag in _LATER]
        return self._above(min((each.first for each in later), default=len(self.lines))), None

    def _above(self, line: int) -> int:
        """The last line above a line that is not blank; -1 for none."""
        return next((i for i in range(line - 1, -1, -1) if self.lines[i].strip()), -1)


def _find_entries(lines: Sequence[str], form: CommentForm) -> Iterator[Entry]:
    begins = list(_find_beginnings(lines, form))
    for (i, topic, names, tag), end in zip(begins, [*(begin[0] for begin in begins[1:]), len(lines)], strict=False):
        own_end = end if tag else next((j for j in range(i + 1, end) if not _continues(lines, j)), end)
        last = next((j for j in range(own_end - 1, i, -1) if lines[j].strip()), i)
        yield Entry(topic, names, i, last, tag)


def _continues(lines: Sequence[str], i: int) -> bool:
    """Whether a line behind an item of a list belongs to it: a blank line does if the one below is indented."""
    following = next((line for line in lines[i:] if line.strip()), "")
    return bool(lines[i].strip()) or following.startswith(("  ", "\t"))


def _find_beginnings(
    lines: Sequence[str], form: CommentForm
) -> Iterator[tuple[int, Topic | None, tuple[str, ...], str]]:
    section: Topic | None = None
    fenced = set(_fenced(lines))
    for i, line in enumerate(lines):
        found = form.entry.match(line) if i not in fenced else None
        if found:
            tag = found["tag"].lower()
            section = form.topics.get(tag)
            topic = (
                Topic.TYPE_PARAMETERS
                if section is Topic.PARAMETERS and found["rest"].lstrip()[:1] == "<"
                else section
            )
            yield i, topic, tuple(_names(found["rest"], topic, form)), tag
        elif form.item is not None and section is Topic.PARAMETERS and i not in fenced:
            item = form.item.match(line)
            if item:
                yield i, section, (item["name"],), ""


def _fenced(lines: Sequence[str]) -> Iterator[int]:
    """The lines of code within a comment; none if a fence is not closed."""
    fences = [i for i, line in enumerate(lines) if _FENCE.match(line)]
    if len(fences) % 2 == 0:
        for start, end in zip(fences[::2], fences[1::2], strict=True):
            yield from range(start, end + 1)


def _names(rest: str, topic: Topic | None, form: CommentForm) -> Iterator[str]:
    pattern = form.error if topic is Topic.RAISES and form.error is not None else form.name
    found = pattern.match(rest) if topic in {Topic.TYPE_PARAMETERS, Topic.PARAMETERS, Topic.RAISES} else None
    for name in re.split(r"\s*,\s*", found["name"]) if found else ():
        if topic is not Topic.RAISES:
            yield name.strip("<> ")
        elif name.lower() not in _NO_NAME and name.strip():
            yield _last(name.strip())


def _is_part(entry: Entry, other: Entry) -> bool:
    """Whether an entry describes a part of what another one describes: `options.timeout`."""
    return (
        entry.topic is other.topic and bool(other.names) and {_root(name) for name in entry.names} == {other.names[0]}
    )


def _root(name: str) -> str:
    """The parameter that a name belongs to: `options` of `options.timeout` and `options[]`."""
    return name if name == "..." else re.split(r"[.\[]", name)[0]


def _last(name: str) -> str:
    return re.split(r"\.|::", name)[-1]

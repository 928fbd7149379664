"""What a docstring lacks, what its code refutes, and the draft in which the one has come and the other is gone.

The author's lines stay as they are. An entry goes only where the code shows that it describes nothing: a parameter
that no caller can give, a result of what returns none. Exceptions stay: a callee may raise them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nano_lsp.context.definitions import Definition, DefinitionKind, Parameter
from nano_lsp.features.docstrings.layout import Draft, NewEntry, Style, Topic, begin_entry, heading
from nano_lsp.features.docstrings.literal import Change
from nano_lsp.features.docstrings.sections import Entry, Name, Section, find_sections

_LISTS = {Topic.PARAMETERS, Topic.OTHER_PARAMETERS}
_RESULTS = {Topic.RETURNS, Topic.YIELDS}
_SAYS_RESULT = re.compile(r"(?:Returns?|Yields?)\b")
_NO_RESULT = re.compile(r"\b(?:None|[Nn]othing|[Nn]o value)\b")
_NUMPY_BEHIND = {"see also", "notes", "references", "examples"}
_UNUSABLE = re.compile(r"\\|\"\"\"|'''|#")


@dataclass(frozen=True)
class Missing:
    """Something that the code has and the docstring does not describe."""

    topic: Topic
    name: str = ""
    stars: str = ""
    annotation: str = ""

    def begin(self, style: Style, indent: str, unit: str) -> NewEntry:
        """An entry for it, without words."""
        return begin_entry(
            style, self.topic, self.name, stars=self.stars, annotation=self.annotation, indent=indent, unit=unit
        )


@dataclass(frozen=True)
class Refuted:
    """An entry of which some or all names describe nothing."""

    section: Section
    entry: Entry
    names: tuple[Name, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the entry is left."""
        return len(self.names) == len(self.entry.names)


class Revision:
    """A docstring beside the code that it describes.

    Args:
        value: The docstring's value.
        definition: The code.
        names: Of all definitions in the file.
    """

    def __init__(self, value: str, definition: Definition, names: Sequence[str] = ()) -> None:
        self.lines = value.split("\n")
        self.sections = find_sections(self.lines)
        self._definition = definition
        self._names = names
        self._has_constructor = f"{definition.name}.__init__" in names

    def beside(self, value: str) -> Revision:
        """Another docstring beside the same code."""
        return Revision(value, self._definition, self._names)

    @property
    def style(self) -> Style | None:
        """The style that most of its sections have; None where none shows."""
        shown = [s.style for s in self.sections if s.topic is not Topic.TEXT or s.style is Style.NUMPY]
        return max(shown, key=shown.count) if shown else None

    @property
    def is_outdated(self) -> bool:
        """Whether it says what the code refutes, or a list in it is not complete; without one it lacks nothing."""
        there = {section.topic for section in self.sections}
        if self._definition.kind is DefinitionKind.CLASS and Topic.PARAMETERS in there:
            return False  # of its constructor, which has others than the class has fields
        return bool(self.refuted) or any(missing.topic in there for missing in self.missing)

    @cached_property
    def missing(self) -> list[Missing]:
        """What the docstring does not describe, in the order of the code."""
        definition = self._definition
        if definition.kind is DefinitionKind.FUNCTION:
            return [*self._missing_parameters(), *self._missing_results(), *self._missing_exceptions()]
        if definition.kind is DefinitionKind.CLASS:
            return list(self._missing_fields())
        return []

    @cached_property
    def refuted(self) -> list[Refuted]:
        """The entries that describe nothing."""
        if self._definition.kind is not DefinitionKind.FUNCTION:
            return []
        found = [Refuted(section, *each) for section in self.sections for each in self._refuted_in(section)]
        return [each for each in found if not each.is_whole or (each.entry.first and each.section.first)]

    def entries(self, *topics: Topic) -> Iterator[Entry]:
        """The entries of all sections of some topics."""
        return (entry for section in self.sections if section.topic in topics for entry in section.entries)

    def _described(self, *topics: Topic) -> set[str]:
        return {name.text for entry in self.entries(*topics) for name in entry.names}

    def _missing_parameters(self) -> Iterator[Missing]:
        described = self._described(*_LISTS)
        own = {parameter.name for parameter in self._definition.parameters}
        entries = list(self.entries(*_LISTS))
        of_others = any(
            not entry.names or any(_root(name.text) not in own for name in entry.names) for entry in entries
        )
        has_others = any(section.topic is Topic.OTHER_PARAMETERS for section in self.sections)
        for parameter in self._definition.parameters:
            by_members = parameter.stars and (of_others or (has_others and parameter.stars == "**"))
            if parameter.name not in described and not by_members:
                yield _missing(Topic.PARAMETERS, parameter)

    def _missing_results(self) -> Iterator[Missing]:
        definition = self._definition
        summary = next((line.strip() for line in self.lines if line.strip()), "")
        if _SAYS_RESULT.match(summary) or any(section.topic in _RESULTS for section in self.sections):
            return  # Google's guide, 3.8.3: a summary that begins with "Returns" says it
        for topic, is_there in ((Topic.RETURNS, definition.returns), (Topic.YIELDS, definition.yields)):
            if is_there:
                has_it = topic is Topic.YIELDS or not definition.yields
                yield Missing(topic, annotation=_annotation(definition.result) if has_it else "")

    def _missing_exceptions(self) -> Iterator[Missing]:
        described = {_last(name) for name in self._described(Topic.RAISES)}
        yield from (Missing(Topic.RAISES, name) for name in self._definition.raises if _last(name) not in described)

    def _missing_fields(self) -> Iterator[Missing]:
        as_parameters = any(s.topic is Topic.PARAMETERS for s in self.sections) and not self._has_constructor
        topic = Topic.PARAMETERS if as_parameters else Topic.ATTRIBUTES
        described = self._described(topic, Topic.PARAMETERS, Topic.OTHER_PARAMETERS, Topic.ATTRIBUTES)
        for parameter in self._definition.parameters:
            if parameter.name not in described:
                yield _missing(topic, parameter)

    def _refuted_in(self, section: Section) -> Iterator[tuple[Entry, tuple[Name, ...]]]:
        definition = self._definition
        if section.topic in _RESULTS and definition.returns_nothing:
            text = "\n".join(self.lines[section.first : section.last + 1])
            yield from ((entry, ()) for entry in section.entries if not _NO_RESULT.search(text))
        takes_any = any(parameter.stars for parameter in definition.parameters)
        if section.topic in _LISTS and not takes_any:
            known = {parameter.name for parameter in definition.parameters} | {definition.receiver}
            for entry in section.entries:
                names = tuple(name for name in entry.names if _root(name.text) not in known)
                if names and entry.certain:
                    yield entry, names

    # The draft

    def draft(self, style: Style, unit: str) -> Draft:
        """The docstring with entries for what is missing, without words yet, and without what is refuted.

        Args:
            style: Of new sections.
            unit: One level of indentation.
        """
        gone, behind = self._gone(), defaultdict[int, list[str | NewEntry]](list)
        for topic in dict.fromkeys(missing.topic for missing in self.missing):
            wanted = [missing for missing in self.missing if missing.topic is topic]
            if any(section.topic is topic for section in self.sections):
                self._add_to_section(topic, wanted, gone, behind)
            else:
                at, close = self._place_of_section(topic, style)
                behind[at] += _new_section(style, topic, wanted, unit, close=close)
                if not close and at + 1 < len(self.lines) and self.lines[at + 1].strip():
                    behind[at].append("")
        items: list[int | str | NewEntry] = []
        for i in range(len(self.lines)):
            items += [i] if i not in gone else []
            items += behind[i]
        return Draft(items, self.dedented)

    def changes(self, draft: Draft, indent: str, *, in_lines: bool = True) -> list[Change]:
        """A draft with words as changes of the value.

        Args:
            draft: Of this revision.
            indent: Of the docstring in its file; the docstring's own is taken where it has one.
            in_lines: The docstring's lines are lines of the file.
        """
        margin = self.margin if self.margin is not None else indent * in_lines
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line) + 1)
        found = []
        for before, after, new in draft.added():
            text = "".join(f"\n{margin}{line}".rstrip(" \t") if line.strip() else "\n" for line in new)
            start = starts[before + 1] - 1
            is_last = after == len(self.lines)
            if is_last and new and in_lines and (len(self.lines) == 1 or text.endswith(('"', "'"))):
                text += f"\n{margin}"
            found.append(Change(start, starts[after] - 1, text))
        for each in self.refuted:
            if not each.is_whole:
                found += [Change(starts[each.entry.first] + a, starts[each.entry.first] + b) for a, b in _cuts(each)]
        return found

    @cached_property
    def margin(self) -> str | None:
        """The indentation that the lines have in common, as in the file; None where there is one line."""
        others = [line for line in self.lines[1:] if line.strip()]
        if not others:
            last = self.lines[-1]
            return last or None if len(self.lines) > 1 else None
        blanks = [line[: len(line) - len(line.lstrip())] for line in others]
        return min(blanks, key=lambda blank: len(blank.expandtabs()))

    @cached_property
    def dedented(self) -> list[str]:
        """The lines without their common indentation, tabs expanded, as `inspect.cleandoc` does it."""
        width = len((self.margin or "").expandtabs())
        return [line.expandtabs()[width:] if i else line.lstrip() for i, line in enumerate(self.lines)]

    def _gone(self) -> set[int]:
        """Numbers of the lines that say nothing but what is refuted."""
        blocks = []
        whole = [each for each in self.refuted if each.is_whole]
        gains = {missing.topic for missing in self.missing}
        for section in self.sections:
            entries = [each.entry for each in whole if each.section is section]
            if entries and len(entries) == len(section.entries) and section.topic not in gains:
                blocks.append((section.first, section.last))
            else:
                blocks += [(entry.first, entry.last) for entry in entries]
        gone: set[int] = set()
        for first, last in blocks:
            gone |= set(range(first, last + 1))
            if last + 1 >= len(self.lines) or not self.lines[last + 1].strip():
                while first > 1 and not self.lines[first - 1].strip():
                    first -= 1  # noqa: PLW2901 - the blank lines above go with it
                    gone.add(first)
        return gone

    def _add_to_section(
        self, topic: Topic, wanted: Sequence[Missing], gone: set[int], behind: dict[int, list[str | NewEntry]]
    ) -> None:
        """Put entries into the sections of a topic, each behind the one that comes before it in the code."""
        sections = [section for section in self.sections if section.topic is topic]
        places: dict[str, tuple[Section, int]] = {}
        for section in sections:
            for entry in section.entries:
                if entry.first not in gone:
                    key = _last if topic is Topic.RAISES else _root
                    places |= {key(name.text): (section, entry.last) for name in entry.names}
        order = [parameter.name for parameter in self._definition.parameters]
        if topic is Topic.RAISES:
            order = [_last(name) for name in self._definition.raises]
        for missing in wanted:
            name = _last(missing.name)
            earlier = [each for each in order[: order.index(name)] if each in places]
            later = [each for each in order[order.index(name) :] if each in places]
            if earlier:
                section, at = places[earlier[-1]]
            elif later and not sections[0].style.has_fields:
                section, at = sections[0], self._top(sections[0])
            elif later and sections[0].first:
                section, at = sections[0], sections[0].first - 1
            else:
                section = sections[-1]
                at = section.last if section.style.has_fields or section.entries else self._top(section)
                at = max(at, section.first)
            behind[at].append(missing.begin(section.style, *self._indents_in(section)))
            places[name] = section, at

    def _top(self, section: Section) -> int:
        """The line that a section's first entry stands behind."""
        if section.entries and section.entries[0].first > section.first:
            return section.entries[0].first - 1
        return section.first + (section.style is Style.NUMPY)

    def _indents_in(self, section: Section) -> tuple[str, str]:
        """The blanks in front of an entry of a section, and those that its description has more."""
        unit = "\t" if "\t" in (self.margin or "") else "    "
        heads = (
            [section.first]
            if section.style.has_fields
            else [e.first for e in section.entries if e.first > section.first]
        )
        if not heads:
            title = self._indent_of(section.first)
            return (title if section.style is Style.NUMPY else title + unit), unit
        indent = self._indent_of(heads[0])
        below = [
            self._indent_of(e.first + 1)
            for e in section.entries
            if e.last > e.first and self.lines[e.first + 1].strip()
        ]
        deeper = [each.removeprefix(indent) for each in below if each.startswith(indent) and each != indent]
        return indent, deeper[0] if deeper and section.style is Style.NUMPY else unit

    def _indent_of(self, i: int) -> str:
        """A line's indentation without that of the docstring."""
        margin, line = self.margin or "", self.lines[i]
        blank = line[: len(line) - len(line.lstrip())] if i else ""
        if not blank.startswith(margin):
            return " " * (len(blank.expandtabs()) - len(margin.expandtabs()))
        return blank.removeprefix(margin)

    def _place_of_section(self, topic: Topic, style: Style) -> tuple[int, bool]:
        """The line that a new section stands behind, and whether it stands close to it, as a field behind another."""
        listed = [section for section in self.sections if section.topic is not Topic.TEXT]
        before = [section for section in listed if section.topic <= topic]
        after = [section for section in listed if section.topic > topic]
        if style is Style.NUMPY and not before and not after:
            after = [section for section in self.sections if section.title in _NUMPY_BEHIND]
        if before:
            return before[-1].last, style.has_fields and before[-1].style.has_fields
        if after and after[0].first:
            if style.has_fields and after[0].style.has_fields:
                return after[0].first - 1, True
            above = self._text_before(after[0].first)
            if above is not None:
                return above, False
        return self._text_before(len(self.lines)) or 0, False

    def _text_before(self, i: int) -> int | None:
        """The last line before a line that is not blank."""
        return next((j for j in range(i - 1, -1, -1) if self.lines[j].strip()), None)


def new_draft(definition: Definition, style: Style, unit: str) -> Draft:
    """A docstring for a definition that has none, without words."""
    draft: list[int | str | NewEntry] = [NewEntry(Topic.TEXT)]
    missing = Revision("", definition).missing
    is_first = True
    for topic in dict.fromkeys(each.topic for each in missing):
        wanted = [each for each in missing if each.topic is topic]
        draft += _new_section(style, topic, wanted, unit, close=style.has_fields and not is_first)
        is_first = False
    return Draft(draft)


def _new_section(
    style: Style, topic: Topic, wanted: Sequence[Missing], unit: str, *, close: bool
) -> list[str | NewEntry]:
    """A section, a blank line before it unless it stands close to what is above."""
    indent = unit if style is Style.GOOGLE else ""
    return [*([] if close else [""]), *heading(style, topic), *(each.begin(style, indent, unit) for each in wanted)]


def _cuts(refuted: Refuted) -> Iterator[tuple[int, int]]:
    """The columns of names that go from a list of several, each with one separator."""
    kept = [name for name in refuted.entry.names if name not in refuted.names]
    for i, name in enumerate(refuted.entry.names):
        if name in refuted.names:
            following = refuted.entry.names[i + 1 :]
            if name.start < kept[0].start:
                yield name.start, following[0].start
            else:
                yield refuted.entry.names[i - 1].end, name.end


def _missing(topic: Topic, parameter: Parameter) -> Missing:
    return Missing(topic, parameter.name, parameter.stars, _annotation(parameter.annotation))


def _annotation(text: str) -> str:
    """A type in one line; empty where a docstring could not hold it as it is."""
    return "" if _UNUSABLE.search(text) else re.sub(r"\s+", " ", text)


def _root(name: str) -> str:
    """`options` of `options.timeout`."""
    return name.partition(".")[0]


def _last(name: str) -> str:
    """`Error` of `package.Error`."""
    return name.rpartition(".")[2]

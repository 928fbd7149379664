"""Compares a docstring with its code: finds missing and obsolete entries.

An entry is obsolete only if the code shows that it describes nothing: a parameter that does not exist, or the
result of a function that returns none. Exceptions are never obsolete: a called function may raise them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nano_lsp.code.decorators import PARAMETER_KEEPING
from nano_lsp.code.definitions import Definition, DefinitionKind, Parameter
from nano_lsp.docstrings.layout import NewEntry, Style, Topic, begin_entry
from nano_lsp.docstrings.names import Name
from nano_lsp.docstrings.sections import Entry, Section, find_sections

_LISTS = {Topic.PARAMETERS, Topic.OTHER_PARAMETERS}
_RESULTS = {Topic.RETURNS, Topic.YIELDS}
_RESULT_SUMMARY = re.compile(r"(?:Returns?|Yields?)\b")
_NO_RESULT = re.compile(r"\b(?:None|NoneType|[Nn]othing|[Nn]o value)\b")
_PLACEHOLDER = re.compile(r"\{[\w.]+\}|%\([^()]+\)s|\$\{?\w+\}?")
"""A line that `format`, `%` or `string.Template` replaces, as in pandas and SciPy."""
_ELSEWHERE = re.compile(r"(?:See|Same|Refer|Identical|Like|Cf\.)\s")
"""The beginning of a reference to another list of parameters."""
_NOT_IN_DOCSTRING = re.compile(r"\\|\"\"\"|'''|#")


@dataclass(frozen=True)
class Missing:
    """A parameter, field, result or exception of the code that the docstring does not describe."""

    topic: Topic
    name: str = ""
    stars: str = ""
    annotation: str = ""

    def begin(self, style: Style, indent: str, unit: str) -> NewEntry:
        """A new entry for it, without text."""
        return begin_entry(
            style, self.topic, self.name, stars=self.stars, annotation=self.annotation, indent=indent, unit=unit
        )


@dataclass(frozen=True)
class Obsolete:
    """An entry of which some or all names are not in the code."""

    section: Section
    entry: Entry
    names: tuple[Name, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the whole entry is obsolete."""
        return len(self.names) == len(self.entry.names)


class Revision:
    """The comparison of a docstring with the code that it describes; `names` are of all definitions in the file."""

    def __init__(self, value: str, definition: Definition, names: Sequence[str] = ()) -> None:
        self.lines = value.split("\n")
        self.sections = find_sections(self.lines)
        self.definition = definition
        self._names = names
        self._has_constructor = f"{definition.name}.__init__" in names

    def with_value(self, value: str) -> Revision:
        """The comparison of another docstring with the same code."""
        return Revision(value, self.definition, self._names)

    @property
    def style(self) -> Style | None:
        """The most frequent style of its sections; None for none."""
        shown = [
            Style.SPHINX if s.in_field else s.style
            for s in self.sections
            if s.topic is not Topic.TEXT or s.style is Style.NUMPY
        ]
        return max(shown, key=shown.count) if shown else None

    @property
    def is_outdated(self) -> bool:
        """Whether it has obsolete entries or incomplete sections; sections that do not exist are not required."""
        topics = {section.topic for section in self.sections}
        if self.definition.kind is DefinitionKind.CLASS and Topic.PARAMETERS in topics:
            return False  # they are the constructor's, which may differ from the fields
        return bool(self.obsolete) or any(missing.topic in topics for missing in self.missing)

    @cached_property
    def missing(self) -> list[Missing]:
        """The missing entries, in the order of the code."""
        definition = self.definition
        if definition.kind is DefinitionKind.FUNCTION:
            return [*self._missing_parameters(), *self._missing_results(), *self._missing_exceptions()]
        if definition.kind is DefinitionKind.CLASS:
            return list(self._missing_fields())
        return []

    @cached_property
    def obsolete(self) -> list[Obsolete]:
        """The obsolete entries."""
        if self.definition.kind is not DefinitionKind.FUNCTION:
            return []
        found = [Obsolete(section, *each) for section in self.sections for each in self._obsolete_in(section)]
        return [each for each in found if not each.is_whole or (each.entry.first and each.section.first)]

    def entries(self, *topics: Topic) -> Iterator[Entry]:
        """The entries of all sections with some topics."""
        return (entry for section in self.sections if section.topic in topics for entry in section.entries)

    def _described(self, *topics: Topic) -> set[str]:
        return {name.text for entry in self.entries(*topics) for name in entry.names}

    def _missing_parameters(self) -> Iterator[Missing]:
        described = {first_part(name) for name in self._described(*_LISTS)}
        loose = [self.lines[entry.first].strip() for entry in self.entries(*_LISTS) if not entry.certain]
        if any(_PLACEHOLDER.fullmatch(line) or _ELSEWHERE.match(line) for line in loose):
            return  # they may be described there
        own = {parameter.name for parameter in self.definition.parameters}
        entries = list(self.entries(*_LISTS))
        of_others = any(
            not entry.names or any(first_part(name.text) not in own for name in entry.names) for entry in entries
        )
        has_others = any(section.topic is Topic.OTHER_PARAMETERS for section in self.sections)
        for parameter in self.definition.parameters:
            by_members = parameter.stars and (of_others or (has_others and parameter.stars == "**"))
            is_unused = parameter.name.startswith("_") and any(map(str.strip, self.lines))
            if parameter.name not in described and not by_members and not is_unused:
                yield _missing(Topic.PARAMETERS, parameter)

    def _missing_results(self) -> Iterator[Missing]:
        definition = self.definition
        summary = next((line.strip() for line in self.lines if line.strip()), "")
        if _RESULT_SUMMARY.match(summary) or any(section.topic in _RESULTS for section in self.sections):
            return  # Google's guide, 3.8.3: a summary that begins with "Returns" is sufficient
        for topic, exists in ((Topic.RETURNS, definition.returns), (Topic.YIELDS, definition.yields)):
            if exists:
                has_annotation = topic is Topic.YIELDS or not definition.yields
                yield Missing(topic, annotation=_annotation(definition.result) if has_annotation else "")

    def _missing_exceptions(self) -> Iterator[Missing]:
        described = {last_part(name) for name in self._described(Topic.RAISES)}
        yield from (
            Missing(Topic.RAISES, name) for name in self.definition.raises if last_part(name) not in described
        )

    def _missing_fields(self) -> Iterator[Missing]:
        as_parameters = any(s.topic is Topic.PARAMETERS for s in self.sections) and not self._has_constructor
        topic = Topic.PARAMETERS if as_parameters else Topic.ATTRIBUTES
        described = self._described(topic, Topic.PARAMETERS, Topic.OTHER_PARAMETERS, Topic.ATTRIBUTES)
        for parameter in self.definition.parameters:
            if parameter.name not in described:
                yield _missing(topic, parameter)

    def _obsolete_in(self, section: Section) -> Iterator[tuple[Entry, tuple[Name, ...]]]:
        definition = self.definition
        if section.topic in _RESULTS and definition.returns_nothing:
            results = [each for each in self.sections if each.topic in _RESULTS]
            text = "\n".join(line for each in results for line in self.lines[each.first : each.last + 1])
            yield from ((entry, ()) for entry in section.entries if not _NO_RESULT.search(text))
        takes_others = any(parameter.stars for parameter in definition.parameters)
        is_own = PARAMETER_KEEPING.issuperset(definition.decorators)  # others may add parameters
        if section.topic in _LISTS and is_own and not takes_others:
            known = {parameter.name for parameter in definition.parameters} | {definition.receiver}
            for entry in section.entries:
                names = tuple(name for name in entry.names if first_part(name.text) not in known)
                if names and entry.certain:
                    yield entry, names


def _missing(topic: Topic, parameter: Parameter) -> Missing:
    return Missing(topic, parameter.name, parameter.stars, _annotation(parameter.annotation))


def _annotation(text: str) -> str:
    """A type in one line; empty if it has characters that a docstring would have to escape."""
    return "" if _NOT_IN_DOCSTRING.search(text) else re.sub(r"\s+", " ", text)


def first_part(name: str) -> str:
    """The first part of a dotted name: `options` of `options.timeout`."""
    return name.partition(".")[0]


def last_part(name: str) -> str:
    """The last part of a dotted name: `Error` of `package.Error`."""
    return name.rpartition(".")[2]

"""What a docstring lacks, what its code refutes, and the draft in which the one has come and the other is gone.

The author's lines stay as they are. An entry goes only where the code shows that it describes nothing: a parameter
that no caller can give, a result of what returns none. Exceptions stay: a callee may raise them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nano_lsp.code.definitions import Definition, DefinitionKind, Parameter
from nano_lsp.docstrings.layout import NewEntry, Style, Topic, begin_entry
from nano_lsp.docstrings.names import Name
from nano_lsp.docstrings.sections import Entry, Section, find_sections

_LISTS = {Topic.PARAMETERS, Topic.OTHER_PARAMETERS}
_RESULTS = {Topic.RETURNS, Topic.YIELDS}
_SAYS_RESULT = re.compile(r"(?:Returns?|Yields?)\b")
_NO_RESULT = re.compile(r"\b(?:None|[Nn]othing|[Nn]o value)\b")
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
        self.definition = definition
        self._names = names
        self._has_constructor = f"{definition.name}.__init__" in names

    def beside(self, value: str) -> Revision:
        """Another docstring beside the same code."""
        return Revision(value, self.definition, self._names)

    @property
    def style(self) -> Style | None:
        """The style that most of its sections have; None where none shows."""
        shown = [s.style for s in self.sections if s.topic is not Topic.TEXT or s.style is Style.NUMPY]
        return max(shown, key=shown.count) if shown else None

    @property
    def is_outdated(self) -> bool:
        """Whether it says what the code refutes, or a list in it is not complete; without one it lacks nothing."""
        there = {section.topic for section in self.sections}
        if self.definition.kind is DefinitionKind.CLASS and Topic.PARAMETERS in there:
            return False  # of its constructor, which has others than the class has fields
        return bool(self.refuted) or any(missing.topic in there for missing in self.missing)

    @cached_property
    def missing(self) -> list[Missing]:
        """What the docstring does not describe, in the order of the code."""
        definition = self.definition
        if definition.kind is DefinitionKind.FUNCTION:
            return [*self._missing_parameters(), *self._missing_results(), *self._missing_exceptions()]
        if definition.kind is DefinitionKind.CLASS:
            return list(self._missing_fields())
        return []

    @cached_property
    def refuted(self) -> list[Refuted]:
        """The entries that describe nothing."""
        if self.definition.kind is not DefinitionKind.FUNCTION:
            return []
        found = [Refuted(section, *each) for section in self.sections for each in self._refuted_in(section)]
        return [each for each in found if not each.is_whole or (each.entry.first and each.section.first)]

    def entries(self, *topics: Topic) -> Iterator[Entry]:
        """The entries of all sections of some topics."""
        return (entry for section in self.sections if section.topic in topics for entry in section.entries)

    def _described(self, *topics: Topic) -> set[str]:
        return {name.text for entry in self.entries(*topics) for name in entry.names}

    def _missing_parameters(self) -> Iterator[Missing]:
        described = {first_part(name) for name in self._described(*_LISTS)}
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
        if _SAYS_RESULT.match(summary) or any(section.topic in _RESULTS for section in self.sections):
            return  # Google's guide, 3.8.3: a summary that begins with "Returns" says it
        for topic, is_there in ((Topic.RETURNS, definition.returns), (Topic.YIELDS, definition.yields)):
            if is_there:
                has_it = topic is Topic.YIELDS or not definition.yields
                yield Missing(topic, annotation=_annotation(definition.result) if has_it else "")

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

    def _refuted_in(self, section: Section) -> Iterator[tuple[Entry, tuple[Name, ...]]]:
        definition = self.definition
        if section.topic in _RESULTS and definition.returns_nothing:
            text = "\n".join(self.lines[section.first : section.last + 1])
            yield from ((entry, ()) for entry in section.entries if not _NO_RESULT.search(text))
        takes_others = any(parameter.stars for parameter in definition.parameters)
        if section.topic in _LISTS and not takes_others:
            known = {parameter.name for parameter in definition.parameters} | {definition.receiver}
            for entry in section.entries:
                names = tuple(name for name in entry.names if first_part(name.text) not in known)
                if names and entry.certain:
                    yield entry, names


def _missing(topic: Topic, parameter: Parameter) -> Missing:
    return Missing(topic, parameter.name, parameter.stars, _annotation(parameter.annotation))


def _annotation(text: str) -> str:
    """A type in one line; empty where a docstring could not hold it as it is."""
    return "" if _UNUSABLE.search(text) else re.sub(r"\s+", " ", text)


def first_part(name: str) -> str:
    """`options` of `options.timeout`."""
    return name.partition(".")[0]


def last_part(name: str) -> str:
    """`Error` of `package.Error`."""
    return name.rpartition(".")[2]

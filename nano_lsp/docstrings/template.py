"""Templates of docstrings: where new entries go among the author's lines, and which of these are removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property

from nano_lsp.code.definitions import Definition
from nano_lsp.docstrings.layout import DocstringTemplate, NewEntry, Style, Topic, heading
from nano_lsp.docstrings.literal import Change
from nano_lsp.docstrings.revision import Missing, Obsolete, Revision, first_part, last_part
from nano_lsp.docstrings.sections import Section

_NUMPY_LATER_SECTIONS = {"see also", "notes", "references", "examples"}


class TemplateBuilder:
    """Builds the template of an updated docstring: with its missing entries, and without its obsolete ones."""

    def __init__(self, revision: Revision) -> None:
        self._revision = revision

    def build(self, style: Style, unit: str) -> DocstringTemplate:
        """The docstring with placeholders for missing entries, and without obsolete ones."""
        removed, inserted = self._removed_lines(), defaultdict[int, list[str | NewEntry]](list)
        for topic in dict.fromkeys(missing.topic for missing in self._revision.missing):
            wanted = [missing for missing in self._revision.missing if missing.topic is topic]
            if any(section.topic is topic for section in self._revision.sections):
                self._add_to_section(topic, wanted, removed, inserted)
            else:
                at, close = self._position_of_section(topic, style)
                inserted[at] += _new_section(style, topic, wanted, unit, close=close)
                if not close and at + 1 < len(self._revision.lines) and self._revision.lines[at + 1].strip():
                    inserted[at].append("")
        items: list[int | str | NewEntry] = []
        for i in range(len(self._revision.lines)):
            items += [i] if i not in removed else []
            items += inserted[i]
        return DocstringTemplate(items, self.dedented)

    def changes(self, template: DocstringTemplate, indent: str, *, in_lines: bool = True) -> list[Change]:
        """The changes of the docstring's value that turn it into a filled template.

        Args:
            template: The template, with text for its entries.
            indent: Indentation of the docstring in its file, for docstrings whose lines have none.
            in_lines: The docstring's lines are lines of the file.
        """
        margin = self.margin if self.margin is not None else indent * in_lines
        starts = [0]
        for line in self._revision.lines:
            starts.append(starts[-1] + len(line) + 1)
        found = []
        for before, after, new in template.added():
            text = "".join(f"\n{margin}{line}".rstrip(" \t") if line.strip() else "\n" for line in new)
            start = starts[before + 1] - 1
            is_last = after == len(self._revision.lines)
            if is_last and new and in_lines and (len(self._revision.lines) == 1 or text.endswith(('"', "'"))):
                text += f"\n{margin}"
            found.append(Change(start, starts[after] - 1, text))
        for each in self._revision.obsolete:
            if not each.is_whole:
                found += [Change(starts[each.entry.first] + a, starts[each.entry.first] + b) for a, b in _cuts(each)]
        return found

    @cached_property
    def margin(self) -> str | None:
        """The common indentation of the lines, as in the file; None for a single line."""
        others = [line for line in self._revision.lines[1:] if line.strip()]
        if not others:
            last = self._revision.lines[-1]
            return last or None if len(self._revision.lines) > 1 else None
        blanks = [line[: len(line) - len(line.lstrip())] for line in others]
        return min(blanks, key=lambda blank: len(blank.expandtabs()))

    @cached_property
    def dedented(self) -> list[str]:
        """The lines without their common indentation and with tabs expanded, like `inspect.cleandoc`."""
        width = len((self.margin or "").expandtabs())
        return [line.expandtabs()[width:] if i else line.lstrip() for i, line in enumerate(self._revision.lines)]

    def _removed_lines(self) -> set[int]:
        """Numbers of the lines that contain only obsolete entries."""
        blocks = []
        whole = [each for each in self._revision.obsolete if each.is_whole]
        extended = {missing.topic for missing in self._revision.missing}
        for section in self._revision.sections:
            entries = [each.entry for each in whole if each.section is section]
            if entries and len(entries) == len(section.entries) and section.topic not in extended:
                blocks.append((section.first, section.last))
            else:
                blocks += [(entry.first, entry.last) for entry in entries]
        removed: set[int] = set()
        for first, last in blocks:
            removed |= set(range(first, last + 1))
            if last + 1 >= len(self._revision.lines) or not self._revision.lines[last + 1].strip():
                while first > 1 and not self._revision.lines[first - 1].strip():
                    first -= 1  # noqa: PLW2901 - the blank lines above are removed as well
                    removed.add(first)
        return removed

    def _add_to_section(
        self, topic: Topic, wanted: Sequence[Missing], removed: set[int], inserted: dict[int, list[str | NewEntry]]
    ) -> None:
        """Insert entries into the sections of a topic, each after the one that precedes it in the code."""
        sections = [section for section in self._revision.sections if section.topic is topic]
        places: dict[str, tuple[Section, int]] = {}
        for section in sections:
            for entry in section.entries:
                if entry.first not in removed:
                    key = last_part if topic is Topic.RAISES else first_part
                    places |= {key(name.text): (section, entry.last) for name in entry.names}
        order = [parameter.name for parameter in self._revision.definition.parameters]
        if topic is Topic.RAISES:
            order = [last_part(name) for name in self._revision.definition.raises]
        for missing in wanted:
            name = last_part(missing.name)
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
            inserted[at].append(missing.begin(section.style, *self._indents_in(section)))
            places[name] = section, at

    def _top(self, section: Section) -> int:
        """The line after which a section's first entry begins."""
        if section.entries and section.entries[0].first > section.first:
            return section.entries[0].first - 1
        return section.first + (section.style is Style.NUMPY)

    def _indents_in(self, section: Section) -> tuple[str, str]:
        """What the lines of a section's entries begin with, and the additional indentation of their descriptions."""
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
            if e.last > e.first and self._revision.lines[e.first + 1].strip()
        ]
        deeper = [each.removeprefix(indent) for each in below if each.startswith(indent) and each != indent]
        bullet = next((e.bullet for e in section.entries if e.names), "") if section.style is Style.GOOGLE else ""
        bullet = "" if bullet[:1].isdecimal() else bullet
        return indent + bullet, deeper[0] if deeper and section.style is Style.NUMPY else unit

    def _indent_of(self, i: int) -> str:
        """A line's indentation, relative to that of the docstring."""
        margin, line = self.margin or "", self._revision.lines[i]
        blank = line[: len(line) - len(line.lstrip())] if i else ""
        if not blank.startswith(margin):
            return " " * (len(blank.expandtabs()) - len(margin.expandtabs()))
        return blank.removeprefix(margin)

    def _position_of_section(self, topic: Topic, style: Style) -> tuple[int, bool]:
        """The line after which a new section goes, and whether without a blank line, as a field after another."""
        listed = [section for section in self._revision.sections if section.topic is not Topic.TEXT]
        before = [section for section in listed if section.topic <= topic]
        after = [section for section in listed if section.topic > topic]
        if style is Style.NUMPY and not before and not after:
            after = [section for section in self._revision.sections if section.title in _NUMPY_LATER_SECTIONS]
        if before:
            return before[-1].last, style.has_fields and before[-1].style.has_fields
        if after and after[0].first:
            if style.has_fields and after[0].style.has_fields:
                return after[0].first - 1, True
            above = self._text_before(after[0].first)
            if above is not None:
                return above, False
        return self._text_before(len(self._revision.lines)) or 0, False

    def _text_before(self, i: int) -> int | None:
        """The last line above a line that is not blank; None for none."""
        return next((j for j in range(i - 1, -1, -1) if self._revision.lines[j].strip()), None)


def new_template(definition: Definition, style: Style, unit: str) -> DocstringTemplate:
    """The template of a docstring for a definition that has none."""
    items: list[int | str | NewEntry] = [NewEntry(Topic.TEXT)]
    missing = Revision("", definition).missing
    is_first = True
    for topic in dict.fromkeys(each.topic for each in missing):
        wanted = [each for each in missing if each.topic is topic]
        items += _new_section(style, topic, wanted, unit, close=style.has_fields and not is_first)
        is_first = False
    return DocstringTemplate(items)


def _new_section(
    style: Style, topic: Topic, wanted: Sequence[Missing], unit: str, *, close: bool
) -> list[str | NewEntry]:
    """The lines of a new section, with a blank line before it unless `close`."""
    indent = unit if style is Style.GOOGLE else ""
    return [*([] if close else [""]), *heading(style, topic), *(each.begin(style, indent, unit) for each in wanted)]


def _cuts(obsolete: Obsolete) -> Iterator[tuple[int, int]]:
    """The columns of names to remove from a list of several, each with one separator."""
    kept = [name for name in obsolete.entry.names if name not in obsolete.names]
    for i, name in enumerate(obsolete.entry.names):
        if name in obsolete.names:
            following = obsolete.entry.names[i + 1 :]
            if name.start < kept[0].start:
                yield name.start, following[0].start
            else:
                yield obsolete.entry.names[i - 1].end, name.end

"""The edits that insert or update a documentation comment, and the verification of the result."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from nano_lsp.code.definition import Definition
from nano_lsp.code.definitions import find_definitions
from nano_lsp.code.document import TextEdit, apply_edits
from nano_lsp.code.syntax_tree import SyntaxTree, breaks_parse
from nano_lsp.docstrings.check import has_same_code
from nano_lsp.docstrings.comments.entries import Comparison, Entry, Wanted, wanted_entries
from nano_lsp.docstrings.comments.forms import CommentForm, Enclosure
from nano_lsp.docstrings.comments.source import CommentSource
from nano_lsp.docstrings.layout import DocstringTemplate, NewEntry, Topic
from nano_lsp.docstrings.wording import Surroundings
from nano_lsp.lines import line_break_of, line_start

_WIDTH = 80
_MIN_WIDTH = 40
_LISTED = {Topic.TYPE_PARAMETERS, Topic.PARAMETERS}
_STOP = ("\n", "*/", "</")
_UNUSABLE = re.compile(r"```|<\||^[:,/#]|\\|\*/|/\*|\]\]|\"\"\"|(?:^|\s)@\w|(?i:copyright|all rights reserved)")
_TOO_LARGE = "the file is too large"


@dataclass(frozen=True)
class NewComment:
    """A documentation comment for a definition that has none."""

    tree: SyntaxTree
    definition: Definition
    form: CommentForm

    @cached_property
    def enclosure(self) -> Enclosure:
        """The enclosure that most documentation comments of the file have."""
        counts = {
            each: len(re.findall(rf"^[ \t]*{re.escape(each.opening)}(?=\s)", self.tree.text, re.MULTILINE))
            for each in self.form.enclosures
        }
        return max(counts, key=lambda each: counts[each])

    @cached_property
    def template(self) -> DocstringTemplate:
        """The lines of the comment."""
        before, label, after = self.form.summary
        label = "" if label.startswith("@") and not self._has_brief else label
        items: list[int | str | NewEntry] = [*before, _begin(self, Topic.TEXT, label), *after]
        last: Topic | None = Topic.TEXT
        for wanted in wanted_entries(self.definition, self.form):
            items += _lines_above(self.form, wanted.topic, last)
            items.append(_begin(self, wanted.topic, self.form.labels[wanted.topic], wanted.name))
            last = wanted.topic
        return DocstringTemplate(items)

    @property
    def mark(self) -> str:
        """What tags begin with: what most of the file's do."""
        counts = {
            mark: len(re.findall(rf"{re.escape(mark)}(?:param|brief|return)", self.tree.text))
            for mark in self.form.marks
        }
        return max(counts, key=lambda each: counts[each])

    @property
    def _has_brief(self) -> bool:
        """Whether summaries of the file begin with a tag; a file without any comment counts."""
        is_first = not any(each.docstring for each in find_definitions(self.tree))
        return is_first or re.search(r"[@\\]brief\b", self.tree.text) is not None

    def surroundings(self, headers: str, code: str) -> Surroundings:
        """What the model sees around the text: headers of the definitions around this one, and its code."""
        enclosure, indent = self.enclosure, self.definition.indent
        is_block = bool(enclosure.closing)
        opening = f"{enclosure.opening}\n{indent}{enclosure.line}" if is_block else enclosure.line
        closing = f"\n{indent}{enclosure.closing}" if is_block else ""
        return Surroundings(
            headers + indent + opening,
            f"{closing}\n{indent}{code}",
            f"\n{indent}{enclosure.line}",
            _STOP,
            _UNUSABLE,
        )

    def fill(self, entry: NewEntry, text: str) -> None:
        """Set the lines of a new entry."""
        _fill(entry, text, self.form, len((self.definition.indent + self.enclosure.line).expandtabs(4)))

    def edit(self) -> tuple[TextEdit | None, str]:
        """The edit that inserts the comment, and why it is not acceptable; empty if it is."""
        text, definition, enclosure = self.tree.text, self.definition, self.enclosure
        newline, at = line_break_of(text), definition.insert_at
        first, *others = self.template.lines()
        if not enclosure.closing:
            lines = [enclosure.line + line for line in (first, *others)]
            if at != definition.start and self.form.before_directive:
                lines.append(self.form.before_directive)
        elif not others and len(definition.indent.expandtabs(4)) + len(first) < _WIDTH - 6:
            lines = [f"{enclosure.opening} {first}{enclosure.closing}"]
        else:
            lines = [enclosure.opening, *(enclosure.line + line for line in (first, *others)), enclosure.closing]
        start = line_start(text, at)
        above = text[line_start(text, max(0, start - len(newline))) : start].lstrip()
        is_joined = not enclosure.closing and above.startswith(enclosure.opening)  # the comment would become its part
        comment = (newline + definition.indent).join([""] * is_joined + [line.rstrip() for line in lines] + [""])
        edit = TextEdit(at, at, comment)
        return edit, _error(self, edit, is_new=True)


@dataclass(frozen=True)
class CommentUpdate:
    """An update of an existing comment."""

    tree: SyntaxTree
    definition: Definition
    form: CommentForm

    @cached_property
    def source(self) -> CommentSource:
        """The existing comment."""
        return _source(self.tree, self.definition)

    @cached_property
    def comparison(self) -> Comparison:
        """The comparison of the comment with the code."""
        return Comparison(self.source.lines, self.definition, self.form)

    @property
    def mark(self) -> str:
        """What tags begin with: what the comment's do, or those of the file."""
        marks = [
            found["mark"]
            for line in self.source.lines
            if (found := self.form.entry.match(line)) and "mark" in found.groupdict()
        ]
        return marks[0] if marks else NewComment(self.tree, self.definition, self.form).mark

    @cached_property
    def template(self) -> DocstringTemplate:
        """The lines of the comment, with new ones where entries are missing."""
        comparison = self.comparison
        groups: dict[int, list[tuple[Wanted, Entry | None]]] = {}
        for wanted in comparison.missing:
            after, beside = comparison.position(wanted.topic, wanted.name)
            groups.setdefault(after, []).append((wanted, beside))
        items: list[int | str | NewEntry] = []
        for i in range(-1, len(comparison.lines)):
            if i >= 0:
                items.append(i)
            if i in groups:
                items += self._new_lines(i, groups[i])
        return DocstringTemplate(items, comparison.lines)

    def _new_lines(self, after: int, group: Sequence[tuple[Wanted, Entry | None]]) -> Iterator[str | NewEntry]:
        comparison = self.comparison
        above = next(
            (each for each in reversed(comparison.entries) if each.first <= after and each.topic is not None), None
        )
        last = above.topic if above and above.last >= after else Topic.TEXT if after >= 0 else None
        following = comparison.lines[after + 1] if after + 1 < len(comparison.lines) else ""
        is_next = any(
            each.first == after + 1 and (self.form.item is None or each.topic is group[-1][0].topic)
            for each in comparison.entries
        )
        for wanted, beside in group:
            if beside is None:
                lines = _lines_above(self.form, wanted.topic, last)
                yield from lines[is_next and lines[:1] == [""] :]
            elif last is not wanted.topic and after >= 0 and not self.form.joined and beside.last == after:
                yield ""
            yield _begin(self, wanted.topic, self._label(wanted.topic, beside), wanted.name)
            last = wanted.topic
        if following.strip() and not is_next:
            yield ""

    def _label(self, topic: Topic, beside: Entry | None) -> str:
        """The beginning of an entry, without a dash and with an indentation as the one beside it."""
        label = self.form.labels[topic]
        if beside is None:
            return label
        line = self.comparison.lines[beside.first]
        if label.endswith(" -") and not re.search(r"\s[-\u2013]\s", line):
            label = label.removesuffix(" -")
        blank = line[: len(line) - len(line.lstrip())]
        return blank + label.lstrip() if beside.names else label

    def surroundings(self, headers: str, code: str) -> Surroundings:
        """What the model sees around the text, as for a new comment."""
        return NewComment(self.tree, self.definition, self.form).surroundings(headers, code)

    def fill(self, entry: NewEntry, text: str) -> None:
        """Set the lines of a new entry."""
        _fill(entry, text, self.form, len((self.definition.indent + " * ").expandtabs(4)))

    def edit(self) -> tuple[TextEdit | None, str]:
        """The edit that updates the comment, and why it is not acceptable; empty if it is."""
        if self.definition.docstring is None:
            return None, "there is no comment"
        added = [(before, new) for before, _, new in self.template.added()]
        edit = TextEdit(*self.definition.docstring, self.source.with_lines(added))
        return edit, _error(self, edit, is_new=False)


def _source(tree: SyntaxTree, definition: Definition) -> CommentSource:
    start, end = definition.docstring or (definition.start, definition.start)
    indent = tree.text[line_start(tree.text, start) : start]
    return CommentSource(tree.text[start:end], indent, line_break_of(tree.text))


def _begin(target: NewComment | CommentUpdate, topic: Topic, label: str, name: str = "") -> NewEntry:
    form = target.form
    name = name.rpartition(".")[2] if topic is Topic.RAISES and form.title == "XML comments" else name
    shown = label.format(name=target.definition.name.rpartition(".")[2] if topic is Topic.TEXT else name)
    if target.mark != "@":
        shown = re.sub(r"^(\s*)@", lambda found: found[1] + target.mark, shown)
    return NewEntry(topic, name, shown, closing=form.closing.get(topic, ""))


def _lines_above(form: CommentForm, topic: Topic, last: Topic | None) -> list[str]:
    """The lines above an entry: those that begin its section, after a blank line where one is needed."""
    if last is topic:
        return []
    is_joined = topic in form.joined and (last in form.joined if last is not Topic.TEXT else not form.is_spaced)
    return [*([] if is_joined or last is None else [""]), *form.headings.get(topic, ())]


def _fill(entry: NewEntry, text: str, form: CommentForm, used: int) -> None:
    """Set the lines of an entry, wrapped at 80 columns of which some are used by what begins a line."""
    words = html.escape(text, quote=False) if form.escaped else text
    if entry.topic is Topic.TEXT and entry.label[:1] in {"@", "\\"}:
        words = words[0].upper() + words[1:]
    gap = " " * bool(entry.label and not entry.closing)
    blank = entry.label[: len(entry.label) - len(entry.label.lstrip())]
    is_item = bool(entry.label) and entry.topic is not Topic.TEXT and (form.item is None or entry.topic in _LISTED)
    entry.lines = textwrap.wrap(
        entry.label + gap + words + entry.closing,
        max(_MIN_WIDTH, _WIDTH - used),
        subsequent_indent=blank + form.hanging if is_item else "",
        break_long_words=False,
        break_on_hyphens=False,
        expand_tabs=False,
        replace_whitespace=False,
    )


def _error(target: NewComment | CommentUpdate, edit: TextEdit, *, is_new: bool) -> str:
    """Why an edit is not acceptable; empty if it is."""
    tree = target.tree
    after = tree.edited(apply_edits(tree.text, [edit]))
    if after is None:
        return _TOO_LARGE
    before, written = list(find_definitions(tree)), list(find_definitions(after))
    if [(each.kind, each.name) for each in before] != [(each.kind, each.name) for each in written]:
        return "it changes what the code defines"
    own = written[before.index(target.definition)]
    if breaks_parse(tree, after):
        return "it breaks the code"
    if not has_same_code(tree, after, target.definition, own):
        return "it changes the code"
    return _content_error(after, own, target.form, is_new=is_new)


def _content_error(after: SyntaxTree, definition: Definition, form: CommentForm, *, is_new: bool) -> str:
    if definition.docstring is None:
        return "it is not recognized as the comment of the definition"
    comparison = Comparison(_source(after, definition).lines, definition, form)
    if comparison.missing or not comparison.is_readable:
        return "its entries have a form in which new ones would not be recognized"
    listed = [(each.topic, name) for each in comparison.entries for name in each.names if each.topic in _LISTED]
    expected = [(each.topic, each.name) for each in wanted_entries(definition, form) if each.topic in _LISTED]
    return "it does not list the parameters of the code" if is_new and listed != expected else ""

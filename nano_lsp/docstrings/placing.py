"""The edits that insert or update a docstring, and the verification of the result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from nano_lsp.code.definitions import Definition, DefinitionKind, definition_at
from nano_lsp.code.document import TextEdit, apply_edits
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.docstrings.check import content_error, edit_error
from nano_lsp.docstrings.layout import DocstringTemplate, NewEntry, Style, fill
from nano_lsp.docstrings.literal import Literal
from nano_lsp.docstrings.revision import Revision
from nano_lsp.docstrings.template import TemplateBuilder, new_template
from nano_lsp.lines import line_break_of, line_end

_TOO_LARGE = "the file is too large"
_CONTINUED = re.compile(r"(?:[^\r\n\\]|\\(?:\r\n|\n|\r))*")
"""The text between two tokens of a logical line."""


@dataclass(frozen=True)
class NewDocstring:
    """A docstring for a definition that has none."""

    tree: SyntaxTree
    definition: Definition
    style: Style

    @cached_property
    def template(self) -> DocstringTemplate:
        """The template of the docstring."""
        return new_template(self.definition, self.style, _unit(self.definition))

    def fill(self, entry: NewEntry, text: str) -> None:
        """Set the lines of a new entry."""
        fill(entry, text, self.definition.indent)

    def edit(self) -> tuple[TextEdit | None, str]:
        """The edit that inserts the docstring, and why it is not acceptable; empty if it is."""
        edit = self._place()
        after = self.tree.edited(apply_edits(self.tree.text, [edit]))
        if after is None:
            return None, _TOO_LARGE
        error = edit_error(self.tree, after, self.definition) or content_error(after, self.definition, self.style)
        return edit, error

    def _place(self) -> TextEdit:
        text, definition = self.tree.text, self.definition
        newline, lines = line_break_of(text), self.template.lines()
        is_long = len(lines) > 1 or lines[-1].endswith('"')
        lines = [*lines, ""] if is_long else lines
        body = newline.join((definition.indent + line).rstrip() if i else line for i, line in enumerate(lines))
        literal = f'"""{body}{definition.indent if is_long else ""}"""'
        if definition.docstring:
            return TextEdit(*definition.docstring, literal)
        if definition.kind is DefinitionKind.MODULE:
            at = _module_start(text)
            return TextEdit(at, at, literal + newline * (2 if text[at:].strip() else 1))
        line_break = line_end(text, definition.header_end)
        between = text[definition.header_end : definition.body_start]
        if _CONTINUED.fullmatch(between):  # the body is in the header's line
            around = f"{newline}{definition.indent}"
            return TextEdit(definition.header_end, definition.body_start, f"{around}{literal}{around}")
        return TextEdit(line_break, line_break, f"{newline}{definition.indent}{literal}")


@dataclass(frozen=True)
class Update:
    """An update of an existing docstring."""

    tree: SyntaxTree
    definition: Definition
    literal: Literal
    revision: Revision
    style: Style

    @cached_property
    def _builder(self) -> TemplateBuilder:
        return TemplateBuilder(self.revision)

    @cached_property
    def template(self) -> DocstringTemplate:
        """The template of the updated docstring."""
        return self._builder.build(self.style, _unit(self.definition))

    def fill(self, entry: NewEntry, text: str) -> None:
        """Set the lines of a new entry."""
        fill(entry, text, self.definition.indent)

    def edit(self) -> tuple[TextEdit | None, str]:
        """The edit that updates the docstring, and why it is not acceptable; empty if it is."""
        if self.definition.docstring is None:
            return None, "there is no docstring"
        changes = self._builder.changes(self.template, self.definition.indent, in_lines=self.literal.holds_lines)
        changed = self.literal.changed(changes, line_break_of(self.tree.text))
        if changed is None:
            return None, "its string literals would have to be rewritten"
        edit = TextEdit(*self.definition.docstring, changed)
        after = self.tree.edited(apply_edits(self.tree.text, [edit]))
        if after is None:
            return None, _TOO_LARGE
        return edit, edit_error(self.tree, after, self.definition) or self._remaining_error(after)

    def _remaining_error(self, after: SyntaxTree) -> str:
        """Why the updated docstring would still be outdated; empty if it is not."""
        written = definition_at(after, self.definition.start).docstring
        literal = Literal.read(after.text[slice(*written)]) if written else None
        remaining = self.revision.with_value(literal.value) if literal else None
        if remaining is None or remaining.missing or remaining.obsolete:
            return "its sections have a form in which new entries would not be recognized"
        return ""


def _unit(definition: Definition) -> str:
    return "\t" if "\t" in definition.indent else "    "


def _module_start(code: str) -> int:
    """The offset of a module's docstring: after the comments at the beginning of the file."""
    found = re.match(r"(?:#[^\r\n]*(?:\r\n|\n|\r|$))*(?:\r\n|\n|\r)?", code)
    return found.end() if found and found[0].startswith("#") else 0

"""The edit that puts a docstring into a document or changes the one that is there, and the check of the result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from nano_lsp.code.definitions import Definition, DefinitionKind, definition_at
from nano_lsp.code.document import TextEdit, apply_edits
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.docstrings.check import find_fault, find_untrue
from nano_lsp.docstrings.drafting import Drafter, new_draft
from nano_lsp.docstrings.layout import Draft, Style
from nano_lsp.docstrings.literal import Literal
from nano_lsp.docstrings.revision import Revision
from nano_lsp.lines import line_break_of, line_end

_TOO_LARGE = "the file is too large"


@dataclass(frozen=True)
class NewDocstring:
    """A docstring for what has none.

    Attributes:
        tree: Of the document.
        definition: In it.
        style: Of the docstring.
    """

    tree: SyntaxTree
    definition: Definition
    style: Style

    @cached_property
    def draft(self) -> Draft:
        """Its lines, and the entries that need words."""
        return new_draft(self.definition, self.style, _unit(self.definition))

    def edit(self) -> tuple[TextEdit | None, str]:
        """The edit that puts it where it belongs, and what is wrong with it; empty for nothing."""
        edit = self._place()
        after = self.tree.edited(apply_edits(self.tree.text, [edit]))
        if after is None:
            return None, _TOO_LARGE
        fault = find_fault(self.tree, after, self.definition) or find_untrue(after, self.definition, self.style)
        return edit, fault

    def _place(self) -> TextEdit:
        text, definition = self.tree.text, self.definition
        newline, lines = line_break_of(text), self.draft.lines()
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
        if definition.body_start <= line_break:  # the body stands in the header's line
            around = f"{newline}{definition.indent}"
            return TextEdit(definition.header_end, definition.body_start, f"{around}{literal}{around}")
        return TextEdit(line_break, line_break, f"{newline}{definition.indent}{literal}")


@dataclass(frozen=True)
class Update:
    """A docstring that is there, with what it lacks and without what its code refutes.

    Attributes:
        tree: Of the document.
        definition: In it.
        literal: The docstring.
        revision: What it lacks, and what is refuted.
        style: Of new sections.
    """

    tree: SyntaxTree
    definition: Definition
    literal: Literal
    revision: Revision
    style: Style

    @cached_property
    def _drafter(self) -> Drafter:
        return Drafter(self.revision)

    @cached_property
    def draft(self) -> Draft:
        """Its author's lines, and the entries that need words."""
        return self._drafter.draft(self.style, _unit(self.definition))

    def edit(self) -> tuple[TextEdit | None, str]:
        """The edit that brings it up to date, and what is wrong with it; empty for nothing."""
        if self.definition.docstring is None:
            return None, "there is no docstring"
        changes = self._drafter.changes(self.draft, self.definition.indent, in_lines=self.literal.holds_lines)
        changed = self.literal.changed(changes, line_break_of(self.tree.text))
        if changed is None:
            return None, "its string literals would have to be rewritten"
        edit = TextEdit(*self.definition.docstring, changed)
        after = self.tree.edited(apply_edits(self.tree.text, [edit]))
        if after is None:
            return None, _TOO_LARGE
        return edit, find_fault(self.tree, after, self.definition) or self._find_rest(after)

    def _find_rest(self, after: SyntaxTree) -> str:
        """What the docstring would still lack; empty for nothing."""
        written = definition_at(after, self.definition.start).docstring
        literal = Literal.read(after.text[slice(*written)]) if written else None
        rest = self.revision.beside(literal.value) if literal else None
        if rest is None or rest.missing or rest.refuted:
            return "its sections have a form that new entries would not be read in"
        return ""


def _unit(definition: Definition) -> str:
    return "\t" if "\t" in definition.indent else "    "


def _module_start(code: str) -> int:
    """Where a module's docstring goes: behind the comments that a file begins with."""
    found = re.match(r"(?:#[^\n]*(?:\n|$))*\n?", code)
    return found.end() if found and found[0].startswith("#") else 0

"""Writes and updates docstrings.

The entries are derived from the code, so that the docstring lists exactly what the code has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nano_lsp.assistant.context import NULL_LISTENER, FeatureContext, ProgressListener
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.prompts import cut_code
from nano_lsp.code.definitions import (
    Definition,
    DefinitionKind,
    definition_at,
    find_definitions,
    has_documentation,
    is_sound,
    undocumented,
)
from nano_lsp.code.document import TextEdit
from nano_lsp.code.languages import PYTHON, language_of
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.docstrings.comments.forms import CommentForm, form_of
from nano_lsp.docstrings.comments.placing import CommentUpdate, NewComment
from nano_lsp.docstrings.layout import Style, detect_style
from nano_lsp.docstrings.literal import Literal
from nano_lsp.docstrings.placing import NewDocstring, Update
from nano_lsp.docstrings.revision import Revision
from nano_lsp.docstrings.wording import MAX_BODY_TOKENS, Surroundings, Wording
from nano_lsp.errors import DocumentError
from nano_lsp.lines import line_start, split_lines

_MAX_LINES_ABOVE, _MAX_CHARS_ABOVE = 6, 400
_UNUSABLE = re.compile(r'"""|```|<\||^[:,]|\\|\.py\b')


@dataclass(frozen=True)
class Docstring:
    """A docstring for a document.

    Attributes:
        edit: The edit that inserts or updates it.
        skeleton: Some of its entries are placeholders, as the model wrote no usable text.
    """

    edit: TextEdit
    skeleton: bool = False


@dataclass(frozen=True)
class WriteDocstrings(Job[list[Docstring]]):
    """Write or update the docstrings of Python code, or the documentation comments of code in another language.

    Attributes:
        text: The document.
        offset: An offset in the innermost definition to document; None for all definitions without a docstring.
        name: The definition's name, if the offset is its beginning, as several may begin there.
        style: `google`, `numpy`, `sphinx`, or `auto` for the style of the document; used in Python.
        language: Name of the language.
    """

    text: str
    offset: int | None = None
    name: str | None = None
    style: str = "auto"
    language: str = PYTHON.name

    async def run(self, context: FeatureContext) -> list[Docstring]:
        """The docstrings; none for a text that is too large, or in a language without a convention.

        For errors see `DocstringWriter.write_all`.
        """
        tree = SyntaxTree.parse(self.text, language_of("", self.language))
        if tree is None or not has_documentation(tree.language):
            return []
        if self.offset is None:
            chosen = list(undocumented(tree))
        elif self.name is None:
            chosen = [definition_at(tree, self.offset)]
        else:
            place = self.offset, self.name
            chosen = [found for found in find_definitions(tree) if (found.start, found.name) == place]
        return await DocstringWriter(context).write_all(tree, chosen, self.style)


@dataclass(frozen=True)
class DocstringWriter:
    """Writes docstrings."""

    context: FeatureContext

    async def write_all(self, tree: SyntaxTree, definitions: Sequence[Definition], style: str) -> list[Docstring]:
        """New or updated docstrings for definitions of a document; none for those that need no change.

        `style` is that of new ones: a style's name, or `auto` for the style of the file, Google's if it has none.
        The listener receives the number of definitions done, or of entries if there is only one definition.

        Raises:
            DocumentError: No docstring can be written; if others can, those that cannot are left out.
        """
        named = None if style == "auto" else Style(style)
        every = list(find_definitions(tree))
        found: list[Docstring] = []
        refused: DocumentError | None = None
        for i, definition in enumerate(definitions):
            listener = self.context.listener
            if len(definitions) > 1:
                listener.on_part(i, len(definitions))
                listener = NULL_LISTENER
            try:
                one = await self._write(tree, every, definition, named, listener)
            except DocumentError as error:
                refused = refused or error
                continue
            found += [one] if one else []
        if refused and not found:
            raise refused
        return found

    async def _write(
        self,
        tree: SyntaxTree,
        every: Sequence[Definition],
        definition: Definition,
        style: Style | None,
        listener: ProgressListener,
    ) -> Docstring | None:
        form = form_of(definition.language)
        if form is not None:
            return await self._write_comment(tree, every, definition, form, listener)
        if not is_sound(tree, definition):
            raise _refusal(definition, "the code is not valid Python")
        literal = Literal.read(tree.text[slice(*definition.docstring)]) if definition.docstring else None
        if definition.docstring and literal is None:
            raise _refusal(definition, "its string literals cannot be parsed")
        new_style = style or detect_style(tree.text) or Style.GOOGLE
        if literal is None or not literal.value.strip():
            return await self._fill(NewDocstring(tree, definition, new_style), every, listener)
        revision = _revision(literal, definition, every)
        if not revision.missing and not revision.obsolete:
            return None
        update = Update(tree, definition, literal, revision, revision.style or new_style)
        return await self._fill(update, every, listener)

    async def _fill(
        self, target: NewDocstring | Update, every: Sequence[Definition], listener: ProgressListener
    ) -> Docstring:
        """The docstring with text; with placeholders if the model writes none, or none that is valid in its form."""
        tree, definition = target.tree, target.definition
        around = Surroundings(
            _head(tree, definition, every) + '"""',
            cut_code(_body(tree, definition), self.context.tokenizer, MAX_BODY_TOKENS),
            "\n" + definition.indent,
            ("\n", '"""'),
            _UNUSABLE,
        )
        return await self._fill_in(target, around, listener)

    async def _write_comment(
        self,
        tree: SyntaxTree,
        every: Sequence[Definition],
        definition: Definition,
        form: CommentForm,
        listener: ProgressListener,
    ) -> Docstring | None:
        if not is_sound(tree, definition):
            raise _refusal(definition, "its code has a syntax error")
        if definition.docstring is None:
            target: NewComment | CommentUpdate = NewComment(tree, definition, form)
        else:
            target = CommentUpdate(tree, definition, form)
            if not target.comparison.is_readable:
                raise _refusal(definition, "its entries have a form that is not known")
            if not target.comparison.missing:
                return None
        code = cut_code(tree.text[definition.start : definition.end], self.context.tokenizer, MAX_BODY_TOKENS)
        above = _headers_around(tree, definition, every) or _lines_above(tree, definition)
        return await self._fill_in(target, target.surroundings(above, code), listener)

    async def _fill_in(
        self,
        target: NewDocstring | Update | NewComment | CommentUpdate,
        around: Surroundings,
        listener: ProgressListener,
    ) -> Docstring:
        edit, error, skeleton = await Wording(self.context, around).fill(target, listener)
        if edit is None or error:
            raise _refusal(target.definition, error)
        return Docstring(edit, skeleton)


def is_outdated(tree: SyntaxTree, definition: Definition, every: Sequence[Definition]) -> bool:
    """Whether a docstring has obsolete entries or incomplete sections; missing sections are not required."""
    form = form_of(definition.language)
    if form is not None:
        return definition.docstring is not None and CommentUpdate(tree, definition, form).comparison.is_outdated
    literal = Literal.read(tree.text[slice(*definition.docstring)]) if definition.docstring else None
    return literal is not None and _revision(literal, definition, every).is_outdated


def _revision(literal: Literal, definition: Definition, every: Sequence[Definition]) -> Revision:
    return Revision(literal.value, definition, [found.name for found in every])


def _body(tree: SyntaxTree, definition: Definition) -> str:
    """The body of a definition, after its docstring."""
    if definition.docstring:
        return tree.text[definition.docstring[1] : definition.end]
    return "\n" + definition.indent + tree.text[definition.body_start : definition.end]


def _head(tree: SyntaxTree, definition: Definition, every: Sequence[Definition]) -> str:
    """The code above the docstring: headers of the classes around it, decorators, and the definition's header."""
    if definition.kind is DefinitionKind.MODULE:
        return ""
    own = _blanks_before(tree.text, definition.start) + tree.text[definition.start : definition.header_end]
    return _headers_around(tree, definition, every) + own + "\n" + definition.indent


def _headers_around(tree: SyntaxTree, definition: Definition, every: Sequence[Definition]) -> str:
    """The headers of the definitions around one."""
    return "".join(
        f"{_blanks_before(tree.text, found.start)}{found.header}\n"
        for found in every
        if found.header and definition.name.startswith(found.name + ".") and found.end >= definition.end
    )


def _lines_above(tree: SyntaxTree, definition: Definition) -> str:
    """The lines above a documentation comment; without any, models write what belongs at the beginning of a file."""
    start = line_start(tree.text, min(definition.insert_at, *(definition.docstring or [definition.start])))
    return "".join(
        split_lines(tree.text[max(0, start - _MAX_CHARS_ABOVE) : start], keep_ends=True)[-_MAX_LINES_ABOVE:]
    )


def _blanks_before(text: str, offset: int) -> str:
    """The text before an offset in its line, if that is blank."""
    before = text[line_start(text, offset) : offset]
    return before if not before.strip() else ""


def _refusal(definition: Definition, reason: str) -> DocumentError:
    what = "module" if definition.kind is DefinitionKind.MODULE else definition.name
    text = "docstring" if definition.language == PYTHON.name else "documentation comment"
    return DocumentError(f"The {text} of {what} is left unchanged: {reason}.", "Edit it by hand.")

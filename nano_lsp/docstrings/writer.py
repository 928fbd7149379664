"""Writes and updates docstrings: one request to the model for each new entry.

The prompt is the definition with its docstring so far, and each answer is appended to it, so that most of it is in
the KV cache. The entries are derived from the code, so that the docstring lists exactly what the code has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nano_lsp.assistant.context import NULL_LISTENER, FeatureContext, ProgressListener
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.prompts import cut_code
from nano_lsp.assistant.requests import build_infill_request
from nano_lsp.code.definitions import (
    Definition,
    DefinitionKind,
    definition_at,
    find_definitions,
    is_sound,
    undocumented,
)
from nano_lsp.code.document import TextEdit, indent_of
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.docstrings.layout import DocstringTemplate, NewEntry, Style, Topic, detect_style, fill
from nano_lsp.docstrings.literal import Literal
from nano_lsp.docstrings.placing import NewDocstring, Update
from nano_lsp.docstrings.revision import Revision
from nano_lsp.errors import DocumentError
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.lines import line_start
from nano_lsp.schema import Completion, FinishReason

_MAX_BODY_TOKENS = 768
_MAX_SUMMARY_TOKENS = 32
_MAX_ENTRY_TOKENS = 40
_MIN_WRAPPED_CHARS = 40  # characters; the first line of a wrapped sentence is longer
_SKELETON = "TODO: describe."


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
    """Write or update the docstrings of Python code.

    Attributes:
        text: The document.
        offset: An offset in the innermost definition to document; None for all definitions without a docstring.
        name: The definition's name, if the offset is its beginning, as several may begin there.
        style: `google`, `numpy`, `sphinx`, or `auto` for the style of the document.
    """

    text: str
    offset: int | None = None
    name: str | None = None
    style: str = "auto"

    async def run(self, context: FeatureContext) -> list[Docstring]:
        """The docstrings; none for a text that is too large. For errors see `DocstringWriter.write_all`."""
        tree = SyntaxTree.parse(self.text, PYTHON)
        if tree is None:
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
        tree, definition, skeleton = target.tree, target.definition, False
        around = (
            _head(tree, definition, every),
            cut_code(_body(tree, definition), self.context.tokenizer, _MAX_BODY_TOKENS),
        )
        entries = target.template.new_entries()
        for i, entry in enumerate(entries):
            listener.on_part(i, len(entries))
            text = await self._generate_text(around, definition.indent, target.template, entry)
            fill(entry, text or _SKELETON, definition.indent)
            skeleton |= not text
        edit, error = target.edit()
        if error and entries:
            for entry in entries:
                fill(entry, _SKELETON, definition.indent)
            skeleton = True
            edit, error = target.edit()
        if edit is None or error:
            raise _refusal(definition, error)
        return Docstring(edit, skeleton)

    async def _generate_text(
        self, around: tuple[str, str], indent: str, template: DocstringTemplate, entry: NewEntry
    ) -> str:
        """The text that the model writes for an entry, in a sentence; empty after two unusable answers."""
        *above, line = template.lines(entry)
        so_far = ("\n" + indent).join([*above, line.rstrip() or line])
        request = self._request(around, so_far, entry.topic)
        answer = await self.context.generate(request)
        if _is_wrapped(answer):  # the sentence continues in the next line
            first_line = answer.text.rstrip()
            hanging = "\n" + indent + line[: indent_of(line)] + "    " * bool(line.strip())
            more = self._request(around, so_far + first_line + hanging, entry.topic)
            rest = await self.context.generate(more)
            answer = replace(rest, text=f"{first_line} {rest.text.strip()}")
        text = _as_sentence(answer, entry)
        if not text and answer.tokens:
            retry = replace(request.params, avoid=frozenset({answer.tokens[0].id}))
            text = _as_sentence(await self.context.generate(replace(request, params=retry)), entry)
        return text

    def _request(self, around: tuple[str, str], so_far: str, topic: Topic) -> GenerationRequest:
        head, body = around
        return build_infill_request(
            self.context,
            f'{head}"""{so_far}',
            body,
            max_tokens=_MAX_SUMMARY_TOKENS if topic is Topic.TEXT else _MAX_ENTRY_TOKENS,
            min_tokens=1,
            stop=("\n", '"""'),
            sequence="docstring",
        )


def is_outdated(tree: SyntaxTree, definition: Definition, every: Sequence[Definition]) -> bool:
    """Whether a docstring has obsolete entries or incomplete sections; missing sections are not required."""
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
    around = [
        f"{_blanks_before(tree.text, found.start)}{found.header}\n"
        for found in every
        if found.header and definition.name.startswith(found.name + ".") and found.end >= definition.end
    ]
    own = _blanks_before(tree.text, definition.start) + tree.text[definition.start : definition.header_end]
    return "".join(around) + own + "\n" + definition.indent


def _blanks_before(text: str, offset: int) -> str:
    """The text before an offset in its line, if that is blank."""
    before = text[line_start(text, offset) : offset]
    return before if not before.strip() else ""


def _is_wrapped(answer: Completion) -> bool:
    """Whether an answer ended with a full line rather than with a sentence."""
    text = answer.text.rstrip()
    return answer.finish_reason is FinishReason.STOP and len(text) > _MIN_WRAPPED_CHARS and text[-1] not in ".!?:"


def _as_sentence(answer: Completion, entry: NewEntry) -> str:
    """An answer as a sentence; empty if it is not usable as one."""
    text = re.sub(r"\s+", " ", answer.text).strip()
    if answer.finish_reason is FinishReason.LENGTH:
        whole = re.match(r"(.*[.!?])(\s|$)", text)
        clause = text.rpartition(", ")[0]
        text = whole[1] if whole else clause
    if text.startswith('"') and text.count('"') % 2:
        text = text[1:].lstrip()  # a fourth quote
    text = text.rstrip(" ,;:")
    unusable = not re.search(r"[^\W\d_]{2}", text) or re.search(r'"""|```|<\||^[:,]|\\|\.py\b', text)
    if unusable or text.rstrip(".").lower() == entry.name.lower():
        return ""
    if not entry.label:
        text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?" else text + "."


def _refusal(definition: Definition, reason: str) -> DocumentError:
    what = "module" if definition.kind is DefinitionKind.MODULE else definition.name
    return DocumentError(f"The docstring of {what} is left unchanged: {reason}.", "Edit it by hand.")

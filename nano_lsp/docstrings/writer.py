"""Writes and updates docstrings: a request to the model for each thing that has no words yet.

The prompt is the definition with its docstring so far, and each answer is appended to it: little is evaluated twice.
What the words are about is taken from the code, so that a docstring lists what there is, whatever the model thinks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from nano_lsp.assistant.context import FeatureContext
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
from nano_lsp.docstrings.layout import Draft, NewEntry, Style, Topic, detect_style, fill
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
_LONG = 40  # characters; a sentence that the model has broken in two is longer, as its line was full
_SKELETON = "TODO: describe."


@dataclass(frozen=True)
class Docstring:
    """A docstring for a document.

    Attributes:
        edit: that puts it there.
        skeleton: some of its words are placeholders, as the model had none.
    """

    edit: TextEdit
    skeleton: bool = False


@dataclass(frozen=True)
class WriteDocstrings(Job[list[Docstring]]):
    """Write the docstrings of Python code, or bring them up to date.

    Attributes:
        text: The document.
        offset: An offset in the definition, the innermost one there; None for all that have no docstring.
        name: The definition's name, where the offset is its beginning: several may begin at one place.
        style: `google`, `numpy`, `sphinx`, or `auto` for the one that the document has.
    """

    text: str
    offset: int | None = None
    name: str | None = None
    style: str = "auto"
    result: ClassVar[Any] = list[Docstring]

    async def run(self, context: FeatureContext) -> list[Docstring]:
        """The docstrings; none for a text that is too large, see `DocstringWriter.write_all` for what is refused."""
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
        return await DocstringWriter(context).write_all(tree, chosen, self.style, context.listener.on_part)


def _tell_nobody(_done: int, _total: int) -> None:
    """For those who do not ask how far a plan is."""


@dataclass(frozen=True)
class DocstringWriter:
    """Writes docstrings.

    Attributes:
        context: Asks the model.
    """

    context: FeatureContext

    async def write(
        self,
        tree: SyntaxTree,
        definition: Definition,
        style: Style | None = None,
        on_part: Callable[[int, int], None] = _tell_nobody,
    ) -> Docstring | None:
        """A docstring for a definition, or the one it has brought up to date; None where nothing needs to change.

        Args:
            tree: of the document.
            definition: in it.
            style: of a new one; None for the style that the file has, Google's where it has none. A docstring that
                is there keeps its own.
            on_part: is told how many parts have words, and of how many.

        Raises:
            DocumentError: The docstring cannot be written, or not without changing other words of its author.
        """
        return await self._write(tree, list(find_definitions(tree)), definition, style, on_part)

    async def write_all(
        self,
        tree: SyntaxTree,
        definitions: Sequence[Definition],
        style: str,
        on_part: Callable[[int, int], None] = _tell_nobody,
    ) -> list[Docstring]:
        """Docstrings for several definitions of a document; see `write`.

        Args:
            tree: of the document.
            definitions: in it.
            style: a style's name, or `auto`.
            on_part: is told how far this is: parts of the only definition, else definitions.

        Raises:
            DocumentError: None of them can be written or changed; one of several that cannot is left out.
        """
        named = None if style == "auto" else Style(style)
        every = list(find_definitions(tree))
        found: list[Docstring] = []
        refused: DocumentError | None = None
        for i, definition in enumerate(definitions):
            if len(definitions) > 1:
                on_part(i, len(definitions))
            on_entry = on_part if len(definitions) == 1 else _tell_nobody
            try:
                one = await self._write(tree, every, definition, named, on_entry)
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
        on_part: Callable[[int, int], None],
    ) -> Docstring | None:
        if not is_sound(tree, definition):
            raise _refusal(definition, "the code there is no Python that parses")
        literal = Literal.read(tree.text[slice(*definition.docstring)]) if definition.docstring else None
        if definition.docstring and literal is None:
            raise _refusal(definition, "its string literals cannot be read")
        shown = style or detect_style(tree.text) or Style.GOOGLE
        if literal is None or not literal.value.strip():
            return await self._fill(NewDocstring(tree, definition, shown), every, on_part)
        revision = _revision(literal, definition, every)
        if not revision.missing and not revision.refuted:
            return None
        update = Update(tree, definition, literal, revision, revision.style or shown)
        return await self._fill(update, every, on_part)

    async def _fill(
        self, target: NewDocstring | Update, every: Sequence[Definition], on_part: Callable[[int, int], None]
    ) -> Docstring:
        """A docstring with words; with placeholders where the model has none, or none that its form can hold."""
        tree, definition, skeleton = target.tree, target.definition, False
        around = (
            _head(tree, definition, every),
            cut_code(_body(tree, definition), self.context.tokenizer, _MAX_BODY_TOKENS),
        )
        entries = target.draft.new_entries()
        for i, entry in enumerate(entries):
            on_part(i, len(entries))
            words = await self._find_words(around, definition.indent, target.draft, entry)
            fill(entry, words or _SKELETON, definition.indent)
            skeleton |= not words
        edit, fault = target.edit()
        if fault and entries:
            for entry in entries:
                fill(entry, _SKELETON, definition.indent)
            skeleton = True
            edit, fault = target.edit()
        if edit is None or fault:
            raise _refusal(definition, fault)
        return Docstring(edit, skeleton)

    async def _find_words(self, around: tuple[str, str], indent: str, draft: Draft, entry: NewEntry) -> str:
        """What the model says of an entry, in a sentence; empty where it had nothing usable to say, twice.

        Args:
            around: the code before and behind the docstring.
            indent: of the docstring.
            draft: The draft of the docstring.
            entry: without words.
        """
        *above, line = draft.lines(entry)
        so_far = ("\n" + indent).join([*above, line.rstrip() or line])
        request = self._request(around, so_far, entry.topic)
        answer = await self.context.generate(request)
        if _is_wrapped(answer):  # the model goes on in the next line
            said = answer.text.rstrip()
            hanging = "\n" + indent + line[: indent_of(line)] + "    " * bool(line.strip())
            more = self._request(around, so_far + said + hanging, entry.topic)
            rest = await self.context.generate(more)
            answer = replace(rest, text=f"{said} {rest.text.strip()}")
        words = _as_sentence(answer, entry)
        if not words and answer.tokens:
            elsewhere = replace(request.params, avoid=frozenset({answer.tokens[0].id}))
            words = _as_sentence(await self.context.generate(replace(request, params=elsewhere)), entry)
        return words

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
    """Whether a docstring lists other things than its code has; a section that is not there misses nothing.

    Args:
        tree: of the document.
        definition: in it.
        every: definition of the document.
    """
    literal = Literal.read(tree.text[slice(*definition.docstring)]) if definition.docstring else None
    return literal is not None and _revision(literal, definition, every).is_outdated


def _revision(literal: Literal, definition: Definition, every: Sequence[Definition]) -> Revision:
    return Revision(literal.value, definition, [found.name for found in every])


def _body(tree: SyntaxTree, definition: Definition) -> str:
    """The code that a docstring is about, from behind the docstring on."""
    if definition.docstring:
        return tree.text[definition.docstring[1] : definition.end]
    return "\n" + definition.indent + tree.text[definition.body_start : definition.end]


def _head(tree: SyntaxTree, definition: Definition, every: Sequence[Definition]) -> str:
    """What stands above the docstring: the classes around it, its decorators, its header."""
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
    """What stands before an offset in its line, if that is blank."""
    before = text[line_start(text, offset) : offset]
    return before if not before.strip() else ""


def _is_wrapped(answer: Completion) -> bool:
    """Whether an answer ended with a line that was full, rather than with a sentence."""
    text = answer.text.rstrip()
    return answer.finish_reason is FinishReason.STOP and len(text) > _LONG and text[-1] not in ".!?:"


def _as_sentence(answer: Completion, entry: NewEntry) -> str:
    """An answer as a sentence; empty where it is none."""
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
    return DocumentError(f"The docstring of {what} is left as it is: {reason}.", "Change it by hand.")

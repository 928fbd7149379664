"""Writes and updates docstrings: a request to the model for each thing that has no words yet.

The prompt is the definition with its docstring so far, and each answer is appended to it: little is evaluated twice.
What the words are about is taken from the code, so that a docstring lists what there is, whatever the model thinks.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nano_lsp.context.definitions import Definition, DefinitionKind, find_definitions
from nano_lsp.context.document import TextEdit, apply_edits, indent_of
from nano_lsp.context.syntax import SyntaxTree
from nano_lsp.engine.backend import Vocabulary
from nano_lsp.engine.request import Request
from nano_lsp.features.docstrings.check import find_fault
from nano_lsp.features.docstrings.layout import Entry, Layout, Style, Topic, detect_style
from nano_lsp.features.infill import build_infill_request
from nano_lsp.features.plan import Plan
from nano_lsp.features.prompts import cut_code
from nano_lsp.lines import line_break_of, line_end, line_start
from nano_lsp.schema import Completion, FinishReason

_MAX_BODY_TOKENS = 768
_MAX_SUMMARY_TOKENS = 32
_MAX_ENTRY_TOKENS = 40
_LONG = 40  # characters; a sentence that the model has broken in two is longer, as its line was full
_SKELETON = "TODO: describe."
_LISTED = [topic for topic in Topic if topic is not Topic.TEXT]


@dataclass(frozen=True)
class Docstring:
    """A docstring for a document.

    Attributes:
        edit: that puts it there.
        skeleton: some of its words are placeholders, as the model had none.
    """

    edit: TextEdit
    skeleton: bool = False


def _tell_nobody(_done: int, _total: int) -> None:
    """For those who do not ask how far a plan is."""


@dataclass(frozen=True)
class DocstringWriter:
    """Plans docstrings.

    Attributes:
        vocabulary: the model.
        fim_order: how its prompts are laid out.
    """

    vocabulary: Vocabulary
    fim_order: str

    def write(
        self,
        tree: SyntaxTree,
        definition: Definition,
        style: Style | None = None,
        on_part: Callable[[int, int], None] = _tell_nobody,
    ) -> Plan[Docstring | None]:
        """A docstring for a definition, or the one it has brought up to date; None where nothing needs to change.

        Args:
            tree: of the document.
            definition: in it.
            style: of a new one; None for the style that the file has, Google's where it has none. A docstring that
                is there keeps its own.
            on_part: is told how many parts have words, and of how many.
        """
        return (yield from self._write(tree, list(find_definitions(tree)), definition, style, on_part))

    def write_all(
        self,
        tree: SyntaxTree,
        definitions: Sequence[Definition],
        style: str,
        on_part: Callable[[int, int], None] = _tell_nobody,
    ) -> Plan[list[Docstring]]:
        """Docstrings for several definitions of a document; see `write`.

        Args:
            tree: of the document.
            definitions: in it.
            style: a style's name, or `auto`.
            on_part: is told how far this is: parts of the only definition, else definitions.
        """
        named = None if style == "auto" else Style(style)
        every, found = list(find_definitions(tree)), []
        for i, definition in enumerate(definitions):
            if len(definitions) > 1:
                on_part(i, len(definitions))
            on_entry = on_part if len(definitions) == 1 else _tell_nobody
            one = yield from self._write(tree, every, definition, named, on_entry)
            found += [one] if one else []
        return found

    def _write(
        self,
        tree: SyntaxTree,
        every: Sequence[Definition],
        definition: Definition,
        style: Style | None,
        on_part: Callable[[int, int], None],
    ) -> Plan[Docstring | None]:
        old = _old_text(tree, definition)
        style = _style_of(old, tree, style)
        layout = Layout.parse(old, style)
        body = _body(tree, definition)
        kept = _may_raise(body, every)
        _revise(layout, definition, kept)
        blanks = list(layout.blanks())
        if not blanks and list(filter(None, layout.lines())) == list(filter(str.strip, old.split("\n"))):
            return None
        around = _head(tree, definition, every), cut_code(body, self.vocabulary, _MAX_BODY_TOKENS)
        skeleton = False
        for i, (part, entry) in enumerate(blanks):
            on_part(i, len(blanks))
            words = yield from self._find_words(around, definition.indent, layout, part.topic, entry)
            layout.fill(entry, words or _SKELETON, definition.indent)
            skeleton |= not words
        edit = _place(tree, definition, layout)
        fault = _fault_of(edit, tree, definition, style, kept)
        if fault and blanks:  # words that the form does not bear
            for _, entry in blanks:
                layout.fill(entry, _SKELETON, definition.indent)
            edit, skeleton = _place(tree, definition, layout), True
            fault = _fault_of(edit, tree, definition, style, kept)
        return None if fault else Docstring(edit, skeleton)

    def _find_words(
        self, around: tuple[str, str], indent: str, layout: Layout, topic: Topic, entry: Entry
    ) -> Plan[str]:
        """What the model says of an entry, in a sentence; empty where it had nothing usable to say, twice.

        Args:
            around: the code before and behind the docstring.
            indent: of the docstring.
            layout: of the docstring.
            topic: of the entry's part.
            entry: without words.
        """
        *above, line = layout.lines_before(entry)
        so_far = ("\n" + indent).join([*above, line.rstrip() or line])
        request = self._request(around, so_far, topic)
        answer = yield request
        if _is_wrapped(answer):  # the model goes on in the next line
            said = answer.text.rstrip()
            hanging = "\n" + indent + line[: indent_of(line)] + "    " * bool(line.strip())
            rest = yield self._request(around, so_far + said + hanging, topic)
            answer = replace(rest, text=f"{said} {rest.text.strip()}")
        words = _as_sentence(answer, entry)
        if not words and answer.tokens:
            elsewhere = replace(request.params, avoid=frozenset({answer.tokens[0].id}))
            words = _as_sentence((yield replace(request, params=elsewhere)), entry)
        return words

    def _request(self, around: tuple[str, str], so_far: str, topic: Topic) -> Request:
        head, body = around
        return build_infill_request(
            self.vocabulary,
            self.fim_order,
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
    old = _old_text(tree, definition)
    layout = Layout.parse(old, _style_of(old, tree, None))
    before = {topic: [entry.name for entry in layout.entries(topic)] for topic in _LISTED}
    if definition.kind is DefinitionKind.CLASS and before[Topic.PARAMETERS]:
        return False  # of its constructor, which has others than the class has fields
    _revise(layout, definition, _may_raise(_body(tree, definition), every))
    after = {topic: [entry.name for entry in layout.entries(topic)] for topic in _LISTED}
    wrong = {
        Topic.RETURNS: not after[Topic.RETURNS],  # a result may be described in several entries
        Topic.YIELDS: not after[Topic.YIELDS],
        Topic.RAISES: not set(definition.raises) <= set(before[Topic.RAISES]),  # callees may raise the others
    }
    return any(names and wrong.get(topic, names != after[topic]) for topic, names in before.items())


def _style_of(old: str, tree: SyntaxTree, wanted: Style | None) -> Style:
    """The style that a docstring has, else the one wanted, else its file's."""
    return detect_style(old) or wanted or detect_style(tree.text) or Style.GOOGLE


def _body(tree: SyntaxTree, definition: Definition) -> str:
    """The code that a docstring is about, from behind the docstring on."""
    if definition.docstring:
        return tree.text[definition.docstring[1] : definition.end]
    return "\n" + definition.indent + tree.text[definition.body_start : definition.end]


def _old_text(tree: SyntaxTree, definition: Definition) -> str:
    if definition.docstring is None:
        return ""
    literal = tree.text[slice(*definition.docstring)].lstrip("rRuU").replace("\r\n", "\n")
    quote = 3 if literal[:3] in {'"""', "'''"} else 1
    return inspect.cleandoc(literal[quote:-quote])


def _revise(layout: Layout, definition: Definition, kept: set[str]) -> None:
    """Let a layout have an entry for each thing there is, and none for what there is not."""
    if definition.kind is DefinitionKind.FUNCTION:
        entries = [layout.new_entry(Topic.PARAMETERS, p.name, p.stars, p.annotation) for p in definition.parameters]
        _replace_entries(layout, Topic.PARAMETERS, entries)
        results = {Topic.RETURNS: definition.returns, Topic.YIELDS: definition.yields}
        for topic, is_there in results.items():
            has_it = topic is Topic.YIELDS or not definition.yields
            annotation = definition.result if has_it else ""
            _replace_entries(layout, topic, [layout.new_entry(topic, "", "", annotation)] if is_there else [])
        stale = [entry.name for entry in layout.entries(Topic.RAISES) if entry.name in kept]
        names = [*definition.raises, *(name for name in stale if name not in definition.raises)]
        _replace_entries(layout, Topic.RAISES, [layout.new_entry(Topic.RAISES, name) for name in names])
    elif definition.kind is DefinitionKind.CLASS and definition.parameters:
        has_them = any(part.topic is Topic.PARAMETERS for part in layout.parts)  # some list fields as arguments
        topic = Topic.PARAMETERS if has_them else Topic.ATTRIBUTES
        entries = [layout.new_entry(topic, p.name, "", p.annotation) for p in definition.parameters]
        known = {entry.name for entry in layout.entries(topic)}
        part = layout.part(topic)
        part.entries += [entry for entry in entries if entry.name not in known]


def _replace_entries(layout: Layout, topic: Topic, wanted: list[Entry]) -> None:
    """Let a topic have these entries; those its author has written keep their words."""
    written = {entry.name: entry for entry in layout.entries(topic)}
    if topic in {Topic.RETURNS, Topic.YIELDS} and written:
        written = {"": next(iter(written.values()))}
    layout.parts = [
        part for part in layout.parts if part.topic is not topic or (wanted and part is layout.part(topic))
    ]
    if wanted:
        layout.part(topic).entries = [written.get(entry.name, entry) for entry in wanted]


def _may_raise(body: str, every: Sequence[Definition]) -> set[str]:
    """Exceptions that an author may have named with reason: the code mentions them, or calls who raises them."""
    words = set(re.findall(r"[\w.]+", body))
    names = {part for word in words for part in (word, word.rsplit(".", 1)[-1])}
    callees = (found for found in every if found.name and found.name.rsplit(".", 1)[-1] in names)
    return names | {raised for callee in callees for raised in callee.raises}


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


def _as_sentence(answer: Completion, entry: Entry) -> str:
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


def _place(tree: SyntaxTree, definition: Definition, layout: Layout) -> TextEdit:
    """The edit that puts a docstring where it belongs."""
    newline = line_break_of(tree.text)
    lines = layout.lines()
    text = "\n".join(lines)
    old = tree.text[slice(*definition.docstring)] if definition.docstring else ""
    raw = old[: len(old) - len(old.lstrip("rRuU"))]
    long = len(lines) > 1 or text.endswith('"')
    body = newline.join(
        (definition.indent + line).rstrip() if i else line for i, line in enumerate([*lines, ""] if long else lines)
    )
    below = newline + definition.indent if re.match(r"\w*(\"\"\"|''')\s*\n", old) else ""
    literal = f'{raw}"""{below}{body}{definition.indent if long else ""}"""'
    if definition.docstring:
        start, end = definition.docstring
        return TextEdit(start, end, literal)
    if definition.kind is DefinitionKind.MODULE:
        at = _module_start(tree.text)
        return TextEdit(at, at, literal + newline * (2 if tree.text[at:].strip() else 1))
    line_break = line_end(tree.text, definition.header_end)
    if definition.body_start <= line_break:  # the body stands in the header's line
        start, end = definition.header_end, definition.body_start
        around = f"{newline}{definition.indent}"
        return TextEdit(start, end, f"{around}{literal}{around}")
    return TextEdit(line_break, line_break, f"{newline}{definition.indent}{literal}")


def _module_start(code: str) -> int:
    """Where a module's docstring goes: behind the comments that a file begins with."""
    found = re.match(r"(?:#[^\n]*(?:\n|$))*\n?", code)
    return found.end() if found and found[0].startswith("#") else 0


def _fault_of(edit: TextEdit, tree: SyntaxTree, definition: Definition, style: Style, kept: set[str]) -> str:
    after = tree.edited(apply_edits(tree.text, [edit]))
    return find_fault(tree, after, definition, style, kept) if after else "the file is too large"

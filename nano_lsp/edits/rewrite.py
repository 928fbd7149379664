"""Rewrites code on request: fixes a diagnostic, simplifies, adds type hints, writes a test.

The model's answer is validated before it is shown: it parses in its place, a definition keeps its name and its
parameters, and type hints change only annotations.
"""

from __future__ import annotations

import builtins
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.fences import extract_code
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.language_names import title_of
from nano_lsp.assistant.prompts import cut_code
from nano_lsp.assistant.requests import build_infill_request
from nano_lsp.code.definitions import Definition, DefinitionKind, definition_at, find_definitions
from nano_lsp.code.document import TextEdit, apply_edits, indent_of
from nano_lsp.code.languages import PYTHON, Language, language_of
from nano_lsp.code.outline import read_imports
from nano_lsp.code.syntax_tree import SyntaxTree, breaks_parse, is_python
from nano_lsp.edits.code_requests import MAX_CODE_TOKENS, ask_again, code_request
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.lines import indent_text, line_break_of, line_end, line_start

_MAX_HINT_TOKENS = 24
_TYPE_OF_LITERAL = {"true": "bool", "false": "bool", "integer": "int", "float": "float"}
_ALLOWS_NONE = re.compile(r"\b(None|Optional|Any|object)\b")
_MODIFIER = re.compile(
    r"\b(?:export|default|public|protected|private|internal|static|pub|async|unsafe|extern|local)\b"
)
_IMPORT = re.compile(r"(from|import) ")
_HINT = re.compile(r"[\w.\[\], |\"'*]+")


@dataclass(frozen=True)
class Simplify(Job[list[TextEdit]]):
    """Simplify code of a document, extended to whole lines; no edit if the model gave no valid code."""

    text: str
    start: int
    end: int
    language: str = ""

    async def run(self, context: FeatureContext) -> list[TextEdit]:
        """The edits, after which the document is still valid."""
        task = f"Simplify this {title_of(self.language)} code. Keep what it does and its names."
        return await _rewrite(context, task, self.text, (self.start, self.end), self.language)


@dataclass(frozen=True)
class Fix(Job[list[TextEdit]]):
    """Fix a diagnostic; no edit if the model gave no valid code.

    Attributes:
        text: Text of the document.
        start: Offset of the diagnostic; the function or class around it is rewritten.
        end: Offset of the diagnostic's end.
        problem: Message of the diagnostic.
        language: Language of the document.
    """

    text: str
    start: int
    end: int
    problem: str
    language: str = ""

    async def run(self, context: FeatureContext) -> list[TextEdit]:
        """The edits, after which the document is still valid."""
        text, span = self.text, (self.start, self.end)
        tree = SyntaxTree.parse(text, language_of("", self.language))
        definition = definition_at(tree, self.start) if tree else None
        if definition is not None and definition.name:
            span = definition.start, definition.end
        line = text[line_start(text, self.start) : line_end(text, self.start)].strip()
        task = (
            f"A tool reports this problem in the {title_of(self.language)} code below: {self.problem} "
            f"(in the line `{line}`)\nCorrect it with as few changes as possible. Reply with the whole code."
        )
        return await _rewrite(context, task, text, span, self.language)


@dataclass(frozen=True)
class AddTypeHints(Job[list[TextEdit]]):
    """Annotate the parameters and the result of a function that have no annotation and whose type is clear.

    Only annotations are inserted, with names that the file imports or defines, or builtins.
    """

    text: str
    offset: int

    async def run(self, context: FeatureContext) -> list[TextEdit]:
        """The edits, after which the document is still valid."""
        text, tree = self.text, SyntaxTree.parse(self.text, PYTHON)
        if tree is None:
            return []
        definition, known = definition_at(tree, self.offset), _bound(tree)
        edits: list[TextEdit] = []
        for place in _places_for_hints(tree, definition):
            lead = ": " if place.name else " -> "
            so_far = apply_edits(text[definition.start : place.offset], edits, definition.start)
            hint = place.type_of_default
            if not hint:
                request = _hint_request(context, tree, definition, so_far + lead.rstrip(), place.offset)
                found = _HINT.match((await context.generate(request)).text.strip())
                hint = found[0].strip().rstrip(",") if found else ""
            if place.name:
                hint = _first_type(hint)
            if _is_hint(hint, known) and not (hint == "None" and place.name):
                is_optional = text.startswith("None", place.default) if place.default else False
                hint += " | None" if is_optional and not _ALLOWS_NONE.search(hint) else ""
                end = place.default or place.offset
                edits.append(TextEdit(place.offset, end, lead + hint + (" = " if place.default else "")))
        after = tree.edited(apply_edits(text, edits))
        return edits if after and not breaks_parse(tree, after) else []


@dataclass(frozen=True)
class WriteTest(Job[str]):
    """Write a pytest test of a function, with its import.

    Attributes:
        text: Python code of the document.
        offset: Offset within the function.
        module: Dotted name of the module to import it from; empty for a test in the same place, as in a notebook,
            where the test is also called.
    """

    text: str
    offset: int
    module: str

    async def run(self, context: FeatureContext) -> str:
        """The test module; empty if no attempt parses."""
        tree = SyntaxTree.parse(self.text, PYTHON)
        if tree is None:
            return ""
        definition, module = definition_at(tree, self.offset), self.module
        code = textwrap.dedent(self.text[line_start(self.text, definition.start) : definition.end])
        name = definition.name.split(".")[0]
        where = f"It is imported: from {module} import {name}" if module else "It is there already: do not import it."
        task = f"Write one short pytest test of this Python code. {where}"
        shown = cut_code(code, context.tokenizer, MAX_CODE_TOKENS)
        request = code_request(context, task, shown, PYTHON.name)
        for attempt in (request, ask_again(request)):
            test = _read_test(extract_code((await context.generate(attempt)).text), tree, name, module)
            if test:
                return test
        return ""


async def _rewrite(
    context: FeatureContext, task: str, text: str, span: tuple[int, int], language: str
) -> list[TextEdit]:
    start, end = line_start(text, span[0]), line_end(text, max(span[0], span[1] - 1))
    lines = text[start:end]
    code = textwrap.dedent(lines.replace("\r\n", "\n")).strip("\n")
    if not code.strip() or len(context.tokenizer.tokenize(code)) > MAX_CODE_TOKENS:
        return []
    request = code_request(context, task.replace("  ", " "), code, language)
    answer = extract_code((await context.generate(request)).text)
    known = language_of("", language)
    answer = _same_definition(code, answer, known)
    if not answer.strip() or answer == code:
        return []
    indent = next(line[: indent_of(line)] for line in lines.split("\n") if line.strip())
    edit = TextEdit(start, end, indent_text(answer, indent).replace("\n", line_break_of(text)))
    before = SyntaxTree.parse(text, known)
    after = before.edited(apply_edits(text, [edit])) if before else None
    return (
        []
        if before and after and (breaks_parse(before, after) or not _same_interface(before, after, edit))
        else [edit]
    )


def _hint_request(
    context: FeatureContext, tree: SyntaxTree, definition: Definition, so_far: str, offset: int
) -> GenerationRequest:
    rest = cut_code(tree.text[offset : definition.end], context.tokenizer, MAX_CODE_TOKENS)
    stop = ("\n", "=", ":", ")")
    return build_infill_request(context, so_far, rest, max_tokens=_MAX_HINT_TOKENS, stop=stop, sequence="hints")


@dataclass(frozen=True)
class _Place:
    """A place for an annotation.

    Attributes:
        name: Name of the parameter; empty for the return type.
        offset: Offset of the annotation.
        default: Offset of the default value; 0 for none.
        type_of_default: Type of a literal default, which needs no model; empty for none.
    """

    name: str
    offset: int
    default: int = 0
    type_of_default: str = ""


def _same_definition(code: str, answer: str, language: Language) -> str:
    """The definition in an answer that replaces the code's; empty if its name or its parameters have changed."""
    old, new = SyntaxTree.parse(code, language), SyntaxTree.parse(answer, language)
    if old is None or new is None:
        return answer
    whole = [d for d in find_definitions(old) if d.kind is not DefinitionKind.MODULE and d.start == 0]
    if not whole or whole[0].end < len(code.rstrip().rstrip("" if language is PYTHON else ";")):
        return answer
    found = next((d for d in find_definitions(new) if (d.kind, d.name) == (whole[0].kind, whole[0].name)), None)
    names = [p.name for p in whole[0].parameters]
    if found is None or (found.kind is DefinitionKind.FUNCTION and [p.name for p in found.parameters] != names):
        return ""
    return answer[found.start : found.end] + code.rstrip()[whole[0].end :]


def _same_interface(before: SyntaxTree, after: SyntaxTree, edit: TextEdit) -> bool:
    """Whether the functions and classes that an edit replaces keep their names and parameters."""
    if before.language is PYTHON:  # `_same_definition` has seen to it
        return True
    ends = edit.end, edit.start + len(edit.text)
    old, new = (list(_interface(tree, edit.start, end)) for tree, end in zip((before, after), ends, strict=True))
    return old == new


def _interface(tree: SyntaxTree, start: int, end: int) -> Iterator[tuple[str, list[str], list[str]]]:
    """Names, parameters and words such as `export` of the outermost functions and classes that begin in a range."""
    last = start
    for each in find_definitions(tree):
        if last <= each.start < end:
            last = each.end
            modifiers = _MODIFIER.findall(each.header.partition(each.name.rpartition(".")[2])[0])
            yield each.name, [parameter.name for parameter in each.parameters], modifiers


def _read_test(answer: str, tree: SyntaxTree, name: str, module: str) -> str:
    """The test in an answer, with its imports; empty if it does not parse."""
    tests = SyntaxTree.parse(answer, PYTHON)
    kept = list(_tests(tests, name, module)) if tests else []
    body = "\n\n\n".join(part for part in kept if not _IMPORT.match(part))
    if "def test_" not in body:
        return ""
    imports = [part for part in kept if _IMPORT.match(part)]
    if re.search(r"\bpytest\b", body):
        imports.append("import pytest")
    own = {d.name for d in find_definitions(tree) if d.name and "." not in d.name}
    used = sorted({name, *(own & set(re.findall(r"\w+", body)))})
    if module:
        imports.append(f"from {module} import {', '.join(used)}")
    else:
        calls = re.findall(r"(?:\A|\n\n)def (test_\w+)\(\):", body)
        body += "\n\n\n" * bool(calls) + "\n".join(f"{test}()" for test in calls)
    text = "\n".join(imports) + "\n\n\n" * bool(imports) + f"{body}\n"
    return text if is_python(text) else ""


def _tests(tree: SyntaxTree, name: str, module: str) -> Iterator[str]:
    """The statements of a test file, without copies of the function and imports that are added anyway."""
    for node in tree.root.children:
        code = tree.text_of(node)
        again = re.match(rf"(?:@.*\n)*(?:async )?(?:def|class) {re.escape(name)}\b", code)
        if node.type in {"comment", "if_statement"} or node.has_error or again:
            continue
        own = re.escape(module) if module else rf"\S+ import {re.escape(name)}"
        if re.match(rf"import pytest\b|(from|import) {own}\b", code):
            continue
        yield code


def _places_for_hints(tree: SyntaxTree, definition: Definition) -> Iterator[_Place]:
    node = tree.node_at(definition.header_end - 1)
    while node is not None and node.type != "function_definition":
        node = node.parent  # type: ignore[assignment]
    listed = node.child_by_field_name("parameters") if node is not None else None
    if node is None or listed is None:
        return
    names = {parameter.name for parameter in definition.parameters}
    for child in listed.named_children:
        target = child.child_by_field_name("name") if child.type == "default_parameter" else child
        if target is not None and target.type in {"identifier", "list_splat_pattern", "dictionary_splat_pattern"}:
            value = child.child_by_field_name("value")
            name = tree.text_of(target).lstrip("*")
            if name in names:
                default = tree.offset(value.start_byte) if value is not None else 0
                type_of_default = _TYPE_OF_LITERAL.get(value.type, "") if value is not None else ""
                yield _Place(name, tree.offset(target.end_byte), default, type_of_default)
    if node.child_by_field_name("return_type") is None:
        yield _Place("", tree.offset(listed.end_byte))


def _first_type(text: str) -> str:
    """The type before the first comma outside brackets."""
    depth = 0
    for i, char in enumerate(text):
        depth += (char in "[(") - (char in "])")
        if char == "," and depth == 0:
            return text[:i].strip()
    return text


def _is_hint(hint: str, known: set[str]) -> bool:
    names = re.findall(r"[^\W\d]\w*", re.sub(r"\.\w+", "", hint))
    try:
        compile(hint, "<hint>", "eval")
    except (SyntaxError, ValueError):
        return False
    return bool(names) and all(name in known or hasattr(builtins, name) for name in names)


def _bound(tree: SyntaxTree) -> set[str]:
    """The names of a file's imports and of the classes at its top level."""
    classes = (found for found in find_definitions(tree) if found.kind is DefinitionKind.CLASS)
    return {found.name for found in read_imports(tree)} | {found.name for found in classes if "." not in found.name}

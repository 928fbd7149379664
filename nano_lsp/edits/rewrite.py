"""Rewrites code on request: fixes what a diagnostic names, simplifies, adds type hints, writes a test.

What the model answers is checked before anybody sees it: it parses where it is put, a definition keeps its name and
its parameters, and type hints change nothing but hints.
"""

from __future__ import annotations

import builtins
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.fences import extract_code, fenced
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.prompts import cut_code
from nano_lsp.assistant.requests import build_chat_request, build_infill_request
from nano_lsp.code.definitions import Definition, DefinitionKind, definition_at, find_definitions
from nano_lsp.code.document import TextEdit, apply_edits, indent_of
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.outline import read_imports
from nano_lsp.code.syntax_tree import SyntaxTree, breaks_parse, is_python
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.lines import indent_text, line_break_of, line_end, line_start
from nano_lsp.schema import SamplingParams

_MAX_CODE_TOKENS = 1024
_MAX_HINT_TOKENS = 24
_AGAIN = SamplingParams(temperature=0.5, seed=1)
_TYPE_OF_LITERAL = {"true": "bool", "false": "bool", "integer": "int", "float": "float"}
_ALLOWS_NONE = re.compile(r"\b(None|Optional|Any|object)\b")
_IMPORT = re.compile(r"(from|import) ")
_HINT = re.compile(r"[\w.\[\], |\"'*]+")


@dataclass(frozen=True)
class Simplify(Job[list[TextEdit]]):
    """Simplify whole lines; see `simplify`."""

    text: str
    start: int
    end: int
    language: str = ""
    result: ClassVar[Any] = list[TextEdit]

    async def run(self, context: FeatureContext) -> list[TextEdit]:
        """The edits that keep the document valid."""
        return await simplify(context, self.text, self.start, self.end, self.language)


@dataclass(frozen=True)
class Fix(Job[list[TextEdit]]):
    """Correct what a tool reports; see `fix`."""

    text: str
    start: int
    end: int
    problem: str
    language: str = ""
    result: ClassVar[Any] = list[TextEdit]

    async def run(self, context: FeatureContext) -> list[TextEdit]:
        """The edits that keep the document valid."""
        return await fix(context, self.text, self.start, self.end, self.problem, self.language)


@dataclass(frozen=True)
class AddTypeHints(Job[list[TextEdit]]):
    """Annotate the function at an offset of Python code; see `add_type_hints`."""

    text: str
    offset: int
    result: ClassVar[Any] = list[TextEdit]

    async def run(self, context: FeatureContext) -> list[TextEdit]:
        """The edits that keep the document valid."""
        tree = SyntaxTree.parse(self.text, PYTHON)
        return await add_type_hints(context, tree, definition_at(tree, self.offset)) if tree else []


@dataclass(frozen=True)
class WriteTest(Job[str]):
    """Write a test of the function at an offset of Python code; see `write_test`."""

    text: str
    offset: int
    module: str
    result: ClassVar[Any] = str

    async def run(self, context: FeatureContext) -> str:
        """The test module; empty where the model has none that parses."""
        tree = SyntaxTree.parse(self.text, PYTHON)
        return await write_test(context, tree, definition_at(tree, self.offset), self.module) if tree else ""


async def simplify(context: FeatureContext, text: str, start: int, end: int, language: str = "") -> list[TextEdit]:
    """Simpler code for whole lines of a document; no edit where the model has none that holds.

    Args:
        text: of the document.
        start: offset of the code, moved to the beginning of its line.
        end: offset of its end, moved to the end of its line.
        language: of the document.
    """
    task = f"Simplify this {language.capitalize()} code. Keep what it does and its names."
    return await _rewrite(context, task, text, (start, end), language)


async def fix(
    context: FeatureContext, text: str, start: int, end: int, problem: str, language: str = ""
) -> list[TextEdit]:
    """Code without a problem that a tool reports; no edit where the model has none that holds.

    Args:
        text: of the document.
        start: offset of what is reported; the function or class around it is worked on.
        end: of what is reported.
        problem: what the tool says.
        language: of the document.
    """
    line = text[line_start(text, start) : line_end(text, start)].strip()
    tree = SyntaxTree.parse(text, PYTHON) if language == PYTHON.name else None
    around = definition_at(tree, start) if tree else None
    if around is not None and around.name:
        start, end = around.start, around.end
    task = (
        f"A tool reports this problem in the {language.capitalize()} code below: {problem} "
        f"(in the line `{line}`)\nCorrect it with as few changes as possible. Reply with the whole code."
    )
    return await _rewrite(context, task, text, (start, end), language)


async def _rewrite(
    context: FeatureContext, task: str, text: str, span: tuple[int, int], language: str
) -> list[TextEdit]:
    start, end = line_start(text, span[0]), line_end(text, max(span[0], span[1] - 1))
    lines = text[start:end]
    code = textwrap.dedent(lines.replace("\r\n", "\n")).strip("\n")
    if not code.strip() or len(context.tokenizer.tokenize(code)) > _MAX_CODE_TOKENS:
        return []
    request = _code_request(context, task.replace("  ", " "), code, language)
    answer = extract_code((await context.generate(request)).text)
    if language == PYTHON.name:
        answer = _same_definition(code, answer)
    if not answer.strip() or answer == code:
        return []
    indent = next(line[: indent_of(line)] for line in lines.split("\n") if line.strip())
    edit = TextEdit(start, end, indent_text(answer, indent).replace("\n", line_break_of(text)))
    before = SyntaxTree.parse(text, PYTHON) if language == PYTHON.name else None
    after = before.edited(apply_edits(text, [edit])) if before else None
    return [] if before and after and breaks_parse(before, after) else [edit]


async def write_test(context: FeatureContext, tree: SyntaxTree, definition: Definition, module: str) -> str:
    """A pytest test of a function, with its import; empty where the model has none that parses.

    Args:
        tree: of the document.
        definition: the function.
        module: that it is imported from, dotted; empty where the test stands beside it, as in a notebook: then it
            is called as well.
    """
    code = textwrap.dedent(tree.text[line_start(tree.text, definition.start) : definition.end])
    name = definition.name.split(".")[0]
    where = f"It is imported: from {module} import {name}" if module else "It is there already: do not import it."
    task = f"Write one short pytest test of this Python code. {where}"
    shown = cut_code(code, context.tokenizer, _MAX_CODE_TOKENS)
    request = _code_request(context, task, shown, PYTHON.name)
    for attempt in (request, replace(request, params=replace(request.params, sampling=_AGAIN))):
        text = _read_test(extract_code((await context.generate(attempt)).text), tree, name, module)
        if text:
            return text
    return ""


async def add_type_hints(context: FeatureContext, tree: SyntaxTree, definition: Definition) -> list[TextEdit]:
    """Annotations for the parameters and the result of a function that have none and whose type is clear.

    Nothing but annotations is inserted, and only names that the file binds or Python has.
    """
    text, known = tree.text, _bound(tree)
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


def _hint_request(
    context: FeatureContext, tree: SyntaxTree, definition: Definition, so_far: str, offset: int
) -> GenerationRequest:
    rest = cut_code(tree.text[offset : definition.end], context.tokenizer, _MAX_CODE_TOKENS)
    stop = ("\n", "=", ":", ")")
    return build_infill_request(context, so_far, rest, max_tokens=_MAX_HINT_TOKENS, stop=stop, sequence="hints")


def _code_request(context: FeatureContext, task: str, code: str, language: str) -> GenerationRequest:
    size = len(context.tokenizer.tokenize(code))
    return build_chat_request(
        f"{task}\n\n{fenced(code, language)}",
        context,
        code=True,
        max_tokens=min(2 * size + 128, context.tokenizer.spec.n_ctx - size - 256),
    )


@dataclass(frozen=True)
class _Place:
    """Where an annotation may go: at an offset, up to the value where a default follows; named for a parameter.

    The type of a default that is a literal needs no model.
    """

    name: str
    offset: int
    default: int = 0
    type_of_default: str = ""


def _same_definition(code: str, answer: str) -> str:
    """Of an answer, the definition that the code is; empty where it has been renamed or takes something else."""
    old, new = SyntaxTree.parse(code, PYTHON), SyntaxTree.parse(answer, PYTHON)
    if old is None or new is None:
        return answer
    whole = [d for d in find_definitions(old) if d.kind is not DefinitionKind.MODULE and d.start == 0]
    if not whole or whole[0].end < len(code.rstrip()):
        return answer
    found = next((d for d in find_definitions(new) if (d.kind, d.name) == (whole[0].kind, whole[0].name)), None)
    names = [p.name for p in whole[0].parameters]
    if found is None or (found.kind is DefinitionKind.FUNCTION and [p.name for p in found.parameters] != names):
        return ""
    return answer[found.start : found.end]


def _read_test(answer: str, tree: SyntaxTree, name: str, module: str) -> str:
    """The test in an answer, with its imports; empty for none that parses."""
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
    """The statements of a test file that are worth keeping: not the function itself, no imports that are there."""
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
    """A type, without what follows it behind a comma."""
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

"""Functions and classes of a Python file, with facts from their code: parameters, return values, exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from tree_sitter import Node

from nano_lsp.code.decorators import RESULT_KEEPING, Names, is_accessor
from nano_lsp.code.definition import Definition, DefinitionKind, Parameter
from nano_lsp.code.document import indent_of
from nano_lsp.code.function_facts import FunctionFacts
from nano_lsp.code.syntax_tree import DECORATED, SyntaxTree, ancestors, first_child, statements_of, undecorated
from nano_lsp.lines import line_end, line_start

_COMPOUND = {
    *("if_statement", "for_statement", "while_statement", "try_statement", "with_statement", "match_statement"),
    *("elif_clause", "else_clause", "except_clause", "finally_clause", "case_clause", "block", "ERROR"),
}
_DEFINITIONS = {"function_definition", "class_definition"}
_SCOPES = {"function_definition", "class_definition", "lambda"}
_NOT_RETURNED = {"", "None", "NoReturn", "Never", "typing.NoReturn", "typing.Never"}
_PRIVATE = re.compile(r"(.*\.)?(_.*|test_.*)")
_STRINGS = {"string", "concatenated_string"}
_LITERAL = re.compile(r"[rRuU]?['\"]")
_CYTHON = re.compile(r"^[ \t]*(?:cdef|cpdef|ctypedef|cimport)\b|^[ \t]*from[ \t].*[ \t]cimport[ \t]", re.MULTILINE)
_MAX_BROKEN = 2
"""Maximum number of statements with syntax errors: typing breaks one or two at a time, another language has more."""


def find_definitions(tree: SyntaxTree) -> Iterator[Definition]:
    """Yield the module, then its functions and classes in order, nested ones included."""
    yield _module(tree)
    yield from _definitions(tree.root, tree, "", Names(tree))


def definition_at(tree: SyntaxTree, offset: int) -> Definition:
    """Return the innermost function or class around an offset, or the module outside of all.

    An offset in the first line of a definition, before its code, counts as inside.
    """
    offset = min(max(0, offset), len(tree.text))
    offset += indent_of(tree.text[offset : line_end(tree.text, offset)])
    ends = (_definition_around(tree, at, offset) for at in (offset, offset - 1))  # its very end is inside, too
    return max((found for found in ends if found), key=lambda found: found.start, default=None) or _module(tree)


def _definition_around(tree: SyntaxTree, at: int, offset: int) -> Definition | None:
    """The innermost definition around the node at an offset that also contains another offset."""
    for node in ancestors(tree.node_at(max(0, at))):
        whole = node.parent if node.parent is not None and node.parent.type == DECORATED else node
        inner = undecorated(whole)
        if inner is not None and inner.type in _DEFINITIONS:
            found = _definition(inner, whole, tree, _scope_of(whole, tree), Names(tree))
            if found and found.start <= offset <= found.end:
                return found
    return None


def is_sound(tree: SyntaxTree, definition: Definition) -> bool:
    """Whether a definition, the code that contains it and the text around it parse as Python.

    Text in another language, Cython for instance, has errors everywhere; where it looks like Python by chance, an
    edit would rest on code that was not understood.
    """
    if not _is_mostly_python(tree):
        return False
    if definition.kind is DefinitionKind.MODULE:
        return not tree.root.has_error
    node = tree.node_at(definition.start)
    around = [each for each in ancestors(node) if each.type in {*_DEFINITIONS, DECORATED, "ERROR"}]
    own = next((each for each in around if tree.offset(each.end_byte) >= definition.end), None)
    return own is not None and not own.has_error and all(each.type != "ERROR" for each in around)


@lru_cache(maxsize=4)  # called for each definition of a document
def _is_mostly_python(tree: SyntaxTree) -> bool:
    broken = [node for node in tree.root.children if node.has_error] if tree.root.has_error else []
    return len(broken) <= _MAX_BROKEN and not any(_CYTHON.search(tree.text_of(node)) for node in broken)


def _scope_of(node: Node, tree: SyntaxTree) -> str:
    """Names of the definitions around a node, each followed by a dot."""
    names = []
    for around in ancestors(node.parent):
        name = around.child_by_field_name("name") if around.type in _DEFINITIONS else None
        if name is not None:
            names.append(tree.text_of(name) + ".")
    return "".join(reversed(names))


def undocumented(tree: SyntaxTree) -> Iterator[Definition]:
    """Yield the public functions and classes and the module if they have no docstring, in source order.

    Overloads and the setters and deleters of properties are left out: in Python they have no docstring.
    """
    functions: set[str] = set()
    for definition in find_definitions(tree):
        name, scope = definition.name, definition.name.rpartition(".")[0]
        private = _PRIVATE.fullmatch(name) or scope in functions
        if definition.kind is DefinitionKind.FUNCTION or scope in functions:
            functions.add(name)
        empty = definition.kind is DefinitionKind.MODULE and not tree.text.strip()
        accessor = False
        if definition.decorators:
            own = name.rpartition(".")[2]
            siblings = {own, *(each.rpartition(".")[2] for each in functions if each.rpartition(".")[0] == scope)}
            accessor = any(is_accessor(each, sibling) for each in definition.decorators for sibling in siblings)
        if definition.docstring is None and not (private or empty or definition.is_overload or accessor):
            yield definition


def _definitions(node: Node, tree: SyntaxTree, scope: str, names: Names) -> Iterator[Definition]:
    for child in node.named_children:
        inner = undecorated(child)
        if inner is not None and inner.type in _DEFINITIONS:
            found = _definition(inner, child, tree, scope, names)
            if found:
                yield found
                body = inner.child_by_field_name("body")
                if body is not None:
                    yield from _definitions(body, tree, f"{found.name}.", names)
        elif child.type in _COMPOUND:
            yield from _definitions(child, tree, scope, names)


def _module(tree: SyntaxTree) -> Definition:
    statements = statements_of(tree.root)
    return Definition(
        DefinitionKind.MODULE,
        "",
        0,
        len(tree.text),
        body_start=tree.offset(statements[0].start_byte) if statements else len(tree.text),
        docstring=_docstring(statements, tree),
    )


def _definition(node: Node, whole: Node, tree: SyntaxTree, scope: str, names: Names) -> Definition | None:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    colon = next((child for child in node.children if child.type == ":"), None)
    if name is None or body is None or colon is None or colon.is_missing:
        return None
    statements = statements_of(body)
    if not statements:
        return None
    start, header_end = tree.offset(node.start_byte), tree.offset(colon.end_byte)
    body_start = tree.offset(statements[0].start_byte)
    before = tree.text[line_start(tree.text, body_start) : body_start]
    first_line = tree.text[line_start(tree.text, start) : start]
    indent = before if not before.strip() else _deeper(first_line[: indent_of(first_line)], tree)
    kind = node.child_by_field_name("return_type")
    result = tree.text_of(kind) if kind is not None else ""
    decorators = tuple(names.decorators(whole)) if whole.type == DECORATED else ()
    common = Definition(
        kind=DefinitionKind.CLASS,
        name=scope + tree.text_of(name),
        start=tree.offset(whole.start_byte),
        end=tree.offset(node.end_byte),
        header=tree.text[start:header_end],
        header_end=header_end,
        body_start=body_start,
        indent=indent,
        docstring=_docstring(statements, tree),
        decorators=decorators,
    )
    if node.type == "class_definition":
        return replace(common, parameters=tuple(_fields(body, tree)))
    parameters = list(_parameters(node, tree))
    facts = FunctionFacts([parameter.name for parameter in parameters], body, tree)
    is_bound = bool(parameters) and not parameters[0].stars and _is_method(whole) and "staticmethod" not in decorators
    is_final = not facts.is_stub and RESULT_KEEPING.issuperset(decorators)
    has_value = facts.returns or (facts.is_stub and result not in _NOT_RETURNED)
    return replace(
        common,
        kind=DefinitionKind.FUNCTION,
        parameters=tuple(parameters[1:] if is_bound else parameters),
        returns=has_value,
        yields=facts.yields,
        result=result,
        raises=tuple(facts.raises),
        receiver=parameters[0].name if is_bound else "",
        returns_nothing=is_final and not (has_value or facts.yields) and result in {"", "None"},
    )


def _deeper(indent: str, tree: SyntaxTree) -> str:
    """An indentation one level deeper, in tabs or blanks as the file uses them."""
    return indent + ("\t" if "\t" in indent else _indent_unit(tree))


@lru_cache(maxsize=4)  # called for each function in a single line
def _indent_unit(tree: SyntaxTree) -> str:
    """Indentation of the first block of a file."""
    for statement in tree.root.named_children:
        inner = undecorated(statement) or statement
        first = first_child(next((child for child in inner.children if child.type == "block"), None))
        if first is not None and first.start_point.row > statement.start_point.row:
            at = tree.offset(first.start_byte)
            before = tree.text[line_start(tree.text, at) : at]
            if before and not before.strip():
                return before
    return "    "


def _docstring(statements: list[Node], tree: SyntaxTree) -> tuple[int, int] | None:
    """Start and end of the string that Python takes as the docstring; bytes and f-strings do not count."""
    first = statements[0] if statements else None
    if first is None or first.type != "expression_statement" or len(_but_comments(first)) != 1:
        return None  # with a comma after it, it would be a tuple
    whole = inner = _but_comments(first)[0]
    while inner.type == "parenthesized_expression":
        within = [child for child in _but_comments(inner) if child.is_named]
        if len(within) != 1:
            return None
        inner = within[0]
    pieces = [child for child in inner.children if child.type == "string"] if inner.type != "string" else [inner]
    if inner.type not in _STRINGS or any(_LITERAL.match(tree.text_of(piece)) is None for piece in pieces):
        return None
    return tree.offset(whole.start_byte), tree.offset(whole.end_byte)


def _but_comments(node: Node) -> list[Node]:
    return [child for child in node.children if child.type != "comment"]


def _parameters(node: Node, tree: SyntaxTree) -> Iterator[Parameter]:
    listed = node.child_by_field_name("parameters")
    for child in listed.named_children if listed is not None else ():
        parameter = _parameter(child, tree)
        if parameter:
            yield parameter


def _is_method(whole: Node) -> bool:
    """Whether a function is defined directly in a class, possibly under a condition."""
    node = whole.parent
    while node is not None and node.type not in {"module", *_SCOPES}:
        node = node.parent
    return node is not None and node.type == "class_definition"


def _parameter(node: Node, tree: SyntaxTree) -> Parameter | None:
    kind = node.child_by_field_name("type")
    annotation = tree.text_of(kind) if kind is not None else ""
    target: Node | None = node.child_by_field_name("name")
    if target is None and node.type == "typed_parameter":
        target = first_child(node)
    if target is None and node.type in {"identifier", "list_splat_pattern", "dictionary_splat_pattern"}:
        target = node
    if target is None:  # a lone `*` or `/`, a comment, or broken code
        return None
    text = tree.text_of(target)
    name = text.lstrip("*").strip()
    return Parameter(name, text[: len(text) - len(text.lstrip("*"))], annotation) if name.isidentifier() else None


def _fields(body: Node, tree: SyntaxTree) -> Iterator[Parameter]:
    """Annotated names of a class's body: the fields of a dataclass or a similar class.

    Those that are documented beside their assignment are left out, as documentation generators find them there: by a
    string below (Sphinx' autodoc, Griffe, pydantic) or by a comment that begins with `#:` (autodoc).
    """
    for statement in body.named_children:
        assignment = first_child(statement) if statement.type == "expression_statement" else None
        if assignment is not None and assignment.type == "assignment":
            left, kind = assignment.child_by_field_name("left"), assignment.child_by_field_name("type")
            if left is not None and kind is not None and left.type == "identifier":
                name, annotation = tree.text_of(left), tree.text_of(kind)
                is_field = not re.match(r"(typing\.)?(ClassVar|TypeAlias)\b", annotation)
                if is_field and not name.startswith("_") and not _is_documented_beside(statement, tree):
                    yield Parameter(name, annotation=annotation)


def _is_documented_beside(assignment: Node, tree: SyntaxTree) -> bool:
    """Whether a string below an assignment, or a comment `#:` above or behind it, describes it."""
    following = assignment.next_named_sibling
    while following is not None and following.type == "comment":
        if following.start_point.row == assignment.end_point.row and tree.text_of(following).startswith("#:"):
            return True
        following = following.next_named_sibling
    above = assignment.prev_named_sibling
    if above is not None and above.type == "comment" and above.end_point.row == assignment.start_point.row - 1:
        own_line = above.prev_named_sibling is None or above.prev_named_sibling.end_point.row < above.start_point.row
        if own_line and tree.text_of(above).startswith("#:"):
            return True
    return following is not None and _docstring([following], tree) is not None

"""The functions and classes of a Python file, and what their code says of them: parameters, results, exceptions."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from tree_sitter import Node

from nano_lsp.context.document import indent_of
from nano_lsp.context.syntax import DECORATED, SyntaxTree, ancestors, first_child, undecorated
from nano_lsp.lines import line_end, line_start

_COMPOUND = {
    *("if_statement", "for_statement", "while_statement", "try_statement", "with_statement", "match_statement"),
    *("elif_clause", "else_clause", "except_clause", "finally_clause", "case_clause", "block", "ERROR"),
}
_DEFINITIONS = {"function_definition", "class_definition"}
_SCOPES = {"function_definition", "class_definition", "lambda"}
_NOT_RETURNED = {"", "None", "NoReturn", "Never", "typing.NoReturn", "typing.Never"}
_PRIVATE = re.compile(r"(.*\.)?(_.*|test_.*)")
_CATCH_ALL = {"Exception", "BaseException"}


class DefinitionKind(str, Enum):
    """What is defined."""

    FUNCTION = "function"
    CLASS = "class"
    MODULE = "module"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, or an annotated field of a class.

    Attributes:
        name: without stars.
        stars: in front of it.
        annotation: its type as written; empty for none.
    """

    name: str
    stars: str = ""
    annotation: str = ""


@dataclass(frozen=True)
class Definition:
    """A function, a class or a whole module. Offsets are in code points.

    Attributes:
        kind: what is defined.
        name: of it; `Class.method` for a method, the empty text for a module.
        start: of its code, decorators included.
        end: of its code.
        header: from `def` or `class` to the colon; empty for a module.
        header_end: offset behind the colon.
        body_start: offset of the first statement, the docstring included; the end where there is none.
        indent: blanks in front of a statement of its body.
        docstring: start and end of the docstring's literal; None for none.
        parameters: of a function but `self` and `cls`; the annotated fields of a class.
        returns: whether it returns a value.
        yields: whether it is a generator.
        result: annotation of what it returns; empty for none.
        raises: exceptions that its own code raises and does not catch, in order.
    """

    kind: DefinitionKind
    name: str
    start: int
    end: int
    header: str = ""
    header_end: int = 0
    body_start: int = 0
    indent: str = ""
    docstring: tuple[int, int] | None = None
    parameters: tuple[Parameter, ...] = ()
    returns: bool = False
    yields: bool = False
    result: str = ""
    raises: tuple[str, ...] = ()


def find_definitions(tree: SyntaxTree) -> Iterator[Definition]:
    """The module, then its functions and classes in order, those within others included."""
    yield _module(tree)
    yield from _definitions(tree.root, tree, "")


def definition_at(tree: SyntaxTree, offset: int) -> Definition:
    """The innermost function or class around an offset; the module outside of all.

    A cursor in the line of a definition's beginning, in front of it, is in it, too.
    """
    offset = min(max(0, offset), len(tree.text))
    offset += indent_of(tree.text[offset : line_end(tree.text, offset)])
    for at in (offset, offset - 1):  # at its very end a cursor is in it, too
        for node in ancestors(tree.node_at(max(0, at))):
            whole = node.parent if node.parent is not None and node.parent.type == DECORATED else node
            inner = undecorated(whole)
            if inner is not None and inner.type in _DEFINITIONS:
                found = _definition(inner, whole, tree, _scope_of(whole, tree))
                if found and found.start <= offset <= found.end:
                    return found
    return _module(tree)


def _scope_of(node: Node, tree: SyntaxTree) -> str:
    """The names of the definitions around a node, each with a dot behind it."""
    names = []
    for around in ancestors(node.parent):
        name = around.child_by_field_name("name") if around.type in _DEFINITIONS else None
        if name is not None:
            names.append(tree.text_of(name) + ".")
    return "".join(reversed(names))


def undocumented(tree: SyntaxTree) -> Iterator[Definition]:
    """The public functions, classes and the module that have no docstring, in the order they stand in."""
    functions: set[str] = set()
    for definition in find_definitions(tree):
        name, scope = definition.name, definition.name.rpartition(".")[0]
        private = _PRIVATE.fullmatch(name) or scope in functions
        if definition.kind is DefinitionKind.FUNCTION or scope in functions:
            functions.add(name)
        empty = definition.kind is DefinitionKind.MODULE and not tree.text.strip()
        overload = "@" in (above := tree.text[definition.start : definition.header_end]) and "overload" in above
        if definition.docstring is None and not (private or empty or overload):
            yield definition


def _definitions(node: Node, tree: SyntaxTree, scope: str) -> Iterator[Definition]:
    for child in node.named_children:
        inner = undecorated(child)
        if inner is not None and inner.type in _DEFINITIONS:
            found = _definition(inner, child, tree, scope)
            if found:
                yield found
                body = inner.child_by_field_name("body")
                if body is not None:
                    yield from _definitions(body, tree, f"{found.name}.")
        elif child.type in _COMPOUND:
            yield from _definitions(child, tree, scope)


def _module(tree: SyntaxTree) -> Definition:
    statements = _statements(tree.root)
    return Definition(
        DefinitionKind.MODULE,
        "",
        0,
        len(tree.text),
        body_start=tree.offset(statements[0].start_byte) if statements else len(tree.text),
        docstring=_docstring(statements, tree),
    )


def _definition(node: Node, whole: Node, tree: SyntaxTree, scope: str) -> Definition | None:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    colon = next((child for child in node.children if child.type == ":"), None)
    if name is None or body is None or colon is None or colon.is_missing:
        return None
    statements = _statements(body)
    if not statements:
        return None
    start, header_end = tree.offset(node.start_byte), tree.offset(colon.end_byte)
    body_start = tree.offset(statements[0].start_byte)
    before = tree.text[line_start(tree.text, body_start) : body_start]
    first_line = tree.text[line_start(tree.text, start) : start]
    indent = before if not before.strip() else first_line[: indent_of(first_line)] + "    "
    is_function = node.type == "function_definition"
    facts = _Facts(node, body, tree) if is_function else None
    kind = node.child_by_field_name("return_type")
    result = tree.text_of(kind) if kind is not None else ""
    return Definition(
        DefinitionKind.FUNCTION if is_function else DefinitionKind.CLASS,
        scope + tree.text_of(name),
        tree.offset(whole.start_byte),
        tree.offset(node.end_byte),
        tree.text[start:header_end],
        header_end,
        body_start,
        indent,
        _docstring(statements, tree),
        tuple(_parameters(node, whole, tree) if is_function else _fields(body, tree)),
        returns=bool(facts and (facts.returns or (facts.is_stub and result not in _NOT_RETURNED))),
        yields=bool(facts and facts.yields),
        result=result,
        raises=tuple(facts.raises) if facts else (),
    )


def _statements(block: Node) -> list[Node]:
    return [child for child in block.named_children if child.type != "comment"]


def _docstring(statements: list[Node], tree: SyntaxTree) -> tuple[int, int] | None:
    first = statements[0] if statements else None
    string = first_child(first) if first is not None and first.type == "expression_statement" else None
    if first is None or string is None or first.named_child_count != 1:
        return None
    # Bytes and f-strings are no docstrings; of joined literals it could not be said what to replace.
    if string.type != "string" or re.match(r"[rRuU]?['\"]", tree.text_of(string)) is None:
        return None
    return tree.offset(string.start_byte), tree.offset(string.end_byte)


def _parameters(node: Node, whole: Node, tree: SyntaxTree) -> Iterator[Parameter]:
    listed = node.child_by_field_name("parameters")
    found = [_parameter(child, tree) for child in listed.named_children] if listed is not None else []
    named = [parameter for parameter in found if parameter]
    decorators = {tree.text_of(child).lstrip("@").strip() for child in whole.children if child.type == "decorator"}
    if named and not named[0].stars and _is_method(whole) and "staticmethod" not in decorators:
        del named[0]
    yield from named


def _is_method(whole: Node) -> bool:
    """Whether a function stands directly in a class, conditions between them aside."""
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
    """The annotated names of a class's body: what a dataclass, and its kin, takes."""
    for statement in body.named_children:
        assignment = first_child(statement) if statement.type == "expression_statement" else None
        if assignment is not None and assignment.type == "assignment":
            left, kind = assignment.child_by_field_name("left"), assignment.child_by_field_name("type")
            if left is not None and kind is not None and left.type == "identifier":
                name, annotation = tree.text_of(left), tree.text_of(kind)
                if not name.startswith("_") and not re.match(r"(typing\.)?(ClassVar|TypeAlias)\b", annotation):
                    yield Parameter(name, annotation=annotation)


class _Facts:
    """What a function's own code does; functions and classes within it speak for themselves."""

    def __init__(self, node: Node, body: Node, tree: SyntaxTree) -> None:
        self.returns = self.yields = False
        self.raises: list[str] = []
        self._tree = tree
        self._bound = _bound_names(node, body, tree)
        statements = [s for s in _statements(body) if s.type != "pass_statement"]
        self.is_stub = all(_is_inert(statement) for statement in statements)
        self._read(body)

    def _read(self, body: Node) -> None:
        stack: list[tuple[Node, tuple[str, ...]]] = [(body, ())]
        while stack:
            node, caught = stack.pop()
            if node.type in _SCOPES:
                continue
            if node.type == "return_statement":
                value = first_child(node)
                self.returns |= value is not None and value.type not in {"none", "comment"}
            elif node.type == "yield":
                self.yields = True
            elif node.type == "raise_statement":
                self._raise(node, caught)
            handlers = [child for child in node.children if child.type == "except_clause"]
            inside = caught + tuple(name for handler in handlers for name in self._caught(handler))
            protected = node.child_by_field_name("body") if node.type == "try_statement" else None
            stack += [(child, inside if child == protected else caught) for child in reversed(node.children)]

    def _raise(self, node: Node, caught: tuple[str, ...]) -> None:
        raised = first_child(node)
        if raised is not None and raised.type == "call":
            raised = raised.child_by_field_name("function")
        if raised is None or raised.type not in {"identifier", "attribute"}:
            return
        name = self._tree.text_of(raised)
        last = name.rsplit(".", 1)[-1]
        is_class = last[:1].isupper() or isinstance(getattr(builtins, name, None), type)
        is_known = name in caught or bool(_CATCH_ALL & set(caught))
        if is_class and name.split(".")[0] not in self._bound and not is_known and name not in self.raises:
            self.raises.append(name)

    def _caught(self, handler: Node) -> Iterator[str]:
        """The exceptions that a handler ends; none where it raises again."""
        block = next((child for child in handler.children if child.type == "block"), None)
        if block is not None and _reraises(block):
            return
        heads = [child for child in handler.named_children if child.type not in {"block", "comment"}]
        if not heads:
            yield "Exception"
        for head in heads:
            names = [head, *_descendants(head)]
            yield from (self._tree.text_of(name) for name in names if name.type in {"identifier", "attribute"})


def _is_inert(statement: Node) -> bool:
    """Whether a statement only says that there is no code."""
    if statement.type != "expression_statement":
        return statement.type == "raise_statement"
    value = first_child(statement)
    return value is not None and value.type in {"string", "ellipsis", "concatenated_string"}


def _bound_names(node: Node, body: Node, tree: SyntaxTree) -> set[str]:
    """Parameters and assigned names: `raise error` of such a one says no class."""
    names = set()
    listed = node.child_by_field_name("parameters")
    for parameter in listed.named_children if listed is not None else ():
        found = _parameter(parameter, tree)
        names |= {found.name} if found else set()
    for inner in _descendants(body):
        left = inner.child_by_field_name("left") if inner.type == "assignment" else None
        if left is not None and left.type == "identifier":
            names.add(tree.text_of(left))
    return names


def _reraises(block: Node) -> bool:
    return any(node.type == "raise_statement" and node.named_child_count == 0 for node in _descendants(block))


def _descendants(node: Node) -> Iterator[Node]:
    stack = list(node.children)
    while stack:
        found = stack.pop()
        yield found
        if found.type not in _SCOPES:
            stack.extend(found.children)

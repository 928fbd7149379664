"""Outline of a Python file: signatures, class members, first lines of docstrings, and imports it may re-export."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from nano_lsp.code.syntax_tree import SyntaxTree, first_child, undecorated
from nano_lsp.lines import split_lines

_MAX_VALUE_CHARS = 48
_PROPERTIES = {"@property", "@cached_property", "@functools.cached_property"}
MAX_SYMBOLS = 400  # per file; files with more are generated


@dataclass(frozen=True)
class Symbol:
    """A definition.

    Attributes:
        name: Name of the definition.
        code: Signature in one line; that of a class ends with a colon.
        doc: First line of the docstring; empty without one.
        members: Members of a class.
    """

    name: str
    code: str
    doc: str = ""
    members: tuple[Symbol, ...] = ()


@dataclass(frozen=True)
class Import:
    """A name bound by an import.

    Attributes:
        name: Name that the import binds.
        module: Dotted name of the module, with a leading dot for each level of a relative import.
        original: Name in that module; empty if the name refers to the module itself.
    """

    name: str
    module: str
    original: str = ""


@dataclass(frozen=True)
class Outline:
    """Top-level definitions and imports of a file, in order."""

    symbols: tuple[Symbol, ...] = ()
    imports: tuple[Import, ...] = ()

    def find(self, name: str) -> Symbol | None:
        """Return the last definition of a name."""
        return next((symbol for symbol in reversed(self.symbols) if symbol.name == name), None)

    def to_json(self) -> str:
        """Serialize the outline for `from_json`."""

        def lists(symbols: tuple[Symbol, ...]) -> list[object]:
            return [[s.name, s.code, s.doc, lists(s.members)] for s in symbols]

        return json.dumps([lists(self.symbols), [[i.name, i.module, i.original] for i in self.imports]])

    @classmethod
    def from_json(cls, text: str) -> Outline:
        """Create an outline from the text of `to_json`."""

        def symbols(rows: list[list[object]]) -> tuple[Symbol, ...]:
            return tuple(Symbol(str(n), str(c), str(d), symbols(m)) for n, c, d, m in rows)  # type: ignore[arg-type]

        rows, imports = json.loads(text)
        return cls(symbols(rows), tuple(Import(*row) for row in imports))


def read_outline(tree: SyntaxTree) -> Outline:
    """Extract the outline of a Python file."""
    symbols = []
    for symbol in _definitions(tree.root, tree):
        symbols.append(symbol)
        if len(symbols) == MAX_SYMBOLS:
            break
    return Outline(tuple(symbols), tuple(read_imports(tree)))


def read_imports(tree: SyntaxTree) -> Iterator[Import]:
    """Yield the names that top-level imports bind, those under `if` and `try` included."""
    for node in _statements(tree.root):
        if node.type == "import_statement":
            for child in node.children_by_field_name("name"):
                name, alias = _name_and_alias(child, tree)
                yield Import(alias or name.split(".")[0], name if alias else name.split(".")[0])
        elif node.type == "import_from_statement":
            source = node.child_by_field_name("module_name")
            if source is not None:
                module = re.sub(r"\s", "", tree.text_of(source))
                for child in node.children_by_field_name("name"):
                    name, alias = _name_and_alias(child, tree)
                    yield Import(alias or name, module, name)


def _name_and_alias(node: Node, tree: SyntaxTree) -> tuple[str, str]:
    if node.type != "aliased_import":
        return tree.text_of(node), ""
    name, alias = node.child_by_field_name("name"), node.child_by_field_name("alias")
    return tree.text_of(name) if name else "", tree.text_of(alias) if alias else ""


def _statements(block: Node) -> Iterator[Node]:
    """Yield the statements of a block, those under `if` and `try` included."""
    for node in block.named_children:
        if node.type in {"if_statement", "try_statement", "else_clause", "except_clause", "elif_clause", "block"}:
            yield from _statements(node)
        else:
            yield node


def _definitions(block: Node, tree: SyntaxTree) -> Iterator[Symbol]:
    for node in _statements(block):
        inner = undecorated(node)
        if inner is None:
            continue
        if inner.type == "function_definition":
            yield from _function(inner, node, tree)
        elif inner.type == "class_definition":
            yield from _class(inner, tree)
        elif inner.type == "expression_statement":
            yield from _variable(inner, tree)


def _function(node: Node, wrapper: Node, tree: SyntaxTree) -> Iterator[Symbol]:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if name is None or body is None:
        return
    code = f"{_header(node, body, tree)} ..."
    if any(tree.text_of(child) in _PROPERTIES for child in wrapper.named_children if child.type == "decorator"):
        kind = node.child_by_field_name("return_type")  # used like a variable
        code = f"{tree.text_of(name)}: {one_line(tree.text_of(kind)) if kind else 'Any'}"
    yield Symbol(tree.text_of(name), code, _doc(body, tree))


def _class(node: Node, tree: SyntaxTree) -> Iterator[Symbol]:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if name is not None and body is not None:
        members = tuple(_definitions(body, tree))[:MAX_SYMBOLS]
        yield Symbol(tree.text_of(name), _header(node, body, tree), _doc(body, tree), members)


def _variable(node: Node, tree: SyntaxTree) -> Iterator[Symbol]:
    assignment = first_child(node)
    if assignment is None or assignment.type != "assignment":
        return
    left, kind = assignment.child_by_field_name("left"), assignment.child_by_field_name("type")
    value = assignment.child_by_field_name("right")
    if left is None or left.type != "identifier":
        return
    code = name = tree.text_of(left)
    if kind is not None:
        code += f": {one_line(tree.text_of(kind))}"
    if value is not None:
        text = tree.text_of(value)
        code += f" = {text}" if len(text) <= _MAX_VALUE_CHARS and "\n" not in text else " = ..."
    yield Symbol(name, code)


def _header(node: Node, body: Node, tree: SyntaxTree) -> str:
    """Source from `def` or `class` to the colon, in one line."""
    whole = tree.text_of(node)
    n_bytes = body.start_byte - node.start_byte
    head = whole.encode("utf-8", "surrogatepass")[:n_bytes].decode("utf-8", "surrogatepass")
    head = re.sub(r"\s#[^\n]*(?=\n|$)", "", head)  # in one line, a comment would hide the code after it
    return one_line(head)


def one_line(code: str) -> str:
    """Return code in one line, without blanks inside of brackets."""
    code = re.sub(r"\s+", " ", code).strip()
    return re.sub(r",? (?=[)\]}])", "", re.sub(r"(?<=[(\[{]) ", "", code))


def _doc(body: Node, tree: SyntaxTree) -> str:
    first = first_child(body)
    string = first_child(first) if first is not None and first.type == "expression_statement" else None
    if string is None or string.type != "string":
        return ""
    text = "".join(tree.text_of(child) for child in string.named_children if child.type == "string_content")
    return next((line.strip() for line in split_lines(text) if line.strip()), "")

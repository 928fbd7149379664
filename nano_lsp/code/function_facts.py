"""Facts about a function's own code: whether it returns or yields a value, and which exceptions it raises."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator

from tree_sitter import Node

from nano_lsp.code.syntax_tree import SyntaxTree, first_child, statements_of

_SCOPES = {"function_definition", "class_definition", "lambda"}
_CATCH_ALL = {"Exception", "BaseException"}


class FunctionFacts:
    """Facts about a function's own code, without nested functions and classes."""

    def __init__(self, parameters: Iterable[str], body: Node, tree: SyntaxTree) -> None:
        self.returns = self.yields = False
        self.raises: list[str] = []
        self._tree = tree
        self._bound = _bound_names(parameters, body, tree)
        statements = [s for s in statements_of(body) if s.type != "pass_statement"]
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
        is_known = any(name == each or each in _CATCH_ALL or _is_kind_of(name, each) for each in caught)
        if is_class and name.split(".")[0] not in self._bound and not is_known and name not in self.raises:
            self.raises.append(name)

    def _caught(self, handler: Node) -> Iterator[str]:
        """The exceptions that a handler catches; none if it re-raises."""
        block = next((child for child in handler.children if child.type == "block"), None)
        if block is not None and _reraises(block):
            return
        heads = [child for child in handler.named_children if child.type not in {"block", "comment"}]
        if not heads:
            yield "Exception"
        for head in heads:
            names = [head, *_descendants(head)]
            yield from (self._tree.text_of(name) for name in names if name.type in {"identifier", "attribute"})


def _is_kind_of(name: str, base: str) -> bool:
    """Whether a built-in exception is a subclass of another one."""
    kinds = getattr(builtins, name, None), getattr(builtins, base, None)
    return all(isinstance(kind, type) for kind in kinds) and issubclass(*kinds)  # type: ignore[arg-type]


def _is_inert(statement: Node) -> bool:
    """Whether a statement is a placeholder: a docstring, `...` or `raise`."""
    if statement.type != "expression_statement":
        return statement.type == "raise_statement"
    value = first_child(statement)
    return value is not None and value.type in {"string", "ellipsis", "concatenated_string"}


def _bound_names(parameters: Iterable[str], body: Node, tree: SyntaxTree) -> set[str]:
    """Parameters and assigned names: `raise error` with one of them does not name a class."""
    names = set(parameters)
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

"""Resolves the decorators of a definition to dotted names, by the file's imports and assignments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from tree_sitter import Node

from nano_lsp.code.syntax_tree import SyntaxTree, first_child

OVERLOADS = frozenset({"typing.overload", "typing_extensions.overload"})
RESULT_KEEPING = frozenset(
    {
        *("staticmethod", "classmethod", "property", "typing.final", "typing.override", "typing_extensions.final"),
        *("functools.cached_property", "functools.cache", "functools.lru_cache", "functools.lru_cache()"),
        *("typing_extensions.override", "typing.no_type_check", "warnings.deprecated()"),
    }
)
"""Decorators that do not change a function's return value."""
PARAMETER_KEEPING = RESULT_KEEPING - {"property", "functools.cached_property"} | {
    *("abc.abstractmethod", "contextlib.contextmanager", "contextlib.asynccontextmanager"),
    *OVERLOADS,
}
"""Decorators that do not change a function's parameters. A property's docstring describes those of its setter."""
_OPAQUE = {"function_definition", "lambda"}  # names bound inside are local
_ACCESSORS = {"setter", "deleter"}


class Names:
    """Resolves the names of a file to dotted names, by its imports and assignments.

    A name that is bound more than once, in `try` and `except` for instance, may refer to each of the targets.
    """

    def __init__(self, tree: SyntaxTree) -> None:
        self._tree = tree

    def decorators(self, whole: Node) -> Iterator[str]:
        """Yield the dotted names of a definition's decorators, with `()` after one that is called."""
        for child in whole.children:
            if child.type == "decorator":
                yield from sorted(self.resolve(first_child(child)))

    def resolve(self, expression: Node | None) -> set[str]:
        """Return the dotted names that an expression may refer to, or its text if it is not a dotted name."""
        while expression is not None and expression.type == "parenthesized_expression":
            expression = first_child(expression)
        if expression is None:
            return set()
        if expression.type == "call":
            return {f"{name}()" for name in self.resolve(expression.child_by_field_name("function"))}
        dotted = _dotted(expression, self._tree)
        if not dotted:
            return {self._tree.text_of(expression)}
        head, _, rest = dotted.partition(".")
        found = {f"{target}.{rest}" if rest else target for target in self._targets.get(head, {head})}
        return {name.removeprefix("builtins.") for name in found}

    @cached_property
    def _targets(self) -> dict[str, set[str]]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        for name, target in _bindings(self._tree.root, self._tree):
            head, _, rest = target.partition(".")
            for known in list(found.get(head, ())) or [head]:
                found[name].add(f"{known}.{rest}" if rest else known)
        if "overload" not in found:  # in a notebook, the import may be in another cell
            found["overload"].add("typing.overload")
        return found


def is_accessor(decorator: str, name: str) -> bool:
    """Whether a decorator defines a property's setter or deleter: Python takes the docstring of the getter.

    Args:
        decorator: Dotted name of the decorator.
        name: Name of the property, which precedes `.setter`.
    """
    parts = decorator.split(".")
    return len(parts) > 1 and parts[-1] in _ACCESSORS and parts[-2] == name


def _dotted(node: Node, tree: SyntaxTree) -> str:
    """A dotted name such as `a.b.c`, without blanks and comments in it; empty for any other expression."""
    if node.type == "identifier":
        return tree.text_of(node)
    if node.type == "dotted_name":
        return ".".join(tree.text_of(part) for part in node.named_children if part.type == "identifier")
    if node.type != "attribute":
        return ""
    value, attribute = node.child_by_field_name("object"), node.child_by_field_name("attribute")
    left = _dotted(value, tree) if value is not None else ""
    return f"{left}.{tree.text_of(attribute)}" if left and attribute is not None else ""


def _bindings(root: Node, tree: SyntaxTree) -> Iterator[tuple[str, str]]:
    """Yield the names that statements outside of functions bind, in order, with the dotted names they refer to."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type == "import_statement":
            yield from _imported(node, tree, "")
        elif node.type == "import_from_statement":
            module = node.child_by_field_name("module_name")
            yield from _imported(node, tree, tree.text_of(module).strip() + "." if module is not None else "")
        elif node.type == "assignment":
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            if left is not None and left.type == "identifier":
                name = tree.text_of(left)
                target = _dotted(right, tree) if right is not None else ""
                yield name, target or f".{name}"
        elif node.type in {"function_definition", "class_definition"}:
            bound = node.child_by_field_name("name")
            if bound is not None:
                yield tree.text_of(bound), f".{tree.text_of(bound)}"
        if node.type not in _OPAQUE:
            stack += reversed(node.children)


def _imported(node: Node, tree: SyntaxTree, module: str) -> Iterator[tuple[str, str]]:
    for child in node.children_by_field_name("name"):
        name, alias = child, child.child_by_field_name("alias")
        if child.type == "aliased_import":
            inner = child.child_by_field_name("name")
            name = inner if inner is not None else child
        dotted = _dotted(name, tree)
        if alias is not None:
            yield tree.text_of(alias), module + dotted
        elif module:
            yield dotted, module + dotted
        else:
            yield dotted.partition(".")[0], dotted.partition(".")[0]

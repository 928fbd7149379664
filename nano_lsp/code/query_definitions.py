"""Functions and classes of a file in any language but Python, by its queries.

`definitions.scm` finds them. `documentation.scm` finds facts, each of which belongs to the innermost function or
class around it:

- `@parameter`, `@parameter.text`, `@parameter.position`: a parameter, named by its first identifier, by its whole
  text, or by its position because it has no name; `@component`: a parameter of a class; `@type_parameter`.
- `@returns`, `@returns_nothing`: proof of a result; of none, which outweighs it.
- `@yields`, `@panics`, `@fails`, `@unsafe`: see `Definition`.
- `@throws`, `@throws.NAME`: an exception. `@protected` code does not throw what its `@handler` has `@caught`, unless
  that has `@rethrown` it.
- `@public`, `@private`: its visibility; where a language has `@public`, all else is private. `@hides`, `@shows`: the
  members of a class behind it are private, or not.
- `@scope`, `@namespace`: a function without a name; a class that needs no documentation.
- `@wrapper`, `@leading`: a node around a definition that belongs to it; a sibling before it that does.
- `@comment`, `@documentation`, `@documentation_continued`, `@directive`: any comment; one that documents what
  follows; one that continues it; one for a tool, which stays next to the code.
- `@documented`: documentation in another form.
- `@tolerated`: a node whose syntax errors say nothing about the definition.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from tree_sitter import Node

from nano_lsp.code.definition import Definition, DefinitionKind, Parameter
from nano_lsp.code.definition_nodes import find_definition_nodes
from nano_lsp.code.document import indent_of
from nano_lsp.code.documenting_comments import DocumentingComments
from nano_lsp.code.queries import find_matches, query_text
from nano_lsp.code.syntax_tree import SyntaxTree, ancestors
from nano_lsp.lines import line_end, line_start

_KINDS = {kind.value for kind in (DefinitionKind.FUNCTION, DefinitionKind.CLASS)}
_CATCH_ALL = {"Exception", "Throwable", "exception", "StandardError"}
_COMMENTS_BEFORE = re.compile(r"([ \t]*)(?:/\*[^\r\n]*?\*/[ \t]*)+")
_EXCEPTION = re.compile(r"[\w$.:]+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def find_definitions(tree: SyntaxTree) -> Iterator[Definition]:
    """Yield the functions and classes of a file in order, nested ones included."""
    yield from _all(tree)


def definition_at(tree: SyntaxTree, offset: int) -> Definition:
    """Return the innermost function or class around an offset or with its comment there, or the whole file."""
    offset = min(max(0, offset), len(tree.text))
    offset += indent_of(tree.text[offset : line_end(tree.text, offset)])
    around = [each for each in _all(tree) if min(each.start, *(each.docstring or [each.start])) <= offset <= each.end]
    whole = Definition(DefinitionKind.MODULE, "", 0, len(tree.text), language=tree.language.name)
    return max(around, key=lambda each: each.start, default=whole)


def is_sound(definition: Definition) -> bool:
    """Whether a definition has no syntax errors but those that its language's grammar is known for."""
    return definition.kind is not DefinitionKind.MODULE and not definition.is_broken


def undocumented(tree: SyntaxTree) -> Iterator[Definition]:
    """Yield the public definitions without documentation and without syntax errors.

    Of a function that is declared and defined in the same file, and of overloads, what comes first is documented.
    """
    known: dict[str, bool] = {}
    for each in _all(tree):
        has_body = each.header_end < each.end
        is_repeated = known.setdefault(each.name, has_body) is not has_body
        if each.is_public and each.docstring is None and not (is_repeated or each.is_broken):
            yield each


@dataclass
class _Scope:
    """A definition, or a function without a name, and the facts that belong to it."""

    node: Node
    whole: Node
    kind: DefinitionKind | None = None
    name: Node | None = None
    body: Node | None = None
    parameters: Node | None = None
    class_name: Node | None = None
    around: _Scope | None = None
    facts: defaultdict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    hides: bool = False
    is_hidden: bool = False

    @property
    def span(self) -> tuple[int, int]:
        return self.whole.start_byte, -self.whole.end_byte


@lru_cache(maxsize=4)  # asked for several times for each version of a document
def _all(tree: SyntaxTree) -> tuple[Definition, ...]:
    if _SURROGATE.search(tree.text):  # predicates of queries fail on text that is not Unicode
        return ()
    return tuple(_File(tree).definitions())


class _File:
    """The captures of a file's queries."""

    def __init__(self, tree: SyntaxTree) -> None:
        self._tree = tree
        self._nodes: defaultdict[str, dict[int, Node]] = defaultdict(dict)
        self._protections: defaultdict[int, list[tuple[Node, Node]]] = defaultdict(list)
        for match in find_matches(tree, "documentation"):
            if "handler" in match:
                region = match["protected"][0]
                self._protections[region.id].append((region, match["handler"][0]))
                continue
            for capture, nodes in match.items():
                self._nodes[capture].update((node.id, node) for node in nodes)
        self._comments = DocumentingComments(tree, self._nodes)

    def definitions(self) -> Iterator[Definition]:
        """Yield the definitions, in order."""
        for scope in self._assign():
            if scope.kind is not None and scope.name is not None:
                found = self._definition(scope, scope.kind, scope.name)
                if found is not None:
                    yield found

    def _first(self, node: Node) -> Node:
        """The node that a definition begins with: the first of those that lead to it."""
        first, before = node, node.prev_sibling
        while before is not None and (before.id in self._nodes["leading"] or before.id in self._nodes["comment"]):
            first = before if before.id in self._nodes["leading"] else first
            before = before.prev_sibling
        return first

    def _assign(self) -> list[_Scope]:
        """All scopes in order, with their facts."""
        scopes = list(self._named_scopes())
        named = {part.id: scope for scope in scopes for part in (scope.parameters, scope.body) if part is not None}
        for node in self._nodes.pop("scope", {}).values():
            parts = [node.child_by_field_name(part) for part in ("parameters", "parameter", "body")]
            own = next((named[part.id] for part in parts if part is not None and part.id in named), None)
            if own is None:
                scopes.append(_Scope(node, node))
            else:  # the value of a name
                own.body = own.body or parts[-1]
        scopes.sort(key=lambda scope: scope.span)
        facts = [
            ((node.start_byte, -node.end_byte), capture, node)
            for capture, nodes in self._nodes.items()
            for node in nodes.values()
        ]
        facts.sort(key=lambda fact: fact[0])
        stack: list[_Scope] = []
        left = iter(scopes)
        following = next(left, None)
        for span, capture, node in facts:
            while following is not None and following.span <= span:
                self._enter(stack, following)
                following = next(left, None)
            inside = [scope for scope in stack if _contains(scope.whole, node) and scope.node.id != node.id]
            if not inside:
                continue
            owner = inside[-1]
            owner.facts[capture].append(node)
            if capture in {"hides", "shows"}:
                owner.hides = capture == "hides"
        while following is not None:
            self._enter(stack, following)
            following = next(left, None)
        return scopes

    def _named_scopes(self) -> Iterator[_Scope]:
        names: set[int] = set()
        for found in find_definition_nodes(self._tree):
            if found.kind in _KINDS and found.name is not None and found.name.id not in names:
                names.add(found.name.id)
                kind = DefinitionKind(found.kind)
                whole = found.whole
                while whole.parent is not None and whole.parent.id in self._nodes["wrapper"]:
                    whole = whole.parent
                yield _Scope(found.node, whole, kind, found.name, found.body, found.parameters, found.class_name)

    @staticmethod
    def _enter(stack: list[_Scope], scope: _Scope) -> None:
        while stack and not _contains(stack[-1].whole, scope.whole):
            stack.pop()
        scope.around = stack[-1] if stack else None
        scope.is_hidden = scope.around is not None and scope.around.hides
        stack.append(scope)

    def _definition(self, scope: _Scope, kind: DefinitionKind, name: Node) -> Definition | None:
        tree, facts = self._tree, scope.facts
        is_function = kind is DefinitionKind.FUNCTION
        if scope.node.id in self._nodes["namespace"]:
            return None
        first = self._first(scope.whole)
        start, end = tree.offset(first.start_byte), tree.offset(scope.whole.end_byte)
        indent = tree.text[line_start(tree.text, start) : start]
        noted = _COMMENTS_BEFORE.fullmatch(indent)
        if noted:
            start -= len(indent) - len(noted[1])
            indent = noted[1]
        is_documented = any(
            first.start_byte <= node.start_byte < name.start_byte for node in self._nodes["documented"].values()
        )
        if indent.strip() or is_documented:
            return None  # no comment fits above it, or is needed
        body_start = tree.offset(scope.body.start_byte) if scope.body is not None else end
        docstring, insert_at = self._comments.of(first, name, start)
        return Definition(
            kind=kind,
            name=self._name(scope),
            start=start,
            end=end,
            header=tree.text[tree.offset(scope.whole.start_byte) : body_start].rstrip(),
            header_end=body_start,
            body_start=body_start,
            indent=indent,
            docstring=docstring,
            parameters=tuple(self._parameters(facts, _PARAMETERS if is_function else ("component",))),
            returns=is_function and bool(facts["returns"]) and not facts["returns_nothing"],
            yields=is_function and bool(facts["yields"]),
            raises=tuple(self._raises(scope)) if is_function else (),
            language=tree.language.name,
            insert_at=insert_at,
            type_parameters=tuple(dict.fromkeys(map(self._identifier, facts["type_parameter"]))),
            fails=is_function and bool(facts["fails"]),
            panics=is_function and bool(facts["panics"]),
            unsafe=is_function and bool(facts["unsafe"]),
            is_public=self._is_public(scope),
            is_broken=self._is_broken(scope.whole),
        )

    def _name(self, scope: _Scope) -> str:
        names = []
        each: _Scope | None = scope
        while each is not None:
            for part in (each.name, each.class_name):
                if part is not None:
                    text = re.sub(r"<[^<>]*>|\s+", "", self._tree.text_of(part))
                    names.append(re.sub(r"::|:", ".", text))
            each = each.around
        return ".".join(reversed(names))

    def _identifier(self, node: Node) -> str:
        """The first identifier in a node; empty for none."""
        stack = [node]
        while stack:
            found = stack.pop()
            if found.type.endswith("identifier") and not found.named_child_count:
                return self._tree.text_of(found)
            stack += reversed(found.named_children)
        return ""

    def _parameters(self, facts: dict[str, list[Node]], captures: tuple[str, ...]) -> Iterator[Parameter]:
        nodes = [(node.start_byte, capture, node) for capture in captures for node in facts.get(capture, ())]
        for i, (_, capture, node) in enumerate(sorted(nodes, key=lambda each: each[0])):
            if capture == "parameter.position":
                yield Parameter(f"param{i}", is_unnamed=True)
            else:
                text = self._tree.text_of(node)
                name = re.sub(r"\s+", " ", text) if capture == "parameter.text" else self._identifier(node)
                if name not in {"", "_", "self"}:
                    yield Parameter(name)

    def _raises(self, scope: _Scope) -> Iterator[str]:
        seen = set()
        thrown = [(node.start_byte, each, node) for each, nodes in scope.facts.items() for node in nodes]
        for _, capture, node in sorted(thrown, key=lambda each: each[0]):
            topic, _, name = capture.partition(".")
            name = name or re.sub(r"\s+|<.*", "", self._tree.text_of(node))
            is_name = topic == "throws" and _EXCEPTION.fullmatch(name)  # the type of another expression is not known
            if is_name and _last(name) not in seen and not self._is_caught(node, name, scope):
                seen.add(_last(name))
                yield name

    def _is_caught(self, node: Node, name: str, scope: _Scope) -> bool:
        for pairs in self._protections.values():
            region, handlers = pairs[0][0], [handler for _, handler in pairs]
            if not _contains(region, node) or not _contains(scope.whole, region):
                continue
            if any(_contains(handler, node) for handler in handlers):
                continue
            for handler in handlers:
                caught = {
                    _last(self._tree.text_of(each))
                    for each in self._nodes["caught"].values()
                    if _contains(handler, each)
                }
                rethrows = any(_contains(handler, each) for each in self._nodes["rethrown"].values())
                if not caught or _last(name) in caught or not _CATCH_ALL.isdisjoint(caught):
                    if not rethrows:
                        return True
                    break
        return False

    def _is_broken(self, node: Node) -> bool:
        """Whether a node has a syntax error that matters, or is within one."""
        stack = [node] if node.has_error else []
        while stack:
            found = stack.pop()
            if found.id in self._nodes["tolerated"]:
                continue
            if found.is_error or found.is_missing:
                return True
            stack += [child for child in found.children if child.has_error or child.is_missing]
        return any(each.is_error for each in ancestors(node.parent))

    def _is_public(self, scope: _Scope) -> bool:
        name = self._tree.text_of(scope.name) if scope.name is not None else "_"
        if scope.facts["private"] or scope.is_hidden or name.startswith("_"):
            return False
        needs_public = (
            "@public" in query_text(self._tree.language, "documentation")
            and scope.node.id not in self._nodes["namespace"]
        )
        if needs_public and not scope.facts["public"]:
            return False
        around = scope.around
        if around is None or around.node.id in self._nodes["namespace"]:
            return True
        return around.kind is DefinitionKind.CLASS and self._is_public(around)


_PARAMETERS = ("parameter", "parameter.text", "parameter.position")


def _contains(outer: Node, inner: Node) -> bool:
    return bool(outer.start_byte <= inner.start_byte and inner.end_byte <= outer.end_byte)


def _last(name: str) -> str:
    return re.split(r"\.|::", name)[-1]

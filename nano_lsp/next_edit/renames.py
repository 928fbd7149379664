"""Uses of a definition that an edit has renamed: a parameter, a variable, a function, a class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tree_sitter import Node

from nano_lsp.code.definition_nodes import DefinitionNodes, find_definition_nodes
from nano_lsp.code.languages import language_of
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.next_edit.history import Edit
from nano_lsp.next_edit.patterns import replaced
from nano_lsp.next_edit.transfer import words_of

_NAME = re.compile(r"[^\W\d]\w*")
_MEMBER = re.compile(r"(\w*|[)\]])\s*(?:\??\.|->|::)\s*\Z")
_OWN = frozenset({"self", "this", "cls", "Self"})  # what others have may be a member of something else
_MAX_RECEIVER = 64


@dataclass(frozen=True)
class Source:
    """A document to search.

    Attributes:
        name: Name of the document, as in its edits.
        text: Its current text.
        language: LSP language id; empty to derive it from the name.
        notebook: Name of the notebook that it is a cell of; empty for none. Its cells have their variables in common.
        problems: Starts and ends of what the editor marks as wrong, in code points.
    """

    name: str
    text: str
    language: str = ""
    notebook: str = ""
    problems: tuple[tuple[int, int], ...] = ()

    @cached_property
    def tree(self) -> SyntaxTree | None:
        """The syntax tree; None for a language without a grammar."""
        return SyntaxTree.parse(self.text, language_of(self.name, self.language, self.text))


@dataclass(frozen=True)
class Rename:
    """A definition that an edit has renamed.

    Attributes:
        old: The name before.
        new: The name now.
        document: Name of the document with the definition.
        scope: Start and end of the code that may use it, in code points; None for all documents.
        function: Name of the function whose parameter it is; empty for other definitions.
        notebook: Name of the notebook whose other cells may use it as well; empty for none.
    """

    old: str
    new: str
    document: str
    scope: tuple[int, int] | None
    function: str = ""
    notebook: str = ""


def find_renames(edit: Edit, source: Source) -> list[Rename]:
    """The definitions that an edit of a document has renamed."""
    words = words_of(edit.new)
    pairs = {
        (old, new)
        for old, new in replaced(edit.old, edit.new)
        if _NAME.fullmatch(old) and _NAME.fullmatch(new) and old not in words
    }
    tree = source.tree if pairs else None
    return [rename for pair in pairs if tree and (rename := _find_rename(*pair, edit, tree, source.notebook))]


def _find_rename(old: str, new: str, edit: Edit, tree: SyntaxTree, notebook: str) -> Rename | None:
    start, end = tree.byte_offset(edit.start), tree.byte_offset(edit.end)
    around = [each for each in find_definition_nodes(tree) if _overlaps(each.whole, start, end)]
    for i, each in reversed([*enumerate(around)]):
        if each.name is not None and _overlaps(each.name, start, end) and tree.text_of(each.name) == new:
            outer = [other for other in around[:i] if other.kind == "function" and other.body is not None]
            return Rename(old, new, edit.document, _range(outer[-1], tree) if outer else None)
        parameters = each.parameters
        if parameters is not None and _overlaps(parameters, start, end):
            words = words_of(tree.text_of(parameters))
            if new in words and old not in words:
                function = tree.text_of(each.name) if each.name is not None else ""
                return Rename(old, new, edit.document, _range(each, tree), function)
    if all(re.search(rf"\b{name}\s*(:[^=]*)?:?=(?!=)", side) for name, side in ((old, edit.old), (new, edit.new))):
        functions = [each for each in around if each.kind == "function"]
        if functions:
            return Rename(old, new, edit.document, _range(functions[-1], tree))
        return Rename(old, new, edit.document, (0, len(tree.text)), notebook=notebook)
    return None


def find_uses(rename: Rename, source: Source) -> Iterator[int]:
    """Offsets of the uses of a renamed definition in a document that still have the old name."""
    tree = source.tree
    if tree is None:
        return
    is_same = rename.document == source.name
    in_notebook = rename.notebook != "" and rename.notebook == source.notebook
    if not (is_same or in_notebook) and _has_own(rename.old, tree):
        return
    is_shared = is_same or in_notebook or rename.scope is None
    start, end = rename.scope if is_same and rename.scope else (0, len(source.text))
    for found in re.finditer(rf"\b{rename.old}\b", source.text):
        node = tree.node_at(found.start())
        is_name = node.is_named and "string" not in node.type and "comment" not in node.type
        if not is_name or tree.text_of(node) != rename.old:
            continue
        keyword = node.parent if node.parent is not None and node.parent.type == "keyword_argument" else None
        if keyword is not None and keyword.child_by_field_name("name") == node:
            if rename.function and _called(keyword, tree) == rename.function:
                yield found.start()
            continue
        member = _MEMBER.search(source.text, max(0, found.start() - _MAX_RECEIVER), found.start())
        is_own = member is None or (rename.scope is None and member[1] in _OWN)
        if is_own and is_shared and start <= found.start() < end:
            yield found.start()


def _has_own(name: str, tree: SyntaxTree) -> bool:
    """Whether a document has a definition or an assignment of a name itself."""
    if re.search(rf"^[ \t]*{name}[ \t]*(:[^=\n]*)?=(?!=)", tree.text, re.MULTILINE):
        return True
    return any(each.name is not None and tree.text_of(each.name) == name for each in find_definition_nodes(tree))


def _called(argument: Node, tree: SyntaxTree) -> str:
    """The last name of the function that is called with an argument."""
    call = argument.parent.parent if argument.parent is not None else None
    function = call.child_by_field_name("function") if call is not None else None
    return tree.text_of(function).rpartition(".")[2] if function is not None else ""


def _overlaps(node: Node, start: int, end: int) -> bool:
    return node.start_byte < end and start < node.end_byte


def _range(definition: DefinitionNodes, tree: SyntaxTree) -> tuple[int, int]:
    return tree.offset(definition.whole.start_byte), tree.offset(definition.whole.end_byte)

"""Outline of a file in any language: what it defines, as signatures in one line, and what it imports.

Python's are read by `nano_lsp.code.outline`, those of other languages from their queries `definitions` and `imports`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from nano_lsp.code.definition_nodes import DefinitionNodes, find_definition_nodes
from nano_lsp.code.languages import JAVASCRIPT, PYTHON, TSX, TYPESCRIPT
from nano_lsp.code.outline import MAX_SYMBOLS, Import, Outline, Symbol, one_line, read_imports, read_outline
from nano_lsp.code.queries import Match, find_matches
from nano_lsp.code.syntax_tree import SyntaxTree

_OVERLOADED = {JAVASCRIPT, TYPESCRIPT, TSX}  # a function may have several signatures before its code
_MAX_CHARS = 160  # of a definition that is shown whole, such as a struct with its fields
_IMPORT_DEPTHS = {"c": 3, "cpp": 3}  # includes may stand within `#ifndef`; imports of others at the top level
_DEPTH = 3  # of a definition: within `export`, within `declare`
_REQUIRES = {"require", "require_relative", "source", "."}
_SHELL_PATH = re.compile(r"(?:.*[})\"]|\$\w+)?/?([\w./-]+)\"?", re.DOTALL)
"""What follows a variable or a command in the path of a script: `"$(dirname "$0")/a.sh"`."""
_USE = re.compile(
    r"(?P<path>(?:::)?[\w:]*?)(?:::)?(?:\{(?P<list>.*)\}|(?P<last>\w+|\*)(?:\s+as\s+(?P<name>\w+))?)", re.DOTALL
)


def outline_of(tree: SyntaxTree) -> Outline:
    """Extract the outline of a file."""
    if tree.language is PYTHON:
        return read_outline(tree)
    symbols: dict[str, Symbol] = {}
    for owner, symbol in _symbols(tree.root, tree):
        known = symbols.get(owner or symbol.name)
        if owner:  # a method that is written outside of its class
            symbols[owner] = _with_members(known or Symbol(owner, ""), (symbol,))
        elif known is not None and tree.language in _OVERLOADED:
            symbols[symbol.name] = Symbol(known.name, f"{known.code}; {symbol.code}", members=known.members)
        elif known is not None and (symbol.members or not known.code):  # Rust's `impl`, which may come first
            symbols[symbol.name] = _with_members(known if known.code else symbol, symbol.members or known.members)
        else:
            symbols.setdefault(symbol.name, symbol)
        if len(symbols) == MAX_SYMBOLS:
            break
    return Outline(tuple(each for each in symbols.values() if each.code), tuple(imports_of(tree)))


def imports_of(tree: SyntaxTree) -> Iterator[Import]:
    """Yield the names that a file imports, in order."""
    if tree.language is PYTHON:
        yield from read_imports(tree)
        return
    for match in find_matches(tree, "imports", max_depth=_IMPORT_DEPTHS.get(tree.language.name, 1)):
        yield from _imports(match, tree)


def _with_members(symbol: Symbol, members: tuple[Symbol, ...]) -> Symbol:
    return Symbol(symbol.name, symbol.code, symbol.doc, (*symbol.members, *members)[:MAX_SYMBOLS])


def _symbols(node: Node, tree: SyntaxTree) -> Iterator[tuple[str, Symbol]]:
    """Yield the definitions directly in a node, each with the name of the class that it is written outside of."""
    known = {each.whole.id: each for each in find_definition_nodes(tree, node, max_depth=_DEPTH)}
    overloaded = ""  # the function of the last signature without a body
    for child in node.named_children:
        found = known.get(child.id)
        if found is None:
            continue
        if found.kind == "group":
            yield from _symbols(found.body or child, tree)
        elif found.name is not None:
            owner = tree.text_of(found.class_name) if found.class_name is not None else ""
            name = tree.text_of(found.name)
            in_class = name.rpartition("::")[0]  # C++
            members: tuple[Symbol, ...] = ()
            if found.kind == "class" and found.body is not None:
                members = tuple(symbol for _, symbol in _symbols(found.body, tree))[:MAX_SYMBOLS]
            code = _signature(found, tree)
            implements = tree.language in _OVERLOADED and found.body is not None and name == overloaded
            overloaded = name if found.kind == "function" and found.body is None else ""
            if not in_class and not implements:
                yield owner, Symbol(name, code, members=() if code.endswith("}") else members)


def _signature(found: DefinitionNodes, tree: SyntaxTree) -> str:
    """A definition without its body, in one line; a short class or value whole."""
    whole = _without_comments(tree.text_of(found.whole), tree)
    if found.kind != "function" and len(line := one_line(whole).rstrip(";")) <= _MAX_CHARS and "(" not in line:
        return line
    body = found.body
    if body is None:
        empty = found.kind == "function" and "end" in tree.language.lexis.words.closers
        head, rest = whole.removesuffix("end") if empty else whole, ""
    else:
        start, end = tree.offset(found.whole.start_byte), tree.offset(body.start_byte)
        if tree.text_of(body).startswith("interface"):  # Go's, whose word belongs to the head
            end += len("interface")
        head = _without_comments(tree.text[start:end], tree)
        rest = tree.text_of(found.name) if found.name is not None and found.name.start_byte > body.end_byte else ""
    code = one_line(f"{head} {rest}").rstrip("{;= ")
    return code if len(code) <= 2 * _MAX_CHARS else code[: 2 * _MAX_CHARS] + " …"


def _without_comments(code: str, tree: SyntaxTree) -> str:
    parts, at = [], 0
    for token in tree.language.lexis.literals(code):
        if token.kind == "comment":
            parts.append(code[at : token.start])
            at = token.end
    return " ".join([*parts, code[at:]])


def _imports(match: Match, tree: SyntaxTree) -> Iterator[Import]:
    """Yield the imports of a match."""
    text = {name: tree.text_of(nodes[0]) for name, nodes in match.items()}
    if text.get("require", "require") not in _REQUIRES or text.get("exports", "module.exports") != "module.exports":
        return
    if "own" in text:  # passed on under a name
        yield Import(text.get("name", text["own"]), "", text["own"])
    elif "own_default" in text:
        yield Import("default", "", text["own_default"])
    elif "script" in text:
        if found := _SHELL_PATH.fullmatch(text["script"].strip("'")):
            yield Import(found[1], found[1])
    elif "path" in text:  # of a class or a namespace
        module, last = text["path"], text["path"].rpartition(".")[2]
        yield Import("*", module) if "all" in text else Import(text.get("name", last), module, last)
    elif "use" in text:
        yield from _uses(re.sub(r"\s+", " ", text["use"]), "")
    elif "mod" in text:
        yield Import(text["mod"], f"self::{text['mod']}")
    elif "default" in text:
        yield Import(text["default"], text["module"], "default")
    elif "all" in text:
        yield Import("*", text["module"], "*")
    else:
        module = f"./{text['module']}" if text.get("require") == "require_relative" else text["module"]
        name = text.get("name") or text.get("original") or module.rpartition("/")[2]
        yield Import(name, module, text.get("original", ""))


def _uses(use: str, within: str) -> Iterator[Import]:
    """Yield the names of Rust's `use`: a path, or a list of them in braces, which may be nested."""
    found = _USE.fullmatch(use.strip())
    if found is None:
        return
    path = "::".join(part for part in (within, found["path"].strip(":")) if part)
    if found["list"] is not None:
        for each in _split(found["list"]):
            yield from _uses(each, path)
    elif found["last"] == "self":
        head, _, last = path.rpartition("::")
        yield Import(found["name"] or last, head, last)
    elif found["last"] == "*":
        yield Import("*", path)
    else:
        yield Import(found["name"] or found["last"], path, found["last"])


def _split(code: str) -> Iterator[str]:
    """Yield the items of a list, split at the commas outside of braces."""
    depth, start = 0, 0
    for at, char in enumerate(code):
        depth += (char == "{") - (char == "}")
        if char == "," and not depth:
            yield code[start:at]
            start = at + 1
    if code[start:].strip():
        yield code[start:]

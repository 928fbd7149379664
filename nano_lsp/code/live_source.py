"""Source code of the functions and classes of a running program, from their files or the cells that defined them.

A file may have changed since it was imported, and a name may have been rebound. So a text counts as the source of a
function only if it compiles to the function's own code object, on whatever line.
"""

from __future__ import annotations
import __future__

import ast
import functools
import inspect
import linecache
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from nano_lsp.code.notebook import as_python
from nano_lsp.errors import DocumentError

_WRAPPERS: dict[type, str] = {
    types.MethodType: "__func__",
    staticmethod: "__func__",
    classmethod: "__func__",
    property: "fget",
    functools.cached_property: "func",
    functools.partial: "func",
    functools.partialmethod: "func",
}
_MAX_WRAPPERS = 20
_KINDS = 0x2AF  # bits of `co_flags`: whether it takes *args and **kwargs, yields or awaits
_COMPARED = (
    *("co_name", "co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_code"),
    *("co_names", "co_varnames", "co_freevars", "co_cellvars"),
)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
AsTyped = Callable[[str], str]


def find_source(
    value: object, cells: Sequence[str] = (), name: str = "", as_typed: AsTyped = lambda _file: ""
) -> str:
    """Find the source of a function or class, dedented. No code of the object is run.

    Args:
        value: Function, method, class, or a standard library wrapper around one.
        cells: Cells that have been executed, for classes defined in a notebook.
        name: Name that the user gave; it selects the function if a decorator hides it.
        as_typed: Function from the file name that a cell was compiled under to the cell as typed; empty for others.

    Raises:
        DocumentError: The value has no source, or its source is missing or has changed.
    """
    function = _function_of(value, name.rpartition(".")[2])
    if function is not None:
        return _function_source(function.__code__, as_typed)
    if issubclass(type(value), type):
        return _class_source(value, cells, as_typed)  # type: ignore[arg-type]
    kind = type.__dict__["__name__"].__get__(type(value))
    if type(value) in {types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType}:
        raise DocumentError("It is written in C: there is no Python source.", "Ask about it: `%nano ask …`.")
    raise DocumentError(f"It is a value of type {kind}, which has no source.", "Name a function or a class.")


@dataclass(frozen=True)
class _Text:
    """A text as compiled by Python, and the same lines as typed by the user."""

    compiled: str
    typed: str

    def parse(self, flags: int = 0) -> tuple[ast.Module, list[types.CodeType]] | None:
        """Parse and compile the text; its AST and all code objects, or None if it is not valid Python."""
        flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree: Any = compile(self.compiled, "", "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
                return tree, list(_nested(compile(tree, "", "exec", flags, dont_inherit=True)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def cut(self, node: ast.stmt) -> str:
        """The source of a statement with its decorators, as typed by the user."""
        lines = self.typed.split("\n")[_first_line(node) - 1 : node.end_lineno]
        return dedent("\n".join(lines)).strip("\n")


def _function_of(value: Any, name: str) -> types.FunctionType | None:  # noqa: ANN401 - it may be anything
    """The function within standard library wrappers and decorators; None if there is none."""
    function: types.FunctionType | None = None
    for _ in range(_MAX_WRAPPERS):
        kind = type(value)
        if kind is types.FunctionType:
            function = value
            value = value.__dict__.get("__wrapped__")
        elif kind in _WRAPPERS:
            value = getattr(value, _WRAPPERS[kind])
        elif issubclass(kind, type):
            break
        else:
            value = inspect.getattr_static(value, "__wrapped__", None)
        if value is None:
            break
    return _undecorated(function, name) if function is not None else None


def _undecorated(function: types.FunctionType, name: str, depth: int = _MAX_WRAPPERS) -> types.FunctionType:
    """The function of a given name in the closure of a decorator without `functools.wraps`; else the function."""
    if not name or function.__code__.co_name == name or not depth:
        return function
    for cell in function.__closure__ or ():
        try:
            held = cell.cell_contents
        except ValueError:  # empty
            continue
        if type(held) is types.FunctionType:
            found = _undecorated(held, name, depth - 1)
            if found.__code__.co_name == name:
                return found
    return function


def _function_source(code: types.CodeType, as_typed: AsTyped) -> str:
    found = False
    for text in _texts_of_file(code.co_filename, as_typed):
        found = True
        parsed = text.parse(code.co_flags & __future__.annotations.compiler_flag)
        if parsed is None:
            continue
        tree, codes = parsed
        same = [each.co_firstlineno for each in codes if _same(each, code)]
        node = _statement(tree, min(same, key=lambda line: abs(line - code.co_firstlineno)), code) if same else None
        if node is not None:
            return text.cut(node)
    if found:
        raise DocumentError(
            f"The source of {code.co_name} is not there any more: its file has changed since it was read.",
            "Reload the module, or restart the kernel.",
        )
    raise _no_source(code.co_name)


def _statement(tree: ast.Module, line: int, code: types.CodeType) -> ast.stmt | None:
    """The statement of the code object that begins in a line: its definition, or the one that contains a lambda."""
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    if code.co_name != "<lambda>":
        return next((s for s in statements if isinstance(s, _DEFINITIONS) and _first_line(s) == line), None)
    around = [s for s in statements if s.lineno <= line <= (s.end_lineno or s.lineno)]
    return max(around, key=lambda s: s.lineno, default=None)


def _class_source(cls: type, cells: Sequence[str], as_typed: AsTyped) -> str:
    static = {name: type.__dict__[name].__get__(cls) for name in ("__qualname__", "__module__", "__dict__")}
    name, members = static["__qualname__"], static["__dict__"]
    functions = {key: found for key in members if (found := _function_of(members[key], key))}
    files = {function.__code__.co_filename: None for function in functions.values()}
    home = sys.modules.get(static["__module__"]) if type(static["__module__"]) is str else None
    path = vars(home).get("__file__") if type(home) is types.ModuleType else None
    if type(path) is str:
        files[path] = None
    texts = [text for file in files for text in _texts_of_file(file, as_typed)]
    for text in [*texts, *(_Text(as_python(cell), cell) for cell in reversed(cells))]:
        parsed = text.parse()
        if parsed is None:
            continue
        for node in reversed(list(_classes(parsed[0].body, name.split(".")))):
            if _binds(node, members) and _defines(node, functions, parsed[1]):
                return text.cut(node)
    raise _no_source(name)


def _classes(body: Sequence[ast.stmt], path: Sequence[str]) -> Iterator[ast.ClassDef]:
    """Yield the classes of a qualified name, also those within functions and blocks."""
    first, *rest = path
    for node in body:
        inner = [child for child in ast.walk(node) if isinstance(child, ast.ClassDef) and child.name == first]
        if first == "<locals>" or (isinstance(node, _DEFINITIONS) and node.name == first):
            yield from _classes(node.body if isinstance(node, _DEFINITIONS) else [node], rest)
        elif not rest:
            yield from inner
        else:
            for each in inner:
                yield from _classes(each.body, rest)


def _binds(node: ast.ClassDef, members: types.MappingProxyType[str, Any]) -> bool:
    """Whether the class in memory has the attributes that the class in a text assigns or annotates."""
    targets = [target for each in node.body if isinstance(each, ast.Assign) for target in each.targets]
    targets += [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
    hints = members.get("__annotations__")
    known = {*members, *(hints if type(hints) is dict else ())}
    return all(target.id in known for target in targets if isinstance(target, ast.Name) and target.id[:2] != "__")


def _defines(node: ast.ClassDef, functions: dict[str, types.FunctionType], codes: Sequence[types.CodeType]) -> bool:
    """Whether the methods of a class in a text are those of the class in memory."""
    last = node.end_lineno or node.lineno
    inside = [code for code in codes if node.lineno <= code.co_firstlineno <= last]
    for method in node.body:
        if isinstance(method, _DEFINITIONS):
            mangled = f"_{node.name.lstrip('_')}{method.name}"
            live = functions.get(method.name) or functions.get(mangled)
            if live is None and not method.decorator_list:
                return False
            own = live.__code__ if live is not None and live.__code__.co_name == method.name else None
            if own is not None and not any(_same(code, own) for code in inside):
                return False
    return True


def _texts_of_file(file: str, as_typed: AsTyped) -> Iterator[_Text]:
    """Yield a file as `linecache` has read it, and as it is now if it has changed."""
    before = ""
    for check in (False, True):
        if check:
            linecache.checkcache(file)
        text = "".join(linecache.getlines(file))
        if text and text != before:
            typed = as_typed(file)
            same_lines = typed.rstrip("\n").count("\n") == text.rstrip("\n").count("\n")
            yield _Text(text, typed if typed and same_lines else text)
        before = text


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield each
            yield from _nested(each)


def _same(one: object, other: object) -> bool:
    """Whether code objects, or constants in them, are equal except for their line numbers."""
    if type(one) is not type(other):
        return False
    if isinstance(one, types.CodeType) and isinstance(other, types.CodeType):
        return (
            all(getattr(one, name) == getattr(other, name) for name in _COMPARED)
            and getattr(one, "co_qualname", "") == getattr(other, "co_qualname", "")  # from Python 3.11 on
            and one.co_flags & _KINDS == other.co_flags & _KINDS
            and _same(one.co_consts, other.co_consts)
        )
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other or repr(one) == repr(other)  # NaN is not equal to itself


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def _no_source(name: object) -> DocumentError:
    return DocumentError(f"The source of {name} is not there.", "Define it in a cell or a file, and run that again.")

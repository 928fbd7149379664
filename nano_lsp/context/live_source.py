"""The source of live functions and classes: from their files, or from the cells that defined them."""

from __future__ import annotations

import inspect
import linecache
import sys
import types
from collections.abc import Iterator, Sequence
from textwrap import dedent

from nano_lsp.context.definitions import DefinitionKind, find_definitions
from nano_lsp.context.languages import PYTHON
from nano_lsp.context.notebook import as_python
from nano_lsp.context.syntax import SyntaxTree
from nano_lsp.errors import DocumentError
from nano_lsp.lines import line_start


def find_source(value: object, cells: Sequence[str] = ()) -> str:
    """The code of a function or a class, moved to the left margin. No code of the object is run.

    Args:
        value: a function, a method or a class.
        cells: code that has run, for classes of a notebook.

    Raises:
        DocumentError: it is something else, or its source is not there.
    """
    function = _function_of(value)
    if function is not None:
        try:
            return dedent(inspect.getsource(function.__code__)).strip("\n")
        except (OSError, TypeError, SyntaxError, IndexError):
            raise _no_source(function.__code__.co_name) from None
    if issubclass(type(value), type):
        return _class_source(value, cells)  # type: ignore[arg-type]
    kind = type.__dict__["__name__"].__get__(type(value))
    if type(value) in {types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType}:
        raise DocumentError("It is written in C: there is no Python source.", "Ask about it: `%nano ask …`.")
    raise DocumentError(f"It is a value of type {kind}, which has no source.", "Name a function or a class.")


def _function_of(value: object) -> types.FunctionType | None:
    """The function within wrappers of Python's own, and below decorators that say what they wrap."""
    for _ in range(10):
        if type(value) is types.MethodType:
            value = value.__func__
        elif type(value) in {staticmethod, classmethod}:
            value = value.__func__  # type: ignore[attr-defined]
        elif type(value) is property:
            value = value.fget
        elif type(value) is types.FunctionType:
            inner = value.__dict__.get("__wrapped__")
            if type(inner) is not types.FunctionType:
                return value
            value = inner
        else:
            break
    return None


def _class_source(cls: type, cells: Sequence[str]) -> str:
    static = {name: type.__dict__[name].__get__(cls) for name in ("__qualname__", "__module__", "__dict__")}
    for text in _texts(static["__module__"], static["__dict__"], cells):
        tree = SyntaxTree.parse(text, PYTHON)
        for found in reversed(list(find_definitions(tree)) if tree else []):
            if found.kind is DefinitionKind.CLASS and found.name == static["__qualname__"]:
                return dedent(text[line_start(text, found.start) : found.end]).strip("\n")
    raise _no_source(static["__qualname__"])


def _texts(module: object, members: types.MappingProxyType[str, object], cells: Sequence[str]) -> Iterator[str]:
    """Texts that may define a class, the most likely first."""
    files = {function.__code__.co_filename: None for each in members.values() if (function := _function_of(each))}
    home = sys.modules.get(module) if type(module) is str else None
    path = vars(home).get("__file__") if type(home) is types.ModuleType else None
    if type(path) is str:
        files[path] = None
    for file in files:
        yield "".join(linecache.getlines(file))
    for cell in reversed(cells):
        yield as_python(cell)


def _no_source(name: object) -> DocumentError:
    return DocumentError(f"The source of {name} is not there.", "Define it in a cell or a file, and run that again.")

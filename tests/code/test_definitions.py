"""What a function's code says of it."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.code.definitions import (
    Definition,
    DefinitionKind,
    definition_at,
    find_definitions,
    is_sound,
    undocumented,
)
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree

STDLIB = Path(sysconfig.get_paths()["stdlib"])


def parse(code: str) -> SyntaxTree:
    tree = SyntaxTree.parse(code, PYTHON)
    assert tree is not None
    return tree


def named(code: str, name: str = "f") -> Definition:
    return next(found for found in find_definitions(parse(code)) if found.name == name)


def test_the_end_of_a_method_belongs_to_it() -> None:
    code = "class A:\n    def f(self):\n        return 1\n\n    def g(self): pass\n"
    assert definition_at(parse(code), code.index("1") + 1).name == "A.f"


def test_parameters_are_those_a_caller_gives() -> None:
    found = named("class A:\n    @deco\n    def f(self, a, /, b: int = 1, *c, d, **e: str): pass\n", "A.f")
    assert [(p.stars, p.name, p.annotation) for p in found.parameters] == [
        ("", "a", ""),
        ("", "b", "int"),
        ("*", "c", ""),
        ("", "d", ""),
        ("**", "e", "str"),
    ]
    assert [p.name for p in named("class A:\n    @staticmethod\n    def f(a, b): pass\n", "A.f").parameters] == [
        "a",
        "b",
    ]
    assert [p.name for p in named("class A:\n    if X:\n        def f(self, a): pass\n", "A.f").parameters] == ["a"]
    assert named("def f(self): pass\n").parameters[0].name == "self"


@pytest.mark.parametrize(
    ("body", "returns", "yields"),
    [
        ("return 1", True, False),
        ("return", False, False),
        ("return None", False, False),
        ("pass", False, False),
        ("yield 1", False, True),
        ("x = yield", False, True),
        ("def g(): return 1", False, False),
        ("h = lambda: (yield)", False, False),
        ("class G:\n        def m(self): return 1", False, False),
        ("if a:\n        return\n    else:\n        return a", True, False),
    ],
)
def test_results_are_those_of_its_own_code(body: str, returns: bool, yields: bool) -> None:
    found = named(f"def f(a):\n    {body}\n")
    assert (found.returns, found.yields) == (returns, yields)


def test_a_stub_returns_what_it_promises() -> None:
    assert named("def f() -> int: ...\n").returns
    assert named('def f() -> int:\n    """Doc."""\n    raise NotImplementedError\n').returns
    assert not named("def f() -> None: ...\n").returns
    assert not named("def f() -> int:\n    print()\n").returns


@pytest.mark.parametrize(
    ("body", "raised"),
    [
        ("raise ValueError('x')", ["ValueError"]),
        ("raise errors.NotFound", ["errors.NotFound"]),
        ("raise", []),
        ("raise error", []),
        ("Kind = g()\n    raise Kind", []),
        ("raise make(1)", []),
        ("def g():\n        raise KeyError", []),
        ("try:\n        raise KeyError\n    except KeyError:\n        pass", []),
        ("try:\n        raise KeyError\n    except (OSError, KeyError) as e:\n        pass", []),
        ("try:\n        raise KeyError\n    except Exception:\n        raise", ["KeyError"]),
        ("try:\n        raise KeyError\n    except OSError:\n        pass", ["KeyError"]),
        ("try:\n        g()\n    except OSError as e:\n        raise RuntimeError from e", ["RuntimeError"]),
        ("raise A\n    raise B\n    raise A", ["A", "B"]),
    ],
)
def test_exceptions_are_those_that_leave_it(body: str, raised: list[str]) -> None:
    assert list(named(f"def f(error):\n    {body}\n").raises) == raised


def test_the_fields_of_a_class_are_its_annotated_names() -> None:
    found = named("class f:\n    a: int\n    b: str = ''\n    _c: int\n    d = 1\n    e: ClassVar[int] = 2\n")
    assert [field.name for field in found.parameters] == ["a", "b"]


def test_the_innermost_definition_is_found() -> None:
    code = "import os\n\nclass A:\n    def f(self):\n        return 1\n\n    x = 1\n"
    tree = parse(code)
    assert definition_at(tree, code.index("return")).name == "A.f"
    assert definition_at(tree, code.index("    def")).name == "A.f"
    assert definition_at(tree, code.index("x = 1")).name == "A"
    assert definition_at(tree, 0).kind is DefinitionKind.MODULE
    assert definition_at(tree, -5).name == definition_at(tree, 10**9).name == ""
    assert definition_at(parse("def f(): pass"), 3).name == "f"


def test_broken_code_has_definitions_all_the_same() -> None:
    assert named("def g(b):\n    return b\n\ndef f(a\n", "g").returns
    for code in (
        "def",
        "def f(",
        "class",
        "class A(",
        "def f():",
        "@",
        "async def",
        "def f(*, **",
        "\0",
        "def é(ü): 1",
    ):
        list(find_definitions(parse(code)))


@pytest.mark.parametrize("path", sorted(STDLIB.glob("*.py"))[::6], ids=lambda path: path.name)
def test_the_standard_library_is_read_as_python_reads_it(path: Path) -> None:
    code = path.read_text(encoding="utf-8", errors="surrogateescape")
    expected = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            every = [*node.args.posonlyargs, *node.args.args]
            names = [a.arg for a in every]
            names += [node.args.vararg.arg] if node.args.vararg else []
            names += [a.arg for a in node.args.kwonlyargs]
            names += [node.args.kwarg.arg] if node.args.kwarg else []
            docstring = node.body[0] if isinstance(node.body[0], ast.Expr) else None
            expected[node.lineno] = (names, isinstance(getattr(docstring, "value", None), ast.Constant))
    found = {}
    for definition in find_definitions(parse(code)):
        if definition.kind is DefinitionKind.FUNCTION:
            line = code.count("\n", 0, definition.header_end - len(definition.header)) + 1
            found[line] = [parameter.name for parameter in definition.parameters]
    assert set(found) == set(expected)
    for line, names in found.items():
        assert names in (expected[line][0], expected[line][0][1:])


@given(st.sampled_from(sorted(STDLIB.glob("*.py"))[::9]), st.data())
def test_the_definition_at_a_place_is_the_innermost_of_all(path: Path, data: st.DataObject) -> None:
    code = path.read_text(encoding="utf-8", errors="surrogateescape")[:20_000]
    tree = parse(code)
    offset = data.draw(st.integers(0, len(code)))
    while code[offset : offset + 1] in {" ", "\t"}:
        offset += 1
    around = [found for found in find_definitions(tree) if found.start <= offset <= found.end]
    innermost = max(around, key=lambda found: (found.start, bool(found.name), -found.end))
    assert definition_at(tree, offset) == innermost


@pytest.mark.parametrize(
    ("statement", "is_docstring"),
    [
        ('"a"', True),
        ('"a" "b"', True),
        ('("a"  # why\n     "b")', True),
        ('(("a"))', True),
        ('"a" # why', True),
        ('"a"; x = 1', True),
        ('U"a"', True),
        ('"a",', False),
        ('"a", "b"', False),
        ('f"a"', False),
        ('"a" f"b"', False),
        ('b"a"', False),
        ('"a" + "b"', False),
        ('"a".strip()', False),
    ],
)
def test_a_docstring_is_what_python_takes_for_one(statement: str, is_docstring: bool) -> None:
    code = f"def f():\n    {statement}\n"
    function = ast.parse(code).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert (ast.get_docstring(function) is not None) is is_docstring
    place = named(code).docstring
    assert (place is not None) is is_docstring
    if place is not None:
        assert ast.literal_eval(code[slice(*place)]) == ast.get_docstring(function, clean=False)


OVERLOADS = (
    *("from typing import overload\n@overload", "from typing import overload\n@overload  # why", "@overload"),
    *(
        "import typing\n@typing.overload",
        "import typing as t\n@t . overload",
        "from typing import overload as o\n@(o)",
    ),
    *("from typing_extensions import overload\n@overload", "import typing\nmany = typing.overload\n@many"),
    "try:\n    from typing import overload\nexcept ImportError:\n    def overload(f): return f\n\n@overload",
)
OTHERS = (
    *("@lru_cache\ndef overload_factor(a): ...\n@cache", '@app.get("/overloads")', "@overloads", "@overload(1)"),
    *(
        "from .types import overload\n@overload",
        "def overload(f): return f\n\n@overload",
        "# overload\n@staticmethod",
    ),
)


@pytest.mark.parametrize("above", OVERLOADS)
def test_an_overload_is_told_by_what_its_decorator_stands_for(above: str) -> None:
    assert "f" not in [found.name for found in undocumented(parse(f"{above}\ndef f(a: int): ...\n"))]


@pytest.mark.parametrize("above", OTHERS)
def test_other_decorators_exempt_nothing(above: str) -> None:
    assert "f" in [found.name for found in undocumented(parse(f"{above}\ndef f(a: int): ...\n"))]


def test_a_setter_has_the_docstring_of_its_getter() -> None:
    code = (
        "class A:\n    @property\n    def x(self): ...\n    @x.setter  # why\n    def x(self, value): ...\n"
        "    @x.deleter\n    def x(self): ...\n    @x.setter\n    def set_x(self, value): ...\n"
        "    @B.y.setter\n    def y(self, value): ...\n    @router.setter\n    def z(self): ...\n"
        "    @x.setter()\n    def w(self): ...\n"
    )
    assert [found.name for found in undocumented(parse(code))][2:] == ["A.x", "A.z", "A.w"]


@pytest.mark.parametrize("decorator", ["staticmethod  # why", "builtins.staticmethod", "(staticmethod)", "static"])
def test_a_static_method_has_no_receiver(decorator: str) -> None:
    code = f"import builtins\nstatic = staticmethod\nclass A:\n    @{decorator}\n    def f(a, b): pass\n"
    assert [p.name for p in named(code, "A.f").parameters] == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "sound"),
    [
        ("def f(a):\n    return a\n", True),
        ("def f(a):\n    return a\n\ndef g(\n", True),
        ("def f(a):\n    x = = 1\n    return a\n", False),
        ("def f(int a):\n    return a\n", False),
        ("cdef int g(int x):\n    return x\n\ndef f(a):\n    return a\n", False),
        ("from libc.math cimport sqrt\n\ndef f(a):\n    return a\n", False),
        ("def f(a):\n    return a\n\nfoo bar\n\nx = )\n\ny = 1\n\nbar baz\n\ny = 2\n\nz = ]\n", False),
    ],
)
def test_edits_are_made_only_of_what_parses(code: str, sound: bool) -> None:
    assert is_sound(parse(code), named(code)) is sound


def test_an_exception_caught_by_its_base_does_not_leave() -> None:
    assert named("def f():\n    try:\n        raise KeyError\n    except LookupError:\n        pass\n").raises == ()

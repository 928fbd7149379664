"""What a function's code says of it."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.context.definitions import Definition, DefinitionKind, definition_at, find_definitions
from nano_lsp.context.languages import PYTHON
from nano_lsp.context.syntax import SyntaxTree

STDLIB = Path(sysconfig.get_paths()["stdlib"])


def parse(code: str) -> SyntaxTree:
    tree = SyntaxTree.parse(code, PYTHON)
    assert tree is not None
    return tree


def named(code: str, name: str = "f") -> Definition:
    return next(found for found in find_definitions(parse(code)) if found.name == name)


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

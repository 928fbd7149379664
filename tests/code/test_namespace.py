"""What is said of live names, and what is never done to them."""

from __future__ import annotations

import ast
import asyncio
import collections
import enum
import functools
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nano_lsp.code import namespace as live_names
from nano_lsp.code.namespace import describe


def run(code: str) -> dict[str, Any]:
    """The namespace after some code, as a kernel has it."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, "<cell>", "exec", dont_inherit=True), namespace)  # noqa: S102 - the test's own
    return namespace


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("x = 1", "x: int"),
        ("items = [1, 2]", "items: list  # of 2 int"),
        ("items = [1, 'a', None]", "items: list  # of 3 NoneType, int, str"),
        ("items = []", "items: list  # empty"),
        ("ages = {'ann': 3}", "ages: dict  # of 1 str to int"),
        ("rows = [{'id': 1, 'size': 2.5}, {'id': 2, 'size': None, 'no': 0}]",
         "rows: list  # of 2 dict with id int, size NoneType or float"),
        ("rows = [{'ann': 3}]", "rows: list  # of 1 dict"),
        ("rows = [{'a b': 3}, {'a b': 3}]", "rows: list  # of 2 dict"),
        ("rows = [{'a': 3}, {3: 3}]", "rows: list  # of 2 dict"),
        ("import json", "import json"),
        ("import json as j", "import json as j"),
        ("import os.path as p", f"import {os.path.__name__} as p"),
        ("from collections import OrderedDict", "from collections import OrderedDict"),
        ("from collections import OrderedDict as OD", "from collections import OrderedDict as OD"),
        ("from math import sqrt", "from math import sqrt"),
        ("def load(path: str, sep=',') -> list: return []", "def load(path: str, sep=',') -> list: ..."),
        ("def f(a, /, b, *c, d=1, **e): pass", "def f(a, /, b, *c, d=1, **e): ..."),
        ("def f(a: 'Frame' = None, *, b: int): pass", "def f(a: Frame = None, *, b: int): ..."),
        ("def f(a: list[int], b: dict[str, list[int]] | None) -> int | str: pass",
         "def f(a: list[int], b: dict[str, list[int]] | None) -> int | str: ..."),
        ("import typing\ndef f(a: typing.Any, b: typing.Optional[int]) -> typing.List[str]: pass\ndel typing",
         "def f(a: Any, b: int | None) -> List[str]: ..."),
        ("async def f(): pass", "async def f(): ..."),
        ("def f(x=object()): pass", "def f(x=...): ..."),
        ("def f(token='hunter2'): pass", "def f(token=...): ..."),
        ("double = lambda x: 2 * x", "def double(x): ..."),
        ("class A: pass", "class A: ..."),
        ("class A(dict):\n def f(self, x: int): pass\n def _g(self): pass",
         "class A(dict):\n    def f(self, x: int): ..."),
        ("class A:\n @property\n def p(self) -> int: return 1\n @classmethod\n def c(cls): pass",
         "class A:\n    @property def p(self) -> int: ...\n    @classmethod def c(cls): ..."),
        ("import enum\nclass Color(enum.Enum):\n RED = 1\n BLUE = 2\ndel enum",
         "class Color(Enum): ...  # RED, BLUE"),
        ("class A: pass\na = A()\ndel A", "a: A"),
        ("password = 'hunter2'", "password: str  # masked"),
        ("apiKey = 'hunter2'", "apiKey: str  # masked"),
    ],
)  # fmt: skip
def test_a_name_reads_like_python(code: str, line: str) -> None:
    assert describe(run(code)) == [line]


def test_arrays_and_frames() -> None:
    pandas = pytest.importorskip("pandas", reason="pip install pandas")
    frame = pandas.DataFrame({"city": ["a", "b"], "sales": [1, 2], 3: [0.5, 1], "two words\n": [True, False]})
    said = describe({
        "df": frame.astype({"city": object}),
        "sales": frame["sales"],
        "x": np.zeros((3, 4)),
        "v": np.zeros(3, np.int8),
        "wide": pandas.DataFrame(np.zeros((2, 5000))),
    })  # fmt: skip
    assert said[:4] == [
        r"df: DataFrame  # 2 rows; columns: city object, sales int64, 3 float64, 'two words\n' bool",
        "sales: Series  # 2 rows, int64",
        "x: ndarray  # shape (3, 4), float64",
        "v: ndarray  # shape (3,), int8",
    ]
    assert said[4].startswith("wide: DataFrame  # 2 rows; columns: 0 float64, 1 float64")
    assert said[4].endswith("19 float64, … (5000 in all)")


def test_values_are_said_on_request_only() -> None:
    namespace = run(
        "n = 3\nname = 'Ann'\npoints = [(1, 2)]\npair = (1,)\nages = {'ann': 3}\ns = {2, 1}\nbig = 10**9999"
    )
    assert not any("Ann" in line or "ann" in line or "3" in line for line in describe(namespace))
    assert describe(namespace, values=True) == [
        "n: int = 3",
        "name: str = 'Ann'",
        "points: list  # of 1 tuple",
        "pair: tuple = (1,)",
        "ages: dict = {'ann': 3}",
        "s: set = {1, 2}",
        "big: int",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "api_key = 'hunter2'",
        "DB_PASSWORD = 'hunter2'",
        "accessToken = 'hunter2'",
        "credentials = {'user': 'hunter2'}",
        "x = 'sk-hunter2'",
        "x = 'ghp_hunter2abc'",
        "x = 'postgres://ann:hunter2@db/x'",
        "x = 'hunter2hunter2hunter2hunter2'",
        "x = b'hunter2hunter2hunter2hunter2'",
        "settings = {'host': 'here', 'password': 'hunter2'}",
        "parts = ['sk-hunter2']",
    ],
)
def test_secrets_are_masked(code: str) -> None:
    (line,) = describe(run(code), values=True)
    assert "hunter2" not in line
    assert "masked" in line or "'…'" in line


def test_names_of_ipython_and_private_ones_are_left_out() -> None:
    namespace = {"In": [], "Out": {}, "_": 1, "_i1": "", "exit": 1, "get_ipython": 1, "open": 1, "x": 1, "a b": 1}
    assert describe(namespace) == ["x: int"]


def test_what_is_mentioned_in_the_order_it_was_bound() -> None:
    namespace = run("a = 1\nb = 2\nc = 3\nd = 4")
    assert describe(namespace, {"d", "b", "unknown"}) == ["b: int", "d: int"]
    assert describe(namespace, limit=2) == ["c: int", "d: int"]
    assert describe(namespace, limit=0) == []


def bad(*_: object) -> NoReturn:
    raise AssertionError("code of the object was run")


class BadMeta(type):
    __name__ = property(bad)
    __module__ = property(bad)
    __getattribute__ = bad
    __instancecheck__ = bad
    __repr__ = bad
    __hash__ = bad


def bad_type() -> type:
    names = ["__repr__", "__str__", "__len__", "__getattr__", "__getattribute__", "__iter__", "__eq__", "__hash__"]
    names += ["__bool__", "__contains__", "__format__", "__dir__"]
    return BadMeta("Bad", (), {**dict.fromkeys(names, bad), "__class__": property(bad), "shape": property(bad)})


def test_no_code_of_an_object_is_run() -> None:
    bad_one: object = object.__new__(bad_type())
    broken = types.ModuleType("broken")
    broken.__getattr__ = bad  # type: ignore[method-assign]
    lazy = type("Lazy", (types.ModuleType,), {"__getattribute__": bad})("lazy")
    namespace: dict[str, Any] = {
        "x": bad_one,
        "T": bad_type(),
        "xs": [bad_one],
        "d": {1: bad_one},
        "m": broken,
        "l": lazy,
    }
    assert describe(namespace, values=True) == [
        "x: Bad",
        f"from {__name__} import Bad as T",
        "xs: list  # of 1 Bad",
        "d: dict  # of 1 int to Bad",
        "import broken as m",
        "import lazy as l",
    ]


def test_what_only_calls_itself_a_data_frame_is_not_asked() -> None:
    fake = type("DataFrame", (), {"__module__": "pandas.core.frame", "shape": property(bad)})()
    assert describe({"df": fake}) == ["df: DataFrame"]


def test_subclasses_of_plain_types_are_not_asked() -> None:
    odd = type("Odd", (list,), {"__len__": bad, "__iter__": bad})()
    text = type("Text", (str,), {"__repr__": bad, "__len__": bad})("x")
    assert describe({"odd": odd, "text": text, "c": collections.Counter()}, values=True) == [
        "odd: Odd",
        "text: Text",
        "c: Counter",
    ]


def test_a_decorated_function_has_its_own_signature() -> None:
    def original(path: str, n: int = 3) -> None: ...

    @functools.wraps(original)
    def around(*args: object) -> None: ...

    assert describe({"f": around}) == [f"def f(path: str, n: int = 3) -> None: ...  # from {__name__}"]


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=100) | st.binary(max_size=40)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


@example({"if": None, "a": 1}, False)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), VALUES, max_size=5), st.booleans())
def test_each_entry_is_python_and_always_the_same(namespace: dict[str, Any], values: bool) -> None:
    said = describe(namespace, values=values)
    assert said == describe(namespace, values=values)
    assert all("\n" not in line for line in said)
    for line in said:
        ast.parse(line.replace("= nan", "= None").replace("inf", "None"))


def test_entries_of_the_standard_library_are_python() -> None:
    for module in (collections, enum, functools, asyncio, ast):
        namespace = {name: value for name, value in vars(module).items() if not name.startswith("_")}
        assert describe(namespace, limit=1000)
        home = {**namespace, "__name__": module.__name__}
        for entry in describe(home, limit=1000):
            ast.parse(
                entry.replace("@property def", "def")
                .replace("@classmethod def", "def")
                .replace("@staticmethod def", "def")
            )


def test_the_module_runs_where_nothing_of_this_package_is() -> None:
    source = Path(live_names.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 8))
    code = f"space = {{}}\nexec({source!r}, space)\nprint(space['describe']({{'x': 1}}))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['x: int']"

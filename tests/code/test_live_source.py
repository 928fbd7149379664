"""The source of live objects: their own, or none."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nano_lsp.code.live_source import find_source
from nano_lsp.errors import DocumentError

CODE = '''\
import functools
from dataclasses import dataclass


def plain(function):
    def wrapper(*arguments):
        return function(*arguments)

    return wrapper


def wrapping(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)

    return wrapper


@plain
@wrapping
def hidden(a):
    return a + 1


@wrapping
def wrapped(a):
    return a + 2


@functools.lru_cache
def cached(a):
    return a


def func(x):
    """Double."""
    return x * 2


square = lambda x: (
    x * x
)


class Outer:
    limit = 3

    def method(self):
        return 1

    @property
    def size(self):
        return 2

    @staticmethod
    def made():
        return 3

    class Inner:
        def method(self):
            return 4


@dataclass
class Row:
    x: int = 0

    def total(self):
        return self.x
'''
Write = Callable[[str], types.ModuleType]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module, each time newer, and imports it at the first time."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "live_module.py"
    n = 0

    def write(code: str) -> types.ModuleType:
        nonlocal n
        n += 1
        path.write_text(code, encoding="utf-8")
        os.utime(path, (n, n))
        importlib.invalidate_caches()
        return importlib.import_module("live_module")

    yield write
    sys.modules.pop("live_module", None)


def find(value: object, name: str) -> object:
    for part in name.split("."):
        value = vars(value)[part]
    return value


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("func", "def func(x):", "    return x * 2"),
        ("hidden", "@plain", "    return a + 1"),
        ("wrapped", "@wrapping", "    return a + 2"),
        ("cached", "@functools.lru_cache", "    return a"),
        ("square", "square = lambda x: (", ")"),
        ("plain", "def plain(function):", "    return wrapper"),
        ("Outer", "class Outer:", "            return 4"),
        ("Outer.method", "def method(self):", "    return 1"),
        ("Outer.size", "@property", "    return 2"),
        ("Outer.made", "@staticmethod", "    return 3"),
        ("Outer.Inner", "class Inner:", "        return 4"),
        ("Outer.Inner.method", "def method(self):", "    return 4"),
        ("Row", "@dataclass", "        return self.x"),
    ],
)
@pytest.mark.parametrize("change", ["none", "lines above", "lines above and a reload"])
def test_a_source_is_the_objects_own(module: Write, name: str, first: str, last: str, change: str) -> None:
    live = module(CODE)
    value = find(live, name)
    if change != "none":
        live = module("'''More.'''\n\ndef func_of_old(x):\n    return x\n\n\n" + CODE)
    if change == "lines above and a reload":
        value = find(importlib.reload(live), name)
    lines = find_source(value, (), name).split("\n")
    assert (lines[0], lines[-1]) == (first, last)


def test_what_has_changed_since_has_no_source_until_it_is_reloaded(module: Write) -> None:
    live = module(CODE)
    function, cls, inner = live.func, live.Outer, live.Outer.Inner
    live = module(CODE.replace("x * 2", "x * 3").replace("return 1", "return 7"))
    with pytest.raises(DocumentError, match="has changed since"):
        find_source(function)
    with pytest.raises(DocumentError, match="is not there"):
        find_source(cls)
    assert find_source(inner).startswith("class Inner")
    assert find_source(importlib.reload(live).func).endswith("return x * 3")


def test_after_code_is_put_into_an_old_function_its_new_source_is_found(module: Write) -> None:
    old = module(CODE).func  # as %autoreload does with functions that are held elsewhere
    live = importlib.reload(module("# more\n" * 40 + CODE.replace("x * 2", "x * 3")))
    old.__code__ = live.func.__code__
    assert find_source(old) == 'def func(x):\n    """Double."""\n    return x * 3'


def test_an_object_of_another_module_with_the_same_name_is_not_taken(module: Write) -> None:
    live = module("def func(x):\n    return 1\n\n\ndef other(x):\n    return 2\n")
    live.other.__code__ = live.other.__code__.replace(co_name="func")
    with pytest.raises(DocumentError, match="has changed since"):
        find_source(live.other)


def test_wrappers_of_pythons_own(module: Write) -> None:
    live = module(CODE)
    for value in (functools.partial(live.func, 1), functools.cached_property(live.func), staticmethod(live.func)):
        assert find_source(value).startswith("def func(x):")
    assert find_source(live.Outer().method).startswith("def method")


def test_the_newest_cell_that_defines_the_class_counts() -> None:
    cells = [
        "class A:\n    def f(self): return 1",
        "%time\nclass A:\n    def f(self): return 2",
        "class A:\n    x = 1",
    ]
    names: dict[str, type] = {}
    exec("class A:\n    def f(self): return 2", names)  # noqa: S102 - the test's own
    assert find_source(names["A"], cells) == "class A:\n    def f(self): return 2"


def test_code_that_was_executed_has_no_source() -> None:
    names: dict[str, object] = {}
    exec("def made(): pass\nclass Made:\n    def f(self): pass", names)  # noqa: S102 - the test's own
    for name in ("made", "Made"):
        with pytest.raises(DocumentError, match="is not there"):
            find_source(names[name], ["def made(): return 1", "class Made:\n    def f(self): return 1"])

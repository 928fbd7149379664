"""Outlines: what a file offers, as signatures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.code.languages import PYTHON
from nano_lsp.code.outline import Import, Outline, read_imports, read_outline
from nano_lsp.code.syntax_tree import SyntaxTree, is_python

CODE = '''"""Module."""
from __future__ import annotations
import os.path, json as j
from ..pkg.mod import (
    Thing as T,
    other,
)
try:
    import fast
except ImportError:
    from . import slow as fast

LIMIT: int = 3
TABLE = {
    "a": 1,
}

@decorate
async def fetch(
    url: str,  # where
    *,
    timeout: float = 1.0,
) -> bytes:
    """Fetch it.

    And more.
    """
    return b""

class Point(Base, metaclass=Meta):
    """A point."""

    x: int
    y: int = 0

    def __init__(self, x): self.x = x

    @property
    def norm(self) -> float:
        return abs(self.x)

    def _hidden(self): ...
'''


def outline_of(code: str) -> Outline:
    tree = SyntaxTree.parse(code, PYTHON)
    assert tree is not None
    return read_outline(tree)


def test_signatures_members_and_docstrings() -> None:
    outline = outline_of(CODE)
    assert [symbol.code for symbol in outline.symbols] == [
        "LIMIT: int = 3",
        "TABLE = ...",
        "async def fetch(url: str, *, timeout: float = 1.0) -> bytes: ...",
        "class Point(Base, metaclass=Meta):",
    ]
    point = outline.find("Point")
    assert point is not None
    assert [member.code for member in point.members] == [
        "x: int",
        "y: int = 0",
        "def __init__(self, x): ...",
        "norm: float",
        "def _hidden(self): ...",
    ]
    assert [symbol.doc for symbol in outline.symbols] == ["", "", "Fetch it.", "A point."]
    assert outline.find("missing") is None


def test_imports_bind_names() -> None:
    tree = SyntaxTree.parse(CODE, PYTHON)
    assert tree is not None
    assert list(read_imports(tree)) == [
        Import("os", "os"),
        Import("j", "json"),
        Import("T", "..pkg.mod", "Thing"),
        Import("other", "..pkg.mod", "other"),
        Import("fast", "fast"),
        Import("fast", ".", "slow"),
    ]


def test_an_outline_survives_being_kept() -> None:
    outline = outline_of(CODE)
    assert Outline.from_json(outline.to_json()) == outline


@given(st.text("defclass x(:)\n\t ='\"@.,#é", max_size=80))
def test_broken_code_has_an_outline_too(code: str) -> None:
    outline = outline_of(code)
    for symbol in outline.symbols:
        assert "\n" not in symbol.code
        assert symbol.name in symbol.code


def test_signatures_are_code() -> None:
    outline = outline_of(CODE)
    for symbol in outline.symbols:
        body = "".join(f"\n    {member.code}" for member in symbol.members)
        assert is_python(symbol.code + body)

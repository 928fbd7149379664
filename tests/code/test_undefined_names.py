"""Names that nothing defines."""

from __future__ import annotations

import pytest

from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.undefined_names import undefined_names


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("def f(a, *b, c=1, **d):\n    return a + b + c + d + e\n", {"e"}),
        ("import os.path\nfrom x import y as z\nos.path.join(z, y)\n", set()),
        ("for i, (j, k) in x:\n    i + j + k\n", {"x"}),
        ("with open('f') as g:\n    g.read(mode=h)\n", {"h"}),
        ("try:\n    pass\nexcept E as e:\n    raise e\n", {"E"}),
        ("[a for a in b if (n := a)]\nlambda q: q + n\n", {"b"}),
        ("class A(B):\n    x: int = 1\n    def f(self): return self.x + len(x)\n", {"B"}),
        ("match v:\n    case [p, *q]: p + q\n", {"v"}),
        ("def f():\n    global g\n    g = 1\n\ng\n", set()),
        ("from x import *\ny\n", set()),
        ("x += 1\n", {"x"}),
        ("def f(x: T) -> R: ...\n", {"T", "R"}),
        ("class A[S: B, *Ts]:\n    def f[T](self, x: T, *y: *Ts) -> list[S | U]: ...\n", {"B", "U"}),
        ("type Pair[T] = tuple[T, T]\nPair\n", set()),
        ("match v:\n    case C(k=p) | {'q': p, **r} as s: p + r + s\n    case D() as t: t\n", {"v"}),
        ("with open('f') as (g, h):\n    g + h + i\n", {"i"}),
    ],
)
def test_what_is_read_and_never_bound(code: str, names: set[str]) -> None:
    tree = SyntaxTree.parse(code, PYTHON)
    assert tree is not None
    found: set[str] = set()
    for offset in range(len(code)):
        found |= undefined_names(tree, offset)
    assert found == names


def test_only_the_statement_at_the_cursor_is_looked_at() -> None:
    code = "def f():\n    return a\n\ndef g():\n    return b\n"
    tree = SyntaxTree.parse(code, PYTHON)
    assert tree is not None
    assert undefined_names(tree, code.index("b")) == {"b"}

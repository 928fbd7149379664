"""What only IPython understands, against IPython's own input transformer."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.code.ipython_syntax import find_cell_magic, find_specials, mask
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.notebook import as_python
from nano_lsp.code.syntax_tree import SyntaxTree

PYTHON_PIECES = (
    "x = 1",
    "",
    "# why?",
    "# %time",
    "total = (a\n% b)",
    "print('%d of %d'\n    % (done, total))",
    "check(left\n!= right)",
    's = """\n%time x\n!ls\nwhy?\n"""',
    "s = '''it's\n!pwd\n'''",
    "t = 'a\\\n!b'",
    "y = a \\\n    % b",
    "n %= 2",
    "n = m % 3",
    'f"{x!r:>{w}} {n % 2}"',
    "f\"{d['a']} {{%}} ?\"",
    "rb'\\''",
    "z = {\n'a': 1,\n}\n",
    "def f(a=1):\n    return a",
    "class A:\n    '''Why?'''\n",
    "if x == 1: y = 2",
    "lambda: 'is it?'",
    "a = b = 2  # !ls",
    "@wraps\ndef g(): ...",
    "é = '🙂?'",
    "print('''a''' '!')",
    "x: int = 3; y = 4",
)
SPECIAL_PIECES = (
    "%matplotlib inline",
    "!ls *.py",
    "!!ls",
    "?x",
    "x.y??",
    "x[0]?",
    "*int*?",
    "%time?",
    "files = !ls 'it",
    "x = %time f()",
    "a, b = !echo {c}",
    "!echo it's ()",
    '%sql SELECT """',
    "!pip install \\\n  numpy \\\n  pandas",
    "if x:\n    %time f()",
    "for a in b:\n    files = !ls {a}\n    print(files)",
    "with x:\n    !ls\n    y = 1",
    "def h():\n    df.head?",
    ",f a b",
    ";f a b",
    "/f a",
    "%cd ..",
    "?",
    "%load_ext x  # why?",
)
PIECES = st.sampled_from(PYTHON_PIECES + SPECIAL_PIECES)
CELLS = st.lists(PIECES, max_size=6).map("\n".join)


def starts_by_ipython(code: str) -> list[tuple[int, int]]:
    """The lines and columns of what IPython transforms, one after the other."""
    transformer = pytest.importorskip("IPython.core.inputtransformer2", reason="pip install 'nano-lsp[jupyter]'")
    manager = transformer.TransformerManager()
    lines, n_gone = [line + "\n" for line in code.split("\n")], 0
    found: list[tuple[int, int]] = []
    while True:
        tokens = transformer.make_tokens_by_line(lines)
        there = [special for each in manager.token_transformers if (special := each.find(tokens))]
        for special in sorted(there, key=transformer.TokenTransformBase.sortby):
            try:
                changed = special.transform(lines)
            except SyntaxError:
                continue
            found.append((special.start_line + n_gone, special.start_col))
            n_gone, lines = n_gone + len(lines) - len(changed), changed
            break
        else:
            return found


def starts(code: str) -> list[tuple[int, int]]:
    found = []
    for special in find_specials(code):
        line_start = code.rfind("\n", 0, special.start) + 1
        found.append((code.count("\n", 0, special.start), special.start - line_start))
    return found


@pytest.mark.parametrize("piece", PYTHON_PIECES)
def test_python_stays_as_it_is(piece: str) -> None:
    assert starts_by_ipython(piece) == []
    assert as_python(piece) == piece


@pytest.mark.parametrize("piece", SPECIAL_PIECES)
def test_what_ipython_transforms_is_masked(piece: str) -> None:
    assert starts(piece) == starts_by_ipython(piece) != []
    ast.parse(as_python(piece))
    assert len(as_python(piece)) == len(piece)


@given(CELLS)
def test_ipython_finds_the_same(code: str) -> None:
    assert starts(code) == starts_by_ipython(code)
    masked = mask(code)
    assert len(masked) == len(code)
    ast.parse(masked)
    tree = SyntaxTree.parse(masked, PYTHON)
    assert tree is not None
    assert not tree.root.has_error


@given(st.text(alphabet="ab1 \n\t\\'\"{}()[]%!?,;/=#:f🙂", max_size=60))
def test_any_text_keeps_its_length_and_its_lines(code: str) -> None:
    masked = as_python(code)
    assert len(masked) == len(code)
    assert [i for i, char in enumerate(masked) if char == "\n"] == [i for i, char in enumerate(code) if char == "\n"]


def test_the_text_of_a_magic_stays_readable() -> None:
    code = "%matplotlib inline\nif x:\n    %time f()\n    files = !ls *.py"
    assert as_python(code) == "#matplotlib inline\nif x:\n    _time#f()\n    files = _ls#*.py"


@pytest.mark.parametrize(
    ("code", "name", "line"),
    [
        ("%%bash\nls", "bash", ""),
        ("\n\n%%time  x \ny", "time", " x"),
        ("%%!\nls", "!", ""),
        ("%%timeit -n 3 f()", "timeit", "-n 3 f()"),
    ],
)
def test_cell_magics(code: str, name: str, line: str) -> None:
    magic = find_cell_magic(code)
    assert magic is not None
    assert (magic.name, magic.line) == (name, line)


@pytest.mark.parametrize("code", ["x\n%%time", "# a\n%%time", "%%time?", "%time x", ""])
def test_no_cell_magics(code: str) -> None:
    assert find_cell_magic(code) is None
    assert len(as_python(code)) == len(code)

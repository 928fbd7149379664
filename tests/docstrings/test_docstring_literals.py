"""The literals of a docstring: their value, and minimal changes of it."""

from __future__ import annotations

import ast
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.docstrings.literal import Change, Literal

SOURCES = (
    *('"a"', "'a'", '"""a"""', "'''a'''", 'r"""\\d"""', 'U"é"', '("a")', '(("a"))', '"a" \'b\' """c"""'),
    *('("a"  # why\n "b")', '"a" \\\n    "b"', '"""\\\n    a\n    """', '"\\x41\\101\\u00e9\\N{BULLET}\\n\\q"'),
    *(
        '"""a\r\n    b\r\n"""',
        '"""a \\"\\"\\" b"""',
        "'''a \"\"\" b'''",
        '"" "a"',
        '"""a\x0cb\x85c\u2028d"""',
        'r"\\""',
    ),
)


def evaluate(source: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unknown escapes
        return ast.literal_eval(f"({source}\n)")


@pytest.mark.parametrize("source", SOURCES)
def test_the_value_is_that_of_python(source: str) -> None:
    literal = Literal.read(source)
    assert literal is not None
    assert literal.value == evaluate(source)
    assert literal.changed([], "\n") == source


@pytest.mark.parametrize("source", ['f"a"', 'b"a"', '"a" b"b"', '"a", "b"', '"a" + "b"', '"\\x"', "", "x", '"a" x'])
def test_other_expressions_are_not_parsed(source: str) -> None:
    assert Literal.read(source) is None


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ('"a."', '"""a.\n\n    b\n    """'),
        ("'a\\'s \"\"\".'", "'''a\\'s \"\"\".\n\n    b\n    '''"),
        ('"a" "b"', '"a" "b\\n\\n    b\\n    "'),
        ('("a"\n """b""")', '("a"\n """b\n\n    b\n    """)'),
        ('r"a" r"b"', None),
        ("'\"\"\" \\'\\'\\''", "'''\"\"\" \\'\\'\\'\n\n    b\n    '''"),
    ],
)
def test_lines_are_added_at_the_end(source: str, changed: str | None) -> None:
    literal = Literal.read(source)
    assert literal is not None
    end = len(literal.value)
    assert literal.changed([Change(end, end, "\n\n    b\n    ")], "\n") == changed


@given(
    st.sampled_from(['"""', "'''"]),
    st.lists(
        st.sampled_from(["word", "\\n", "\\\\", "\\t", "é🙂", "\\\n", '\\"', "\n", "\n    ", " ", "\x0c", "\\d"])
    ),
    st.data(),
)
def test_any_change_of_the_value_changes_the_source_minimally(
    quote: str, parts: list[str], data: st.DataObject
) -> None:
    source = quote + "".join(parts) + quote
    literal = Literal.read(source)
    assert literal is not None
    lines = [i for i, character in enumerate(literal.value) if character == "\n"] + [len(literal.value)]
    at = data.draw(st.sampled_from(lines))
    changed = literal.changed([Change(at, at, "\nnew \\ line")], "\n")
    assert changed is not None
    value = literal.value[:at] + "\nnew \\ line" + literal.value[at:]
    assert evaluate(changed) == value
    assert changed.replace("\nnew \\\\ line", "", 1) == source

"""A notebook's cells as one text."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.code.ipython_syntax import find_specials
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.notebook import Cell, as_python, build_notebook_text, in_execution_order
from nano_lsp.code.syntax_tree import SyntaxTree
from tests.code.test_ipython_syntax import PYTHON_PIECES, SPECIAL_PIECES

LINES = st.sampled_from(["x = 1", "", "%matplotlib inline", "!ls", "def f():", "    return 1", "df.head?", "é🙂 = 2"])
CODE = st.lists(LINES, max_size=5).map("\n".join)


def test_the_other_cells_stand_around_the_cursor_in_order() -> None:
    cells = [Cell("import os"), Cell("x = "), Cell("print(x)")]
    text, offset, language = build_notebook_text(cells, 1, 4)
    assert text[:offset] == "import os\n\nx = "
    assert text[offset:] == "\n\nprint(x)"
    assert language == "python"


def test_what_only_ipython_understands_is_a_comment() -> None:
    cells = [
        Cell("%load_ext nano\nfiles = !ls *.py\nx = %time f()\ndf.head?\n!pip list\nn = 7 % 3\nn %= 2"),
        Cell("y = "),
    ]
    text, _, _ = build_notebook_text(cells, 1, 4)
    before = text.removesuffix("y = ")
    ast.parse(before)
    assert "files = _ls#*.py" in before
    assert "n = 7 % 3\nn %= 2" in before


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("%%bash\nls ", "shellscript"),
        ("%%html\n<b>", "html"),
        ("%%js\nlet x", "javascript"),
        ("%%sql sqlite://\nSELECT ", "sql"),
        ("%%script --no-raise-error bash\nls ", "shellscript"),
        ("%%script /usr/bin/node\nlet x", "javascript"),
        ("%%writefile app/main.py\nx = ", "python"),
        ("%%writefile -a 'notes.txt'\nx", "plaintext"),
        ("%%python3\nx = ", "python"),
        ("%%nano\nplot the sales", "plaintext"),
        ("%%nano complete\nx = ", "python"),
        ("%%capture out\n%%bash\nls ", "shellscript"),
        ("%%unheard_of\nx", "plaintext"),
        ("%%time\nx = ", "python"),
    ],
)
def test_a_cell_of_another_language_stands_alone(code: str, language: str) -> None:
    text, offset, found = build_notebook_text([Cell("a = 1"), Cell(code)], 1, len(code))
    assert found == language
    assert ("a = 1" in text) == code.startswith("%%time")
    assert text[:offset].endswith(code.rsplit("\n", maxsplit=1)[-1])


def test_cells_of_other_languages_are_not_read_as_python() -> None:
    text, _, _ = build_notebook_text([Cell("%%bash\necho hello"), Cell("SELECT 1", "sql"), Cell("x")], 2, 1)
    assert text == "x"


@given(st.lists(CODE, min_size=1, max_size=4), st.data())
def test_the_cursor_stays_where_it_is(codes: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(codes) - 1))
    offset = data.draw(st.integers(0, len(codes[index])))
    text, at, _ = build_notebook_text([Cell(code) for code in codes], index, offset)
    code = codes[index]
    line, rest = code[code.rfind("\n", 0, offset) + 1 : offset], code[offset:].split("\n")[0]
    if not any(special.start <= offset <= special.end for special in find_specials(code)):
        assert text[:at].endswith(line)
        assert text[at:].startswith(rest)


def test_a_line_for_the_shell_is_no_python() -> None:
    text, offset, language = build_notebook_text([Cell("a = 1"), Cell("!pip ")], 1, 5)
    assert (text, offset, language) == ("!pip ", 5, "shellscript")


@pytest.mark.parametrize("code", ["x = 1\n!pip |", "%|", "df.head?|", "files = !l|s", "%%time\n%cd |", "%%ti|me\nx"])
def test_a_cursor_in_a_magic_is_in_no_python(code: str) -> None:
    offset = code.index("|")
    text, at, language = build_notebook_text([Cell("a = 1"), Cell(code.replace("|", ""))], 1, offset)
    assert (text, at, language) == (code.replace("|", ""), offset, "shellscript")


@pytest.mark.parametrize("code", ["f|iles = !ls", "%cd x\nx = |", "|%time f()", "%%time\nx|", "print(1\n% |2)"])
def test_a_cursor_beside_a_magic_is_in_python(code: str) -> None:
    _, _, language = build_notebook_text([Cell("a = 1"), Cell(code.replace("|", ""))], 1, code.index("|"))
    assert language == "python"


def test_pasted_prompts_and_indentation_of_other_cells_are_left_out() -> None:
    pasted = (">>> a = 1\n>>> if a:\n...     b = 2", "In [3]: c = 3", "    d = 4\n    e = 5")
    text, _, _ = build_notebook_text([*map(Cell, pasted), Cell("x = ")], 3, 4)
    assert text == "a = 1\nif a:\n    b = 2\n\nc = 3\n\nd = 4\ne = 5\n\nx = "


HEADS = ["", "%%time\n", "%%capture out\n", "%%bash\n", "%%sql\n", "%%writefile x.py\n", "%%html\n"]
CELLS = st.builds(
    Cell,
    st.builds(
        str.__add__,
        st.sampled_from(HEADS),
        st.lists(st.sampled_from(PYTHON_PIECES + SPECIAL_PIECES), max_size=4).map("\n".join),
    ),
    st.sampled_from(["python", "python", "python", "sql", "r"]),
    st.none() | st.integers(1, 9),
)


@given(st.lists(CELLS, min_size=1, max_size=5), st.data())
def test_the_tree_has_no_errors_where_each_cell_compiles(cells: list[Cell], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(cells) - 1))
    code = cells[index].code
    offset = data.draw(st.integers(0, len(code)))
    text, at, language = build_notebook_text(cells, index, offset)
    start = at - offset  # of the cell in the text
    assert 0 <= start <= len(text) - len(code)
    assert text[start : start + len(code)] in {code, as_python(code)}
    if cells[index].is_run_as_python and language == "python":
        tree = SyntaxTree.parse(text, PYTHON)
        assert tree is not None
        assert not tree.root.has_error
    else:
        assert len(text) == len(code)


def test_cells_that_have_run_come_first_in_the_order_they_ran_in() -> None:
    cells = [
        Cell("a = 1", execution_count=7),
        Cell("above = 2"),
        Cell("cursor", execution_count=2),
        Cell("below = 3"),
        Cell("later = 4", execution_count=3),
    ]
    ordered, at = in_execution_order(cells, 2)
    assert [cell.code for cell in ordered] == ["later = 4", "a = 1", "above = 2", "cursor", "below = 3"]
    assert ordered[at].code == "cursor"
    text, offset, _ = build_notebook_text(cells, 2, 3)
    assert text[:offset] == "later = 4\n\na = 1\n\nabove = 2\n\ncur"
    assert text[offset:] == "sor\n\nbelow = 3"


@given(st.lists(st.none() | st.integers(1, 9), min_size=1, max_size=6), st.data())
def test_no_cell_is_lost_and_what_has_not_run_keeps_its_order(counts: list[int | None], data: st.DataObject) -> None:
    cells = [Cell(str(i), execution_count=count) for i, count in enumerate(counts)]
    index = data.draw(st.integers(0, len(cells) - 1))
    ordered, at = in_execution_order(cells, index)
    assert sorted(cell.code for cell in ordered) == sorted(cell.code for cell in cells)
    assert ordered[at] == cells[index]
    rest = [int(cell.code) for cell in ordered if cell.execution_count is None or cell is ordered[at]]
    assert rest == sorted(rest)

"""Code of cells, on answers of a dummy: what of them is taken and what is not."""

from __future__ import annotations

import pytest

from nano_lsp.edits.cells import CellCode, FixCell, NotebookContext, WriteCell, read_code, read_fix
from nano_lsp.errors import DocumentError
from tests.scripted_answers import run

LIVE = NotebookContext(kernel_variables=("words: list  # of 3 str", "n: int"))


def written(*answers: str, notebook: NotebookContext = LIVE) -> CellCode:
    return run(WriteCell("sort words", notebook).run, *answers)


def fixed(code: str, error: str, *answers: str) -> CellCode:
    return run(FixCell(code, error).run, *answers)


def test_the_code_is_taken_out_and_tried_once_more() -> None:
    assert written("Here:\n```python\nx = 1\n```\nDone.") == CellCode("x = 1")
    assert written("%matplotlib inline\nx = 1") == CellCode("%matplotlib inline\nx = 1")
    assert written("x = = 1", "x = 1") == CellCode("x = 1")
    assert written("x = = 1", "x = (") == CellCode("x = = 1", parses=False)


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("words = ['a']\nlast = sorted(words)", "last = sorted(words)"),
        ("import os\n\nwords = [\n    'a',\n]\n\nlast = sorted(words)", "import os\n\nlast = sorted(words)"),
        ("words = sorted(words)\nprint(words)", "words = sorted(words)\nprint(words)"),
        ("words = []", "words = []"),
        ("n = 3\nprint(n)", "n = 3\nprint(n)"),
        ("other = []\nprint(other)", "other = []\nprint(other)"),
    ],
)
def test_made_up_data_does_not_take_the_place_of_live_data(code: str, left: str) -> None:
    assert written(code).code == left


def test_a_fix_has_code_that_differs_and_a_reason() -> None:
    answer = "```python\nx = [1]\nx[0]\n```\n\nWhy: The list was too short. It had one."
    found = fixed("x = [1]\nx[1]", "IndexError: out of range", answer)
    assert found == CellCode("x = [1]\nx[0]", why="The list was too short.")
    same = "```python\nx = [1]\nx[1]\n```\nWhy: It is short."
    assert fixed("x = [1]\nx[1]", "IndexError: out of range", same, same) == CellCode("", why="It is short.")
    assert fixed("x[1]", "IndexError: out of range", "No idea.").why == "IndexError: out of range"


def test_a_fix_makes_up_nothing_that_was_only_read() -> None:
    made_up = "```python\ndf = [1]\ndf[0]\n```\nWhy: no."
    assert fixed("df['a']", "KeyError: 'a'", made_up, made_up).code == ""
    assert fixed("df[0]", "NameError: name 'df' is not defined", made_up).code == "df = [1]\ndf[0]"


def test_a_cell_that_is_too_long() -> None:
    with pytest.raises(DocumentError, match="too long"):
        fixed("x = 1\n" * 2000, "Error")


def test_answers_that_are_not_whole_yet() -> None:
    assert [read_code(answer) for answer in ("``", "```py", "```py\nx", "```py\nx\n``")] == ["", "", "x", "x"]
    assert read_fix("```python\nx = 1\nWhy: a word is missing") == CellCode("x = 1", why="a word is missing")


def test_what_a_notebook_lets_a_question_know() -> None:
    said = NotebookContext(("x: int",), ("a = 1", "%cd .."), "Out[1]: int = 2", "KeyError: 1").add_to("What?")
    assert said.endswith("What?")
    for part in ("x: int", "a = 1\n\n%cd ..", "Out[1]", "KeyError"):
        assert part in said
    many = NotebookContext(cells=tuple(f"x = {i}" * 100 for i in range(100))).add_to("What?")
    assert "x = 99" in many
    assert len(many) < 6000

"""Rewritings, on answers of a dummy: what of them is taken and what is not."""

from __future__ import annotations

import ast

import pytest

from nano_lsp.chat import Explain
from nano_lsp.code.definitions import DefinitionKind, find_definitions
from nano_lsp.code.document import apply_edits
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.edits.rewrite import AddTypeHints, Fix, Simplify, WriteTest
from nano_lsp.lsp.server import ExplanationCache
from tests.scripted_answers import run

CODE = "import os\n\n\nclass A:\n    def f(self, a):\n        x = a\n        return x\n"


def parse(code: str) -> SyntaxTree:
    tree = SyntaxTree.parse(code, PYTHON)
    assert tree is not None
    return tree


def simplified(code: str, part: str, answer: str) -> str | None:
    start = code.index(part)
    edits = run(Simplify(code, start, start + len(part), "python").run, answer)
    return apply_edits(code, edits) if edits else None


@pytest.mark.parametrize(
    "answer",
    [
        "def f(self, a):\n    return a",
        "```python\ndef f(self, a):\n    return a\n```\nThat is shorter.",
        "Here it is:\n```\nimport os\n\ndef f(self, a):\n    return a\n```",
    ],
)
def test_the_definition_is_taken_out_of_an_answer(answer: str) -> None:
    part = CODE[CODE.index("    def f") : -1]
    assert simplified(CODE, part, answer) == CODE.replace("        x = a\n        return x\n", "        return a\n")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I cannot do that.",
        "def g(self, a):\n    return a",
        "def f(self, a, b):\n    return a",
        "def f(self, a):\n    return (a",
        "def f(self, a):\n    x = a\n    return x",
    ],
)
def test_what_does_not_hold_is_not_taken(answer: str) -> None:
    assert simplified(CODE, CODE[CODE.index("    def f") : -1], answer) is None


def test_lines_keep_their_indentation_and_line_ends() -> None:
    code = "if a:\r\n    x = 1\r\n    y = 2\r\nz = 3\r\n"
    after = simplified(code, "x = 1\r\n    y = 2", "x, y = 1, 2")
    assert after == "if a:\r\n    x, y = 1, 2\r\nz = 3\r\n"


def test_a_problem_is_corrected_in_the_function_around_it() -> None:
    start = CODE.index("x = a")
    (edit,) = run(Fix(CODE, start, start + 1, "odd", "python").run, "def f(self, a):\n    return a")
    assert apply_edits(CODE, [edit]) == CODE.replace("        x = a\n        return x\n", "        return a\n")


def test_nothing_is_asked_about_nothing() -> None:
    for code in ("\n\n", "x = 1\n" * 2000):
        assert run(Fix(code, 0, len(code), "odd", "python").run) == []


def hinted(code: str, *answers: str) -> str:
    tree = parse(code)
    function = next(found for found in find_definitions(tree) if found.kind is DefinitionKind.FUNCTION)
    return apply_edits(code, run(AddTypeHints(code, function.start).run, *answers))


@pytest.mark.parametrize(
    ("code", "answers", "after"),
    [
        ("def f(a, b=1): pass\n", ["int, b", "None"], "def f(a: int, b: int = 1) -> None: pass\n"),
        ("def f(a=None): pass\n", ["str", "X"], "def f(a: str | None = None): pass\n"),
        ("def f(*a, **b): pass\n", ["dict[str, int], **b", "Path", "1 +"], "def f(*a: dict[str, int], **b): pass\n"),
        ("import pathlib\ndef f(a): pass\n", ["pathlib.Path", ""], "import pathlib\ndef f(a: pathlib.Path): pass\n"),
        ("def f(a: int) -> str: pass\n", [], "def f(a: int) -> str: pass\n"),
        ("def f(a): pass\n", ["None", "int) or os.system("], "def f(a) -> int: pass\n"),
    ],
)
def test_hints_are_added_where_they_mean_something(code: str, answers: list[str], after: str) -> None:
    assert hinted(code, *answers) == after
    ast.parse(after)


def test_a_test_imports_what_it_uses_and_brings_no_second_copy() -> None:
    code = "class Account:\n    pass\n\n\ndef total(accounts):\n    return len(accounts)\n"
    tree = parse(code)
    function = next(found for found in find_definitions(tree) if found.name == "total")
    answer = (
        "```python\nimport pytest\nfrom bank import total\nfrom pathlib import Path\n\n"
        "def total(accounts):\n    return 0\n\n"
        "def test_total():\n    with pytest.raises(TypeError):\n        total(1)\n"
        "    assert total([Account()]) == 1\n```"
    )
    text = run(WriteTest(tree.text, function.start, "bank").run, answer)
    assert text.startswith(
        "from pathlib import Path\nimport pytest\nfrom bank import Account, total\n\n\ndef test_total"
    )
    assert text.count("def total") == 0
    for answer in ("", "no code", "```\ndef total(): pass\n```", "def test_a(:\n"):
        assert run(WriteTest(tree.text, function.start, "bank").run, answer) == ""


def test_an_explanation_is_remembered_for_the_same_code_wherever_it_stands() -> None:
    assert run(Explain("    x = 1\n", "python").run, " It sets x. ") == "It sets x."
    assert run(Explain("x = 2", "python", "odd").run, "Because.") == "Because."
    assert "beginning" in run(Explain("x = 1\n" * 2000, "python").run, "Long.")
    cache = ExplanationCache()
    assert not cache
    cache.add("    x = 1\n", "It sets x.")
    assert (cache.get("x = 1"), cache.get("x = 2")) == ("It sets x.", "")

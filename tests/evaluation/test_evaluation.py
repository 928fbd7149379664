"""Evaluation: the sandbox, the problems, the measures, and runs that can be gone on with."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.cli.eval_report import figures
from nano_lsp.errors import EvaluationError
from nano_lsp.evaluation import metrics, problems, runner
from nano_lsp.evaluation.caching_backend import CachingBackend
from nano_lsp.evaluation.sandbox import ProgramStatus, run_program
from nano_lsp.inference.backend import Backend
from nano_lsp.inference.generation import Engine, Generation
from nano_lsp.schema import Completion, Counters, FinishReason, GenerateParams
from nano_lsp.testing.scripted_backend import ScriptedBackend

PROBLEM = problems.Problem(
    "p/1", "SingleLine", "p.py", "def double(x):\n", "\n", "    return 2 * x", "\nassert double(2) == 4\n"
)


def answer(text: str) -> Completion:
    return Completion(text, (), FinishReason.STOP, Counters(evaluated_tokens=7))


@pytest.mark.parametrize(
    ("program", "verdict"),
    [
        ("assert 1 + 1 == 2", ProgramStatus.PASSED),
        ("assert False", ProgramStatus.FAILED),
        ("x = ", ProgramStatus.FAILED),
        ("exit(0)", ProgramStatus.FAILED),
        ("import os\nos._exit(0)", ProgramStatus.FAILED),
        ("import socket\nsocket.create_connection(('127.0.0.1', 9))", ProgramStatus.FAILED),
        ("import subprocess\nsubprocess.run(['true'])", ProgramStatus.FAILED),
        ("import os\nos.system('true')", ProgramStatus.FAILED),
        ("open('file', 'w')", ProgramStatus.FAILED),
        ("import os\nos.remove('/tmp/x')", ProgramStatus.FAILED),
        ("import ctypes", ProgramStatus.FAILED),
        ("x = 'é🙂'\nassert len(x) == 2", ProgramStatus.PASSED),
        ("import math, collections, json, re, typing, random", ProgramStatus.PASSED),
        ("x = bytearray(1 << 40)", ProgramStatus.FAILED),
    ],
)
def test_a_program_passes_or_fails_and_touches_nothing(program: str, verdict: ProgramStatus) -> None:
    assert run_program(program) is verdict


def test_a_program_that_does_not_end_is_ended() -> None:
    assert run_program("while True: pass", limit_s=0.5) is ProgramStatus.TIMED_OUT


def test_infilling_problems_are_read_as_an_editor_has_them(tmp_path: Path) -> None:
    row = {
        "task_id": "SingleLineInfilling/HumanEval/0/L0",
        "entry_point": "f",
        "prompt": "def f():\n",
        "suffix": "    return x\n",
        "canonical_solution": "    x = 1\n",
        "test": "def check(f):\n    assert f() == 1",
    }
    path = tmp_path / "single.jsonl.gz"
    with gzip.open(path, "wt") as stream:
        stream.write(json.dumps(row) + "\n")
    (problem,) = problems.load_infilling(path)
    assert (problem.prefix, problem.reference, problem.suffix) == ("def f():\n", "    x = 1", "\n    return x\n")
    assert run_program(problem.prefix + problem.reference + problem.suffix + problem.test) is ProgramStatus.PASSED
    for content in (b"", b"{}\n", b"no json\n"):
        (tmp_path / "bad.jsonl").write_bytes(content)
        with pytest.raises(EvaluationError):
            problems.load_infilling(tmp_path / "bad.jsonl")
    with pytest.raises(EvaluationError, match="missing"):
        problems.load_infilling(tmp_path / "missing.jsonl")


@pytest.mark.parametrize(
    ("suggestion", "reference", "saved"),
    [
        ("foo(bar)", "foo(bar)", 8),
        ("foo(bar)", "foo(baz)", 4),
        ("foo", "foobar", 3),
        ("foobar", "foo", 0),
        ("", "foo", 0),
        ("x", "y", 0),
        (" a + b", " a - b", 3),
    ],
)
def test_whole_words_of_the_suggestion_are_saved(suggestion: str, reference: str, saved: int) -> None:
    assert metrics.saved_chars(suggestion, reference) == saved


@given(st.text("ab ("), st.text("ab ("))
def test_no_more_is_saved_than_is_right(suggestion: str, reference: str) -> None:
    n = metrics.saved_chars(suggestion, reference)
    assert suggestion[:n] == reference[:n]


def test_what_breaks_the_parse() -> None:
    assert not metrics.breaks_parse(PROBLEM, "    return 2 * x")
    assert not metrics.breaks_parse(PROBLEM, "")
    assert metrics.breaks_parse(PROBLEM, "    return (2 * x")
    whole = problems.Problem("p", "k", "p.py", "x = 1\n", "y = 2\n", "")
    assert metrics.breaks_parse(whole, "if x:\n")  # only Python's own parser wants a body


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    results = tmp_path / "results" / "run.jsonl"
    both = [PROBLEM, problems.Problem("p/2", "SingleLine", "p.py", "x = ", "\n", "1")]
    asked = []

    def complete(problem: problems.Problem) -> Completion:
        asked.append(problem.name)
        return answer(problem.reference)

    first = next(runner.run(both, complete, results, {"model": "m"}))
    assert (first.exact, first.passed, first.broken, first.saved_chars) == (True, True, False, 16)
    with results.open("a") as stream:
        stream.write('{"name": "p/2", "ki')  # interrupted while it was written
    outcomes = list(runner.run(both, complete, results, {"model": "m"}))
    assert asked == ["p/1", "p/2"]
    assert outcomes == runner.load_outcomes(results)
    assert outcomes[1].passed is None
    assert {each.language for each in outcomes} == {"python"}
    with pytest.raises(EvaluationError, match="different conditions"):
        list(runner.run(both, complete, results, {"model": "other"}))


@pytest.mark.parametrize(
    ("text", "reference", "saved", "unused"),
    [
        ("foo(bar)", "foo(bar)", 8, 0),
        ("foo(bar)\n", "foo(bar)", 8, 0),
        ("foo(baz)", "foo(bar)", 4, 4),
        ("foo(bar)\nx = 1", "foo(bar)", 8, 6),  # a line too many
        ("a = 1\n    b = 2", "a = 1\n    b = 3", 5, 1),  # only the first line is counted as saved
        ("", "foo(bar)", 0, 0),
    ],
)
def test_characters_are_saved_or_shown_for_nothing(text: str, reference: str, saved: int, unused: int) -> None:
    found = runner.measure(replace(PROBLEM, reference=reference, test=""), lambda _problem: answer(text))
    assert (found.saved_chars, found.unused_chars) == (saved, unused)


def outcome(name: str, *, passed: bool, saved: int) -> metrics.Outcome:
    return metrics.Outcome(name, "k", "expression", "x", passed, passed, 10, saved, False, 1, 2, 3, 4.0)


def test_figures_and_comparison() -> None:
    first = [outcome(f"p{i}", passed=i < 5, saved=2) for i in range(20)]
    second = [outcome(f"p{i}", passed=i < 15, saved=6) for i in range(20)]
    figures = metrics.summarize(first)
    assert (figures.n, figures.exact, figures.passed, figures.saved, figures.shown) == (20, 25.0, 25.0, 20.0, 100.0)
    assert metrics.summarize([]).exact is None
    assert figures.unused is None  # not in results of older versions
    assert metrics.summarize([replace(first[0], unused_chars=n) for n in (2, 5)]).unused == 3.5
    by_measure = {c.measure: c for c in metrics.compare(first, second)}
    passed = by_measure["pass@1"]
    assert (passed.n, passed.first, passed.second) == (20, 25.0, 75.0)
    assert math.isclose(passed.p_value, 2 / 2**10, abs_tol=0.001)
    assert passed.low < 50 < passed.high
    assert by_measure["characters saved"].p_value < 0.001
    assert by_measure["breaks the parse"].p_value == 1.0


def test_figures_are_given_by_context_and_by_language_and_hole() -> None:
    first = outcome("p1", passed=True, saved=8)
    points = [
        replace(first, language="go", kind="mid-word", unused_chars=4),
        replace(first, language="go", kind="line start", unused_chars=0),
        replace(first, language="lua", kind="line start", cursor_kind="string"),
        first,  # of an older version
    ]
    found: Any = figures(points)
    assert found["all"]["n"] == 4
    assert (found["expression"]["n"], found["string"]["n"]) == (3, 1)
    assert found["languages"].keys() == {"go", "lua", "unknown"}
    assert found["languages"]["go"].keys() == {"all", "line start", "mid-word"}
    assert found["languages"]["go"]["all"]["unused"] == 2.0
    assert found["languages"]["lua"]["all"]["unused"] is None


def test_results_of_older_versions_are_compared_by_the_files_of_the_others() -> None:
    old = [outcome(f"p{i}", passed=i < 5, saved=2) for i in range(20)]
    new = [replace(each, document=f"file{i // 5}") for i, each in enumerate(old)]
    for first, second, files in ((old, new, 4), (new, old, 4), (old, old, 20)):
        assert {c.files for c in metrics.compare(first, second)} == {files}


def test_a_memo_says_what_the_model_said_and_asks_it_only_once(tmp_path: Path) -> None:
    prompt = tuple(range(60, 110))

    def generate(backend: Backend, prompt: Sequence[int]) -> Completion:
        with contextlib.closing(backend):
            return Generation(Engine(backend), "document", prompt, GenerateParams(max_tokens=8, draft=False)).run()

    first, second = ScriptedBackend(), ScriptedBackend()
    fresh = generate(ScriptedBackend(), prompt)
    assert generate(CachingBackend(first, tmp_path / "memo.db"), prompt).text == fresh.text
    again = generate(CachingBackend(second, tmp_path / "memo.db"), prompt)
    assert (again.text, second.evaluated) == (fresh.text, 0)
    assert again.counters.evaluated_tokens == fresh.counters.evaluated_tokens
    assert math.isclose(again.tokens[0].logprob, fresh.tokens[0].logprob, rel_tol=1e-5)
    longer = (*prompt, 7)
    assert (
        generate(CachingBackend(ScriptedBackend(), tmp_path / "memo.db"), longer).text
        == generate(ScriptedBackend(), longer).text
    )
    with pytest.raises(EvaluationError, match="--memo"):
        CachingBackend(second, tmp_path)

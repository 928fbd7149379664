"""`nano-lsp task` for shell scripts, with a scripted model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import assert_error, nano_lsp


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A scripted model that answers no where that is allowed, and else 7."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps({'assistant\n"': 'no"', "assistant\n": "7", "steps": "ok"}))
    return f"scripted:{script}"


def test_a_decision_is_an_exit_code(model: str) -> None:
    done = nano_lsp("task", "Is it?", "--choice", "no,yes", "--model", model)
    assert (done.returncode, done.stdout) == (0, b"no\n")
    done = nano_lsp("task", "Is it?", "--choice", "yes", "--choice", "no", "--model", model)
    assert (done.returncode, done.stdout) == (1, b"no\n")
    done = nano_lsp("task", "Is it?", "--type", "bool", "--model", model)
    assert (done.returncode, done.stdout) == (1, b"no\n")
    done = nano_lsp("task", "Which?", "--choice", "a,b,no", "--model", model, "--json")
    assert done.returncode == 0
    said = json.loads(done.stdout)
    assert said["value"] == "no"
    assert set(said["probabilities"]) == {"a", "b", "no"}
    assert said["counters"]["generated_tokens"] > 0


def test_values_and_data_from_everywhere(model: str, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("one\ntwo\n")
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "integer", "minimum": 7, "maximum": 7}')
    common = ("task", "Count.", "--model", model)
    for options in (
        ("--type", "int"),
        ("--schema", str(schema), "--file", str(tmp_path / "data.txt")),
        ("--stdin",),
        ("--data", "x"),
    ):
        done = nano_lsp(*common, *options, stdin=b"from a pipe")
        assert (done.returncode, done.stdout) == (0, b"7\n"), done.stderr


def test_user_errors_are_reported_before_a_model_is_loaded(tmp_path: Path) -> None:
    recursive, wrong, binary = (tmp_path / name for name in ("r.json", "w.json", "b.bin"))
    recursive.write_text('{"$ref": "#"}')
    wrong.write_text("[")
    binary.write_bytes(b"\0" * 100)
    large = tmp_path / "large.txt"
    large.write_bytes(b"x" * (9 << 20))
    assert_error(nano_lsp("task", " "), 2, "empty")
    assert_error(nano_lsp("task", "Do.", "--schema", str(recursive)), 2, "recursive", "refers only to itself")
    assert_error(nano_lsp("task", "Do.", "--schema", str(wrong)), 2, "not valid JSON")
    assert_error(nano_lsp("task", "Do.", "--choice", "yes"), 2, "fewer than two")
    assert_error(nano_lsp("task", "Do.", "--choice", "a,b", "--type", "int"), 2, "several types")
    assert_error(nano_lsp("task", "Do.", "--file", str(binary)), 2, "binary")
    assert_error(nano_lsp("task", "Do.", "--file", str(large)), 2, "larger than")
    assert_error(nano_lsp("task", "Do.", "--data", "a", "--stdin"), 2, "several sources")
    assert_error(nano_lsp("task", "Do.", "--input", str(binary)), 2, "belong together")
    assert_error(nano_lsp("task", "Do.", "--choice", "a,b"), 3, "nano-lsp model pull nano")


def test_an_answer_that_is_cut_and_time_that_runs_out(model: str, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}')
    common = ("task", "Count.", "--model", model)
    assert_error(nano_lsp(*common, "--schema", str(schema), "--max-tokens", "4"), 6, "incomplete", "max_tokens")
    assert_error(nano_lsp(*common, "--choice", "a,b", "--timeout", "0.001"), 6, "within 1 ms")


def test_rows(model: str, tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.csv", tmp_path / "out.jsonl"
    rows.write_text("id,text\n1,one\n2,two\n")
    common = ("task", "Is it?", "--choice", "yes,no", "--model", model, "--input", str(rows), "--output", str(out))
    done = nano_lsp(*common, "--column", "text")
    assert done.returncode == 0, done.stderr
    assert b"2 of 2 rows are done" in done.stderr
    assert [json.loads(line)["value"] for line in out.read_text().splitlines()] == ["no", "no"]
    before = out.read_text()
    assert nano_lsp(*common, "--column", "text").returncode == 0
    assert out.read_text() == before
    assert_error(nano_lsp(*common, "--column", "words"), 2, "It has: id, text")
    assert_error(nano_lsp(*common, "--column", "text", "--think"), 2, "another task")

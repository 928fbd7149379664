"""Sessions replayed from git histories, and the figures of the next edit on them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from nano_lsp.errors import EvaluationError
from nano_lsp.evaluation.edit_runner import Proposal, replay, run_case, run_sessions, summarize_edits
from nano_lsp.evaluation.edit_sessions import EditSession, sample_sessions
from nano_lsp.next_edit.history import Edit
from nano_lsp.next_edit.renames import Source
from tests.cli.test_cli import nano_lsp

BEFORE = "".join(f"def f{i}(a):\n    return load(a, {i})\n\n\n" for i in range(4))
AFTER = BEFORE.replace("load(", "read(")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one repository: a commit that is a session, and two that are none."""
    folder = tmp_path_factory.mktemp("repositories")
    home = folder / "one"
    home.mkdir()

    def commit(**files: str) -> None:
        for name, text in files.items():
            (home / f"{name}.py").write_text(text)
        person = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        git("add", ".")
        git(*person, "commit", "-qm", "x")

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(home), *arguments], check=True)

    git("init", "-q")
    commit(a=BEFORE, b="x = 1\n")
    commit(a=AFTER)
    commit(b="x = 2\n")
    commit(a=AFTER.replace("    return", "        return"))  # blanks
    return folder


@pytest.fixture(scope="module")
def session(repositories: Path) -> EditSession:
    (found,) = sample_sessions(repositories, 5)
    return found


def test_a_commit_with_several_changes_of_the_same_kind_is_a_session(session: EditSession) -> None:
    assert session.texts == {"a.py": BEFORE}
    assert [change.old for change in session.changes] == [(f"    return load(a, {i})\n",) for i in range(4)]
    assert session.can_be_known


def test_a_replay_gives_the_text_after_each_change(session: EditSession) -> None:
    for n in range(5):
        edits, texts = replay(session, n)
        assert texts["a.py"].count("read(") == n == len(edits)
    assert texts["a.py"] == AFTER


def everything(edits: Sequence[Edit], sources: Sequence[Source]) -> tuple[Proposal | None, int]:
    """Reads instead of loading everywhere."""
    (source,) = sources
    return Proposal("a.py", source.text.replace("load(", "read(")), 7


def backwards(edits: Sequence[Edit], sources: Sequence[Source]) -> tuple[Proposal | None, int]:
    """Takes back what was edited last, in the whole text."""
    (source,) = sources
    return Proposal("a.py", source.text.replace(edits[0].new, edits[0].old)), 0


def broken(edits: Sequence[Edit], sources: Sequence[Source]) -> tuple[Proposal | None, int]:
    (source,) = sources
    return Proposal("a.py", source.text.replace("load(a, 3)", "read(a, 3")), 0


def nothing(edits: Sequence[Edit], sources: Sequence[Source]) -> tuple[Proposal | None, int]:
    return None, 0


def test_what_is_shown_is_compared_with_the_commit(session: EditSession) -> None:
    right = run_case(session, everything, silent=False)
    assert (right.shown, right.found, right.exact, right.evaluated_tokens) == (True, True, True, 7)
    wrong = run_case(session, broken, silent=False)
    assert (wrong.found, wrong.exact, wrong.broken) == (True, False, True)
    assert 0.8 < wrong.similarity < 1
    assert run_case(session, backwards, silent=True).reversal


def test_figures_count_both_cases_and_a_run_continues(session: EditSession, tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    outcomes = [*run_sessions([session], everything, results)]
    assert [*run_sessions([session], nothing, results)] == outcomes  # all of them are known
    summary = summarize_edits(outcomes)
    assert (summary.sessions, summary.silent, summary.shown, summary.exact) == (1, 0, 100, 100)
    assert summarize_edits([]).sessions == 0
    results.write_text("{")
    with pytest.raises(EvaluationError, match="cannot be continued"):
        [*run_sessions([session], nothing, results)]


def test_a_folder_without_repositories_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no git repositories"):
        sample_sessions(tmp_path, 1)


def test_the_command_prints_the_figures_of_both_methods(repositories: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"def f3(a):\n": "    return read(a, 3)\n"}))
    for style, shown in (("nano", 100.0), ("window", 0.0)):
        results = str(tmp_path / f"{style}.jsonl")
        arguments = ("eval", "--next-edit", str(repositories), "--style", style, "--results", results, "--json")
        done = nano_lsp(*arguments, "--model", f"scripted:{script}")
        assert done.returncode == 0, done.stderr
        figures = json.loads(done.stdout)
        assert (figures["sessions"], figures["shown"]) == (1, shown)

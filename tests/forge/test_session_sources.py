"""Cases of the next edit from the histories of git repositories; no model is needed."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from nano_lsp.errors import EvaluationError, ForgeError
from nano_lsp.evaluation.edit_runner import replay
from nano_lsp.evaluation.edit_sessions import sample_sessions
from nano_lsp.forge.recipe import Recipe, load_recipe
from nano_lsp.forge.training_data import read_data
from nano_lsp.next_edit.history import find_edit
from nano_lsp.next_edit.scoring import make_choice, make_reading, newest_sides
from tests.forge.test_forge import BACKEND, content, make, rows, text_of

PLAIN = "hunter2"
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven")


def make_repository(home: Path, n: int, old: str, new: str) -> None:
    """A repository with commits that are sessions: in each, four calls in a module of its own are renamed."""
    home.mkdir(parents=True)
    person = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")

    def commit(message: str) -> None:
        for arguments in (("add", "."), (*person, "commit", "-qm", message)):
            subprocess.run(["git", "-C", str(home), *arguments], check=True)

    subprocess.run(["git", "init", "-q", str(home)], check=True)
    for word in WORDS[:n]:
        lines = (
            f"def {word}_{i}({word}):\n    return {old}({word}, '{home.name} {word}', {i})\n\n\n" for i in range(4)
        )
        (home / f"{word}.py").write_text("".join(lines))
    (home / ".env.py").write_text("".join(f"a{i} = {old}({i}, '{PLAIN}')\n\n" for i in range(4)))
    commit("first")
    for word in WORDS[:n]:
        path = home / f"{word}.py"
        path.write_text(path.read_text().replace(f"{old}(", f"{new}("))
        commit(word)
    secret = home / ".env.py"
    secret.write_text(secret.read_text().replace(f"{old}(", f"{new}("))
    commit("secret")


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three repositories and a folder that is none."""
    folder = tmp_path_factory.mktemp("clones")
    for name, old, new in (("one", "load", "read"), ("two", "store", "write"), ("three", "begin", "start")):
        make_repository(folder / name, 4, old, new)
    (folder / "none").mkdir()
    return folder


def test_each_session_gives_an_edit_and_a_silent_case(clones: Path, tmp_path: Path) -> None:
    card = make("next-edit", [clones], tmp_path / "out")
    for split, repositories in (("train", 2), ("heldout", 1)):
        assert {kind: n["cases"] for kind, n in card["counts"][split].items()} == {
            "edit": 4 * repositories,
            "silent": 4 * repositories,
        }
    names = {split: {row["source"] for row in rows(tmp_path / "out", split)} for split in ("train", "heldout")}
    assert len(names["heldout"]) == 1
    assert names["train"] | names["heldout"] == {"one", "two", "three"}
    assert not names["train"] & names["heldout"]
    head = subprocess.run(
        ["git", "-C", str(clones / "one"), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    assert head.stdout.strip() in {each["version"] for each in card["sources"]}
    assert len(read_data(tmp_path / "out").train) == 16


def test_the_prompt_is_the_one_that_the_model_is_asked_with(clones: Path, tmp_path: Path) -> None:
    make("next-edit", [clones], tmp_path / "out")
    sessions = {session.name: session for session in sample_sessions(clones, 99)}
    for row in rows(tmp_path / "out"):
        (n_context, weight), (n_answer, answer_weight) = row["spans"]
        assert (weight, answer_weight, n_context + n_answer) == (0.0, 1.0, len(row["ids"]))
        session = sessions[f"{row['source']}@{row['document']}"]
        context, answer = row["ids"][:n_context], row["ids"][n_context:]
        n = len(session.changes) - (row["kind"] == "edit")
        edits, texts = replay(session, n)
        if row["kind"] == "edit":
            path = session.changes[-1].path
            _, final = replay(session, len(session.changes))
            last = find_edit(path, texts[path], final[path])
            choice = make_choice(texts[path], last.start, last.old, last.new, 0.0)
            reading = make_reading(newest_sides(edits), choice, BACKEND)
            assert (context, answer) == ([*reading.prompt], [*reading.new])
        else:
            assert any(text_of(answer) in text for text in texts.values())
        old = session.changes[-1].old[0].split("(")[0].split()[-1]
        assert f"{old}(" not in text_of(answer)


def test_the_same_seed_gives_the_same_bytes_and_an_ended_run_goes_on(clones: Path, tmp_path: Path) -> None:
    make("next-edit", [clones], tmp_path / "a", seed=3)
    with pytest.raises(KeyboardInterrupt):
        make("next-edit", [clones], tmp_path / "b", seed=3, on_progress=_interrupt)
    make("next-edit", [clones], tmp_path / "b", seed=3)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def _interrupt(_source: str, n_cases: int, _n_tokens: int) -> None:
    if n_cases > 6:
        raise KeyboardInterrupt


def test_limits_hold_for_each_repository(clones: Path, tmp_path: Path) -> None:
    recipe = load_recipe("next-edit")
    assert recipe.sessions
    few = msgspec.structs.replace(recipe, sessions=msgspec.structs.replace(recipe.sessions, cases_per_source=2))
    make(few, [clones], tmp_path / "few")
    assert Counter(row["source"] for row in rows(tmp_path / "few")) == {"one": 2, "two": 2, "three": 2}
    make("next-edit", [clones / "one", clones / "two"], tmp_path / "limit", limit=8)
    assert Counter(row["source"] for row in rows(tmp_path / "limit")) == {"one": 4, "two": 4}
    short = msgspec.structs.replace(recipe, max_case_tokens=10)
    with pytest.raises(ForgeError, match="case that is too long"):
        make(short, [clones], tmp_path / "short")


def test_secrets_are_left_out(clones: Path, tmp_path: Path) -> None:
    make("next-edit", [clones], tmp_path / "out")
    assert PLAIN not in "".join(text_of(row["ids"]) for row in rows(tmp_path / "out"))


def test_wrong_folders_are_refused(clones: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make_repository(other / "one", 1, "load", "read")
    subprocess.run(["git", "init", "-q", str(other / "empty")], check=True)
    for given, message in (
        ([], "0 git repositories"),
        ([clones / "one"], "1 git repositories"),
        ([clones / "none"], "0 git repositories"),
        ([clones / "missing"], "is not a folder"),
        ([clones, other / "one"], "the name one"),
    ):
        with pytest.raises(ForgeError, match=message):
            make("next-edit", given, tmp_path / "out")
    with pytest.raises(EvaluationError, match="git cannot read"):
        make("next-edit", [other], tmp_path / "out")


def test_a_repository_starts_no_program(clones: Path, tmp_path: Path) -> None:
    marker = tmp_path / "started"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    program.chmod(0o755)
    for name in ("one", "two"):
        make_repository(tmp_path / "clones" / name, 1, "load", "read")
        for setting, value in (("log.showSignature", "true"), ("gpg.program", program), ("core.fsmonitor", program)):
            subprocess.run(["git", "-C", str(tmp_path / "clones" / name), "config", setting, str(value)], check=True)
    make("next-edit", [tmp_path / "clones"], tmp_path / "out")
    assert not marker.exists()


def test_a_recipe_has_one_kind_of_data() -> None:
    recipe = load_recipe("next-edit").as_dict()
    code = load_recipe("infill").as_dict()["code"]
    for wrong in ({**recipe, "code": code}, {**recipe, "sessions": None}, {**recipe, "sessions": {"cases": 3}}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps(wrong), type=Recipe)

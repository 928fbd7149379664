"""Runs the situations of this folder; README.md has their format."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nano_lsp.api.assistants import close_assistants
from nano_lsp.config import load_toml
from tests.raw_client import RawClient

FOLDER = Path(__file__).parent
CASES = sorted(path.parent for path in FOLDER.glob("*/*/case.toml"))
KEYS = {"about", "source", "command", "messages", "cells", "model", "env", "expect"}
EXPECTED = {
    *("exit", "stdout", "stdout_has", "stdout_lacks", "stderr_has", "stderr_lacks", "applies"),
    *("prompts_have", "prompts_lack", "answers", "told", "next_input"),
}
LIMIT_S = 120


@dataclass
class Outcome:
    """What a request led to."""

    exit: int = 0
    stdout: bytes = b""
    stderr: str = ""
    answers: dict[object, dict[str, Any]] = field(default_factory=dict)
    told: str = ""
    next_input: str = ""


@dataclass
class Situation:
    """One case, copied to where it may be changed."""

    case: dict[str, Any]
    source: Path
    folder: Path
    script: Path

    def text(self, text: str) -> str:
        """A text of the case with the folder's path and URI put in."""
        return text.replace("$FOLDER", str(self.folder)).replace("$URI", self.folder.as_uri())

    def environment(self) -> dict[str, str]:
        """The variables of its process."""
        changed = {name: self.text(value) for name, value in self.case.get("env", {}).items()}
        found = {**os.environ, "NANO_LSP_MODEL": f"scripted:{self.script}", **changed}
        return {name: value for name, value in found.items() if changed.get(name) != ""}

    def prompts(self) -> str:
        """All that reached the model."""
        path = self.script.with_name("prompts.json")
        return "\n".join(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else ""


def run_command(at: Situation) -> Outcome:
    command = [sys.executable, "-m", "nano_lsp", *map(at.text, at.case["command"])]
    done = subprocess.run(
        command, cwd=at.folder, env=at.environment(), capture_output=True, timeout=LIMIT_S, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


def run_messages(at: Situation) -> Outcome:
    lines = (at.source / at.case["messages"]).read_text(encoding="utf-8").split("\n")
    messages = [json.loads(at.text(line)) for line in lines if line.strip()]
    found = Outcome()
    client = RawClient(environment=at.environment())
    try:
        if not any(message.get("method") == "initialize" for message in messages):
            client.initialize(root=at.folder)
            client.wait_for_state("ready")
        for message in messages:
            client.send(message)
            if "id" in message and "method" in message:
                found.answers[message["id"]] = client.answer(message["id"])
            if message.get("method") == "initialized":
                client.wait_for_state("ready")
        client.request("last", "shutdown")  # what the server still had to say has been read by then
        found.told = json.dumps(client.seen, ensure_ascii=False)
    finally:
        client.close()
    return found


def run_cells(at: Situation) -> Outcome:
    """Cells in an IPython of their own process, as one ends with its unraisable state."""
    pytest.importorskip("IPython", reason="pip install 'nano-lsp[jupyter]'")
    runner = [sys.executable, str(FOLDER / "run_cells.py"), json.dumps(at.case["cells"])]
    done = subprocess.run(
        runner, cwd=at.folder, env=at.environment(), capture_output=True, timeout=LIMIT_S, check=False
    )
    *_, last = done.stdout.split(b"\x00")
    return Outcome(
        done.returncode,
        re.sub(rb"\x1b\[[\d;]*m", b"", done.stdout.partition(b"\x00")[0]),
        done.stderr.decode("utf-8", "replace"),
        next_input=last.decode(),
    )


RUNNERS = {"command": run_command, "messages": run_messages, "cells": run_cells}


@pytest.fixture
def situation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Situation]:
    source: Path = request.param
    case = load_toml(source / "case.toml")
    folder = tmp_path / "case"
    shutil.copytree(source / "files", folder) if (source / "files").exists() else folder.mkdir()
    (tmp_path / "script").mkdir()
    script = tmp_path / "script" / "script.json"
    script.write_text(json.dumps({**case.get("model", {}), "$prompts": str(script.with_name("prompts.json"))}))
    yield Situation(case, source, folder, script)
    close_assistants()


@pytest.mark.parametrize("situation", CASES, ids=lambda path: f"{path.parent.name}/{path.name}", indirect=True)
def test_situation(situation: Situation) -> None:
    case, expect = situation.case, situation.case.get("expect", {})
    assert case.keys() <= KEYS
    assert expect.keys() <= EXPECTED
    assert case["about"]
    assert case["source"]
    (kind,) = RUNNERS.keys() & case.keys()
    before = {path: path.read_bytes() for path in situation.folder.rglob("*") if path.is_file()}
    found = RUNNERS[kind](situation)

    assert found.exit == expect.get("exit", 0), found.stderr or found.stdout
    stdout = found.stdout.decode("utf-8", "surrogateescape")
    for text in ("Traceback", "Internal error"):
        assert text not in stdout + found.stderr + found.told
    if "stdout" in expect:
        assert stdout == situation.text(expect["stdout"])
    outputs = (
        ("stdout", "has", "lacks", stdout),
        ("stderr", "has", "lacks", found.stderr),
        ("prompts", "have", "lack", situation.prompts()),
    )
    for name, has, lacks, said in outputs:
        for text in expect.get(f"{name}_{has}", ()):
            assert situation.text(text) in said
        for text in expect.get(f"{name}_{lacks}", ()):
            assert situation.text(text) not in said
    for text in expect.get("told", ()):
        assert situation.text(text) in found.told
    for answer in expect.get("answers", ()):
        check_answer(situation, answer, found.answers[answer["id"]])
    if "next_input" in expect:
        assert found.next_input == situation.text(expect["next_input"])
    if expect.get("applies"):
        apply(situation.folder, before, found.stdout)
    compare(situation.source / "expected", situation.folder)


def check_answer(at: Situation, expect: dict[str, Any], answer: dict[str, Any]) -> None:
    assert ("error" in answer) == expect.get("error", False), answer
    result = answer.get("error") or answer["result"]
    said = json.dumps(result, ensure_ascii=False)
    if expect.get("empty"):
        assert result in (None, [], {"items": []}) or (isinstance(result, dict) and result.get("items") == [])
    for text in expect.get("has", ()):
        assert at.text(text) in said
    for text in expect.get("lacks", ()):
        assert at.text(text) not in said


def apply(folder: Path, before: dict[Path, bytes], diff: bytes) -> None:
    """Give a diff to git, in the folder as it was."""
    for path, data in before.items():
        assert path.read_bytes() == data, f"{path} was written, where only a diff was asked for"
    done = subprocess.run(["git", "apply", "-"], cwd=folder, input=diff, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def compare(expected: Path, folder: Path) -> None:
    for path in expected.rglob("*"):
        if path.is_file():
            assert (folder / path.relative_to(expected)).read_bytes() == path.read_bytes(), path.name

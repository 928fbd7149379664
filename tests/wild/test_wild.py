"""Runs the cases of this folder; README.md has their format."""

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

from nano_lsp.api import close_assistants
from nano_lsp.config import load_toml
from tests.forked import run_forked
from tests.processes import engines_of
from tests.raw_client import RawClient

FOLDER = Path(__file__).parent
CASES = sorted(path.parent for path in FOLDER.glob("*/*/case.toml"))
KEYS = {"about", "source", "command", "messages", "cells", "model", "env", "expect"}
EXPECTED = {
    *("exit", "stdout", "stdout_has", "stdout_lacks", "stderr_has", "stderr_lacks", "applies"),
    *("prompts_have", "prompts_lack", "answers", "server_messages", "next_input"),
}
LIMIT_S = 120
READ_AT_START = ("PYTHON", "LC_", "LANG", "TMPDIR")
"""Beginnings of variables that the interpreter or its standard library reads once: their cases start one anew."""


@dataclass
class Outcome:
    """The result of a case."""

    exit: int = 0
    stdout: bytes = b""
    stderr: str = ""
    answers: dict[object, dict[str, Any]] = field(default_factory=dict)
    server_messages: str = ""
    next_input: str = ""


@dataclass
class Case:
    """One case, with its files copied to a temporary folder."""

    spec: dict[str, Any]
    source: Path
    folder: Path
    script: Path

    def text(self, text: str) -> str:
        """Replace the placeholders of the folder's path and URI in a text."""
        return text.replace("$FOLDER", str(self.folder)).replace("$URI", self.folder.as_uri())

    def environment(self) -> dict[str, str]:
        """The environment variables of the process."""
        changed = {name: self.text(value) for name, value in self.spec.get("env", {}).items()}
        variables = {**os.environ, "NANO_LSP_MODEL": f"scripted:{self.script}", **changed}
        return {name: value for name, value in variables.items() if changed.get(name) != ""}

    @property
    def forks(self) -> bool:
        """Whether its process can be forked from one that has imported the libraries."""
        return os.name == "posix" and not any(name.startswith(READ_AT_START) for name in self.spec.get("env", {}))

    def prompts(self) -> str:
        """All prompts of the model."""
        path = self.script.with_name("prompts.json")
        return "\n".join(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else ""


def run_command(case: Case) -> Outcome:
    arguments = [*map(case.text, case.spec["command"])]
    if case.forks:
        done = run_forked(arguments, cwd=case.folder, env=case.environment(), timeout=LIMIT_S)
    else:
        command = [sys.executable, "-m", "nano_lsp", *arguments]
        done = subprocess.run(
            command, cwd=case.folder, env=case.environment(), capture_output=True, timeout=LIMIT_S, check=False
        )
    return Outcome(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


def run_messages(case: Case) -> Outcome:
    lines = (case.source / case.spec["messages"]).read_text(encoding="utf-8").split("\n")
    messages = [json.loads(case.text(line)) for line in lines if line.strip()]
    found = Outcome()
    client = RawClient(environment=case.environment(), forked=case.forks)
    try:
        if not any(message.get("method") == "initialize" for message in messages):
            client.initialize(root=case.folder)
            client.wait_for_state("ready")
        for message in messages:
            client.send(message)
            if "id" in message and "method" in message:
                found.answers[message["id"]] = client.answer(message["id"])
            if message.get("method") == "initialized":
                client.wait_for_state("ready")
        client.request("last", "shutdown")  # all messages of the server have been read by then
        found.server_messages = json.dumps(client.seen, ensure_ascii=False)
    finally:
        client.close()
    return found


def run_cells(case: Case) -> Outcome:
    """Run cells in an IPython shell in its own process."""
    pytest.importorskip("IPython", reason="pip install 'nano-lsp[jupyter]'")
    arguments = [json.dumps(case.spec["cells"])]
    if os.name == "posix":
        from tests.wild import run_cells  # noqa: PLC0415 - needs IPython

        done = run_forked(arguments, program=run_cells.main, cwd=case.folder, env=case.environment(), timeout=LIMIT_S)
    else:
        runner = [sys.executable, str(FOLDER / "run_cells.py"), *arguments]
        done = subprocess.run(
            runner, cwd=case.folder, env=case.environment(), capture_output=True, timeout=LIMIT_S, check=False
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
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    source: Path = request.param
    spec = load_toml(source / "case.toml")
    folder = tmp_path / "case"
    shutil.copytree(source / "files", folder) if (source / "files").exists() else folder.mkdir()
    (tmp_path / "script").mkdir()
    script = tmp_path / "script" / "script.json"
    script.write_text(json.dumps({**spec.get("model", {}), "$prompts": str(script.with_name("prompts.json"))}))
    case = Case(spec, source, folder, script)
    yield case
    close_assistants()
    for engine in engines_of(folder / case.environment().get("NANO_LSP_HOME", "")):  # its own, by `env`
        engine.kill()


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}", indirect=True)
def test_case(case: Case) -> None:
    spec, expect = case.spec, case.spec.get("expect", {})
    assert spec.keys() <= KEYS
    assert expect.keys() <= EXPECTED
    assert spec["about"]
    assert spec["source"]
    (kind,) = RUNNERS.keys() & spec.keys()
    before = {path: path.read_bytes() for path in case.folder.rglob("*") if path.is_file()}
    found = RUNNERS[kind](case)

    assert found.exit == expect.get("exit", 0), found.stderr or found.stdout
    stdout = found.stdout.decode("utf-8", "surrogateescape")
    for text in ("Traceback", "Internal error"):
        assert text not in stdout + found.stderr + found.server_messages
    if "stdout" in expect:
        assert stdout == case.text(expect["stdout"])
    outputs = (
        ("stdout", "has", "lacks", stdout),
        ("stderr", "has", "lacks", found.stderr),
        ("prompts", "have", "lack", case.prompts()),
    )
    for name, has, lacks, said in outputs:
        for text in expect.get(f"{name}_{has}", ()):
            assert case.text(text) in said
        for text in expect.get(f"{name}_{lacks}", ()):
            assert case.text(text) not in said
    for text in expect.get("server_messages", ()):
        assert case.text(text) in found.server_messages
    for answer in expect.get("answers", ()):
        check_answer(case, answer, found.answers[answer["id"]])
    if "next_input" in expect:
        assert found.next_input == case.text(expect["next_input"])
    if expect.get("applies"):
        apply(case.folder, before, found.stdout)
    compare(case.source / "expected", case.folder)


def check_answer(case: Case, expect: dict[str, Any], answer: dict[str, Any]) -> None:
    assert ("error" in answer) == expect.get("error", False), answer
    result = answer.get("error") or answer["result"]
    said = json.dumps(result, ensure_ascii=False)
    if expect.get("empty"):
        assert result in (None, [], {"items": []}) or (isinstance(result, dict) and result.get("items") == [])
    for text in expect.get("has", ()):
        assert case.text(text) in said
    for text in expect.get("lacks", ()):
        assert case.text(text) not in said


def apply(folder: Path, before: dict[Path, bytes], diff: bytes) -> None:
    """Apply a diff with git, in the folder in its original state."""
    for path, data in before.items():
        assert path.read_bytes() == data, f"{path} was written, where only a diff was asked for"
    done = subprocess.run(["git", "apply", "-"], cwd=folder, input=diff, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def compare(expected: Path, folder: Path) -> None:
    for path in expected.rglob("*"):
        if path.is_file():
            assert (folder / path.relative_to(expected)).read_bytes() == path.read_bytes(), path.name

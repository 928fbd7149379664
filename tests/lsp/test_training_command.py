"""The server's commands `nano.forgeRun` and `nano.forgeStop`, with a scripted process instead of the training."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nano_lsp.cli import main
from tests.raw_client import RawClient

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks the server")
PROGRESS = {"window": {"workDoneProgress": True}}
CHILD = """
import os, pathlib, sys
print(" ".join(sys.argv[1:]), file=sys.stderr, flush=True)
print("Stage 2 of 4: training", file=sys.stderr, flush=True)
print("step 1 of 2: loss 1.000", file=sys.stderr, flush=True)
"""
GAINS = CHILD + 'print("Taken. It gains.\\nReport: /r.html")\n'
DOES_NOT_GAIN = CHILD + 'print("Not taken. It is not installed.")\nsys.exit(1)\n'
FAILS = CHILD + 'print("Error: No memory.\\nClose other programs.", file=sys.stderr)\nsys.exit(5)\n'
DIES = CHILD + "sys.exit(9)\n"
WAITS = (
    CHILD
    + """
sys.stdin.read()
if "ENDED" in os.environ:
    pathlib.Path(os.environ["ENDED"]).write_text("interrupted")
print("/x has what was finished; run the same command again to continue.", file=sys.stderr)
sys.exit(130)
"""
)


def serve() -> None:
    """Run a server that starts the script in the variable SCRIPTED_CHILD to train."""
    from nano_lsp.lsp.handlers import training  # noqa: PLC0415 - in the forked process

    training.COMMAND = (sys.executable, "-c", os.environ["SCRIPTED_CHILD"])
    main()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "work ä"
    root.mkdir()
    return root


@pytest.fixture
def start(tmp_path: Path, workspace: Path) -> Iterator[Callable[..., RawClient]]:
    """Starts a server that trains with a script."""
    clients = []
    model = tmp_path / "script.json"
    model.write_text("{}")

    def begin(child: str, capabilities: object = PROGRESS, **settings: object) -> RawClient:
        environment = {**os.environ, "SCRIPTED_CHILD": child}
        client = RawClient(home=tmp_path / "home", environment=environment, forked=True, program=serve)
        clients.append(client)
        client.initialize(capabilities, workspace, **{"model": f"scripted:{model}", **settings})
        client.wait_for_state("ready")
        client.seen.clear()
        return client

    yield begin
    for client in clients:
        client.close()


def begin_training(client: RawClient, **argument: object) -> object:
    return client.command(50, "nano.forgeRun", argument)["result"]


def progress(client: RawClient) -> list[dict[str, Any]]:
    shown = [each["params"] for each in client.seen if each["method"] == "$/progress"]
    return [each["value"] for each in shown if each["token"] != "nano-lsp-loading"]  # noqa: S105 - names a progress


def wait_for_line(client: RawClient, line: str) -> dict[str, Any]:
    """Read up to a line of the progress; returns its parameters."""
    while True:
        params = client.wait_for("$/progress")
        if params["value"].get("message") == line:
            return params


@pytest.mark.parametrize(
    ("child", "kind", "message"),
    [
        (GAINS, 3, "Taken. It gains.\nReport: /r.html"),
        (DOES_NOT_GAIN, 3, "Not taken. It is not installed."),
        (FAILS, 1, "Error: No memory. Close other programs."),
        (DIES, 1, "Training on work ä has failed: exit code 9."),
    ],
)
def test_training_shows_its_progress_and_its_result(
    start: Callable[..., RawClient], workspace: Path, child: str, kind: int, message: str
) -> None:
    client = start(child, exclude=["gen*.py"])
    assert begin_training(client, uri=(workspace / "a.py").as_uri(), minutes=5) is True
    assert client.wait_for("window/showMessage") == {"type": kind, "message": message}
    first, *reports, last = progress(client)
    assert (first["kind"], first["title"], first["cancellable"]) == ("begin", "Training on work ä", True)
    assert last["kind"] == "end"
    options = reports[0]["message"]
    assert options.startswith(f"{workspace} --model scripted:")
    assert options.endswith(" --minutes 5 --exclude=gen*.py --until-input-ends")
    assert [(each["message"], each["percentage"]) for each in reports[1:]] == [
        ("Stage 2 of 4: training", 5),
        ("step 1 of 2: loss 1.000", 42),
    ]
    assert begin_training(client) is True  # the next one may begin


def test_one_training_at_a_time_that_the_user_can_stop(start: Callable[..., RawClient]) -> None:
    client = start(WAITS)
    assert client.command(49, "nano.forgeStop")["result"] is False
    assert "No training is in progress on " in client.seen[-1]["params"]["message"]
    stops: list[Callable[[object], object]] = [
        lambda token: client.notify("window/workDoneProgress/cancel", {"token": token}),
        lambda _token: client.command(51, "nano.forgeStop"),
    ]
    for stop in stops:
        assert begin_training(client) is True
        token = wait_for_line(client, "step 1 of 2: loss 1.000")["token"]
        assert begin_training(client) is False
        assert "in progress" in client.seen[-1]["params"]["message"]
        stop(token)
        while "is stopped; the same command continues it" not in client.wait_for("window/showMessage")["message"]:
            pass
        assert progress(client)[-1]["kind"] == "end"


def test_editors_without_progress_are_told(start: Callable[..., RawClient]) -> None:
    client = start(GAINS, capabilities={})
    assert begin_training(client) is True
    assert "has begun; the command nano.forgeStop stops it" in client.seen[-1]["params"]["message"]
    assert client.wait_for("window/showMessage")["message"].startswith("Taken.")
    assert progress(client) == []


def test_the_training_ends_with_the_server(
    start: Callable[..., RawClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "ended"  # reading it waits until the process writes
    os.mkfifo(pipe)
    monkeypatch.setenv("ENDED", str(pipe))
    client = start(WAITS)
    assert begin_training(client) is True
    wait_for_line(client, "step 1 of 2: loss 1.000")
    client.process.kill()
    assert pipe.read_text() == "interrupted"


@pytest.mark.parametrize(
    ("settings", "argument", "words"),
    [
        ({"trusted": False}, {}, "trust the workspace"),
        ({"workspace": False}, {}, "nano.workspace"),
        ({}, {"uri": "file:///elsewhere/a.py"}, "open a folder"),
        ({}, {"uri": "untitled:a"}, "open a folder"),
    ],
)
def test_what_may_not_be_read_is_not_trained_on(
    start: Callable[..., RawClient], settings: dict[str, object], argument: dict[str, object], words: str
) -> None:
    client = start(GAINS, **settings)
    assert begin_training(client, **argument) is False
    assert words in client.seen[-1]["params"]["message"]
    assert client.command(51, "nano.forgeStop", argument)["result"] is False
    assert "No training is in progress" in client.seen[-1]["params"]["message"]


@pytest.mark.parametrize("minutes", [float("nan"), float("inf"), -1, 0, True, "5", [5], 10**400])
def test_minutes_that_are_no_time_are_refused(start: Callable[..., RawClient], minutes: object) -> None:
    client = start(GAINS)
    assert begin_training(client, minutes=minutes) is False
    assert "Give a number of minutes above 0, up to 525,600." in client.seen[-1]["params"]["message"]


def test_a_pattern_that_no_argument_can_have(start: Callable[..., RawClient]) -> None:
    client = start(GAINS, exclude=["a\0b"])
    assert begin_training(client) is False
    assert "cannot be started: embedded null byte" in client.seen[-1]["params"]["message"]


def test_variables_for_terminals_do_not_change_the_progress(
    start: Callable[..., RawClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.setenv(name, "1")
    shown = 'from nano_lsp.cli.terminal import stderr\nstderr.print("[bold red]Error:[/] No memory.")\n'
    client = start(shown + "raise SystemExit(5)")
    assert begin_training(client) is True
    assert client.wait_for("window/showMessage") == {"type": 1, "message": "Error: No memory."}


def test_the_real_command_is_started(tmp_path: Path, workspace: Path) -> None:
    client = RawClient(home=tmp_path / "home", forked=True)
    client.initialize(PROGRESS, workspace, model=str(tmp_path / "missing.gguf"))
    assert begin_training(client) is True
    while not (message := client.wait_for("window/showMessage")["message"]).startswith("Error: "):
        pass  # the server cannot load the model, either
    assert "missing.gguf" in message
    client.close()

"""The shared engine under faults, at random: nothing hangs, nothing wrong is answered, nothing is left behind."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.client import SharedAssistant
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.engine.launcher import start_process
from nano_lsp.errors import EngineError, SupersededError
from tests.engine.test_engine import LIMIT_S, wait_until, write_script
from tests.processes import engines_of

MANY_ROUNDS = int(os.environ.get("FAULT_ROUNDS") or 60)  # half a second each
MANY_KILLS = int(os.environ.get("ENGINE_KILLS") or 10)  # a second each
N_DOCUMENTS = 12  # more than there are KV sequences: some go to disk
# Put before the engine's own modules: its clock is off by what a file says.
JUMPING_CLOCK = """import os, time
_time = time.time
def _jumped():
    try:
        return _time() + float(open(os.environ["CLOCK_FILE"]).read() or 0)
    except OSError:
        return _time()
time.time = _jumped
"""


class Stage:
    """Clients, their engine, and what may befall it."""

    def __init__(self, home: Path, folder: Path, seed: int) -> None:
        self.home = home
        self.folder = folder
        self.place = find_endpoint(find_folders())
        self.random = random.Random(seed)  # noqa: S311 - chooses faults
        replies = {f"x{i} = ": f"{i} + {i}\n" for i in range(N_DOCUMENTS)}
        self.settings = load_settings(model=write_script(folder, replies))
        self.clients = [SharedAssistant(self.place, self.settings, f"client{i}") for i in range(3)]
        self.pool = ThreadPoolExecutor(len(self.clients))
        self.slowest_s = 0.0
        self.refusals: list[str] = []

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.pool.shutdown()

    def engine(self) -> psutil.Process | None:
        return next(iter(engines_of(self.home)), None)

    def kill_engine(self) -> None:
        if engine := self.engine():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
                engine.kill()

    def stop_engine(self) -> None:
        if engine := self.engine():
            engine.suspend()
            threading.Event().wait(0.2)
            engine.resume()

    def kill_client(self) -> None:
        command = [sys.executable, "-m", "nano_lsp", "complete", "-:1:6", "--model", self.settings.model]
        environment = {**os.environ, "NANO_LSP_ENGINE": "shared"}
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment)
        assert client.stdin is not None
        client.stdin.write(b"x1 = ")
        client.stdin.close()
        threading.Event().wait(self.random.uniform(0, 0.6))
        client.kill()
        client.wait()

    def delete_socket(self) -> None:
        self.place.address.unlink(missing_ok=True)

    def fill_disk(self) -> None:
        if engine := self.engine():
            limit = resource.RLIM_INFINITY
            engine.rlimit(resource.RLIMIT_FSIZE, (0, limit))  # each write to a file fails
            self.ask_all()
            engine.rlimit(resource.RLIMIT_FSIZE, (limit, limit))

    def move_clock(self) -> None:
        (self.folder / "clock").write_text(str(self.random.choice([-1, 1]) * 10 ** self.random.randint(3, 8)))

    def start_two(self) -> None:
        self.kill_engine()
        for _ in range(2):
            start_process(self.place)

    def ask(self, client: SharedAssistant) -> bool:
        """Whether there was an answer, which is right; an error is none, and nobody waits for ever."""
        i = self.random.randrange(N_DOCUMENTS)
        text = f"# document {i} {'of some length ' * 30}\nx{i} = "
        try:
            done = client.run(Complete(CompletionInput(f"{i}.py", text, len(text)), speculative=False))
        except (EngineError, SupersededError) as error:
            self.refusals.append(str(error))
            return False
        assert done.text == f"{i} + {i}"
        return True

    def ask_all(self) -> list[bool]:
        return [future.result(LIMIT_S) for future in [self.pool.submit(self.ask, client) for client in self.clients]]

    def recover(self) -> None:
        """Until each client is answered again."""
        started = time.monotonic()
        while not all(self.ask_all()):
            assert time.monotonic() - started < LIMIT_S
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)


@pytest.fixture
def stage(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    (tmp_path / "sitecustomize.py").write_text(JUMPING_CLOCK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    stage = Stage(home, tmp_path, seed=int(os.environ.get("SEED", "1")))
    yield stage
    stage.close()


@pytest.mark.skipif(sys.platform != "linux", reason="sets limits of another process, which only Linux can")
@pytest.mark.parametrize("more_rounds", [0, pytest.param(MANY_ROUNDS, marks=pytest.mark.real)])
def test_whatever_befalls_it_the_engine_is_back_and_right(stage: Stage, more_rounds: int) -> None:
    """Each fault once, and then faults at random."""
    faults: list[Callable[[], None]] = [
        *(stage.kill_engine, stage.stop_engine, stage.kill_client, stage.delete_socket),
        *(stage.fill_disk, stage.move_clock, stage.start_two),
    ]
    stage.recover()
    rounds = [*stage.random.sample(faults, len(faults)), *stage.random.choices(faults, k=more_rounds)]
    for fault in rounds:
        asked = [stage.pool.submit(stage.ask, client) for client in stage.clients[:2]]  # in the middle of work
        fault()
        for future in asked:
            future.result(LIMIT_S)
        stage.recover()
        wait_until(lambda: len(engines_of(stage.home)) == 1)
    print(
        f"{len(rounds)} rounds, the slowest took {stage.slowest_s:.1f} s; {len(stage.refusals)} requests were refused"
    )
    kept = [path for path in (stage.home / "cache" / "kv").iterdir() if path.suffix == ".kv"]
    assert kept
    for path in kept:  # what is loaded carries its checksum
        content = path.read_bytes()
        assert hashlib.sha256(content[32:]).digest() == content[:32]
    engine = stage.engine()
    assert engine is not None
    engine.terminate()
    engine.wait(LIMIT_S)
    assert not stage.place.address.exists()
    assert not engines_of(stage.home)


@pytest.mark.parametrize("n_kills", [3, pytest.param(MANY_KILLS, marks=pytest.mark.real)])
def test_an_engine_killed_at_any_moment_leaves_no_request_without_an_answer(stage: Stage, n_kills: int) -> None:
    """Every request ends, with its answer or an error, and after each kill the engine is back and right."""
    slowest_s, process, memory = 0.0, psutil.Process(), []

    def ask(client: SharedAssistant) -> float:
        began = time.monotonic()
        stage.ask(client)
        return time.monotonic() - began

    stage.recover()
    for _ in range(n_kills):
        asked = [stage.pool.submit(ask, client) for client in stage.clients]
        threading.Event().wait(stage.random.uniform(0, 0.1))  # any moment of their work
        stage.kill_engine()
        slowest_s = max(slowest_s, *(future.result(LIMIT_S) for future in asked))
        stage.recover()
        memory.append(process.memory_info().rss)
    print(
        f"{n_kills} kills; the slowest request took {slowest_s:.1f} s, until all were answered again "
        f"{stage.slowest_s:.1f} s; {len(stage.refusals)} were refused; "
        f"{memory[len(memory) // 2] >> 20} MiB after half of them, {memory[-1] >> 20} MiB at the end"
    )
    assert not [said for said in stage.refusals if "times in a row" in said]  # it had worked before each of them
    assert memory[-1] < 1.1 * memory[len(memory) // 2]

"""The wait for the first suggestion at a place that the model has not read: `python -m tests.bench.bench_cold`.

What a person does is done in files of Python's standard library: open the file, rest 1.5 s at a line, type it at five
keys a second until a suggestion comes; jump to another function, rest, type there; jump back and type on; end all
processes, start them again, open the file, rest and type on. In turns by file this is done with

- `now`: a real language server and a real shared engine on the real model;
- `before`, if asked for: the same without small windows and reading ahead (`firstSuggestionMs` 0, `warmUp` never);
- `llama-vim`: llama-server, asked as llama.vim does: at each key, one request at a time, without its ring of other
  chunks, and its answer shown if it continues what was typed meanwhile.

Reported are seconds and keys from the first key to the first suggestion; the characters that the first line of that
suggestion saves, of those that were left of the line at each visit; the tokens evaluated for suggestions that were
answered, and the CPU seconds until they came; and the other work, which is in the background or was abandoned: its
tokens, and the CPU seconds of the rests. Loading the model is not part of a walk: `nano-lsp doctor --timing` measures
it. llama-server is built first (`tests.bench.llama_server`).
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import queue
import statistics
import subprocess
import sysconfig
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from nano_lsp.config import find_folders
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.engine.launcher import ask_engine
from nano_lsp.evaluation.baseline import LINES_ABOVE, LINES_BELOW, MAX_TOKENS
from nano_lsp.evaluation.metrics import saved_chars
from nano_lsp.inference.selftest import SelfTest
from nano_lsp.models.store import ModelStore
from nano_lsp.schema import WeightLayout
from tests.bench.llama_server import llama_server
from tests.processes import engines_of, home_with_models
from tests.raw_client import RawClient

LIBRARY = Path(sysconfig.get_path("stdlib"))
FILES = (
    *("argparse.py", "tarfile.py", "zipfile.py", "configparser.py", "ast.py", "calendar.py", "csv.py", "difflib.py"),
    *("doctest.py", "ftplib.py", "imaplib.py", "inspect.py", "mailbox.py", "optparse.py", "pathlib.py", "pdb.py"),
    *("pickle.py", "platform.py", "plistlib.py", "poplib.py", "pprint.py", "random.py", "sched.py", "shelve.py"),
    *("shlex.py", "shutil.py", "smtplib.py", "socket.py", "ssl.py", "string.py", "subprocess.py", "tempfile.py"),
    *("textwrap.py", "threading.py", "timeit.py", "trace.py", "turtle.py", "typing.py", "uuid.py", "warnings.py"),
)
REST_S, KEY_S, LIMIT_S = 1.5, 0.2, 40.0
LLAMA_VIM = "llama-vim"
SETTINGS: dict[str, dict[str, Any]] = {"now": {}, "before": {"firstSuggestionMs": 0, "warmUp": "never"}}
VISITS = {"open": 0, "jump": 1, "back": 0, "restart": 0}  # kind of visit, and the place
KEYS = 5  # at most, of one visit: the line is long enough for all of them


@dataclass
class Work:
    """Tokens evaluated, and CPU seconds."""

    tokens: int = 0
    cpu_s: float = 0.0


@dataclass
class Measured:
    """What was measured in one way: seconds and keys to the first suggestion, by kind of visit, and the work."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {visit: [] for visit in VISITS})
    keys: dict[str, list[int]] = field(default_factory=lambda: {visit: [] for visit in VISITS})
    n_none: int = 0
    saved: int = 0
    chars: int = 0
    typing: Work = field(default_factory=Work)
    resting: Work = field(default_factory=Work)


class Editor(ABC):
    """An editor with one document, and the processes that suggest code in it."""

    lines: list[str]

    @abstractmethod
    def open(self, path: Path, lines: list[str]) -> None:
        """Open a document."""

    @abstractmethod
    def move(self, line: int) -> None:
        """Put the cursor at the end of a line."""

    @abstractmethod
    def press(self, line: int, key: str) -> None:
        """Type a key at the end of a line, and ask for a suggestion."""

    @abstractmethod
    def wait(self, until: float) -> tuple[float, str] | None:
        """Wait for a suggestion: when it came, by the monotonic clock, and its text; None for none until then."""

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """Whether the newest key has been answered."""

    @abstractmethod
    def evaluated_tokens(self) -> tuple[int, int]:
        """Numbers of tokens evaluated so far: for suggestions, and in all."""

    @abstractmethod
    def processes(self) -> list[psutil.Process]:
        """Its processes."""

    @abstractmethod
    def close(self) -> None:
        """End its processes."""

    def cpu_s(self) -> float:
        """CPU seconds of its processes so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())


class NanoEditor(Editor):
    """A language server and a shared engine in a home folder of their own."""

    def __init__(self, home: Path, model: str, settings: dict[str, Any]) -> None:
        self._home = home
        self._client = RawClient()
        self._client.initialize(model=model, engine="shared", debounceMs=0, prefetch=False, **settings)
        self._client.wait_for_state("ready")
        self._answers: queue.Queue[tuple[float, dict[str, Any]]] = queue.Queue()
        self._n = 1  # id of the newest request
        self._answered = 1  # id of the newest one that was answered
        self._first = 1  # id of the first one at this place
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                message = self._client.read()
            except (AssertionError, ValueError):  # the server has ended
                return
            self._answers.put((time.monotonic(), message))

    def open(self, path: Path, lines: list[str]) -> None:
        self._uri, self.lines = path.as_uri(), lines
        self._client.open("\n".join(lines), self._uri)

    def move(self, line: int) -> None:
        self._first = self._n + 1
        position = {"line": line, "character": len(self.lines[line])}
        self._client.notify("nano/didMoveCursor", {"uri": self._uri, "position": position})

    def press(self, line: int, key: str) -> None:
        at = {"line": line, "character": len(self.lines[line])}
        self._n += 1
        change = {"range": {"start": at, "end": at}, "text": key}
        document = {"uri": self._uri, "version": self._n}
        self._client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        self.lines[line] += key
        params = {
            "textDocument": {"uri": self._uri},
            "position": {"line": line, "character": len(self.lines[line])},
            "context": {"triggerKind": 2},
        }
        self._send("textDocument/inlineCompletion", params)

    def wait(self, until: float) -> tuple[float, str] | None:
        while not self.is_idle and (left := until - time.monotonic()) > 0:
            try:
                came, message = self._answers.get(timeout=left)
            except queue.Empty:
                break
            if "id" not in message or "method" in message:
                continue
            self._answered = max(self._answered, message["id"])
            items = (message.get("result") or {}).get("items")
            if items and message["id"] >= self._first:
                return came, items[0]["insertText"]
        return None

    @property
    def is_idle(self) -> bool:
        return self._answered == self._n

    def evaluated_tokens(self) -> tuple[int, int]:
        self._n += 1
        found = int(self._ask("nano/stats")["evaluated_tokens"])
        status = asyncio.run(ask_engine(find_endpoint(find_folders()), "GET", "status"))
        return found, sum(model["totals"]["evaluated_tokens"] for model in status["models"])

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(self._client.process.pid), *engines_of(self._home)]

    def close(self) -> None:
        self._n += 1
        self._ask("shutdown")
        self._client.close()
        for engine in engines_of(self._home):
            engine.terminate()
            engine.wait(LIMIT_S)

    def _send(self, method: str, params: object) -> None:
        self._client.send({"jsonrpc": "2.0", "id": self._n, "method": method, "params": params})

    def _ask(self, method: str) -> Any:  # noqa: ANN401 - JSON
        self._send(method, None)
        while True:
            _, message = self._answers.get(timeout=LIMIT_S)
            if message.get("id") == self._n and "method" not in message:
                self._answered = self._n
                return message["result"]


class LlamaVim(Editor):
    """llama-server, with the requests of llama.vim (`llama#fim` of ggml-org/llama.vim)."""

    def __init__(self, command: list[str], address: str) -> None:
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._http = httpx.Client(base_url=address, timeout=None)  # noqa: S113 - it cannot give up a request
        self._pool = futures.ThreadPoolExecutor(1)
        self._asked: tuple[int, str, futures.Future[tuple[float, str]]] | None = None  # line, its text, the answer
        self._newest: tuple[int, str] | None = None  # not asked for yet
        self._n_evaluated = 0
        while not self._is_loaded():
            time.sleep(0.1)

    def _is_loaded(self) -> bool:
        assert self._server.poll() is None, "llama-server has ended"
        try:
            return self._http.get("/health").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def open(self, path: Path, lines: list[str]) -> None:
        self.lines = lines

    def move(self, line: int) -> None:
        self._asked = self._newest = None

    def press(self, line: int, key: str) -> None:
        self.lines[line] += key
        self._newest = line, self.lines[line]
        self._ask_next()

    def wait(self, until: float) -> tuple[float, str] | None:
        while self._asked and (left := until - time.monotonic()) > 0:
            line, before, answer = self._asked
            if not futures.wait([answer], left).done:
                break
            came, text = answer.result()
            self._asked = None
            self._ask_next()
            typed = self.lines[line].removeprefix(before)
            if text.startswith(typed) and text[len(typed) :].strip():
                return came, text[len(typed) :]
        return None

    @property
    def is_idle(self) -> bool:
        return self._asked is None

    def evaluated_tokens(self) -> tuple[int, int]:
        return self._n_evaluated, self._n_evaluated

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(self._server.pid)]

    def close(self) -> None:
        self._server.kill()  # ends the request in flight as well
        self._server.wait()
        self._pool.shutdown(cancel_futures=True)
        self._http.close()

    def _ask_next(self) -> None:
        """Ask for the newest text, unless a request is in flight: llama.vim tries again when that is done."""
        if self._newest and not self._asked:
            (line, text), self._newest = self._newest, None
            self._asked = line, text, self._pool.submit(self._ask, line, [*self.lines])

    def _ask(self, line: int, lines: list[str]) -> tuple[float, str]:
        body = {
            "id_slot": 0,
            "input_prefix": "\n".join(lines[max(0, line - LINES_ABOVE) : line]) + "\n",
            "input_suffix": "\n" + "\n".join(lines[line + 1 : line + 1 + LINES_BELOW]) + "\n",
            "input_extra": [],
            "prompt": lines[line],
            "n_predict": MAX_TOKENS,
            "n_indent": len(lines[line]) - len(lines[line].lstrip()),
            "top_k": 40,
            "top_p": 0.9,
            "samplers": ["top_k", "top_p", "infill"],
            "stream": False,
            "cache_prompt": True,
            "t_max_prompt_ms": 500,
            "t_max_predict_ms": 1000,
        }
        found = self._http.post("/infill", json=body).raise_for_status().json()
        self._n_evaluated += found["timings"]["prompt_n"]
        return time.monotonic(), found["content"]


@contextmanager
def editors(way: str, model: str) -> Iterator[Any]:
    """A function that starts an editor, with a home folder that lasts for one walk."""
    path = ModelStore(find_folders()).find(model)
    if way != LLAMA_VIM:
        with home_with_models() as home:
            yield lambda: NanoEditor(home, model, SETTINGS[way])
        return
    address = ("127.0.0.1", "8013")
    command = [str(llama_server()), "-m", str(path), "--host", address[0], "--port", address[1], "--no-webui"]
    command += ["-c", "4096", "-np", "1", "-b", "1024", "-ub", "1024", "--cache-reuse", "256"]  # as llama.vim advises
    if SelfTest(find_folders().cache).run().layout is WeightLayout.AS_STORED:
        command.append("--no-repack")
    yield lambda: LlamaVim(command, "http://" + ":".join(address))


def places_in(text: str) -> tuple[int, int]:
    """Two lines to type, each a statement in the middle of a function: at a third and at two thirds of the file."""
    lines = text.split("\n")
    found = [
        statement.lineno - 1
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef)
        for statement in function.body[1:]
        if isinstance(statement, ast.Assign | ast.Return | ast.Expr)
        and statement.lineno == statement.end_lineno
        and len(lines[statement.lineno - 1].strip()) > 3 * KEYS
    ]
    first, second = (min(found, key=lambda line: abs(line - share * len(lines))) for share in (1 / 3, 2 / 3))
    return first, second


def type_keys(editor: Editor, line: int, keys: str) -> tuple[float, int, str] | None:
    """Type until a suggestion comes: seconds from the first key, keys, and its text; None where none comes."""
    began = time.monotonic()
    for i, key in enumerate(keys, 1):
        editor.press(line, key)
        until = began + (i * KEY_S if i < len(keys) else LIMIT_S)
        while True:
            if found := editor.wait(until):
                return found[0] - began, i, found[1]
            if time.monotonic() >= until or (i == len(keys) and editor.is_idle):
                break
            time.sleep(max(0.0, min(until - time.monotonic(), KEY_S)))
    return None


def walk(path: Path, way: str, model: str, measured: Measured) -> None:
    """Walk through one file."""
    text = path.read_text("utf-8")
    lines = text.split("\n")
    places = places_in(text)
    contents = {line: lines[line].strip() for line in places}
    for line, content in contents.items():
        lines[line] = lines[line][: -len(content)]
    starts = {line: len(lines[line]) for line in places}
    with editors(way, model) as start:
        editor = start()
        try:
            editor.open(path, lines)
            for visit, place in VISITS.items():
                if visit == "restart":
                    editor.close()
                    editor = start()
                    editor.open(path, lines)
                line = places[place]
                before = editor.cpu_s(), *editor.evaluated_tokens()
                editor.move(line)
                time.sleep(REST_S)
                resting_s = editor.cpu_s()
                n_typed = len(lines[line]) - starts[line]
                measured.chars += len(contents[line]) - n_typed
                found = type_keys(editor, line, contents[line][n_typed : n_typed + KEYS])
                after = editor.cpu_s(), *editor.evaluated_tokens()
                measured.resting.cpu_s += resting_s - before[0]
                measured.typing.cpu_s += after[0] - resting_s
                measured.typing.tokens += after[1] - before[1]
                measured.resting.tokens += (after[2] - before[2]) - (after[1] - before[1])
                if found is None:
                    measured.n_none += 1
                    continue
                measured.seconds[visit].append(found[0])
                measured.keys[visit].append(found[1])
                rest = contents[line][len(lines[line]) - starts[line] :]
                measured.saved += saved_chars(found[2].split("\n", 1)[0].rstrip(), rest)
        finally:
            editor.close()


def main() -> None:
    """Print medians and 95th percentiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=len(FILES))
    parser.add_argument("--model", default="nano")
    parser.add_argument("--ways", nargs="+", choices=[*SETTINGS, LLAMA_VIM], default=["now", LLAMA_VIM])
    options = parser.parse_args()
    ways: dict[str, Measured] = {way: Measured() for way in options.ways}
    for name in FILES[: options.files]:
        for way, measured in ways.items():
            walk(LIBRARY / name, way, options.model, measured)
    for way, measured in ways.items():
        for visit, seconds in measured.seconds.items():
            if seconds:
                p95 = sorted(seconds)[min(len(seconds) - 1, int(0.95 * len(seconds)))]
                keys = statistics.median(measured.keys[visit])
                median = f"median {statistics.median(seconds):.2f} s, {keys:g} keys; 95 % {p95:.2f} s"
                print(f"{way:9} {visit:7} n={len(seconds)} {median}")
        saved = f"{measured.saved:,} of {measured.chars:,} characters saved"
        print(f"{way:9} {measured.n_none} visits without a suggestion, {saved}")
        for title, work in (("suggestions", measured.typing), ("other work", measured.resting)):
            print(f"{way:9} {title}: {work.tokens:,} tokens evaluated, {work.cpu_s:.1f} CPU s")


if __name__ == "__main__":
    main()

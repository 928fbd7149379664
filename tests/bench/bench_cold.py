"""The wait for the first suggestion at a place that the model has not read: `python -m tests.bench.bench_cold`.

A real language server on the real model is driven as a person does it. In files of Python's standard library: open
the file, rest 1.5 s at a line, type it at five keys a second until a suggestion comes; jump to another function,
rest, type there; jump back and type on. Reported are the seconds from the first key to the first suggestion, with
small windows and reading ahead (`now`) and with neither (`before`: `firstSuggestionMs` 0, `warmUp` never), in turns
by file.
"""

from __future__ import annotations

import argparse
import ast
import queue
import statistics
import sysconfig
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.processes import home_with_models
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
WAYS: dict[str, dict[str, Any]] = {"now": {}, "before": {"firstSuggestionMs": 0, "warmUp": "never"}}
VISITS = ("open", "jump", "back")


@dataclass
class Waits:
    """Seconds from the first key to the first suggestion, by kind of visit; and what the walk has cost."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {visit: [] for visit in VISITS})
    n_none: int = 0
    evaluated_tokens: int = 0


class Walk:
    """One server, which is sent keys while a thread reads its answers."""

    def __init__(self, model: str, settings: dict[str, Any]) -> None:
        self.client = RawClient()
        self.client.initialize(model=model, debounceMs=0, prefetch=False, **settings)
        self.client.wait_for_state("ready")
        self.answers: queue.Queue[tuple[float, dict[str, Any]]] = queue.Queue()
        self._n = 1
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                message = self.client.read()
            except (AssertionError, ValueError):  # the server has ended
                return
            self.answers.put((time.monotonic(), message))

    def open(self, path: Path, lines: list[str]) -> None:
        self.uri, self.lines = path.as_uri(), lines
        self.client.open("\n".join(lines), self.uri)

    def rest_at(self, line: int) -> None:
        position = {"line": line, "character": len(self.lines[line])}
        self.client.notify("nano/didMoveCursor", {"uri": self.uri, "position": position})
        time.sleep(REST_S)

    def type(self, line: int, keys: str) -> float | None:
        """Type until a suggestion comes; seconds from the first key, None where none comes."""
        began = time.monotonic()
        for i, key in enumerate(keys):
            column = len(self.lines[line])
            at = {"line": line, "character": column}
            self._n += 1
            change = {"range": {"start": at, "end": at}, "text": key}
            document = {"uri": self.uri, "version": self._n}
            self.client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
            self.lines[line] += key
            params = {
                "textDocument": {"uri": self.uri},
                "position": {"line": line, "character": column + 1},
                "context": {"triggerKind": 2},
            }
            self.client.send(
                {"jsonrpc": "2.0", "id": self._n, "method": "textDocument/inlineCompletion", "params": params}
            )
            is_last = i == len(keys) - 1
            until = began + LIMIT_S if is_last else began + (i + 1) * KEY_S
            while (left := until - time.monotonic()) > 0:
                try:
                    came, message = self.answers.get(timeout=left)
                except queue.Empty:
                    break
                items = (message.get("result") or {}).get("items") if "id" in message else None
                if items:
                    return came - began
                if is_last and message.get("id") == self._n and "method" not in message:
                    return None
        return None

    def evaluated_tokens(self) -> int:
        self._n += 1
        self.client.send({"jsonrpc": "2.0", "id": self._n, "method": "nano/stats", "params": None})
        while True:
            _, message = self.answers.get(timeout=LIMIT_S)
            if message.get("id") == self._n and "method" not in message:
                return int(message["result"]["evaluated_tokens"])


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
        and len(lines[statement.lineno - 1].strip()) >= 16
    ]
    first, second = (min(found, key=lambda line: abs(line - share * len(lines))) for share in (1 / 3, 2 / 3))
    return first, second


def walk(path: Path, way: str, model: str, waits: Waits) -> None:
    text = path.read_text("utf-8")
    lines = text.split("\n")
    places = places_in(text)
    contents = {line: lines[line].strip() for line in places}
    for line, content in contents.items():
        lines[line] = lines[line][: -len(content)]
    with home_with_models():
        going = Walk(model, WAYS[way])
        try:
            going.open(path, lines)
            typed = dict.fromkeys(places, 0)
            for visit, line in zip(VISITS, (*places, places[0]), strict=True):
                going.rest_at(line)
                keys = contents[line][typed[line] : typed[line] + 8 if visit == "open" else None]
                took = going.type(line, keys)
                typed[line] = len(going.lines[line].strip())
                if took is None:
                    waits.n_none += 1
                else:
                    waits.seconds[visit].append(took)
            waits.evaluated_tokens += going.evaluated_tokens()
        finally:
            going.client.close()


def main() -> None:
    """Print medians and 95th percentiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=len(FILES))
    parser.add_argument("--model", default="nano")
    options = parser.parse_args()
    measured = {way: Waits() for way in WAYS}
    for name in FILES[: options.files]:
        for way in WAYS:
            walk(LIBRARY / name, way, options.model, measured[way])
    for way, waits in measured.items():
        for visit, seconds in waits.seconds.items():
            if seconds:
                ordered = sorted(seconds)
                p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
                print(
                    f"{way:8} {visit:5} n={len(seconds)} median {statistics.median(seconds):.2f} s, 95 % {p95:.2f} s"
                )
        print(f"{way:8} {waits.n_none} places without a suggestion, {waits.evaluated_tokens:,} tokens evaluated")


if __name__ == "__main__":
    main()

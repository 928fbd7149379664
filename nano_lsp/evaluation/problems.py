"""What to evaluate on: HumanEval-Infilling problems, and cursor points in files of one's own."""

from __future__ import annotations

import ast
import gzip
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nano_lsp.code.document import is_secret, load_document
from nano_lsp.errors import DocumentError, EvaluationError

MAX_FILE_LINES = 2000
_POINT_KINDS = ("line start", "after operator", "mid-word", "empty body")
_OPERATOR = re.compile(r"[=(,+\-*/<>:\[{.]\s?|\b(?:in|if|or|and|not|return) ")


@dataclass(frozen=True)
class Problem:
    """A document with a hole.

    Attributes:
        name: unique in its set.
        kind: of the hole.
        file_name: whose suffix tells the language.
        prefix: before the hole.
        suffix: after it.
        reference: what stood there.
        test: a program that, appended, fails unless the hole is filled right; empty for none.
    """

    name: str
    kind: str
    file_name: str
    prefix: str
    suffix: str
    reference: str
    test: str = ""


def load_infilling(path: Path) -> list[Problem]:
    """Problems of HumanEval-Infilling (Bavarian et al. 2022, arXiv 2207.14255), as JSON lines, gzipped or not.

    A hole of whole lines ends with their line break; an editor has that break behind the cursor already, in the
    line the user has just opened. So it is put there.

    Raises:
        EvaluationError: the file cannot be read or is something else.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines
        ):
            found = [_infilling(json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise EvaluationError(
            f"{path} holds no infilling problems: {error}.", "Give a HumanEval-Infilling file."
        ) from error
    if not found:
        raise EvaluationError(f"{path} is empty.", "Give a HumanEval-Infilling file.")
    return found


def _infilling(row: dict[str, str]) -> Problem:
    prefix, suffix, reference = row["prompt"], row["suffix"], row["canonical_solution"]
    if reference.endswith("\n"):
        reference, suffix = reference[:-1], "\n" + suffix
    kind = row["task_id"].split("/")[0].removesuffix("Infilling").removesuffix("InfillingLight")
    test = f"\n{row['test']}\ncheck({row['entry_point']})\n"
    return Problem(row["task_id"], kind, "problem.py", prefix, suffix, reference, test)


def sample_points(folder: Path, n: int, seed: int) -> list[Problem]:
    """Cursor points in the Python files of a folder: the rest of the line is to be written.

    The kinds take turns: the start of a line, behind an operator, within a word, the body of a function.

    Args:
        folder: searched with all that is in it.
        n: how many points.
        seed: the same one chooses the same points in the same files.

    Raises:
        EvaluationError: there are too few files to choose from.
    """
    source = random.Random(seed)  # noqa: S311 - a repeatable choice, no secret
    files = sorted(path for path in folder.rglob("*.py") if path.is_file() and not is_secret(path.name))
    source.shuffle(files)
    points: list[Problem] = []
    for path in files:
        if len(points) >= n:
            return points[:n]
        text = _load_code(path)
        if text is None:
            continue
        for kind in _POINT_KINDS:
            found = list(_places(text, kind))
            if found:
                start, end = source.choice(found)
                name = f"{path.relative_to(folder).as_posix()}:{text.count(chr(10), 0, start) + 1}:{kind}"
                points.append(Problem(name, kind, str(path), text[:start], text[end:], text[start:end]))
    if len(points) < n:
        raise EvaluationError(
            f"{folder} has room for only {len(points)} cursor points.", "Ask for fewer, or give more files."
        )
    return points[:n]


def _load_code(path: Path) -> str | None:
    """The text of a file that is worth a point: it parses, and somebody wrote it."""
    try:
        text = load_document(path).text
        ast.parse(text)
    except (DocumentError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    n_lines = text.count("\n")
    return text if 20 <= n_lines <= MAX_FILE_LINES and "\r" not in text else None


def _places(text: str, kind: str) -> Iterator[tuple[int, int]]:
    """Start and end of every hole of a kind."""
    if kind == "empty body":
        yield from _bodies(text)
        return
    at = 0
    prose = _prose_lines(text)
    for number, line in enumerate(text.split("\n"), 1):
        start, end = at, at + len(line)
        at = end + 1
        code = line.strip()
        if number in prose or len(code) < 8 or code.startswith("#"):
            continue
        if kind == "line start":
            yield start + len(line) - len(line.lstrip()), end
        elif kind == "after operator":
            yield from ((start + m.end(), end) for m in _OPERATOR.finditer(line) if 4 < m.end() < len(line) - 3)
        else:
            yield from ((start + m.start() + len(m[0]) // 2, end) for m in re.finditer(r"[^\W\d]\w{4,}", line))


def _bodies(text: str) -> Iterator[tuple[int, int]]:
    """The bodies of short functions, behind their docstrings."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body and body[0].lineno > node.lineno and (body[-1].end_lineno or 0) - body[0].lineno < 6:
                first = starts[body[0].lineno - 1]
                line = text[first : starts[body[0].lineno] - 1]
                yield first + len(line) - len(line.lstrip()), starts[body[-1].end_lineno or 0] - 1


def _prose_lines(text: str) -> set[int]:
    """Lines within strings of several lines."""
    return {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if node.end_lineno != node.lineno
    }

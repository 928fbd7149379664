"""Evaluation problems: from files, and cursor positions sampled from the user's own files."""

from __future__ import annotations

import ast
import gzip
import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from nano_lsp.code.document import is_secret, load_document
from nano_lsp.code.embedded import Part, find_part
from nano_lsp.code.languages import Language, language_of
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.errors import DocumentError, EvaluationError

MAX_FILE_LINES = 2000
_NO_NAME = "problem.py"  # of problems whose file has none
_POINT_KINDS = ("line start", "after operator", "mid-word", "empty body")
_OPERATOR = re.compile(r"[=(,+\-*/<>:\[{.]\s?|\b(?:in|if|or|and|not|return) ")


@dataclass(frozen=True)
class Problem:
    """A document with a hole.

    Attributes:
        name: Unique name in the set of problems.
        kind: Kind of the hole.
        file_name: Name of the file; its suffix determines the language.
        prefix: Text before the hole.
        suffix: Text after the hole.
        reference: Original text of the hole.
        test: Program to append, which fails unless the hole is filled correctly; empty for none.
        imported: Signatures of what the document imports from its workspace; empty for none.
    """

    name: str
    kind: str
    file_name: str
    prefix: str
    suffix: str
    reference: str
    test: str = ""
    imported: str = ""

    @property
    def language(self) -> Language:
        """The language of the code at the cursor."""
        return self.part_of(self.prefix + self.suffix).language

    def part_of(self, text: str) -> Part:
        """The part of the file, with any text inserted at the cursor, that is code of the cursor's language."""
        return find_part(text, len(self.prefix), language_of(self.file_name, text=text))

    def parse(self, text: str) -> SyntaxTree | None:
        """Parse the file with any text inserted at the cursor; None if its language has no grammar."""
        part = self.part_of(text)
        return SyntaxTree.parse(text, part.language, part.range_in(text))

    @property
    def document(self) -> str:
        """A short hash of the file that the hole is in: problems of one file are not independent of each other."""
        whole = self.prefix + self.reference + self.suffix
        file = whole if self.file_name == _NO_NAME else self.file_name
        return hashlib.blake2b(file.encode("utf-8", "replace"), digest_size=8).hexdigest()


class _Row(msgspec.Struct, omit_defaults=True):
    """A problem in a file: the fields of HumanEval-Infilling, and those that problems in other code need."""

    task_id: str
    prompt: str
    suffix: str
    canonical_solution: str
    test: str = ""
    entry_point: str = ""
    kind: str = ""
    file_name: str = _NO_NAME
    imported: str = ""


_ROWS = msgspec.json.Decoder(_Row)
_GIVE = "Give a HumanEval-Infilling file, or the problems.jsonl.gz of `nano-lsp forge data`."


def load_infilling(path: Path) -> list[Problem]:
    """Load problems of HumanEval-Infilling (Bavarian et al. 2022, arXiv 2207.14255), as JSON lines, gzipped or not.

    A row may have no test, and may have `kind`, `file_name` and `imported` as a problem has them (`to_row`).
    A hole of whole lines ends with a line break; in an editor that break is already after the cursor, in the line
    that the user has just opened. So it is moved to the suffix.

    Raises:
        EvaluationError: The file cannot be read or has other content.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines
        ):
            found = [_infilling(_ROWS.decode(line)) for line in lines if line.strip()]
    except (OSError, ValueError, EOFError, msgspec.MsgspecError) as error:
        raise EvaluationError(f"{path} contains no infilling problems: {error}.", _GIVE) from error
    if not found:
        raise EvaluationError(f"{path} is empty.", _GIVE)
    return found


def to_row(problem: Problem) -> str:
    """A problem without a test as a line of JSON, which `load_infilling` reads."""
    row = _Row(
        problem.name,
        problem.prefix,
        problem.suffix,
        problem.reference,
        kind=problem.kind,
        file_name=problem.file_name,
        imported=problem.imported,
    )
    return msgspec.json.encode(row).decode()


def _infilling(row: _Row) -> Problem:
    suffix, reference = row.suffix, row.canonical_solution
    if reference.endswith("\n"):
        reference, suffix = reference[:-1], "\n" + suffix
    kind = row.kind or row.task_id.split("/")[0].removesuffix("Infilling").removesuffix("InfillingLight")
    test = f"\n{row.test}\ncheck({row.entry_point})\n" if row.test else ""
    return Problem(
        name=row.task_id,
        kind=kind,
        file_name=row.file_name,
        prefix=row.prompt,
        suffix=suffix,
        reference=reference,
        test=test,
        imported=row.imported,
    )


def sample_points(folder: Path, n: int, seed: int) -> list[Problem]:
    """Sample n cursor positions in a folder's Python files, reproducibly; the hole is the rest of the line.

    The kinds alternate: the start of a line, after an operator, within a word, the body of a function.

    Raises:
        EvaluationError: The folder has too few files.
    """
    source = random.Random(seed)  # noqa: S311 - reproducible, not for security
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
            found = list(_holes(text, kind))
            if found:
                start, end = source.choice(found)
                name = f"{path.relative_to(folder).as_posix()}:{text.count(chr(10), 0, start) + 1}:{kind}"
                points.append(
                    Problem(
                        name=name,
                        kind=kind,
                        file_name=str(path),
                        prefix=text[:start],
                        suffix=text[end:],
                        reference=text[start:end],
                    )
                )
    if len(points) < n:
        raise EvaluationError(
            f"{folder} yields only {len(points)} cursor positions.",
            "Request fewer, or give a folder with more files.",
        )
    return points[:n]


def _load_code(path: Path) -> str | None:
    """The text of a file that is suitable for sampling: it parses, and has a usual length; None for others."""
    try:
        text = load_document(path).text
        ast.parse(text)
    except (DocumentError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    n_lines = text.count("\n")
    return text if 20 <= n_lines <= MAX_FILE_LINES and "\r" not in text else None


def _holes(text: str, kind: str) -> Iterator[tuple[int, int]]:
    """Start and end offsets of all holes of a kind."""
    if kind == "empty body":
        yield from _function_bodies(text)
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


def _function_bodies(text: str) -> Iterator[tuple[int, int]]:
    """The bodies of short functions, without their docstrings."""
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
    """Numbers of the lines of multi-line strings."""
    return {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if node.end_lineno != node.lineno
    }

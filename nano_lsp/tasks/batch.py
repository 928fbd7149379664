"""One task for many rows: each result is written at once, a failed row loses no other, a stopped run goes on.

Results are JSON lines. Each has the keys of the task and of the row's data; a row that has changed, failed or was cut
off is done again.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nano_lsp.code.file_replacement import replace_file
from nano_lsp.errors import CancelledError, DocumentError, EngineClosedError, NanoError
from nano_lsp.tasks.task import Answer, Task

_BEGINNING = '{"row": '  # of each line of the results
_CSV_SUFFIXES = {".csv", ".tsv"}


@dataclass(frozen=True)
class Row:
    """A row of the input.

    Attributes:
        number: from 1; the header of a CSV file does not count.
        data: as text for the prompt.
        fault: why it cannot be used; empty where it can.
    """

    number: int
    data: str
    fault: str = ""


@dataclass(frozen=True)
class RowResult:
    """What became of a row.

    Attributes:
        row: its number, from 1.
        key: of the row's data.
        task: of the task, the model included.
        value: the result; None where it failed.
        probabilities: of each choice.
        error: why it failed; empty where it did not.
    """

    row: int
    key: str
    task: str
    value: Any = None
    probabilities: dict[str, float] | None = None
    error: str = ""


def read_rows(path: Path, column: str = "") -> Iterator[Row]:
    """The rows of a JSONL, CSV or TSV file.

    Args:
        path: of the file; what does not end in `.csv` or `.tsv` is JSON lines.
        column: only this one; empty for whole rows, as JSON.

    Raises:
        DocumentError: the file cannot be read as text, or has no such column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            if path.suffix.lower() in _CSV_SUFFIXES:
                reader = csv.DictReader(stream, dialect="excel-tab" if path.suffix.lower() == ".tsv" else "excel")
                if column and column not in (reader.fieldnames or ()):
                    raise DocumentError(
                        f"{path} has no column {column!r}.", f"It has: {', '.join(reader.fieldnames or ())}."
                    )
                for number, record in enumerate(reader, 1):
                    yield _read_record(number, record, column)
            else:
                number = 0
                for line in stream:
                    if line.strip():
                        number += 1
                        yield _parse_row(number, line, column)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DocumentError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.",
            "Give a file of JSON lines, or CSV, in UTF-8.",
        ) from error


def run_batch(
    task: Task, rows: Iterable[Row], answer: Callable[[Task], Answer], results: Path, model: str
) -> Iterator[RowResult]:
    """Do a task for each row; results that are there already are not made again.

    Args:
        task: its data comes from the rows.
        rows: of the input.
        answer: carries out a task.
        results: JSON lines.
        model: that answers; another one's results are not gone on with.

    Yields:
        The results in the rows' order, known ones included.

    Raises:
        DocumentError: the file of results cannot be written, or holds something else.
        CancelledError: the request was called off.
        EngineClosedError: the engine was shut down.
    """
    name = _digest(json.dumps([asdict(task), model], sort_keys=True))
    known = _load_results(results, name)
    try:
        replace_file(results, "".join(map(_line, known.values())))  # without what failed or was cut off
        with results.open("a", encoding="utf-8") as stream:
            for row in rows:
                key = _digest(f"{row.number} {row.data}")
                result = known.get(key)
                if result is None:
                    result = _answer_row(replace(task, data=row.data), row, RowResult(row.number, key, name), answer)
                    stream.write(_line(result))
                    stream.flush()
                yield result
    except OSError as error:
        raise DocumentError(
            f"{results} cannot be written: {error.strerror}.", "Give another --output FILE."
        ) from error


def _answer_row(task: Task, row: Row, result: RowResult, answer: Callable[[Task], Answer]) -> RowResult:
    if row.fault:
        return replace(result, error=row.fault)
    try:
        found = answer(task)
    except (CancelledError, EngineClosedError):
        raise
    except NanoError as error:
        return replace(result, error=str(error))
    sure = {choice: round(probability, 4) for choice, probability in found.probabilities.items()}
    return replace(result, value=found.value, probabilities=sure or None)


def _read_record(number: int, record: dict[str | Any, Any], column: str) -> Row:
    """A row of a table: a short one lacks its last cells, a long one has cells without a name."""
    if None in record:
        n = len(record) - 1
        return Row(number, "", f"Row {number} has {n + len(record[None])} cells, and the header {n}.")
    cells = {name: cell for name, cell in record.items() if cell is not None}
    if column and column not in cells:
        return Row(number, "", f"Row {number} has no {column!r}: it has {len(cells)} of {len(record)} cells.")
    return Row(number, cells[column] if column else json.dumps(cells, ensure_ascii=False))


def _parse_row(number: int, line: str, column: str) -> Row:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return Row(number, line, f"Row {number} is no JSON.")
    if not column:
        return Row(number, record if isinstance(record, str) else json.dumps(record, ensure_ascii=False))
    if not isinstance(record, dict) or column not in record:
        return Row(number, line, f"Row {number} has no {column!r}.")
    cell = record[column]
    return Row(number, cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False))


def _load_results(path: Path, task: str) -> dict[str, RowResult]:
    """What is done already, by key; a line that was cut off is left out."""
    known: dict[str, RowResult] = {}
    try:
        *lines, rest = path.read_text(encoding="utf-8").split("\n")
        if not rest.startswith(_BEGINNING[: len(rest)]):
            raise ValueError("a last line that is none of a result")  # noqa: TRY301 - told as the others
        found = [RowResult(**json.loads(line)) for line in lines]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise DocumentError(f"{path} holds no results of tasks.", "Give another --output FILE.") from error
    if any(result.task != task for result in found):
        raise DocumentError(f"{path} holds results of another task.", "Give another --output FILE, or remove it.")
    for result in found:
        if not result.error:
            known[result.key] = result
    return known


def _line(result: RowResult) -> str:
    fields = {name: value for name, value in asdict(result).items() if value not in (None, "")}
    keys = {name: fields.pop(name) for name in ("key", "task")}
    return json.dumps({"row": result.row, "value": result.value, **fields, **keys}, ensure_ascii=False) + "\n"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

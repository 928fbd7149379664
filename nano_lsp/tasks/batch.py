"""Runs a task on many rows; each result is saved at once, so that an interrupted run can be resumed.

Results are JSON lines, each with hashes of the task and of the row's data: rows that have changed, failed or were
interrupted are run again. An error in one row does not affect the others.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nano_lsp.code.document import allow_long_csv_fields
from nano_lsp.code.file_replacement import replace_file
from nano_lsp.errors import CancelledError, DocumentError, EngineClosedError, NanoError
from nano_lsp.tasks.task import Answer, Task

_BEGINNING = '{"row": '  # start of each line of the results
_CSV_SUFFIXES = {".csv", ".tsv"}


@dataclass(frozen=True)
class Row:
    """A row of the input.

    Attributes:
        number: Number of the row, from 1, without the header of a CSV file.
        data: Text for the prompt.
        error: Reason why the row cannot be used; empty for none.
    """

    number: int
    data: str
    error: str = ""


@dataclass(frozen=True)
class RowResult:
    """The result of a row.

    Attributes:
        row: Number of the row, from 1.
        key: Hash of the row's number and data.
        task: Hash of the task and the model.
        value: The result; None after an error.
        probabilities: Probability of each choice; None without choices.
        error: Error message; empty for none.
    """

    row: int
    key: str
    task: str
    value: Any = None
    probabilities: dict[str, float] | None = None
    error: str = ""


def read_rows(path: Path, column: str = "") -> Iterator[Row]:
    """Read the rows of a JSONL, CSV or TSV file.

    Args:
        path: Path of the file; JSON lines unless it ends in `.csv` or `.tsv`.
        column: Name of the only column to use; empty for whole rows, as JSON.

    Raises:
        DocumentError: The file cannot be read as text, or has no such column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            if path.suffix.lower() in _CSV_SUFFIXES:
                allow_long_csv_fields()
                reader = csv.DictReader(stream, dialect="excel-tab" if path.suffix.lower() == ".tsv" else "excel")
                names = reader.fieldnames or ()
                if column and column not in names:
                    raise DocumentError(f"{path} has no column {column!r}.", f"It has: {', '.join(names)}.")
                repeated = [name for name in names if name and names.count(name) > 1 and column in {"", name}]
                if repeated:
                    raise DocumentError(f"{path} has two columns {repeated[0]!r}.", "Give each a name of its own.")
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
    task: Task, rows: Iterable[Row], run: Callable[[Task], Answer], results: Path, model: str
) -> Iterator[RowResult]:
    """Run a task on each row, except for rows that the results already contain.

    Args:
        task: The task; its data is replaced by each row's.
        rows: The rows of the input.
        run: Runs a task.
        results: JSON lines file of the results.
        model: Name of the model; results of another model are refused.

    Yields:
        The result of each row in the order of the input, including those of earlier runs.

    Raises:
        DocumentError: The results file cannot be written, or has other content.
        CancelledError: The request was cancelled.
        EngineClosedError: The engine was shut down.
    """
    task_key = _digest(json.dumps([asdict(task), model], sort_keys=True))
    known = _load_results(results, task_key)
    try:
        replace_file(results, "".join(map(_line, known.values())))  # without failed and incomplete rows
        with results.open("a", encoding="utf-8") as stream:
            for row in rows:
                key = _digest(f"{row.number} {row.data}")
                result = known.get(key)
                if result is None:
                    result = _run_row(replace(task, data=row.data), row, RowResult(row.number, key, task_key), run)
                    stream.write(_line(result))
                    stream.flush()
                yield result
    except OSError as error:
        raise DocumentError(
            f"{results} cannot be written: {error.strerror}.", "Give another --output FILE."
        ) from error


def _run_row(task: Task, row: Row, result: RowResult, run: Callable[[Task], Answer]) -> RowResult:
    if row.error:
        return replace(result, error=row.error)
    try:
        answer = run(task)
    except (CancelledError, EngineClosedError):
        raise
    except NanoError as error:
        return replace(result, error=str(error))
    probabilities = {choice: round(probability, 4) for choice, probability in answer.probabilities.items()}
    return replace(result, value=answer.value, probabilities=probabilities or None)


def _read_record(number: int, record: dict[str | Any, Any], column: str) -> Row:
    """Convert a record of `csv.DictReader`: the key None has surplus cells, the value None marks missing ones."""
    if None in record:
        n = len(record) - 1
        return Row(number, "", f"Row {number} has {n + len(record[None])} cells, but the header has {n}.")
    cells = {name: cell for name, cell in record.items() if cell is not None}
    if column and column not in cells:
        return Row(number, "", f"Row {number} has no column {column!r}: it has {len(cells)} of {len(record)} cells.")
    return Row(number, cells[column] if column else json.dumps(cells, ensure_ascii=False))


def _parse_row(number: int, line: str, column: str) -> Row:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return Row(number, line, f"Row {number} is not valid JSON.")
    if not column:
        return Row(number, record if isinstance(record, str) else json.dumps(record, ensure_ascii=False))
    if not isinstance(record, dict) or column not in record:
        return Row(number, line, f"Row {number} has no key {column!r}.")
    cell = record[column]
    return Row(number, cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False))


def _load_results(path: Path, task: str) -> dict[str, RowResult]:
    """The successful results of earlier runs, by key, without an incomplete last line."""
    known: dict[str, RowResult] = {}
    try:
        *lines, rest = path.read_text(encoding="utf-8").split("\n")
        if not rest.startswith(_BEGINNING[: len(rest)]):
            raise ValueError("the last line is not a result")  # noqa: TRY301 - reported like the others
        found = [RowResult(**json.loads(line)) for line in lines]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise DocumentError(f"{path} does not contain task results.", "Give another --output FILE.") from error
    if any(result.task != task for result in found):
        raise DocumentError(
            f"{path} contains results of another task or model.", "Give another --output FILE, or remove it."
        )
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

"""`nano-lsp task`: the logic node of a shell script."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from nano_lsp.cli.output import print_data, print_json
from nano_lsp.cli.progress import row_progress
from nano_lsp.cli.terminal import (
    Adapter,
    Context,
    Json,
    Model,
    Threads,
    model_settings,
    open_assistant,
    stderr,
)
from nano_lsp.code.document import load_document, read_document
from nano_lsp.config import load_settings
from nano_lsp.errors import ConfigError, SchemaError
from nano_lsp.schema import SamplingParams
from nano_lsp.tasks import MAX_TOKENS, Answer, Task, shape_of
from nano_lsp.tasks.batch import RowResult, read_rows, run_batch

EXAMPLES = """Examples:

`nano-lsp task "Does this line report a failure?" --data "ERROR disk full" --choice yes,no && echo alert`

`git diff | nano-lsp task "Which kind of change is this?" --stdin --choice feature,fix,docs`

`nano-lsp task "Extract name and amount." --file bill.txt --schema bill.json`

`nano-lsp task "Classify this ticket." --choice bug,question --input tickets.csv --column text --output kinds.jsonl`
"""


class Kind(str, Enum):
    """Types of results that need no schema."""

    TEXT = "text"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    LIST = "list"


_COUNTERS = ("prompt_tokens", "cached_tokens", "evaluated_tokens", "generated_tokens")
_TYPES: dict[Kind, Any] = {
    Kind.TEXT: str,
    Kind.BOOL: bool,
    Kind.INT: int,
    Kind.FLOAT: float,
    Kind.LIST: list[str],
}


def task(  # noqa: PLR0917 - options, which typer passes by name
    prompt: Annotated[str, typer.Argument(help="What to do.")],
    data: Annotated[str | None, typer.Option(help="What to do it with.")] = None,
    file: Annotated[Path | None, typer.Option(help="Read that from a file.")] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read it from stdin.")] = False,
    choice: Annotated[
        list[str] | None, typer.Option(metavar="A,B,…", help="Choose one of these. Of two, the second exits with 1.")
    ] = None,
    kind: Annotated[Kind, typer.Option("--type", help="Type of the result; bool is the choice yes,no.")] = Kind.TEXT,
    schema: Annotated[Path | None, typer.Option(help="Answer with JSON of this JSON schema.")] = None,
    think: Annotated[bool, typer.Option("--think", help="Reason first; the reasoning is not printed.")] = False,
    max_tokens: Annotated[int, typer.Option(min=1, help="At most so many tokens for the answer.")] = MAX_TOKENS,
    timeout: Annotated[float | None, typer.Option(min=0.001, help="Seconds a task may take.")] = None,
    rows: Annotated[
        Path | None, typer.Option("--input", help="Do it for each row of a file: JSON lines, .csv or .tsv.")
    ] = None,
    column: Annotated[str, typer.Option(help="Column of the rows to read; all of them otherwise.")] = "",
    output: Annotated[
        Path | None, typer.Option(help="Results of the rows, JSON lines; a run that was stopped goes on.")
    ] = None,
    model: Model = None,
    adapter: Adapter = None,
    n_ctx: Context = None,
    threads: Threads = None,
    temperature: Annotated[float, typer.Option(help="0 takes the most probable token.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 0,
    as_json_: Json = False,
) -> None:
    """Have a decision or a value from the model: a choice, a number, or JSON of a schema."""
    if sum([data is not None, file is not None, stdin, rows is not None]) > 1:
        raise ConfigError("The data comes from several places.", "Give one of --data, --file, --stdin and --input.")
    if (rows is None) != (output is None):
        raise ConfigError("--input and --output belong together.", "Give both.")
    choices, text = _read_form(choice or [], kind, schema)
    asked = Task(
        prompt,
        "" if rows else _read_data(data, file, stdin=stdin),
        choices,
        text,
        think,
        max_tokens,
        deadline_ms=timeout and timeout * 1e3,
        sampling=SamplingParams(temperature=temperature, seed=seed),
    )
    asked.check()
    total = sum(1 for _ in read_rows(rows, column)) if rows else 0
    overrides = model_settings(model, adapter, n_ctx, threads)
    with open_assistant(**overrides) as assistant:
        if rows and output:
            settings = load_settings(**overrides)
            name = f"{settings.model} {settings.adapter}"
            found = run_batch(asked, read_rows(rows, column), assistant.run, output, name)
            raise typer.Exit(_show_rows(found, total, output))
        said = assistant.run(asked)
    for warning in said.warnings:
        stderr.print(f"[yellow]Warning:[/] {warning}")
    _print(said, as_json=as_json_)
    if len(choices) == 2 and said.value == choices[1]:
        raise typer.Exit(1)


def _read_form(choice: list[str], kind: Kind, schema: Path | None) -> tuple[tuple[str, ...], str]:
    """The choices and the schema that the options ask for."""
    if bool(choice) + (kind is not Kind.TEXT) + (schema is not None) > 1:
        raise ConfigError("The result has several types.", "Give one of --choice, --type and --schema.")
    if choice:
        return tuple(part.strip() for each in choice for part in each.split(",")), ""
    if schema is None:
        shape = shape_of(_TYPES[kind])
        return shape.choices, json.dumps(shape.schema) if shape.schema else ""
    try:
        content = json.loads(load_document(schema).text)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{schema} is no JSON: {error}.", "Correct the file.") from error
    if not isinstance(content, dict):
        raise SchemaError(f"{schema} is no JSON schema.", 'It is an object such as {"type": "integer"}.')
    return (), json.dumps(content, ensure_ascii=False)


def _read_data(data: str | None, file: Path | None, *, stdin: bool) -> str:
    if file:
        return load_document(file).text
    return read_document(sys.stdin.buffer.read(), "stdin").text if stdin else data or ""


def _print(said: Answer, *, as_json: bool) -> None:
    if as_json:
        counters = {name: getattr(said.counters, name) for name in _COUNTERS}
        sure = {choice: round(probability, 4) for choice, probability in said.probabilities.items()}
        shown = {**asdict(said), "probabilities": sure, "counters": counters}
        print_json(shown)
    else:
        value = said.value if isinstance(said.value, str) else json.dumps(said.value, ensure_ascii=False)
        print_data(value + "\n")


def _show_rows(found: Iterator[RowResult], total: int, output: Path) -> int:
    """Follow the rows; 1 where some failed."""
    done = failed = 0
    with row_progress("rows", total) as advance:
        for result in found:
            done += 1
            failed += bool(result.error)
            advance()
            if result.error:
                stderr.print(f"Row {result.row}: {result.error}", markup=False)
    stderr.print(f"{done - failed} of {done} rows are done: {output}", markup=False)
    return int(failed > 0)

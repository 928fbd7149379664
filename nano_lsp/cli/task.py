"""`nano-lsp task`: returns a decision or a value, for shell scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from nano_lsp.cli.output import print_data, print_json
from nano_lsp.cli.terminal import (
    Context,
    Json,
    Model,
    Temperature,
    Threads,
    model_settings,
    open_assistant,
    row_progress,
    stderr,
)
from nano_lsp.code.document import load_document, read_document
from nano_lsp.config import load_settings
from nano_lsp.errors import ConfigError, SchemaError
from nano_lsp.schema import SamplingParams
from nano_lsp.tasks import MAX_TOKENS, Answer, Task, spec_of_type
from nano_lsp.tasks.batch import RowResult, read_rows, run_batch

EXAMPLES = """Examples:

`nano-lsp task "Does this line report a failure?" --data "ERROR disk full" --choice yes,no && echo alert`

`git diff | nano-lsp task "Which kind of change is this?" --stdin --choice feature,fix,docs`

`nano-lsp task "Extract name and amount." --file bill.txt --schema bill.json`

`nano-lsp task "Classify this ticket." --choice bug,question --input tickets.csv --column text --output kinds.jsonl`
"""


class Kind(StrEnum):
    """Result types that need no schema."""

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
    prompt: Annotated[str, typer.Argument(help="Instruction for the model.")],
    data: Annotated[str | None, typer.Option(help="Text that the instruction is about.")] = None,
    file: Annotated[Path | None, typer.Option(help="File with the text that the instruction is about.")] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Read the text that the instruction is about from stdin.")
    ] = False,
    choice: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B,…", help="Choices that the answer is one of. With two, the second sets exit code 1."
        ),
    ] = None,
    kind: Annotated[
        Kind, typer.Option("--type", help="Type of the result; bool is the same as `--choice yes,no`.")
    ] = Kind.TEXT,
    schema: Annotated[Path | None, typer.Option(help="File with the JSON schema of the answer.")] = None,
    think: Annotated[
        bool, typer.Option("--think", help="Let the model reason before it answers; the reasoning is not printed.")
    ] = False,
    max_tokens: Annotated[int, typer.Option(min=1, help="Maximum number of tokens of the answer.")] = MAX_TOKENS,
    timeout: Annotated[float | None, typer.Option(min=0.001, help="Time limit of a task, in seconds.")] = None,
    rows: Annotated[
        Path | None,
        typer.Option("--input", help="File to run the task on, once for each row: JSON lines, .csv or .tsv."),
    ] = None,
    column: Annotated[
        str, typer.Option(help="Column of the `--input` file to pass to the model. Default: all columns.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(help="File for the results of `--input`, as JSON lines; an interrupted run continues there."),
    ] = None,
    model: Model = None,
    n_ctx: Context = None,
    threads: Threads = None,
    temperature: Temperature = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers for sampling.")] = 0,
    as_json_: Json = False,
) -> None:
    """Let the model decide or extract a value: a choice, a number, or JSON that matches a schema."""
    if sum([data is not None, file is not None, stdin, rows is not None]) > 1:
        raise ConfigError("The data has several sources.", "Give one of --data, --file, --stdin and --input.")
    if (rows is None) != (output is None):
        raise ConfigError("--input and --output belong together.", "Give both.")
    choices, json_schema = _read_output_options(choice or [], kind, schema)
    job = Task(
        prompt=prompt,
        data="" if rows else _read_data(data, file, stdin=stdin),
        choices=choices,
        schema=json_schema,
        think=think,
        max_tokens=max_tokens,
        deadline_ms=timeout and timeout * 1e3,
        sampling=SamplingParams(temperature=temperature, seed=seed),
    )
    job.check()
    total = sum(1 for _ in read_rows(rows, column)) if rows else 0
    overrides = model_settings(model, n_ctx, threads)
    with open_assistant(**overrides) as assistant:
        if rows and output:
            model_name = load_settings(**overrides).model
            results = run_batch(job, read_rows(rows, column), assistant.run, output, model_name)
            raise typer.Exit(_show_rows(results, total, output))
        answer = assistant.run(job)
    for warning in answer.warnings:
        stderr.print(f"[yellow]Warning:[/] {warning}")
    _print(answer, as_json=as_json_)
    if len(choices) == 2 and answer.value == choices[1]:
        raise typer.Exit(1)


def _read_output_options(choice: list[str], kind: Kind, schema: Path | None) -> tuple[tuple[str, ...], str]:
    """The choices and the JSON schema from the options."""
    if bool(choice) + (kind is not Kind.TEXT) + (schema is not None) > 1:
        raise ConfigError("The result has several types.", "Give one of --choice, --type and --schema.")
    if choice:
        return tuple(part.strip() for each in choice for part in each.split(",")), ""
    if schema is None:
        spec = spec_of_type(_TYPES[kind])
        return spec.choices, json.dumps(spec.schema) if spec.schema else ""
    try:
        content = json.loads(load_document(schema).text)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{schema} is not valid JSON: {error}.", "Correct the file.") from error
    if not isinstance(content, dict):
        raise SchemaError(f"{schema} is not a JSON schema.", 'Give an object such as {"type": "integer"}.')
    return (), json.dumps(content, ensure_ascii=False)


def _read_data(data: str | None, file: Path | None, *, stdin: bool) -> str:
    if file:
        return load_document(file).text
    return read_document(sys.stdin.buffer.read(), "stdin").text if stdin else data or ""


def _print(answer: Answer, *, as_json: bool) -> None:
    if as_json:
        counters = {name: getattr(answer.counters, name) for name in _COUNTERS}
        probabilities = {choice: round(probability, 4) for choice, probability in answer.probabilities.items()}
        print_json({**asdict(answer), "probabilities": probabilities, "counters": counters})
    else:
        value = answer.value if isinstance(answer.value, str) else json.dumps(answer.value, ensure_ascii=False)
        print_data(value + "\n")


def _show_rows(results: Iterator[RowResult], total: int, output: Path) -> int:
    """Show progress on the rows and their errors; returns the exit code: 1 if rows failed."""
    done = failed = 0
    with row_progress("rows", total) as advance:
        for result in results:
            done += 1
            failed += bool(result.error)
            advance()
            if result.error:
                stderr.print(f"Row {result.row}: {result.error}", markup=False)
    stderr.print(f"{done - failed} of {done} rows are done: {output}", markup=False)
    return int(failed > 0)

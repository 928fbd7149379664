"""`nano-lsp summarize`: summarizes private documents, with a citation for each statement."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from nano_lsp.assistant.checkpoint import Checkpoint
from nano_lsp.cli.output import print_data, to_json
from nano_lsp.cli.terminal import (
    Context,
    Model,
    Threads,
    model_settings,
    open_assistant,
    row_progress,
    stderr,
)
from nano_lsp.code.file_replacement import replace_file
from nano_lsp.config import find_folders, load_settings
from nano_lsp.errors import DocumentError
from nano_lsp.summarize import summary
from nano_lsp.summarize.loaders import Block, load_document_blocks
from nano_lsp.summarize.pipeline import write_summary
from nano_lsp.summarize.summary import Form, Length, Summary

EXAMPLES = """Examples:

`nano-lsp summarize report.pdf`

`nano-lsp summarize contract.docx --length long --form outline --output contract-summary.md`

`nano-lsp summarize notes.md --json`
"""


def summarize(  # noqa: PLR0917 - options, which typer passes by name
    file: Annotated[Path, typer.Argument(help="Text, Markdown, CSV, HTML, PDF or DOCX file.")],
    length: Annotated[
        Length, typer.Option(help="Length of the summary: at most 5, 12 or 25 statements.")
    ] = Length.MEDIUM,
    form: Annotated[Form, typer.Option(help="Format of the summary.")] = Form.BULLETS,
    output: Annotated[
        Path | None, typer.Option(help="File to write the summary to, instead of the terminal.")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print statements, citations, passages, and notes on unread parts, as JSON."),
    ] = False,
    keep: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume", help="Keep the progress in the cache folder, to resume an interrupted run."
        ),
    ] = True,
    model: Model = None,
    n_ctx: Context = None,
    threads: Threads = None,
) -> None:
    """Summarize a document with citations; statements that its text does not support are left out."""
    document = load_document_blocks(file)
    if output and (output.is_dir() or not output.resolve().parent.is_dir()):
        raise DocumentError(f"{output} cannot be written.", "Give --output FILE in an existing folder.")
    overrides = model_settings(model, n_ctx, threads)
    with open_assistant(**overrides) as assistant:
        settings = load_settings(**overrides)
        conditions = f"{settings.model} {settings.n_ctx} {length.value}"
        progress = Checkpoint(_progress_path(document.blocks, conditions) if keep else None)
        n, parts = summary.N_STATEMENTS[length], partial(row_progress, "parts")
        found = write_summary(assistant.run, document, n, progress, parts)
    text = _as_json(found) if as_json else summary.render(found.statements, form)
    if output:
        try:
            replace_file(output, text)
        except OSError as error:
            raise DocumentError(
                f"{output} cannot be written: {error.strerror}.", "Give another --output FILE."
            ) from error
    elif as_json:
        print_data(text)
    else:
        print(text, end="")
    progress.forget()
    for note in found.notes:
        stderr.print(note.text, highlight=False, markup=False, soft_wrap=True)
    if found.n_unsupported:
        stderr.print(f"{found.n_unsupported} statements were left out, as the text does not support them.")


def _progress_path(blocks: Sequence[Block], conditions: str) -> Path:
    text = json.dumps([conditions, [asdict(block) for block in blocks]])
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return find_folders().cache / "summaries" / f"{digest}.jsonl"


def _as_json(found: Summary) -> str:
    record = {
        "statements": [{"statement": each.text, **asdict(each.passage)} for each in found.statements],
        "notes": [asdict(note) for note in found.notes],
        "unsupported": found.n_unsupported,
    }
    return to_json(record)

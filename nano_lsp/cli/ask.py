"""`nano-lsp ask`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nano_lsp.chat import Ask
from nano_lsp.cli.output import print_json
from nano_lsp.cli.terminal import (
    Context,
    Json,
    Model,
    Seed,
    StreamPrinter,
    Temperature,
    Threads,
    as_json,
    model_settings,
    open_assistant,
)
from nano_lsp.code.document import read_document
from nano_lsp.errors import DocumentError
from nano_lsp.schema import SamplingParams

EXAMPLES = """Examples:

`nano-lsp ask "What does zip(strict=True) do?"`

`nano-lsp ask --code "a Python function that parses ISO dates"`

`nano-lsp ask --think "Is 1001 prime?"`

`git diff | nano-lsp ask "Write a commit message:" --stdin`
"""


def ask(  # noqa: PLR0917 - options, which typer passes by name
    question: Annotated[str, typer.Argument(help="The question to answer.")],
    code: Annotated[bool, typer.Option("--code", help="Answer with code only.")] = False,
    think: Annotated[bool, typer.Option("--think", help="Let the model reason step by step.")] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Append the text from stdin to the question.")] = False,
    model: Model = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Maximum number of tokens of the answer.")] = 512,
    n_ctx: Context = None,
    threads: Threads = None,
    temperature: Temperature = 0.0,
    seed: Seed = None,
    as_json_: Json = False,
) -> None:
    """Answer a question, about code or anything else."""
    if stdin:
        question = f"{question}\n\n{read_document(sys.stdin.buffer.read(), 'stdin').text}"
    if not question.strip():
        raise DocumentError("The question is empty.", 'For example: nano-lsp ask "What is a monad?"')
    with open_assistant(**model_settings(model, n_ctx, threads)) as assistant:
        printer = StreamPrinter(show_text=not as_json_, as_data=code)
        sampling = SamplingParams(temperature=temperature, seed=seed)
        answer = assistant.run(Ask(question, code, think, max_tokens, sampling=sampling), printer)
        printer.finish(answer)
    if as_json_:
        print_json(as_json(answer))

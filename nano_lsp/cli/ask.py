"""`nano-lsp ask`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nano_lsp.chat import Ask
from nano_lsp.cli.output import print_json
from nano_lsp.cli.terminal import (
    Adapter,
    Context,
    Json,
    Model,
    Stream,
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
    question: Annotated[str, typer.Argument(help="The question.")],
    code: Annotated[bool, typer.Option("--code", help="Answer with code only.")] = False,
    think: Annotated[bool, typer.Option("--think", help="Think step by step.")] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Append what is read from stdin.")] = False,
    model: Model = None,
    adapter: Adapter = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="At most so many tokens.")] = 512,
    n_ctx: Context = None,
    threads: Threads = None,
    temperature: Annotated[float, typer.Option(help="0 takes the most probable token.")] = 0.0,
    seed: Annotated[int | None, typer.Option(help="Of the random numbers.")] = None,
    as_json_: Json = False,
) -> None:
    """Ask a question."""
    if stdin:
        question = f"{question}\n\n{read_document(sys.stdin.buffer.read(), 'stdin').text}"
    if not question.strip():
        raise DocumentError("The question is empty.", 'For example: nano-lsp ask "What is a monad?"')
    with open_assistant(**model_settings(model, adapter, n_ctx, threads)) as assistant:
        stream = Stream(show_text=not as_json_, as_data=code)
        sampling = SamplingParams(temperature=temperature, seed=seed)
        job = Ask(question, code, think, max_tokens, sampling=sampling)
        answer = assistant.run(job, stream)
        stream.finish(answer)
    if as_json_:
        print_json(as_json(answer))

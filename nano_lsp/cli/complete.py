"""`nano-lsp complete`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nano_lsp.cli.output import print_data, print_json
from nano_lsp.cli.terminal import (
    Adapter,
    Context,
    Json,
    Model,
    Seed,
    StreamPrinter,
    Temperature,
    Threads,
    WorkspaceRoot,
    as_json,
    model_settings,
    open_assistant,
)
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.code.document import load_document, offset_at, parse_location, read_document
from nano_lsp.completion.completer import Alternatives
from nano_lsp.schema import SamplingParams

_RULE = "-" * 8
EXAMPLES = """Examples:

`nano-lsp complete src/app.py:12:5`

`nano-lsp complete src/app.py:12:5 --alternatives 3`

`git show HEAD:app.py | nano-lsp complete -:12:5 --json`
"""


def complete(  # noqa: PLR0917 - options, which typer passes by name
    location: Annotated[
        str,
        typer.Argument(
            metavar="FILE:LINE:COL", help="Position of the cursor; lines and columns count from 1, - reads stdin."
        ),
    ],
    workspace: WorkspaceRoot = None,
    model: Model = None,
    adapter: Adapter = None,
    max_tokens: Annotated[int | None, typer.Option(help="Maximum number of tokens of the completion.")] = None,
    prompt_tokens: Annotated[int | None, typer.Option(help="Maximum number of tokens of the prompt.")] = None,
    n_ctx: Context = None,
    threads: Threads = None,
    temperature: Temperature = 0.0,
    seed: Seed = None,
    alternatives: Annotated[
        int, typer.Option(min=1, max=3, help="Maximum number of different completions to print.")
    ] = 1,
    as_json_: Json = False,
) -> None:
    """Print the completion at a position in a file."""
    name, line, column = parse_location(location)
    document = read_document(sys.stdin.buffer.read(), "stdin") if name == "-" else load_document(Path(name))
    completion_input = CompletionInput(document.name, document.text, offset_at(document.text, line, column))
    overrides = model_settings(model, n_ctx, threads, adapter)
    with open_assistant(**overrides, max_tokens=max_tokens, prompt_tokens=prompt_tokens) as assistant:
        if workspace:
            assistant.use_workspace(workspace)
            assistant.index_workspaces()
        # Postprocessing may truncate the text, so it is not streamed.
        printer = StreamPrinter(show_text=False)
        sampling = SamplingParams(temperature=temperature, seed=seed)
        completions = assistant.run(Alternatives(completion_input, alternatives, sampling=sampling), printer)
        printer.finish(completions[0])
    if as_json_:
        answers = [as_json(completion) for completion in completions]
        print_json(answers if alternatives > 1 else answers[0])
    else:
        print_data(f"\n{_RULE}\n".join(completion.text for completion in completions) + "\n")

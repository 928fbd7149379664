"""`nano-lsp forge data`: makes training data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from nano_lsp.cli.output import print_json
from nano_lsp.cli.terminal import Model, open_local_assistant, resumable, stderr, stdout
from nano_lsp.forge.data import make_data
from nano_lsp.forge.dataset import CARD, OnProgress
from nano_lsp.forge.recipe import load_recipe

EXAMPLES = (
    "Examples: `nano-lsp forge data workspace . --output ~/forge/mine`; "
    "`nano-lsp forge data infill --against HumanEval-SingleLineInfilling.jsonl.gz --output data`"
)
_CASES_PER_LINE = 5000


def data(  # noqa: PLR0917 - options, which typer passes by name
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or path of your own TOML file.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="For `workspace`, its folder (default: the current one). For `infill`, names of installed packages "
            "or a site-packages folder (default: all packages of this Python). For `next-edit`, git repositories, or "
            "folders with clones in them. For `reasoning-mix`, a folder with the sets as Parquet or JSON lines "
            "(default: the Hugging Face hub)."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder for the data; a run that was interrupted continues there.")
    ] = ...,  # type: ignore[assignment]
    seed: Annotated[int, typer.Option(help="Seed of all random choices.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of cases.")] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Evaluation file; cases that share 13 words in a row with it are left out. May be repeated.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    model: Model = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the data card as JSON.")] = False,
) -> None:
    """Make training data: token ids of cases in the layout in which the model is asked, and a data card."""
    loaded = load_recipe(recipe)
    with data_maker(model or loaded.base, output) as make:
        card = make(loaded, sources or [], output, seed=seed, limit=limit, against=against or [])
    if as_json:
        print_json(card)
        return
    for split, kinds in card["counts"].items():
        for kind, n in kinds.items():
            stdout.print(f"{split} {kind}: {n['cases']:,} cases, {n['tokens']:,} tokens", markup=False)
    for reason, number in card["left_out"].items():
        stdout.print(f"left out, {reason}: {number:,}", markup=False)
    stderr.print(f"Data card: {output / CARD}", markup=False)


@contextmanager
def data_maker(model: str, output: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Open a model for making data, and show the progress.

    Args:
        model: Name or path of the model to train.
        output: Folder for the data.

    Yields:
        `make_data` without the arguments that depend on the model and the program.

    Raises:
        NanoError: The model cannot be used, or the data cannot be made.
        CancelledError: The user has pressed Ctrl-C.
    """
    with open_local_assistant(model=model) as (assistant, settings), resumable(output), _progress() as show:
        yield partial(
            make_data,
            tokenizer=assistant.model.tokenizer,
            fim_order=assistant.model.fim_order,
            settings=settings,
            on_progress=show,
        )


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """Show the progress: a line that is updated on a terminal, otherwise a line every 5,000 cases."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    bar = Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)
    task = bar.add_task("reading", total=None)
    printed = 0

    def show(source: str, n_cases: int, n_tokens: int) -> None:
        nonlocal printed
        text = f"{n_cases:,} cases, {n_tokens:,} tokens: {source}"
        bar.update(task, description=text)
        if not stderr.is_terminal and n_cases // _CASES_PER_LINE > printed:
            printed = n_cases // _CASES_PER_LINE
            stderr.print(text, markup=False)

    with bar:
        yield show

"""`nano-lsp forge`: recipes for fine-tuning, training data, training, and the evaluation of adapters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from nano_lsp.cli import forge_eval
from nano_lsp.cli.output import print_data, print_json
from nano_lsp.cli.terminal import Model, file_progress, open_local_assistant, resumable, stderr, stdout
from nano_lsp.config import find_folders, is_path, load_settings
from nano_lsp.errors import ConfigError
from nano_lsp.forge.data import make_data
from nano_lsp.forge.dataset import CARD, OnProgress
from nano_lsp.forge.merge import merge_adapter
from nano_lsp.forge.recipe import find_recipe, load_recipe, recipe_names
from nano_lsp.models.adapters import AdapterStore, find_base
from nano_lsp.models.store import ModelStore

_CASES_PER_LINE = 5000

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Fine-tune the model: recipes, training data, training, evaluation and merging of adapters.",
    epilog="Start with `nano-lsp forge recipes`.",
)
app.command("eval", epilog=forge_eval.EXAMPLES)(forge_eval.evaluate)


@app.command(epilog="Example: `nano-lsp forge recipes infill`")
def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Name of a recipe, or path of your own TOML file, to check and print.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print recipes with all values as JSON.")] = False,
) -> None:
    """List the recipes, or print one."""
    found = [load_recipe(each) for each in ([name] if name else recipe_names())]
    if as_json:
        print_json(found[0].as_dict() if name else [recipe.as_dict() for recipe in found])
    elif name:
        print_data(find_recipe(name).read_bytes())
    else:
        for recipe in found:
            stdout.print(f"{recipe.name}: {recipe.description}", markup=False)


@app.command(
    epilog="Examples: `nano-lsp forge data workspace . --output ~/forge/mine`; "
    "`nano-lsp forge data infill --against HumanEval-SingleLineInfilling.jsonl.gz --output data`"
)
def data(  # noqa: PLR0917 - options, which typer passes by name
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or path of your own TOML file.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="For `workspace`, its folder (default: the current one). For `infill`, names of installed packages "
            "or a site-packages folder (default: all packages of this Python). For `reasoning-mix`, a folder with "
            "the sets as Parquet or JSON lines (default: the Hugging Face hub)."
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
    chosen = load_recipe(recipe)
    with (
        open_local_assistant(model=model or chosen.base) as (assistant, settings),
        resumable(output),
        _progress() as show,
    ):
        card = make_data(
            chosen,
            sources or [],
            output,
            tokenizer=assistant.model.tokenizer,
            fim_order=assistant.model.fim_order,
            settings=settings,
            on_progress=show,
            seed=seed,
            limit=limit,
            against=against or [],
        )
    if as_json:
        print_json(card)
        return
    for split, kinds in card["counts"].items():
        for kind, n in kinds.items():
            stdout.print(f"{split} {kind}: {n['cases']:,} cases, {n['tokens']:,} tokens", markup=False)
    for reason, number in card["left_out"].items():
        stdout.print(f"left out, {reason}: {number:,}", markup=False)
    stderr.print(f"Data card: {output / CARD}", markup=False)


@app.command(
    epilog="Examples: `nano-lsp forge train ~/forge/mine --minutes 60`; "
    "`nano-lsp forge train ~/forge/mine --steps 500 --output ~/forge/adapter`"
)
def train(  # noqa: PLR0917 - as above
    folder: Annotated[Path, typer.Argument(metavar="DATA", help="Folder that `nano-lsp forge data` has written.")],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for checkpoints and the adapter; a run that was interrupted continues there. If not given, "
            "`training` in the folder of the data."
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Maximum time. The number of steps is derived from the speed when the run begins."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Number of steps. Without this and --minutes, all cases are trained on once."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random choices.")] = 0,
    no_pause: Annotated[
        bool, typer.Option("--no-pause", help="Do not pause on battery and while an editor uses the model.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the loss curve and other results as JSON.")] = False,
) -> None:
    """Train a LoRA adapter for the model that the data was made for, and write it as a GGUF file."""
    from nano_lsp.cli.training import run_training  # noqa: PLC0415 - the others need no training

    if minutes is not None and steps is not None:
        raise ConfigError("Both --minutes and --steps are given.", "Give one of them.")
    output = output or folder / "training"
    curve = run_training(folder, output, minutes=minutes, steps=steps, seed=seed, pauses=not no_pause)
    if as_json:
        print_json(curve)
    elif curve["heldout_loss"]:
        before, after = curve["heldout_loss"][0], curve["heldout_loss"][-1]
        stdout.print(f"held-out loss: {before:.3f} before, {after:.3f} after training, in nats a token")


@app.command(epilog="Example: `nano-lsp forge merge mine --output merged.gguf`")
def merge(
    adapter: Annotated[str, typer.Argument(help="Name of an installed adapter, or path of a GGUF file.")],
    output: Annotated[Path, typer.Option(help="Path of the new model file, which must not exist.")],
    model: Model = None,
) -> None:
    """Merge an adapter into its model: a new model file in Q4_K_M, which needs no adapter."""
    settings, folders = load_settings(model=model), find_folders()
    base = find_base(settings.model, folders)
    with file_progress() as show:
        ModelStore(folders).find(settings.model, show)
        file = Path(adapter).expanduser() if is_path(adapter) else AdapterStore(folders.adapters).find(adapter).path
        merge_adapter(file, base, output, show, check_memory=settings.check_memory)
    stdout.print(f"{output} is complete. `nano-lsp model import {output} --name NAME` installs it.", markup=False)


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

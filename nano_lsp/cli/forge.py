"""`nano-lsp forge`: recipes for fine-tuning, training data, training, and the evaluation of adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nano_lsp.cli import forge_data, forge_eval
from nano_lsp.cli.output import print_data, print_json
from nano_lsp.cli.terminal import Model, check_minutes, file_progress, stdout
from nano_lsp.config import find_folders, is_path, load_settings
from nano_lsp.errors import ConfigError
from nano_lsp.forge.merge import merge_adapter
from nano_lsp.forge.recipe import find_recipe, load_recipe, recipe_names
from nano_lsp.models.adapters import AdapterStore, find_base
from nano_lsp.models.store import ModelStore

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Fine-tune the model: recipes, training data, training, evaluation and merging of adapters.",
    epilog="Start with `nano-lsp forge run --dry-run`.",
)
app.command("data", epilog=forge_data.EXAMPLES)(forge_data.data)
app.command("eval", epilog=forge_eval.EXAMPLES)(forge_eval.evaluate)


@app.command(
    epilog="Examples: `nano-lsp forge run --dry-run`; `nano-lsp forge run ~/project --model pico --minutes 120`"
)
def run(  # noqa: PLR0917 - options, which typer passes by name
    folder: Annotated[Path, typer.Argument(help="Folder of the workspace.", exists=True, file_okay=False)] = Path(),
    model: Model = None,
    minutes: Annotated[
        float,
        typer.Option(
            callback=check_minutes,
            help="Maximum time of training, above 0; making the data and judging come on top of it.",
        ),
    ] = 60,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Leave out files that match this pattern, written as in .gitignore. May be repeated.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "--output",
            help="Folder for everything that is written; a run that was interrupted continues there. If not given, "
            "one for each workspace, in the folder of models and adapters.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done, and what is missing for it.")
    ] = False,
    until_input_ends: Annotated[
        bool,
        typer.Option(
            "--until-input-ends", help="Stop as after Ctrl-C when stdin ends: for programs that start this."
        ),
    ] = False,
) -> None:
    """Train on the code of a workspace: data, training, judging, and installing of an adapter that gains.

    The same command continues a run that was interrupted. The exit code is 0 if the adapter is installed, and 1 if it
    does not gain.
    """
    from nano_lsp.cli.forge_run import run_workspace  # noqa: PLC0415 - the others need no training

    run_workspace(
        folder,
        model=model,
        minutes=minutes,
        exclude=exclude or [],
        output=output,
        dry_run=dry_run,
        until_input_ends=until_input_ends,
    )


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
        typer.Option(
            callback=check_minutes,
            help="Maximum time, above 0. The number of steps is derived from the speed when the run begins.",
        ),
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

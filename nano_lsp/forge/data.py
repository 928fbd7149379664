"""Makes the training data of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from nano_lsp.code.workspace import Workspace
from nano_lsp.errors import ForgeError
from nano_lsp.forge.cases import CodeCases, find_end_token
from nano_lsp.forge.code_sources import CodePlan, Survey, package_sources, survey_workspace, workspace_source
from nano_lsp.forge.dataset import DatasetWriter, OnProgress, read_run
from nano_lsp.forge.overlap import EvaluationTexts
from nano_lsp.forge.recipe import Recipe
from nano_lsp.forge.session_sources import repository_sources
from nano_lsp.forge.source import Source
from nano_lsp.forge.text_sources import stratum_sources
from nano_lsp.inference.backend import Tokenizer
from nano_lsp.settings import Settings
from nano_lsp.version import __version__


def make_data(
    recipe: Recipe,
    given: Sequence[str],
    output: Path,
    *,
    tokenizer: Tokenizer,
    fim_order: str,
    settings: Settings,
    on_progress: OnProgress,
    seed: int = 0,
    limit: int | None = None,
    against: Sequence[Path] = (),
    survey: Survey | None = None,
) -> dict[str, Any]:
    """Make training data, or what is missing of it, and return the data card.

    Args:
        recipe: What to make.
        given: Packages, a workspace folder, git repositories or a folder of local files; empty for the recipe's own
            choice.
        output: Folder for the data.
        tokenizer: Tokenizer of the model that is to be trained.
        fim_order: Order of prefix and suffix in its prompts.
        settings: Settings of the product, for imported signatures.
        on_progress: Receives the progress.
        seed: Seed of all random choices.
        limit: Maximum number of cases; None for no limit.
        against: Files of evaluations that no case may overlap with.
        survey: Files of the workspace, where they are known already; None to find them.

    Raises:
        ForgeError: The data cannot be made.
        OSError: The folder cannot be written.
    """
    find_end_token(tokenizer, recipe)
    known = read_run(output) or {}
    evaluation = EvaluationTexts(against)

    def make_cases(workspace: Workspace) -> CodeCases:
        return CodeCases(tokenizer, fim_order, settings, workspace, recipe)

    sources: list[Source]
    left_out: dict[str, int] = {}
    folder: Path | None = None
    is_shared = False  # whether the sources share the limit
    if recipe.strata or (recipe.code and recipe.code.origin == "workspace"):
        if len(given) > 1:
            raise ForgeError(f"The recipe {recipe.name} takes one folder.", "Give one folder, or none.")
        folder = Path(given[0]).expanduser() if given else None
    if recipe.sessions is not None:
        sources, is_shared = repository_sources(given, recipe, tokenizer, seed), True
    elif recipe.code is None:
        commits = {
            name: version for name, version, _ in known.get("sources", []) if not version.startswith("sha256:")
        }
        sources = stratum_sources(recipe, folder, commits, limit, tokenizer)
    else:
        plan = CodePlan(recipe.code, recipe.heldout, seed, make_cases)
        if recipe.code.origin == "workspace":
            sources = [workspace_source(survey or survey_workspace(folder or Path(), recipe.code), plan)]
        else:
            (sources, left_out), is_shared = package_sources(given, plan), True
    if limit and is_shared:  # of each package or repository an equal part
        share = ceil(limit / len(sources))
        sources = [replace(each, max_cases=min(each.max_cases or share, share)) for each in sources]
    conditions = {
        "seed": seed,
        "tokenizer": {
            "model": tokenizer.spec.name,
            "n_vocab": tokenizer.spec.n_vocab,
            "fim_order": fim_order,
            "imported_tokens": settings.imported_tokens,
        },
        "nano_lsp": __version__,
        "sources": [[each.name, each.version, each.license] for each in sources],
    }
    return DatasetWriter(output, recipe, evaluation, limit, conditions).write(sources, left_out, on_progress)

"""`nano-lsp eval`: measures the quality of completions on benchmark problems or on the user's own code."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from nano_lsp.cli import eval_report
from nano_lsp.cli.eval_next_edit import evaluate_next_edit
from nano_lsp.cli.output import print_json
from nano_lsp.cli.terminal import (
    Adapter,
    Context,
    Model,
    Threads,
    WorkspaceRoot,
    model_settings,
    open_local_assistant,
    row_progress,
    stderr,
)
from nano_lsp.code.open_documents import OpenDocument
from nano_lsp.completion.postprocess import MIN_TOKEN_PROBABILITY, STEPS, PostprocessOptions
from nano_lsp.config import find_folders
from nano_lsp.errors import EvaluationError
from nano_lsp.evaluation import points, problems, runner
from nano_lsp.evaluation.baseline import LlamaVimCompletion
from nano_lsp.evaluation.caching_backend import CachingBackend
from nano_lsp.models.adapters import choose_adapter, find_base
from nano_lsp.schema import Completion

EXAMPLES = """Examples:

`nano-lsp eval src --limit 100`

`nano-lsp eval . --language go --language typescript --automatic`

`nano-lsp eval single.jsonl.gz --without syntax --results without-syntax.jsonl`

`nano-lsp eval --next-edit repositories --limit 50`

`nano-lsp eval --compare first.jsonl second.jsonl`
"""


class Style(StrEnum):
    """The client whose requests are made."""

    NANO = "nano"
    LLAMA_VIM = "llama-vim"
    WINDOW = "window"


def evaluate(  # noqa: PLR0917 - options, which typer passes by name
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of source files, or a file of HumanEval-Infilling or of `nano-lsp forge data` "
            "(.jsonl, .jsonl.gz)."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Maximum number of problems. Default: all of a file, 300 cursor positions in a folder."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for the selection of cursor positions in a folder.")] = 0,
    language: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="LSP language id of the files to take from a folder, such as `go`; the option may be repeated. "
            "Default: all languages with a grammar, each with a share by the number of its files.",
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="File for the outcomes, one JSON object per line; an interrupted run continues there."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="STEP", help="Postprocessing step to leave out; the option may be repeated."),
    ] = None,
    automatic: Annotated[
        bool,
        typer.Option("--automatic", help="Complete as automatic suggestions do while typing: only likely code."),
    ] = False,
    memo: Annotated[
        Path | None,
        typer.Option(
            help="File that caches the model's answers, so that another run generates only new ones. Times are then "
            "not meaningful."
        ),
    ] = None,
    style: Annotated[
        Style,
        typer.Option(
            help="Client whose requests are made, for comparisons. `window`, with --next-edit: the model rewrites "
            "21 lines, as other programs ask it to."
        ),
    ] = Style.NANO,
    next_edit: Annotated[
        bool,
        typer.Option(
            "--next-edit",
            help="Evaluate the next edit: commits of the git repositories in the folder are replayed up to the last "
            "change, which is to be found. Default of --limit: 200.",
        ),
    ] = False,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(metavar="A B", help="Compare the result files of two runs.")
    ] = None,
    workspace: WorkspaceRoot = None,
    model: Model = None,
    adapter: Adapter = None,
    n_ctx: Context = None,
    threads: Threads = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure completions: exact matches, tests passed, characters saved and shown for nothing, broken code, time."""
    if compare:
        eval_report.show_comparison(*map(runner.load_outcomes, compare), as_json=as_json)
        return
    if data is None:
        raise EvaluationError("There is nothing to evaluate on.", "Give a folder or a file of problems; see --help.")
    if next_edit:
        overrides = {**model_settings(model, n_ctx, threads, adapter)}
        evaluate_next_edit(
            data, limit, seed, results, rewrites=style is Style.WINDOW, as_json=as_json, overrides=overrides
        )
        return
    if style is Style.WINDOW:
        raise EvaluationError("The style `window` is a way to ask for the next edit.", "Add --next-edit.")
    disabled = frozenset(without or ())
    unknown = disabled - {name for name, _ in STEPS}
    if unknown:
        known = ", ".join(name for name, _ in STEPS)
        raise EvaluationError(f"Unknown step: {', '.join(sorted(unknown))}.", f"The steps are: {known}.")
    languages = sorted(set(language or ()))
    if languages and not data.is_dir():
        raise EvaluationError("Languages are chosen for a folder only.", "Leave out --language, or give a folder.")
    chosen = _sample(data, limit or 300, seed, languages) if data.is_dir() else problems.load_infilling(data)[:limit]
    wrap = partial(CachingBackend, path=memo) if memo else None
    # With token budgets from measured speed, the figures would not be reproducible.
    overrides = {**model_settings(model, n_ctx, threads, adapter), "latency_ms": 0}
    with open_local_assistant(wrap, **overrides) as (assistant, settings):
        conditions: dict[str, object] = {
            "data": data.name,
            "seed": seed,
            "style": style.value,
            "without": sorted(disabled),
            "automatic": automatic,
            "model": settings.model,
            "prompt_tokens": settings.prompt_tokens,
        }
        if languages:
            conditions["languages"] = languages
        folders = find_folders()
        used = choose_adapter(settings.adapter, workspace, find_base(settings.model, folders), folders).file
        if used:
            conditions["adapter"] = used.sha256
        if workspace:
            conditions["workspace"] = settings.imported_tokens
            assistant.use_workspace(workspace)
            assistant.index_workspaces()
        slug = "-".join(
            [
                data.name.split(".")[0],
                settings.model.split("/")[-1],
                style.value,
                *languages,
                *sorted(disabled),
                *["workspace"] * bool(workspace),
                *([used.sha256[:8]] if used else []),
            ]
        )
        results = results or folders.cache / "eval" / f"{slug}.jsonl"

        options = PostprocessOptions(
            disabled_steps=disabled,
            automatic=automatic,
            min_token_probability=MIN_TOKEN_PROBABILITY if automatic else 0.0,
        )

        def complete(problem: problems.Problem) -> Completion:
            if style is Style.LLAMA_VIM:
                text = problem.prefix + problem.suffix
                document = OpenDocument(problem.file_name, problem.language)
                document.update(text, problem.part_of(text).range_in(text))
                return assistant.run(LlamaVimCompletion(document.name, document.cursor(len(problem.prefix))))
            return assistant.run(runner.completion_of(problem, options))

        outcomes = []
        with row_progress("problems", len(chosen)) as advance:
            for outcome in runner.run(chosen, complete, results, conditions):
                outcomes.append(outcome)
                advance()
    if as_json:
        print_json(eval_report.figures(outcomes))
    else:
        eval_report.show(outcomes)
        stderr.print(f"Outcomes: {results}")


def _sample(folder: Path, n: int, seed: int, languages: Sequence[str]) -> Sequence[problems.Problem]:
    """Sample cursor points, and say which files were left out."""
    sample = points.sample_points(folder, n, seed, points.choose_languages(languages))
    if sample.left_out:
        stderr.print(f"Files left out: {points.describe(sample.left_out)}.")
    return sample.points

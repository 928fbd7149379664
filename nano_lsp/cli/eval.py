"""`nano-lsp eval`: measures the quality of completions on benchmark problems or on the user's own code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

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
    stdout,
)
from nano_lsp.code.languages import language_of
from nano_lsp.code.open_documents import OpenDocument
from nano_lsp.completion.postprocess import MIN_TOKEN_PROBABILITY, STEPS, PostprocessOptions
from nano_lsp.config import find_folders
from nano_lsp.errors import EvaluationError
from nano_lsp.evaluation import metrics, problems, runner
from nano_lsp.evaluation.baseline import LlamaVimCompletion
from nano_lsp.evaluation.caching_backend import CachingBackend
from nano_lsp.models.adapters import choose_adapter, find_base
from nano_lsp.schema import Completion

EXAMPLES = """Examples:

`nano-lsp eval src --limit 100`

`nano-lsp eval single.jsonl.gz --without syntax --results without-syntax.jsonl`

`nano-lsp eval --compare first.jsonl second.jsonl`
"""


class Style(str, Enum):
    """The client whose requests are made."""

    NANO = "nano"
    LLAMA_VIM = "llama-vim"


def evaluate(  # noqa: PLR0917 - options, which typer passes by name
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of Python files, or a file of HumanEval-Infilling or of `nano-lsp forge data` "
            "(.jsonl, .jsonl.gz)."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Maximum number of problems. Default: all of a file, 300 cursor positions in a folder."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for the selection of cursor positions in a folder.")] = 0,
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
    style: Annotated[Style, typer.Option(help="Client whose requests are made, for comparisons.")] = Style.NANO,
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
    """Measure completions: exact matches, tests passed, characters saved, broken code, tokens, time."""
    if compare:
        _show_comparison(metrics.compare(*map(runner.load_outcomes, compare)), as_json)
        return
    if data is None:
        raise EvaluationError("There is nothing to evaluate on.", "Give a folder or a file of problems; see --help.")
    disabled = frozenset(without or ())
    unknown = disabled - {name for name, _ in STEPS}
    if unknown:
        known = ", ".join(name for name, _ in STEPS)
        raise EvaluationError(f"Unknown step: {', '.join(sorted(unknown))}.", f"The steps are: {known}.")
    chosen = (
        problems.sample_points(data, limit or 300, seed) if data.is_dir() else problems.load_infilling(data)[:limit]
    )
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
                document = OpenDocument(problem.file_name, language_of(problem.file_name, text=text))
                document.update(text)
                return assistant.run(LlamaVimCompletion(document.name, document.cursor(len(problem.prefix))))
            return assistant.run(runner.completion_of(problem, options))

        outcomes = []
        with row_progress("problems", len(chosen)) as advance:
            for outcome in runner.run(chosen, complete, results, conditions):
                outcomes.append(outcome)
                advance()
    if as_json:
        figures = {"all": metrics.summarize(outcomes), **_by_kind(outcomes)}
        print_json({name: asdict(summary) for name, summary in figures.items()})
    else:
        _show(outcomes)
        stderr.print(f"Outcomes: {results}")


def _by_kind(outcomes: Sequence[metrics.Outcome]) -> dict[str, metrics.RunSummary]:
    groups: dict[str, list[metrics.Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.cursor_kind].append(outcome)
    return {kind: metrics.summarize(group) for kind, group in sorted(groups.items())}


def _show(outcomes: Sequence[metrics.Outcome]) -> None:
    titles = ("cursor in", "n", "exact", "pass@1", "saved", "shown", "broken", "evaluated", "generated", "ms")
    table = Table(*(Column(title, no_wrap=True, justify="right" if i else "left") for i, title in enumerate(titles)))
    for name, s in {**_by_kind(outcomes), "all": metrics.summarize(outcomes)}.items():
        shares = ["" if share is None else f"{share:.1f} %" for share in (s.exact, s.passed, s.saved, s.shown)]
        costs = [f"{s.evaluated_tokens:.0f}", f"{s.generated_tokens:.1f}", f"{s.latency_ms:,.0f}"]
        table.add_row(name, str(s.n), *shares, str(s.broken), *costs)
    # Output that is not a terminal has no width: use one that fits the table.
    console = stdout if stdout.is_terminal else Console(width=110)
    console.print(table)


def _show_comparison(comparisons: Sequence[metrics.Comparison], as_json: bool) -> None:
    if as_json:
        print_json([asdict(comparison) for comparison in comparisons])
        return
    table = Table("measure", "n", "files", "A", "B", "difference", "95 % interval", "p")
    for c in comparisons:
        difference = (f"{c.second - c.first:+.1f}", f"{c.low:+.1f} to {c.high:+.1f}", f"{c.p_value:.3f}")
        table.add_row(c.measure, str(c.n), str(c.files), f"{c.first:.1f} %", f"{c.second:.1f} %", *difference)
    stdout.print(table)

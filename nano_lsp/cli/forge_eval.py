"""`nano-lsp forge eval`: decides whether an adapter is taken."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nano_lsp.cli.output import print_json, to_json
from nano_lsp.cli.terminal import Model, check_minutes, open_local_assistant, resumable, row_progress, stderr, stdout
from nano_lsp.code.file_replacement import replace_file
from nano_lsp.completion.postprocess import PostprocessOptions
from nano_lsp.config import load_settings
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.evaluation import runner
from nano_lsp.evaluation.metrics import Outcome
from nano_lsp.evaluation.problems import Problem
from nano_lsp.forge import adapter_evaluation
from nano_lsp.forge.adapter_evaluation import Answers, ProblemSet
from nano_lsp.forge.dataset import locked_folder
from nano_lsp.forge.report import render_report
from nano_lsp.forge.source import encodable, hash_files
from nano_lsp.models.adapter_file import check_adapter
from nano_lsp.models.adapters import AUTO, NONE, shipped_adapter
from nano_lsp.schema import Completion
from nano_lsp.version import __version__

EXAMPLES = """Examples:

`nano-lsp forge eval ~/forge/mine --adapter ~/forge/mine/training/adapter.gguf`

`nano-lsp forge eval data --adapter adapter.gguf --general HumanEval-SingleLineInfilling.jsonl.gz --minutes 60`
"""
JSON, HTML = "evaluation.json", "evaluation.html"
EXIT_CODES = {True: 0, False: 1, None: 75}
"""Exit codes by whether the adapter is taken; None: not decided yet, sysexits.h's EX_TEMPFAIL."""
_CONDITIONS = ("model", "prompt_tokens", "max_tokens", "kv_type")


def evaluate(  # noqa: PLR0917 - options, which typer passes by name
    data: Annotated[
        Path, typer.Argument(help="Folder that `nano-lsp forge data` has written.", exists=True, file_okay=False)
    ],
    adapter: Annotated[
        Path, typer.Option(help="LoRA adapter to evaluate, a GGUF file.", exists=True, dir_okay=False)
    ] = ...,  # type: ignore[assignment]
    general: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Problems of another kind, in a file that `nano-lsp eval` reads: an adapter that loses more than 2 "
            "points there is not taken. May be repeated.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    baseline: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="The adapter that it is compared with: a GGUF file, none, or auto for the one that comes with the "
            "model, if any.",
        ),
    ] = AUTO,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of problems of each file. Decide on it before.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            callback=check_minutes,
            help="Stop after this time, above 0, with the figures so far; the same command continues, and decides "
            "once all problems are answered.",
        ),
    ] = None,
    model: Model = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the evaluation. Default: the folder of the adapter.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the evaluation as JSON.")] = False,
) -> None:
    """Compare an adapter with the model as it comes on held-out code, and decide whether the adapter is taken.

    Both complete the same code as in an editor. The exit code is 0 if the adapter is taken, 1 if it is not, and 75 if
    that is not decided yet, as not all problems are answered.
    """
    output = output or adapter.absolute().parent
    evaluation = judge(
        data, adapter, output, model=model, baseline=baseline, general=general or [], limit=limit, minutes=minutes
    )
    if as_json:
        print_json(evaluation)
    else:
        _show(evaluation)
    stderr.print(f"Report: {output / HTML}", markup=False)
    raise typer.Exit(EXIT_CODES[evaluation["taken"]])


def judge(
    data: Path,
    adapter: Path,
    output: Path,
    *,
    model: str | None,
    baseline: str = AUTO,
    general: Sequence[Path] = (),
    limit: int | None = None,
    minutes: float | None = None,
) -> dict[str, Any]:
    """Evaluate an adapter or go on with it, with its progress; write the evaluation and its report, and return it.

    Args:
        data: Folder that `forge data` has written.
        adapter: The adapter's file.
        output: Folder for the evaluation.
        model: Model to use; None for that of the data.
        baseline: Adapter of the answers before: a path, `none`, or `auto` for the one that comes with the model.
        general: Files with problems of another kind.
        limit: Maximum number of problems of each file; None for all.
        minutes: Maximum time; None for no limit.

    Raises:
        NanoError: The adapter or the data cannot be used.
        CancelledError: The user has pressed Ctrl-C.
    """
    card, training = adapter_evaluation.load_card(data), adapter_evaluation.load_training(adapter)
    check_adapter(adapter)
    sets = [
        adapter_evaluation.load_heldout(data, limit),
        *(ProblemSet.load(path, path.name, limit) for path in general),
    ]
    if (n_files := sets[0].n_files) < adapter_evaluation.MIN_FILES:
        stderr.print(f"The held-out code is of {n_files} files: no gain is significant in so few.", markup=False)
    model = model or str(card["tokenizer"]["model"])
    known = shipped_adapter(model) if baseline == AUTO else None if baseline == NONE else Path(baseline)
    if known:
        check_adapter(known)
    with locked_folder(output), resumable(output):
        folder = output / "outcomes"
        answers = _answer(sets, card, folder, minutes, model=model, adapter=adapter, baseline=known)
        evaluation = adapter_evaluation.build_evaluation(
            answers,
            training,
            model=model,
            adapter={"name": adapter.name, "sha256": hash_files([adapter])},
            baseline={"name": known.name, "sha256": hash_files([known])} if known else None,
            nano_lsp=__version__,
            recipe=card["recipe"],
        )
        replace_file(output / JSON, encodable(to_json(evaluation)))
        replace_file(output / HTML, encodable(render_report(evaluation)))
    return evaluation


def _answer(
    sets: Sequence[ProblemSet],
    card: Mapping[str, Any],
    folder: Path,
    minutes: float | None,
    *,
    model: str,
    adapter: Path,
    baseline: Path | None,
) -> list[Answers]:
    """Answer all problems with the adapter, then those that were answered with the baseline.

    So an adapter for another model is refused at once, and one model is in memory at a time.
    """
    started, seconds = time.monotonic(), math.inf if minutes is None else 60 * minutes
    until = [started + seconds * (i + 1) / (2 * len(sets)) for i in range(2 * len(sets))]
    after = [
        _run(each, card, folder, end, model=model, adapter=adapter, side="after")
        for each, end in zip(sets, until, strict=False)
    ]
    answered = [replace(each, problems=each.problems[: len(done)]) for each, done in zip(sets, after, strict=True)]
    before = [
        _run(each, card, folder, end, model=model, adapter=baseline, side="before")
        for each, end in zip(answered, until[len(sets) :], strict=True)
    ]
    return [Answers(*each) for each in zip(sets, before, after, strict=True)]


def _run(
    each: ProblemSet,
    card: Mapping[str, Any],
    folder: Path,
    end: float,
    *,
    model: str,
    adapter: Path | None,
    side: str,
) -> list[Outcome]:
    """Outcomes of a set: known ones from the folder, and new ones until a time of the monotonic clock."""
    # With token budgets from measured speed, the answers would not be reproducible.
    overrides: dict[str, Any] = {
        "model": model,
        "adapter": str(adapter.absolute()) if adapter else NONE,
        "latency_ms": 0,
    }
    settings = load_settings(os.environ, **overrides)
    sha256 = hash_files([adapter]) if adapter else ""
    conditions: dict[str, object] = {"nano_lsp": __version__, "problems": each.sha256, "adapter": sha256}
    conditions.update({name: getattr(settings, name) for name in _CONDITIONS})
    digest = hashlib.blake2b(json.dumps(conditions).encode(), digest_size=6).hexdigest()
    path = folder / f"{side}-{digest}.jsonl"
    known = {outcome.name for outcome in runner.load_outcomes(path)} if path.exists() else set()
    assistant: LocalAssistant | None = None

    def complete(problem: Problem) -> Completion:
        assert assistant, "opened unless all outcomes are known"  # noqa: S101
        assistant.forget(problem.file_name)  # an answer must not depend on those before, as these may be known
        return assistant.run(runner.completion_of(problem, PostprocessOptions()))

    outcomes = []
    with ExitStack() as stack:
        if any(problem.name not in known for problem in each.problems):
            assistant, _ = stack.enter_context(open_local_assistant(**overrides))
            adapter_evaluation.check_base(assistant.model.tokenizer, assistant.model.fim_order, card)
        advance = stack.enter_context(row_progress(escape(f"{side}, {each.name}"), len(each.problems)))
        for outcome in runner.run(each.problems, complete, path, conditions):
            outcomes.append(outcome)
            advance()
            if outcome.name not in known and time.monotonic() >= end:
                break
    return outcomes


def _show(evaluation: Mapping[str, Any]) -> None:
    sets = evaluation["sets"]
    groups = {**sets[0]["cursor_kinds"], **{f"all: {each['name']}": each["all"] for each in sets}}
    measures = list(dict.fromkeys(row["measure"] for rows in groups.values() for row in rows))
    table = Table("cursor in", "n", "files", *measures)
    for name, rows in groups.items():
        cells = {
            row["measure"]: f"{row['before']:.1f} → {row['after']:.1f} %, p = {row['p_value']:.3f}" for row in rows
        }
        counts = [str(max(row[count] for row in rows)) for count in ("n", "files")]
        table.add_row(escape(name), *counts, *(cells.get(measure, "") for measure in measures))
    # Output that is not a terminal has no width: use one that fits the table.
    console = stdout if stdout.is_terminal else Console(width=160)
    console.print(table)
    stdout.print(f"{adapter_evaluation.VERDICTS[evaluation['taken']]} {evaluation['reason']}", markup=False)

"""`nano-lsp eval --next-edit`: the next edit on sessions replayed from git histories."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from nano_lsp.cli.output import print_json
from nano_lsp.cli.terminal import open_local_assistant, row_progress, stderr, stdout
from nano_lsp.config import find_folders
from nano_lsp.evaluation.edit_methods import make_next_edit, make_rewriter
from nano_lsp.evaluation.edit_runner import EditSummary, run_sessions, summarize_edits
from nano_lsp.evaluation.edit_sessions import sample_sessions

_SESSIONS = 200
_TITLES = {
    "sessions": "sessions",
    "silent": "silent when it should be, %",
    "shown": "shown when it should be, %",
    "found": "of these the right lines, %",
    "exact": "of these exact, %",
    "similarity": "mean similarity of these",
    "reversals": "reversals",
    "broken": "edits that break the parse",
    "seconds": "median seconds of those shown",
    "evaluated_tokens": "median evaluated tokens of those shown",
    "max_evaluated_tokens": "maximum of evaluated tokens",
}


def evaluate_next_edit(
    folder: Path,
    limit: int | None,
    seed: int,
    results: Path | None,
    *,
    rewrites: bool,
    as_json: bool,
    overrides: dict[str, Any],
) -> None:
    """Replay sessions of the repositories in a folder, and print the figures.

    Args:
        folder: Folder with git repositories.
        limit: Number of sessions; None for 200.
        seed: Seed of their selection.
        results: File of the outcomes; None for one in the cache folder.
        rewrites: Whether the model rewrites a window instead.
        as_json: Whether the figures are printed as JSON.
        overrides: Settings from the command's options.
    """
    sessions = sample_sessions(folder, limit or _SESSIONS, seed)
    with open_local_assistant(**overrides) as (assistant, settings):
        name = f"next-edit-{folder.name}-{settings.model.split('/')[-1]}{'-window' * rewrites}.jsonl"
        results = results or find_folders().cache / "eval" / name
        method = make_rewriter(assistant) if rewrites else make_next_edit(assistant)
        outcomes = []
        with row_progress("cases", 2 * len(sessions)) as advance:
            for outcome in run_sessions(sessions, method, results):
                outcomes.append(outcome)
                advance()
    summary = summarize_edits(outcomes)
    if as_json:
        print_json(asdict(summary))
    else:
        _show(summary)
        stderr.print(f"Outcomes: {results}")


def _show(summary: EditSummary) -> None:
    table = Table("figure", "value")
    for name, title in _TITLES.items():
        value = getattr(summary, name)
        table.add_row(title, f"{value:,}" if isinstance(value, int) else f"{value:,.2f}")
    stdout.print(table)

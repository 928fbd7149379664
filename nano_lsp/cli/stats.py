"""`nano-lsp stats`: shows the acceptance rate of suggestions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from nano_lsp.cli.output import print_json
from nano_lsp.cli.terminal import stderr, stdout
from nano_lsp.config import find_folders
from nano_lsp.editor.adaptive_threshold import AdaptiveThreshold
from nano_lsp.editor.places import Places
from nano_lsp.editor.statistics import Record, Statistics, summarize
from nano_lsp.errors import StoreWriteError

EXAMPLES = """Examples:

`nano-lsp stats`

`nano-lsp stats --json`

`nano-lsp stats --clear`
"""


def stats(
    clear: Annotated[bool, typer.Option("--clear", help="Delete the statistics, and where files were left.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the statistics as JSON.")] = False,
) -> None:
    """Show how many suggestions were shown, accepted, and kept for 30 seconds, by language.

    The statistics stay on this machine.
    """
    statistics = Statistics(find_folders().cache)
    if clear:
        for kept in (statistics, Places(find_folders().cache)):
            try:
                kept.clear()
            except OSError as error:
                raise StoreWriteError(
                    f"{kept.path} cannot be removed: {error.strerror}.", "Check its permissions."
                ) from error
        stderr.print("The statistics, and the places where files were left, are deleted.")
        return
    records = list(statistics.records())
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.language].append(record)
    figures = {name: summarize(group) for name, group in [*sorted(groups.items()), ("all", records)]}
    adaptive = AdaptiveThreshold(records)
    thresholds = {name: adaptive.learned(name) for name in sorted(groups)}
    if as_json:
        shown = {name: asdict(summary) for name, summary in figures.items()}
        print_json({"by_language": shown, "thresholds": {k: asdict(v) for k, v in thresholds.items()}})
        return
    table = Table("language", "shown", "accepted", "kept", "characters accepted", "threshold")
    for name, summary in figures.items():
        share = f"{summary.accepted:,} ({100 * summary.accepted / max(1, summary.shown):.0f} %)"
        threshold = thresholds[name].value if name in thresholds else 0.0
        in_force = f"{threshold:.2f}" if threshold else "none"
        table.add_row(name, f"{summary.shown:,}", share, f"{summary.kept:,}", f"{summary.chars:,}", in_force)
    stdout.print(table)
    stderr.print(f"From {statistics.path}.")
    stderr.print("Below the threshold, editors hide automatic suggestions (nano.adaptiveThreshold).")
    for name, learned in thresholds.items():
        stderr.print(f"{name}: {f'{learned.value:.2f}' if learned.value else 'no threshold'}, as {learned.reason}.")

"""The output of `%nano model`, `status` and `stats`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from nano_lsp.api import opened_assistants
from nano_lsp.config import find_folders, load_settings
from nano_lsp.editor.statistics import Record, Statistics, summarize
from nano_lsp.models.store import ModelStore
from nano_lsp.version import __version__


def models(model: str | None) -> str:
    """List the known models and mark the one in use."""
    current = load_settings(model=model).model
    statuses = ModelStore(find_folders()).statuses()
    rows = [
        f"{'*' if each.entry.name == current else ' '} {each.entry.name:<8} {each.entry.size_bytes / 1e6:>6,.0f} MB  "
        f"{'installed' if each.present else 'not installed: nano-lsp model pull ' + each.entry.name}"
        for each in statuses
    ]
    if current not in {each.entry.name for each in statuses}:
        rows.append(f"* {current}")
    return "\n".join(rows)


def status(model: str | None, engine: dict[str, Any] | None) -> str:
    """Report where the model runs, its memory and token counts."""
    settings = load_settings(model=model)
    lines = [f"nano-lsp {__version__}, model {settings.model}, engine {settings.engine}"]
    if engine is not None:
        lines.append(f"The engine is process {engine['pid']} and uses {engine['rss_bytes'] / 2**20:,.0f} MiB.")
        lines += [f"Loaded in it: {each['name']}, context {each['n_ctx']:,} tokens." for each in engine["models"]]
        lines += dict.fromkeys(each["notice"] for each in engine["models"] if each["notice"])
    elif settings.engine == "shared":
        lines.append("The engine is not running; the next request starts it.")
    assistant = opened_assistants().get(settings.model)
    if assistant is None:
        lines.append("This session has made no requests yet.")
    else:
        totals = assistant.totals
        lines.append(
            f"This session: {totals.evaluated_tokens:,} tokens evaluated, {totals.cached_tokens:,} from the cache, "
            f"{totals.generated_tokens:,} generated."
        )
    return "\n".join(lines)


def statistics() -> str:
    """Report how many suggestions in editors were shown, accepted and kept, by language."""
    records = list(Statistics(find_folders().cache).records())
    if not records:
        return "No suggestion has been shown in an editor yet."
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.language].append(record)
    summaries = {name: summarize(group) for name, group in [*sorted(groups.items()), ("all", records)]}
    rows = [
        f"{name:<12} {each.shown:>7,} {each.accepted:>9,} {each.kept:>7,} {each.chars:>11,}"
        for name, each in summaries.items()
    ]
    return "\n".join([f"{'language':<12} {'shown':>7} {'accepted':>9} {'kept':>7} {'characters':>11}", *rows])

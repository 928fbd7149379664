"""What `nano-lsp eval` prints: figures of one run, and the comparison of two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Column, Table

from nano_lsp.cli.output import print_json
from nano_lsp.cli.terminal import stdout
from nano_lsp.evaluation.metrics import Outcome, RunSummary, compare, group_by, summarize

_WIDTH = 120  # of tables in output that is not a terminal
_UNKNOWN = "unknown"  # language of outcomes of older versions


def figures(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """The figures of a run for JSON: of all, by the cursor's context, and by language and kind of hole."""
    by_context = group_by(outcomes, lambda outcome: outcome.cursor_kind)
    languages: dict[str, dict[str, object]] = {}
    for language, kind, found in _by_language(outcomes):
        languages.setdefault(language, {})[kind] = asdict(summarize(found))
    return {
        "all": asdict(summarize(outcomes)),
        **{kind: asdict(summarize(found)) for kind, found in by_context.items()},
        "languages": languages,
    }


def show(outcomes: Sequence[Outcome]) -> None:
    """Print the figures of a run: by the cursor's context, then by language and kind of hole."""
    by_context = group_by(outcomes, lambda outcome: outcome.cursor_kind)
    table = _table("cursor in", titles=_TITLES + _COSTS)
    for name, found in {**by_context, "all": outcomes}.items():
        summary = summarize(found)
        table.add_row(name, *_cells(summary), *_cost_cells(summary))
    _print(table)
    table = _table("language", "hole", titles=_TITLES)
    for language, kind, found in _by_language(outcomes):
        table.add_row(language, kind, *_cells(summarize(found)), end_section=kind == "all")
    _print(table)


def show_comparison(first: Sequence[Outcome], second: Sequence[Outcome], *, as_json: bool) -> None:
    """Print the comparison of two runs: tests of their metrics, and both runs by language."""
    comparisons = compare(first, second)
    if as_json:
        print_json([asdict(comparison) for comparison in comparisons])
        return
    table = Table("measure", "n", "files", "A", "B", "difference", "95 % interval", "p")
    for c in comparisons:
        difference = (f"{c.second - c.first:+.1f}", f"{c.low:+.1f} to {c.high:+.1f}", f"{c.p_value:.3f}")
        table.add_row(c.measure, str(c.n), str(c.files), f"{c.first:.1f} %", f"{c.second:.1f} %", *difference)
    _print(table)
    others = {outcome.name: outcome for outcome in second}
    both = [outcome for outcome in first if outcome.name in others]
    table = _table("language", "hole", titles=("n", "saved A", "B", "for nothing A", "B", "broken A", "B"))
    for language, kind, found in _by_language(both):
        a, b = summarize(found), summarize([others[outcome.name] for outcome in found])
        pairs = (_share(a.saved), _share(b.saved), _mean(a.unused), _mean(b.unused), str(a.broken), str(b.broken))
        table.add_row(language, kind, str(a.n), *pairs, end_section=kind == "all")
    _print(table)


def _by_language(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str, list[Outcome]]]:
    """Outcomes of each language by kind of hole, with those of all kinds at its end."""
    for language, found in group_by(outcomes, lambda outcome: outcome.language or _UNKNOWN).items():
        for kind, of_kind in {**group_by(found, lambda outcome: outcome.kind), "all": found}.items():
            yield language, kind, of_kind


_TITLES = ("n", "exact", "pass@1", "saved", "for nothing", "shown", "broken")
_COSTS = ("evaluated", "generated", "ms")


def _table(*names: str, titles: Sequence[str]) -> Table:
    columns = [Column(name, no_wrap=True) for name in names]
    return Table(*columns, *(Column(title, no_wrap=True, justify="right") for title in titles))


def _cells(s: RunSummary) -> tuple[str, ...]:
    """A row of figures, in the order of the titles."""
    shares = (_share(s.exact), _share(s.passed), _share(s.saved), _mean(s.unused), _share(s.shown))
    return (str(s.n), *shares, str(s.broken))


def _cost_cells(s: RunSummary) -> tuple[str, ...]:
    return (f"{s.evaluated_tokens:.0f}", f"{s.generated_tokens:.1f}", f"{s.latency_ms:,.0f}")


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} %"


def _mean(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _print(table: Table) -> None:
    # Output that is not a terminal has no width: use one that fits the tables.
    console = stdout if stdout.is_terminal else Console(width=_WIDTH)
    console.print(table)

"""How far work on many things has come: a bar on a terminal, a line per tenth elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nano_lsp.cli.terminal import stderr


@contextmanager
def row_progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Gives a function to call after each thing.

    Args:
        what: is counted.
        total: of these.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)
    working = bar.add_task(what, total=total)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        bar.advance(working)
        if not stderr.is_terminal and done * 10 // total > (done - 1) * 10 // total:
            stderr.print(f"{what}: {done:,} of {total:,}")

    with bar:
        yield advance

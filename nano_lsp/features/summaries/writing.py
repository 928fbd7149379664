"""Writes a summary: the jobs of its two steps, one after the other, with what has been said already left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from nano_lsp.errors import AnswerCutError, DocumentError
from nano_lsp.features.jobs import CountTokens, Job, Warm
from nano_lsp.features.summaries import summary
from nano_lsp.features.summaries.passages import Passage, cut_chunks
from nano_lsp.features.summaries.progress import Progress
from nano_lsp.features.summaries.summary import Statement
from nano_lsp.features.tasks import Task


def write_summary(
    carry_out: Callable[[Job[Any]], Any],
    passages: Sequence[Passage],
    n: int,
    progress: Progress,
    parts: Callable[[int], AbstractContextManager[Callable[[], None]]],
) -> tuple[list[Statement], int]:
    """The statements of a summary, and how many were left out as the text does not bear them out.

    Args:
        carry_out: gives the result of a job.
        passages: of the document, in order.
        n: at most so many statements.
        progress: what has been said already, and what is said now.
        parts: is told how many parts the document is read in, and gives a function to call after each.

    Raises:
        DocumentError: the model stated nothing that the text bears out.
    """

    def answer(step: str, task: Task) -> Any:  # noqa: ANN401 - any JSON
        known = progress.get(step)
        if known is None:
            try:
                said = carry_out(task)
                known = said.value[:-1] if said.cut else said.value  # half a statement may say something else
            except AnswerCutError:
                known = []
            progress.add(step, known)
        return known

    texts = tuple(passage.text for passage in passages)
    sizes = dict(zip(texts, carry_out(CountTokens(texts)), strict=True))
    chunks = cut_chunks(passages, sizes.__getitem__, summary.chunk_tokens(carry_out(Warm())))
    n_facts = max(2, -(-3 * n // (2 * len(chunks))))
    found: list[Statement] = []
    dropped = 0
    with parts(len(chunks)) as advance:
        for i, chunk in enumerate(chunks):
            held, left_out = summary.read_facts(answer(f"facts {i}", summary.facts_task(chunk, n_facts)), chunk)
            found += held
            dropped += left_out
            advance()
    if not found:
        raise DocumentError(
            "The model stated nothing that the text bears out.", "Try a longer summary, or a document with more text."
        )
    return _choose(summary.without_repetitions(found), n, answer), dropped


def _choose(statements: list[Statement], n: int, answer: Callable[[str, Task], Any]) -> list[Statement]:
    """The n most important ones."""
    if len(statements) <= n:
        return statements
    chosen: list[Statement] = []
    for i, (group, share) in enumerate(summary.groups_of(statements, n)):
        if 0 < share < len(group):
            numbers = answer(f"choice {i}", summary.choice_task(group, share))
            chosen += summary.read_choice(numbers, group, share)
        elif share:
            chosen += group
    return chosen

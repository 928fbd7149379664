"""Writes a summary: the jobs of its two steps, one after the other, with what has been said already left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from nano_lsp.assistant.job import CountTokens, Job, LoadModel
from nano_lsp.errors import AnswerCutError, DocumentError
from nano_lsp.summarize import summary
from nano_lsp.summarize.chunking import Passage, cut_chunks, cut_passages
from nano_lsp.summarize.loaders import LoadedDocument, Note
from nano_lsp.summarize.progress import Progress
from nano_lsp.summarize.segmentation import marks_sentences, uncased_script
from nano_lsp.summarize.summary import Statement, Summary
from nano_lsp.tasks import Task


def write_summary(
    run: Callable[[Job[Any]], Any],
    document: LoadedDocument,
    n: int,
    progress: Progress,
    parts: Callable[[int], AbstractContextManager[Callable[[], None]]],
) -> Summary:
    """The summary of a document.

    Args:
        run: gives the result of a job.
        document: what was read of it.
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
                said = run(task)
                known = said.value[:-1] if said.cut else said.value  # half a statement may say something else
            except AnswerCutError:
                known = []
            progress.add(step, known)
        return known

    passages = cut_passages(document.blocks)
    texts = tuple(passage.text for passage in passages)
    sizes = dict(zip(texts, run(CountTokens(texts)), strict=True))
    n_ctx = run(LoadModel())
    each = summary.fact_tokens(sum(sizes.values()) / max(1, sum(map(len, sizes))), n_ctx)
    chunks = cut_chunks(passages, sizes.__getitem__, summary.chunk_tokens(n_ctx, each))
    n_facts = max(2, -(-3 * n // (2 * len(chunks))))
    found: list[Statement] = []
    silent: list[str] = []
    dropped = 0
    with parts(len(chunks)) as advance:
        for i, chunk in enumerate(chunks):
            facts = answer(f"facts {i}", summary.facts_task(chunk, n_facts, each))
            held, left_out = summary.read_facts(facts, chunk)
            found += held
            dropped += left_out
            silent += [] if held else [chunk[0].place]
            advance()
    notes = (*document.notes, *_script_notes(passages), *_silent_notes(silent, len(chunks)))
    if not found:
        told = " ".join(note.text for note in notes if note.kind != "parts_without_statements")
        raise DocumentError(
            "The model stated nothing that the text bears out.",
            f"Try a longer summary, or a document with more text. {told}".strip(),
        )
    return Summary(tuple(_choose(summary.without_repetitions(found), n, answer)), dropped, notes)


def _silent_notes(places: Sequence[str], n_parts: int) -> tuple[Note, ...]:
    """A note on the parts that the summary has nothing of."""
    if not places:
        return ()
    text = (
        f"The model stated nothing that the text supports of {len(places)} of the {n_parts} parts that the document "
        f"was read in; they begin at {', '.join(places)}."
    )
    return (Note("parts_without_statements", text, tuple(places)),)


def _script_notes(passages: Sequence[Passage]) -> tuple[Note, ...]:
    """A note on what cannot be told in the script of a document."""
    script = uncased_script(" ".join(passage.text for passage in passages))
    if not script:
        return ()
    name = {"CJK": "Chinese characters"}.get(script, f"{script.title()} script")
    text = f"Names cannot be told from other words in {name}: statements were checked by their numbers and words."
    if not marks_sentences(script):
        text += " It does not mark where sentences end: long paragraphs were cut at blanks."
    return (Note("script", text),)


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

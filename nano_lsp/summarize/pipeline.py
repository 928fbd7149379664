"""Writes a summary: runs the tasks of its two steps, except for those whose answers are already saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from nano_lsp.assistant.checkpoint import Checkpoint
from nano_lsp.assistant.job import CountTokens, Job, LoadModel
from nano_lsp.errors import AnswerCutError, DocumentError
from nano_lsp.summarize import summary
from nano_lsp.summarize.chunking import Passage, cut_chunks, cut_passages
from nano_lsp.summarize.loaders import LoadedDocument, Note
from nano_lsp.summarize.segmentation import marks_sentences, uncased_script
from nano_lsp.summarize.summary import Statement, Summary
from nano_lsp.tasks import Task


def write_summary(
    run: Callable[[Job[Any]], Any],
    document: LoadedDocument,
    n: int,
    checkpoint: Checkpoint,
    parts: Callable[[int], AbstractContextManager[Callable[[], None]]],
) -> Summary:
    """Summarize a document.

    Args:
        run: Runs a job and returns its result.
        document: Content of the document.
        n: Maximum number of statements.
        checkpoint: Answers of the model from an interrupted run; new ones are added.
        parts: Context manager that reports progress; called with the number of chunks, it provides a function to
            call after each.

    Raises:
        DocumentError: The text supports no statement of the model.
    """

    def answer(step: str, task: Task) -> Any:  # noqa: ANN401 - any JSON
        known = checkpoint.get(step)
        if known is None:
            try:
                said = run(task)
                known = (
                    said.value[:-1] if said.truncated else said.value
                )  # an incomplete statement may have another meaning
            except AnswerCutError:
                known = []
            checkpoint.add(step, known)
        return known

    passages = cut_passages(document.blocks)
    texts = tuple(passage.text for passage in passages)
    sizes = dict(zip(texts, run(CountTokens(texts)), strict=True))
    n_ctx = run(LoadModel())
    each = summary.fact_tokens(sum(sizes.values()) / max(1, sum(map(len, sizes))), n_ctx)
    chunks = cut_chunks(passages, sizes.__getitem__, summary.chunk_tokens(n_ctx, each))
    n_facts = max(2, -(-3 * n // (2 * len(chunks))))
    found: list[Statement] = []
    places_without: list[str] = []
    dropped = 0
    with parts(len(chunks)) as advance:
        for i, chunk in enumerate(chunks):
            facts = answer(f"facts {i}", summary.facts_task(chunk, n_facts, each))
            supported, n_unsupported = summary.read_facts(facts, chunk)
            found += supported
            dropped += n_unsupported
            places_without += [] if supported else [chunk[0].place]
            advance()
    notes = (*document.notes, *_script_notes(passages), *_notes_without_statements(places_without, len(chunks)))
    if not found:
        texts_of_notes = " ".join(note.text for note in notes if note.kind != "parts_without_statements")
        raise DocumentError(
            "The text supports no statement of the model.",
            f"Try a longer summary, or a document with more text. {texts_of_notes}".strip(),
        )
    return Summary(tuple(_choose(summary.deduplicate(found), n, answer)), dropped, notes)


def _notes_without_statements(places: Sequence[str], n_parts: int) -> tuple[Note, ...]:
    """A note on the chunks without statements in the summary."""
    if not places:
        return ()
    text = (
        f"The summary has no statements from {len(places)} of the document's {n_parts} parts, as the text did not "
        f"support those of the model; they begin at {', '.join(places)}."
    )
    return (Note("parts_without_statements", text, tuple(places)),)


def _script_notes(passages: Sequence[Passage]) -> tuple[Note, ...]:
    """A note on the limits of the checks in the script of a document."""
    script = uncased_script(" ".join(passage.text for passage in passages))
    if not script:
        return ()
    name = {"CJK": "Chinese characters"}.get(script, f"{script.title()} script")
    text = f"Names cannot be told from other words in {name}: statements were checked by their numbers and words."
    if not marks_sentences(script):
        text += " It does not mark where sentences end: long paragraphs were cut at blanks."
    return (Note("script", text),)


def _choose(statements: list[Statement], n: int, answer: Callable[[str, Task], Any]) -> list[Statement]:
    """The n most important statements."""
    if len(statements) <= n:
        return statements
    chosen: list[Statement] = []
    for i, (group, share) in enumerate(summary.split_into_groups(statements, n)):
        if 0 < share < len(group):
            numbers = answer(f"choice {i}", summary.choice_task(group, share))
            chosen += summary.read_choice(numbers, group, share)
        elif share:
            chosen += group
    return chosen

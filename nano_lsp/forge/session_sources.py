"""Sessions of editing to train on, from the git histories of repositories.

Each session gives two cases, in the layout in which the model reads a candidate (`nano_lsp.next_edit.scoring`):
before its last change the new lines are to be learned, and after it, where nothing is left to do, old lines at a
place that could be taken for the next one. Neither ends with the end token, as the model only reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random

from nano_lsp.errors import ForgeError
from nano_lsp.evaluation.edit_runner import replay
from nano_lsp.evaluation.edit_sessions import (
    EditSession,
    find_repositories,
    is_repository,
    newest_commit,
    repository_sessions,
)
from nano_lsp.forge.cases import Case
from nano_lsp.forge.recipe import Recipe
from nano_lsp.forge.source import Document, Source, encodable, held_out, seed_of
from nano_lsp.inference.backend import Tokenizer
from nano_lsp.lines import line_starts
from nano_lsp.next_edit.candidates import find_candidates
from nano_lsp.next_edit.history import Edit, find_edit, line_below
from nano_lsp.next_edit.place import anchor
from nano_lsp.next_edit.renames import Source as Text
from nano_lsp.next_edit.scoring import make_choice, make_reading, newest_sides

EDIT, SILENT = "edit", "silent"
_TRIES = 20


def repository_sources(given: Sequence[str], recipe: Recipe, tokenizer: Tokenizer, seed: int) -> list[Source]:
    """Git repositories, a share of which is held out.

    Args:
        given: Repositories, and folders with repositories in them.
        recipe: Recipe of sessions.
        tokenizer: The model's tokenizer.
        seed: Seed of the order, the choices and the split.

    Raises:
        ForgeError: There are fewer than two repositories, or two of the same name.
        EvaluationError: Git cannot read one of them.
    """
    assert recipe.sessions is not None, "a recipe of sessions"  # noqa: S101
    found: dict[str, Path] = {}
    for folder in map(Path, given):
        if not folder.is_dir():
            raise ForgeError(f"{folder} is not a folder.", "Give git repositories, or folders with clones in them.")
        for path in [folder] if is_repository(folder) else find_repositories(folder):
            name = encodable(path.resolve().name)
            if name in found:
                raise ForgeError(f"Two repositories have the name {name}.", "Rename one, or leave it out.")
            found[name] = path
    if len(found) < 2:
        raise ForgeError(
            f"{len(found)} git repositories are given, and two are needed: one is held out.",
            "Give more repositories, or a folder with clones in it.",
        )
    out = held_out(found, recipe.heldout, seed)
    limit = recipe.sessions.cases_per_source or None
    sources = []
    for name, path in sorted(found.items()):
        documents = partial(_documents, name, path, name in out, recipe, tokenizer, seed)
        sources.append(Source(name, newest_commit(path), "", documents, limit))
    return sources


def _documents(  # noqa: PLR0917 - bound by `partial`
    name: str, repository: Path, heldout: bool, recipe: Recipe, tokenizer: Tokenizer, seed: int, skip: int
) -> Iterator[Document]:
    """The sessions of a repository, in an order that the seed determines."""
    order = Random(seed_of(seed, name)).random()  # noqa: S311 - reproducible, not for security
    for session in islice(repository_sessions(repository, order), skip, None):
        commit = encodable(session.name.rpartition("@")[2])
        changed = "".join(line for change in session.changes for line in (*change.old, *change.new))
        choices = Random(seed_of(seed, session.name))  # noqa: S311
        build = partial(_cases, session, tokenizer, recipe.max_case_tokens, choices)
        yield Document(commit, changed, heldout, build)


def _cases(session: EditSession, tokenizer: Tokenizer, max_tokens: int, source: Random) -> list[Case | None]:
    """The case of the last change and a silent one, or none of both; None for those that are too long."""
    n, path = len(session.changes), session.changes[-1].path
    (edits, texts), (all_edits, final) = replay(session, n - 1), replay(session, n)
    place = _find_silent(all_edits, final, path, source) if edits and all_edits else None
    if place is None:
        return []
    last = find_edit(path, texts[path], final[path])
    start, old, new = (last.start, last.old, last.new) if last.old else anchor(texts[path], last.start, last.new)
    cases = [
        _case(EDIT, edits, texts[path], (start, old, new), tokenizer),
        _case(SILENT, all_edits, final[place[0]], place[1:], tokenizer),
    ]
    if not all(case.answer for case in cases):  # the end of a document was removed
        return []
    return [*cases] if all(case.n_tokens <= max_tokens for case in cases) else [None]


def _find_silent(
    edits: Sequence[Edit], texts: dict[str, str], path: str, source: Random
) -> tuple[str, int, str, str] | None:
    """A document, an offset, and old and new lines there, of which the old ones stay: a candidate, else any line."""
    candidates = find_candidates(edits, [Text(name, text) for name, text in texts.items()])
    if candidates:
        place = source.choice(candidates)
        return place.document, place.start, place.old, place.new
    starts = line_starts(texts[path])
    for _ in range(_TRIES):
        start = source.choice(starts)
        line = line_below(texts[path], start)
        is_edited = any(edit.document == path and edit.start <= start < edit.end for edit in edits)
        if line.strip() and not is_edited:
            return path, start, line, ""
    return None


def _case(kind: str, edits: Sequence[Edit], text: str, lines: tuple[int, str, str], tokenizer: Tokenizer) -> Case:
    """The case of lines at an offset of a text, whose old or new side is to be learned."""
    choice = make_choice(text, *lines, needed=0.0)
    reading = make_reading(newest_sides(edits), choice, tokenizer)
    answer = reading.new if kind == EDIT else reading.old
    shown = b"".join(map(tokenizer.piece, [*reading.prompt, *answer])).decode("utf-8", "replace")
    return Case(kind, tuple(reading.prompt), tuple(answer), shown)

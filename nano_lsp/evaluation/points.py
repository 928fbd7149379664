"""Cursor points sampled from the user's own files, in each language that has a grammar.

A point is a problem whose hole is the rest of a line, or the body of a function. The points of a language depend on
the seed and on its own files alone.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nano_lsp.code.document import is_secret, load_document
from nano_lsp.code.handwritten import BUNDLED_FOLDERS, looks_like_data, looks_minified, says_generated
from nano_lsp.code.languages import CPP, LANGUAGES, PYTHON, Language, language_of
from nano_lsp.code.workspace import find_files
from nano_lsp.errors import DocumentError, EvaluationError
from nano_lsp.evaluation.places import KINDS, Places, find_places
from nano_lsp.evaluation.problems import Problem

_LINES = (20, 2000)
_HEADERS = {".h"}  # of C or of C++, which their text tells


@dataclass(frozen=True)
class Sample:
    """Cursor points of a folder.

    Attributes:
        points: The points, language by language.
        left_out: Number of files that were looked at and left out, by reason.
    """

    points: tuple[Problem, ...]
    left_out: Mapping[str, int]


def choose_languages(names: Sequence[str]) -> tuple[Language, ...]:
    """The languages with these LSP ids; all that have a grammar for none.

    Raises:
        EvaluationError: One is not known, or has no grammar.
    """
    usable = tuple(language for language in LANGUAGES if language.grammar)
    chosen = {name: language_of("", name) for name in names}
    if unknown := sorted(name for name, language in chosen.items() if language not in usable):
        raise EvaluationError(
            f"No grammar is installed for: {', '.join(unknown)}.",
            f"The languages are: {', '.join(language.name for language in usable)}.",
        )
    return tuple(dict.fromkeys(chosen.values())) or usable


def sample_points(folder: Path, n: int, seed: int, languages: Sequence[Language]) -> Sample:
    """Sample n cursor positions in a folder's files, reproducibly.

    The kinds alternate: the start of a line, after an operator, within a word, the body of a function. Each language
    gets a share of the points by the number of its files.

    Args:
        folder: The folder.
        n: Number of points.
        seed: Seed of the selection.
        languages: Languages of the files to take.

    Raises:
        EvaluationError: The folder has too few files.
    """
    files = {language: found for language, found in _find_files(folder, languages).items() if found}
    left_out: Counter[str] = Counter()
    streams = {language: _points(language, found, seed, left_out) for language, found in files.items()}
    shares = _shares({language: len(found) for language, found in files.items()}, n)
    points = {language: list(islice(stream, shares[language])) for language, stream in streams.items()}
    for language, stream in streams.items():  # what one language lacks, others give
        points[language] += islice(stream, n - sum(map(len, points.values())))
    sampled = tuple(point for found in points.values() for point in found)
    if len(sampled) < n:
        why = f" Left out: {describe(left_out)}." if left_out else ""
        raise EvaluationError(
            f"{folder} yields only {len(sampled)} cursor positions.{why}",
            "Request fewer, or give a folder with more files.",
        )
    return Sample(sampled, left_out)


def describe(left_out: Mapping[str, int]) -> str:
    """What was left out, in words: each reason with the number of files."""
    return ", ".join(f"{reason} ({n:,})" for reason, n in sorted(left_out.items()))


def _find_files(folder: Path, languages: Sequence[Language]) -> dict[Language, list[tuple[str, Path]]]:
    """The files of each language, by their path in the folder.

    Those of Python are all that its suffix has, as in earlier versions; others are those that git does not ignore.
    """
    found: dict[Language, list[tuple[str, Path]]] = {language: [] for language in languages}
    if PYTHON in found:
        paths = (path for path in folder.rglob("*.py") if path.is_file() and not is_secret(path.name))
        found[PYTHON] = [(path.relative_to(folder).as_posix(), path) for path in sorted(paths)]
    suffixes = {suffix for language in languages if language is not PYTHON for suffix in language.suffixes}
    if CPP in found:
        suffixes |= _HEADERS
    root = folder.resolve()
    for path in find_files(root, suffixes) if suffixes else ():
        language = language_of(path.name, text=_read(path) if path.suffix in _HEADERS else "")
        if language in found:
            found[language].append((path.relative_to(root).as_posix(), path))
    return found


def _read(path: Path) -> str:
    try:
        return load_document(path).text
    except DocumentError:
        return ""


def _shares(n_files: Mapping[Language, int], n: int) -> dict[Language, int]:
    """Numbers of points in proportion to numbers of files, n together, by the largest remainders."""
    total = sum(n_files.values())
    shares = {language: n * number // total for language, number in n_files.items() if number}
    by_remainder = sorted(shares, key=lambda language: n * n_files[language] % total, reverse=True)
    for language in by_remainder[: n - sum(shares.values())]:
        shares[language] += 1
    return shares


def _points(
    language: Language, files: Sequence[tuple[str, Path]], seed: int, left_out: Counter[str]
) -> Iterator[Problem]:
    """The points of a language's files: one of each kind in each file, in an order that the seed determines."""
    source = random.Random(seed)  # noqa: S311 - reproducible, not for security
    shuffled = list(files)
    source.shuffle(shuffled)
    for name, path in shuffled:
        places, reason = _load(path, name, language)
        if places is None:
            left_out[reason] += 1
            continue
        for kind in KINDS:
            if found := places.of_kind(kind):
                start, end = source.choice(found)
                yield Problem(
                    name=f"{name}:{places.text.count(chr(10), 0, start) + 1}:{kind}",
                    kind=kind,
                    file_name=str(path),
                    prefix=places.text[:start],
                    suffix=places.text[end:],
                    reference=places.text[start:end],
                )


def _load(path: Path, name: str, language: Language) -> tuple[Places | None, str]:
    """The places of a file that is suitable for sampling, else why it is not."""
    try:
        text = load_document(path).text
    except DocumentError:
        return None, "cannot be read as source code"
    if language is not PYTHON:  # whose points are those of earlier versions
        text = text.replace("\r\n", "\n")
    reason = _why_unsuitable(text, name, language)
    places = None if reason else find_places(text, language)
    return places, reason or "does not parse"


def _why_unsuitable(text: str, name: str, language: Language) -> str:
    """Why no points are to be in a file; empty if they may."""
    any_author = language is PYTHON  # as in earlier versions
    if not any_author and BUNDLED_FOLDERS.intersection(name.split("/")):
        return "bundled code of others"
    if not any_author and (looks_minified(text) or says_generated(text)):
        return "generated or minified"
    if not _LINES[0] <= text.count("\n") <= _LINES[1]:
        return f"under {_LINES[0]} or over {_LINES[1]:,} lines"
    if not any_author and looks_like_data(text):
        return "data"
    return "carriage returns" if "\r" in text else ""

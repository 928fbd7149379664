"""Questions and answers to train on: public data sets from the hub, or the same ones as local files."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from nano_lsp.errors import ForgeError
from nano_lsp.forge.cases import build_chat_case, find_end_token
from nano_lsp.forge.public_sets import EXTRA, find_commit, require_datasets, stream_rows
from nano_lsp.forge.recipe import Recipe, Stratum
from nano_lsp.forge.source import Document, Source, hash_files
from nano_lsp.inference.backend import Tokenizer

_SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
_FIRST_HELD_OUT = 10  # small sets have one, too
_Row = Mapping[str, Any]


def stratum_sources(
    recipe: Recipe, folder: Path | None, commits: Mapping[str, str], limit: int | None, tokenizer: Tokenizer
) -> list[Source]:
    """The strata of a recipe.

    Args:
        recipe: Recipe of a mix.
        folder: Folder with files whose names begin with a stratum's name; None for the hub.
        commits: Commits that an earlier run has used, by stratum.
        limit: Maximum number of cases of all strata, divided by their token targets; None for no limit.
        tokenizer: The model's tokenizer.

    Raises:
        ForgeError: A stratum's files are missing, or the hub cannot be reached.
    """
    if folder is None:
        require_datasets()
    total = sum(stratum.tokens for stratum in recipe.strata)
    sources = []
    for stratum in recipe.strata:
        read_rows: Callable[[int], Iterable[_Row]]
        if folder is None:
            version = commits.get(stratum.name) or find_commit(stratum)
            read_rows = partial(stream_rows, stratum, version)
        else:
            files = _local_files(folder, stratum)
            version = f"sha256:{hash_files(files)}"
            read_rows = partial(_read_files, files)
        max_cases = max(1, limit * stratum.tokens // total) if limit else None
        documents = partial(_documents, read_rows, stratum, recipe, tokenizer)
        sources.append(
            Source(
                name=stratum.name,
                version=version,
                license=stratum.license,
                documents=documents,
                max_cases=max_cases,
                max_tokens=stratum.tokens,
            )
        )
    return sources


def _documents(
    read_rows: Callable[[int], Iterable[_Row]], stratum: Stratum, recipe: Recipe, tokenizer: Tokenizer, skip: int
) -> Iterator[Document]:
    """The rows of a stratum. Every n-th one is held out: a stream has no end to take a share of."""
    every, end = round(1 / recipe.heldout), find_end_token(tokenizer, recipe)
    for number, row in enumerate(read_rows(skip), skip):
        question, answer = row.get(stratum.question), row.get(stratum.answer)
        rejected = ""
        if number == 0 and not {stratum.question, stratum.answer, *stratum.where} <= row.keys():
            raise ForgeError(
                f"{stratum.name} has the columns {', '.join(row)}, and the recipe names others: "
                f"{', '.join([stratum.question, stratum.answer, *stratum.where])}.",
                "Give files of this data set, or correct the recipe.",
            )
        if any(row.get(column) not in values for column, values in stratum.where.items()):
            rejected = "row that the recipe does not select"
        elif not isinstance(question, str) or not isinstance(answer, str) or not (question and answer.strip()):
            rejected = "row without question or answer"
        text = "" if rejected else f"{question}\n{answer}"

        def build(question: str = str(question), answer: str = str(answer)) -> list[Any]:
            return [build_chat_case(tokenizer, question, answer, stratum, end=end, max_tokens=recipe.max_case_tokens)]

        yield Document(f"row {number}", text, number % every == min(every, _FIRST_HELD_OUT) - 1, build, rejected)


def _local_files(folder: Path, stratum: Stratum) -> list[Path]:
    files = sorted(path for path in folder.glob(f"{stratum.name}*") if path.name.endswith(_SUFFIXES))
    if not files:
        raise ForgeError(
            f"{folder} has no file for the stratum {stratum.name}.",
            f"Put {stratum.dataset} there as {stratum.name}.jsonl, .jsonl.gz or .parquet, or parts of that name.",
        )
    return files


def _read_files(files: Iterable[Path], skip: int) -> Iterator[_Row]:
    return islice((row for path in files for row in _read_file(path)), skip, None)


def _read_file(path: Path) -> Iterator[_Row]:
    try:
        if path.suffix == ".parquet":
            yield from _read_parquet(path)
            return
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as rows:
            for line in rows:
                if line.strip():
                    yield dict(json.loads(line))
    except (OSError, EOFError, ValueError, TypeError) as error:  # pyarrow's errors are among them
        raise ForgeError(
            f"{path} cannot be read: {error}.", "Give Parquet or JSON lines, one object each."
        ) from error


def _read_parquet(path: Path) -> Iterator[_Row]:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise ForgeError(
            f"{path} needs the library `pyarrow`, which is not installed.", f"Run {EXTRA}, or give JSON lines."
        ) from error
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches():
            yield from batch.to_pylist()

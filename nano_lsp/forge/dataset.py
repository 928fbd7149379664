"""Writes the cases of a run as shards of JSON lines, with a data card. A run that was ended goes on where it was.

A shard is written as a whole; its record in `shards/`, with all that the next shard depends on, comes last. So what
exists after a kill is what an undisturbed run would have written by then, byte for byte. The held-out cases of code
are also written as problems that completions can be evaluated on: one gzip member per shard, joined at the end.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nano_lsp.atomic_files import TEMPORARY
from nano_lsp.code.file_replacement import replace_file
from nano_lsp.errors import ForgeError
from nano_lsp.evaluation.problems import Problem, to_row
from nano_lsp.forge.card import render_card
from nano_lsp.forge.cases import Case
from nano_lsp.forge.holes import Hole
from nano_lsp.forge.overlap import EvaluationTexts, SeenTexts
from nano_lsp.forge.recipe import Recipe
from nano_lsp.forge.source import Document, Source, encodable

CARD = "card.json"
PROBLEMS = "problems.jsonl.gz"
_RUN = "run.json"
_LOCK = ".nano-lsp.lock"
_FORMAT = 1  # of `run.json`, and of what the run keeps beside it to go on
_CASES_PER_SHARD = 512
_DOCUMENTS_PER_SHARD = 2048
SPLITS = ("train", "heldout")

OnProgress = Callable[[str, int, int], None]
"""Called after each document with the name of its source, the number of cases and the number of tokens so far."""


@dataclass
class _Shard:
    """What has been made since the last shard was written.

    Attributes:
        lines: Cases as JSON, by split.
        problems: Held-out cases of code as problems, as JSON.
        counts: Number of cases and of tokens, by source, split and kind.
        left_out: Number of documents and cases that were left out, by reason.
        hashes: Hashes of the texts kept.
        n_documents: Number of documents read.
    """

    lines: dict[str, list[str]] = field(default_factory=lambda: {split: [] for split in SPLITS})
    problems: list[str] = field(default_factory=list)
    counts: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    hashes: list[int] = field(default_factory=list)
    n_documents: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it is to be written."""
        return sum(map(len, self.lines.values())) >= _CASES_PER_SHARD or self.n_documents >= _DOCUMENTS_PER_SHARD


class DatasetWriter:
    """One run into one folder.

    Args:
        folder: Folder for the data set.
        recipe: The recipe.
        evaluation: Texts that no case may overlap with.
        limit: Maximum number of cases; None for no limit.
        conditions: What else determines the data: seed, tokenizer, versions of the sources.

    Raises:
        ForgeError: The folder has other content, or another run's.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        evaluation: EvaluationTexts,
        limit: int | None,
        conditions: dict[str, Any],
    ) -> None:
        self._folder = folder
        self._recipe = recipe
        self._evaluation = evaluation
        self._limit = limit
        self._run = {
            "recipe": recipe.as_dict(),
            "limit": limit,
            "against": evaluation.digests,
            **conditions,
        }
        check_run(folder, self._run)
        self._seen = SeenTexts()
        self._counts: Counter[tuple[str, str, str, str]] = Counter()
        self._left_out: Counter[str] = Counter()
        self._n_shards = 0
        self._position = (0, 0)  # index of the source, number of its documents read

    def write(self, sources: Sequence[Source], left_out: dict[str, int], on_progress: OnProgress) -> dict[str, Any]:
        """Write what is missing; return the data card.

        Args:
            sources: Sources, in their order.
            left_out: What was left out before, by reason.
            on_progress: Receives the progress.

        Raises:
            ForgeError: No case could be made, or another process writes to the folder.
            OSError: The folder cannot be written.
        """
        with locked_folder(self._folder):
            check_run(self._folder, self._run)  # another process may have begun one
            begin_run(self._folder, self._run)
            self._take_up()
            return self._write(sources, left_out, on_progress)

    def _write(self, sources: Sequence[Source], left_out: dict[str, int], on_progress: OnProgress) -> dict[str, Any]:
        first, skip = self._position
        shard = _Shard()
        for index, source in enumerate(sources[first:], first):
            n_read = skip if index == first else 0
            with closing(source.documents(n_read)) as documents:  # type: ignore[type-var]
                while (room := self._room(source, shard)) > 0 and (document := next(documents, None)):
                    n_read += 1
                    self._take(source, document, shard, room)
                    on_progress(source.name, *self._totals(shard))
                    if shard.is_full:
                        shard = self._finish(shard, (index, n_read))
        if shard.n_documents:
            self._finish(shard, (len(sources), 0))
        if not self._totals(_Shard())[0]:
            reasons = ", ".join(sorted(self._left_out + Counter(left_out))) or "there was nothing to read"
            raise ForgeError(f"No case could be made: {reasons}.", "Give more data, or change the recipe.")
        problems = b"".join(path.read_bytes() for path in sorted(self._folder.glob(f"shards/*.{PROBLEMS}")))
        if problems:
            replace_file(self._folder / PROBLEMS, problems)
        card = self._card(sources, left_out)
        replace_file(self._folder / "card.md", encodable(render_card(card)))
        replace_file(self._folder / CARD, json.dumps(card, indent=2) + "\n")
        return card

    def _take_up(self) -> None:
        """Read the records of the shards that exist."""
        (self._folder / "shards").mkdir(exist_ok=True)
        while (path := self._folder / "shards" / f"{self._n_shards:05}.json").is_file():
            record = json.loads(path.read_bytes())
            self._position = tuple(record["position"])
            self._seen.add(record["hashes"])
            self._left_out.update(record["left_out"])
            self._counts.update({tuple(key): n for *key, n in record["counts"]})
            self._n_shards += 1

    def _room(self, source: Source, shard: _Shard) -> int:
        """How many more cases a source may have."""
        of_source = [(key, n) for key, n in (self._counts + shard.counts).items() if key[0] == source.name]
        n_cases, n_tokens = (sum(n for key, n in of_source if key[3] == unit) for unit in ("cases", "tokens"))
        limits = [source.max_cases - n_cases] if source.max_cases is not None else []
        limits += [self._limit - self._totals(shard)[0]] if self._limit is not None else []
        is_full = source.max_tokens is not None and n_tokens >= source.max_tokens
        return 0 if is_full else min(limits, default=1 << 30)

    def _take(self, source: Source, document: Document, shard: _Shard, room: int) -> None:
        """Add the cases of a document to a shard."""
        shard.n_documents += 1
        if document.rejected:
            shard.left_out[document.rejected] += 1
            return
        reason, hashes = self._seen.check(document.text)
        if reason:
            shard.left_out[reason] += 1
            return
        self._seen.add(hashes)
        shard.hashes += hashes
        split = SPLITS[document.heldout]
        for case in islice(self._kept(document, shard), room):
            shard.lines[split].append(case.to_json(source.name, document.name, self._recipe))
            if document.heldout and case.hole:
                shard.problems.append(to_row(_problem(case, case.hole, source, document)))
            shard.counts[source.name, split, case.kind, "cases"] += 1
            shard.counts[source.name, split, case.kind, "tokens"] += case.n_tokens

    def _kept(self, document: Document, shard: _Shard) -> Iterator[Case]:
        for case in document.build():
            if case is None:
                shard.left_out["case that is too long"] += 1
            elif self._evaluation.overlaps(case.text):
                shard.left_out["case that overlaps with an evaluation"] += 1
            else:
                yield case

    def _finish(self, shard: _Shard, position: tuple[int, int]) -> _Shard:
        """Write a shard and then its record; return an empty one."""
        number = f"{self._n_shards:05}"
        files = {f"{split}-{number}.jsonl.gz": lines for split, lines in shard.lines.items()}
        for name, lines in {**files, f"shards/{number}.{PROBLEMS}": shard.problems}.items():
            if lines:
                data = "".join(f"{line}\n" for line in lines).encode()
                replace_file(self._folder / name, gzip.compress(data, mtime=0))
        record = {
            "position": position,
            "counts": [[*key, n] for key, n in shard.counts.items()],
            "left_out": shard.left_out,
            "hashes": shard.hashes,
        }
        replace_file(self._folder / "shards" / f"{number}.json", json.dumps(record) + "\n")
        self._counts += shard.counts
        self._left_out += shard.left_out
        self._n_shards += 1
        return _Shard()

    def _totals(self, shard: _Shard) -> tuple[int, int]:
        """Number of cases and of tokens so far."""
        n = Counter[str]()
        for counts in (self._counts, shard.counts):
            for key, count in counts.items():
                n[key[3]] += count
        return n["cases"], n["tokens"]

    def _card(self, sources: Sequence[Source], left_out: dict[str, int]) -> dict[str, Any]:
        def count(source: str | None = None) -> dict[str, Any]:
            found: dict[str, Any] = {split: {} for split in SPLITS}
            for (name, split, kind, unit), n in sorted(self._counts.items()):
                if source in {None, name}:
                    kinds = found[split].setdefault(kind, {})
                    kinds[unit] = kinds.get(unit, 0) + n
            return found

        return {
            **self._run,
            "counts": count(),
            "left_out": dict(sorted((self._left_out + Counter(left_out)).items())),
            "sources": [
                {"name": each.name, "version": each.version, "license": each.license, "counts": count(each.name)}
                for each in sources
            ],
        }


def _problem(case: Case, hole: Hole, source: Source, document: Document) -> Problem:
    """A case as a problem; its name has the offsets of the hole, which no other case of the document has."""
    text = document.text
    return Problem(
        name=f"{source.name}/{document.name}:{case.kind}:{hole.start}-{hole.end}-{hole.suffix_at}",
        kind=case.kind,
        file_name=document.name,
        prefix=text[: hole.start],
        suffix=text[hole.suffix_at :],
        reference=text[hole.start : hole.end],
        imported=case.imported,
    )


def check_run(folder: Path, run: dict[str, Any]) -> None:
    """Check that a folder can take the output of a run.

    Args:
        folder: Folder for the output, which need not exist.
        run: What determines the output, as JSON has it.

    Raises:
        ForgeError: The folder has other content, or another run's.
    """
    known = read_run(folder)
    if known is not None and known != run:
        differing = ", ".join(name for name in {**run, **known} if known.get(name) != run.get(name))
        raise ForgeError(
            f"{folder} holds the output of another run ({differing} differ).",
            f"Give another folder with --output, or delete {folder} to begin anew.",
        )


def begin_run(folder: Path, run: dict[str, Any]) -> None:
    """Note in a folder what determines its content, and remove what a killed run was writing.

    The folder exists, and the caller holds its lock (`locked_folder`).

    Raises:
        ForgeError: The folder cannot be written.
    """
    try:
        for path in [*folder.iterdir(), *folder.glob("shards/*")]:
            if path.match(TEMPORARY):
                path.unlink()
        replace_file(folder / _RUN, json.dumps({"format": _FORMAT, **run}, indent=2) + "\n")
    except OSError as error:
        raise ForgeError(f"{folder} cannot be written: {error.strerror}.", "Give another --output.") from error


def read_run(folder: Path) -> dict[str, Any] | None:
    """The conditions of the run that a folder holds; None for a new or empty folder.

    Raises:
        ForgeError: The folder has other content, or the run is of a version with another layout.
    """
    try:
        run = dict[str, Any](json.loads((folder / _RUN).read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        if folder.exists() and (not folder.is_dir() or not all(map(_is_no_content, folder.iterdir()))):
            raise ForgeError(f"{folder} has other content.", "Give a new folder with --output.") from None
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ForgeError(
            f"{folder / _RUN} cannot be read: {error}.",
            f"Delete {folder} to begin anew, or give another folder with --output.",
        ) from error
    if (found := run.pop("format", None)) != _FORMAT:
        raise ForgeError(
            f"Another version of nano-lsp began the run in {folder} (format {found}, here {_FORMAT}).",
            f"Continue it with that version, delete {folder} to begin anew, or give another folder with --output.",
        )
    return run


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Create a folder that this user alone can read, unless it exists, and hold its lock: one run writes there.

    Raises:
        ForgeError: Another process holds the lock, or the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is made of private code
    except OSError as error:
        raise ForgeError(f"{folder} cannot be written: {error.strerror}.", "Give another --output.") from error
    with locked(folder / _LOCK, f"Another nano-lsp command writes to {folder}."):
        yield


@contextmanager
def locked(path: Path, busy: str) -> Iterator[None]:
    """Hold a lock.

    Args:
        path: File of the lock, in a folder that exists.
        busy: The error's sentence where another process holds it.

    Raises:
        ForgeError: Another process holds it, or it cannot be taken.
    """
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise ForgeError(busy, "Wait until it has ended, or stop it.") from None
    except NotImplementedError:
        raise ForgeError(
            f"The file system of {path.parent} has no locks.",
            "Some NFS mounts have none: give an --output on a local disk, and set NANO_LSP_HOME to a folder there.",
        ) from None
    except OSError as error:
        remedy = "Correct its permissions, give another --output, or set NANO_LSP_HOME to a folder of your own."
        raise ForgeError(f"{path} cannot be written: {error.strerror}.", remedy) from error
    try:
        yield
    finally:
        lock.release()


def _is_no_content(path: Path) -> bool:
    """Whether a file is a lock, or what a killed run was writing."""
    return path.name == _LOCK or path.match(TEMPORARY)

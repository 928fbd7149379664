"""Where cases come from: sources with documents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nano_lsp.forge.cases import Case


@dataclass(frozen=True)
class Document:
    """A file of code, or a row of a data set.

    Attributes:
        name: Name that is unique in its source, and that UTF-8 can encode (`encodable`).
        text: Text that duplicates are found by.
        heldout: Whether its cases are held out from training.
        build: Makes its cases.
        rejected: Why it is left out; empty if it is not.
    """

    name: str
    text: str
    heldout: bool
    build: Callable[[], Iterable[Case | None]]
    rejected: str = ""


@dataclass(frozen=True)
class Source:
    """A package, a workspace or a data set.

    Attributes:
        name: Name of the source, which UTF-8 can encode.
        version: What determines its content: a version, a commit or a hash.
        license: License as its metadata names it; empty where there is none.
        documents: Yields its documents, always in the same order, from a number of skipped ones on.
        max_cases: Maximum number of cases; None for no limit.
        max_tokens: Maximum number of tokens; None for no limit.
    """

    name: str
    version: str
    license: str
    documents: Callable[[int], Iterator[Document]]
    max_cases: int | None = None
    max_tokens: int | None = None


def held_out(names: Iterable[str], share: float, seed: int) -> frozenset[str]:
    """A share of the names, at least one of two: those whose hashes with the seed are lowest."""
    ranked = sorted(names, key=lambda name: hashlib.blake2b(seed_of(seed, name)).digest())
    n = max(1, round(share * len(ranked))) if len(ranked) > 1 else 0
    return frozenset(ranked[:n])


def seed_of(seed: int, name: str) -> bytes:
    """The seed of a file's random choices; its name, as in a path, may have bytes that are not UTF-8."""
    return f"{seed}:{name}".encode("utf-8", "surrogatepass")


def encodable(text: str) -> str:
    r"""A text with names from paths so that UTF-8 can encode it: a byte that is not UTF-8 becomes `\udcff`, say."""
    return text.encode("utf-8", "backslashreplace").decode()


def hash_files(files: Iterable[Path]) -> str:
    """SHA-256 of the content of files, one after the other.

    Raises:
        OSError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()

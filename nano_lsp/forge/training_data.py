"""Reads the cases that `forge data` has made, and puts them into the order of a run."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nano_lsp.errors import ForgeError
from nano_lsp.forge.dataset import CARD
from nano_lsp.forge.recipe import Recipe

_REMEDY = "Make the data anew with `nano-lsp forge data`."


class _Row(msgspec.Struct):
    """A line of a shard; what is not needed here is left out."""

    ids: list[Annotated[int, msgspec.Meta(ge=0)]]
    spans: list[tuple[Annotated[int, msgspec.Meta(ge=0)], Annotated[float, msgspec.Meta(ge=0, le=1)]]]


class _Tokenizer(msgspec.Struct):
    model: str
    n_vocab: int


class _Card(msgspec.Struct):
    """What training reads of a data card."""

    recipe: Recipe
    tokenizer: _Tokenizer


_DECODER = msgspec.json.Decoder(_Row)


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """Token ids of a case, and how much each of them counts.

    Attributes:
        ids: Token ids, shape (n_tokens,).
        spans: Number of tokens and loss weight of each part, in their order.
    """

    ids: NDArray[np.int32]
    spans: tuple[tuple[int, float], ...]

    @property
    def weights(self) -> NDArray[np.float32]:
        """Loss weight of each token, shape (n_tokens,); 0 for the first one, which nothing predicts."""
        counts, values = zip(*self.spans, strict=True)
        weights = np.repeat(np.array(values, np.float32), counts)
        weights[0] = 0
        return weights

    @property
    def weight(self) -> float:
        """Sum of the loss weights."""
        return float(self.weights.sum(dtype=np.float64))


@dataclass(frozen=True)
class TrainingData:
    """A data set, in memory.

    Attributes:
        recipe: The recipe that it was made by.
        card: The data card.
        model: Name or path of the model whose tokenizer has made the ids.
        n_vocab: Size of that model's vocabulary.
        train: Cases to train on.
        heldout: Cases that are not trained on.
        digest: SHA-256 of the files of both.
    """

    recipe: Recipe
    card: dict[str, Any]
    model: str
    n_vocab: int
    train: Sequence[TrainingCase]
    heldout: Sequence[TrainingCase]
    digest: str

    @property
    def tokens_per_case(self) -> float:
        """Mean number of tokens of a case to train on."""
        return sum(len(case.ids) for case in self.train) / len(self.train)

    @property
    def max_tokens(self) -> int:
        """Number of tokens of the longest case."""
        return max(len(case.ids) for case in (*self.train, *self.heldout))


def read_data(folder: Path) -> TrainingData:
    """Read a folder that `forge data` has written.

    Raises:
        ForgeError: It is not such a folder, is not finished, is damaged, or has no case to train on.
    """
    try:
        card = json.loads((folder / CARD).read_bytes())  # not with msgspec: a name may have bytes that are not UTF-8
        checked = msgspec.convert(card, _Card)
    except (FileNotFoundError, NotADirectoryError):
        raise ForgeError(
            f"{folder} has no finished training data.",
            f"Run `nano-lsp forge data RECIPE --output {folder}`; an interrupted run continues.",
        ) from None
    except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are among them
        raise ForgeError(f"{folder / CARD} cannot be read: {error}.", _REMEDY) from error
    digest = hashlib.sha256()
    splits: dict[str, list[TrainingCase]] = {"train": [], "heldout": []}
    for split, cases in splits.items():
        for path in sorted(folder.glob(f"{split}-*.jsonl.gz")):
            cases.extend(_read_shard(path, checked.tokenizer.n_vocab, digest))
    if not splits["train"]:
        raise ForgeError(
            f"{folder} has no case to train on.", "Give `nano-lsp forge data` more sources, or a higher --limit."
        )
    about = checked.tokenizer
    return TrainingData(checked.recipe, card, about.model, about.n_vocab, **splits, digest=digest.hexdigest())


def _read_shard(path: Path, n_vocab: int, digest: Any) -> Iterator[TrainingCase]:  # noqa: ANN401 - has no public type
    number = 0
    try:
        compressed = path.read_bytes()
        digest.update(compressed)
        for row in _DECODER.decode_lines(gzip.decompress(compressed)):
            number += 1
            case = _to_case(row, n_vocab)
            if case.weight > 0:
                yield case
    except (OSError, EOFError, zlib.error, ValueError, msgspec.MsgspecError) as error:
        raise ForgeError(f"{path} cannot be read, case {number}: {error}.", _REMEDY) from error


def _to_case(row: _Row, n_vocab: int) -> TrainingCase:
    if len(row.ids) < 2 or sum(count for count, _ in row.spans) != len(row.ids):
        raise ValueError("the spans do not fit the token ids")
    if max(row.ids) >= n_vocab:
        raise ValueError(f"the vocabulary has {n_vocab:,} tokens")
    return TrainingCase(np.array(row.ids, np.int32), tuple(row.spans))


class CaseOrder:
    """The order of cases: each pass over them is another permutation, which depends on the seed alone.

    Args:
        n_cases: Number of cases.
        per_step: Number of cases of a step.
        seed: Seed of the permutations.
    """

    def __init__(self, n_cases: int, per_step: int, seed: int) -> None:
        self._n_cases, self._per_step, self._seed = n_cases, per_step, seed
        self._pass, self._permutation = -1, [0]

    def step(self, number: int) -> list[int]:
        """Indexes of the cases of a step, which is counted from 0."""
        first = number * self._per_step
        return [self._case(position) for position in range(first, first + self._per_step)]

    def _case(self, position: int) -> int:
        n_pass, index = divmod(position, self._n_cases)
        if n_pass != self._pass:
            self._pass, self._permutation = n_pass, list(range(self._n_cases))
            Random(f"{self._seed}:{n_pass}").shuffle(self._permutation)  # noqa: S311 - reproducible
        return self._permutation[index]

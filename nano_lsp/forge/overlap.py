"""Texts that occur twice, and texts that an evaluation asks for; both compare words, not layout.

Near duplicates are found by MinHash, as a bottom-8 sketch (Broder 1997, "On the resemblance and containment of
documents"): 64 bytes for each text kept, where all its 13-grams would take as much memory as the text itself, and the
sketches of a run with 500 million tokens have to fit in memory.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from nano_lsp.errors import EvaluationError, ForgeError
from nano_lsp.evaluation.problems import load_infilling

N_WORDS = 13
"""Words of an n-gram (Brown et al. 2020, arXiv 2005.14165, appendix C, on contamination)."""
_SKETCH = 8
_NEAR = _SKETCH // 2  # hashes in common: about half of the 13-grams
_WORD = re.compile(r"\w+")


def ngrams(text: str) -> Iterator[str]:
    """The sequences of 13 words of a text, in lower case, without punctuation."""
    words = _WORD.findall(text.lower())
    for i in range(len(words) - N_WORDS + 1):
        yield " ".join(words[i : i + N_WORDS])


class SeenTexts:
    """The texts kept so far."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def check(self, text: str) -> tuple[str, list[int]]:
        """Why a text is left out, empty if it is new; and its hashes, for `add`."""
        exact = _hash("=" + " ".join(text.split()))
        sketch = heapq.nsmallest(_SKETCH, {_hash(ngram) for ngram in ngrams(text)})
        if exact in self._seen:
            return "duplicate", []
        if len(sketch) == _SKETCH and sum(each in self._seen for each in sketch) >= _NEAR:
            return "near duplicate", []
        return "", [exact, *sketch]

    def add(self, hashes: Iterable[int]) -> None:
        """Remember a text by its hashes."""
        self._seen.update(hashes)


class EvaluationTexts:
    """Texts that no training case may share 13 words in a row with.

    Args:
        paths: HumanEval-Infilling files, or any text files, gzipped or not.

    Attributes:
        digests: SHA-256 of each file, by name.

    Raises:
        ForgeError: A file cannot be read.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.digests: dict[str, str] = {}
        self._ngrams: set[str] = set()
        for path in paths:
            try:
                data = path.read_bytes()
                text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8", "replace")
            except (OSError, EOFError) as error:
                raise ForgeError(f"{path} cannot be read: {error}.", "Give --against another file.") from error
            self.digests[path.name] = hashlib.sha256(data).hexdigest()
            try:
                texts = [each.prefix + each.reference + each.suffix for each in load_infilling(path)]
            except EvaluationError:  # another kind of text
                texts = [text]
            for each in texts:
                self._ngrams.update(ngrams(each))

    def overlaps(self, text: str) -> bool:
        """Whether a text shares 13 words in a row with them."""
        return bool(self._ngrams) and any(ngram in self._ngrams for ngram in ngrams(text))


def _hash(text: str) -> int:
    """A hash that is the same in each process, unlike Python's own."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")

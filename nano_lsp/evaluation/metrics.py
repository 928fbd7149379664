"""Metrics of suggestions, and the statistical comparison of two runs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nano_lsp.code import syntax_tree as syntax
from nano_lsp.code.syntax_tree import is_python
from nano_lsp.evaluation.problems import Problem

T = TypeVar("T")
_SAMPLES = 10_000
_DRAWN_AT_ONCE = 100_000  # all samples at once would take 1.3 GB for 8,000 files


@dataclass(frozen=True)
class Outcome:
    """The outcome of one problem.

    Attributes:
        name: Name of the problem.
        kind: Kind of the problem's hole.
        cursor_kind: Kind of the cursor's context.
        text: Suggested text; empty for none.
        exact: Whether the suggestion equals the reference.
        passed: Whether the problem's test passed; None without a test.
        reference_chars: Length of the reference's first line.
        saved_chars: Number of these characters that need no typing when whole words of the suggestion are accepted.
        unused_chars: Number of the suggestion's characters that are not accepted then, those of later lines included:
            characters shown for nothing; None in results of older versions.
        broken: Whether the document has more syntax errors with the suggestion than without.
        prompt_tokens: Length of the prompt in tokens.
        evaluated_tokens: Number of prompt tokens that were not in the KV cache.
        generated_tokens: Number of tokens that the model generated, including discarded ones.
        latency_ms: Time from the request to the answer.
        confidence: Mean probability of the tokens shown, 0 to 1.
        document: `Problem.document`; empty in results of older versions.
        language: LSP language id of the file; empty in results of older versions.
    """

    name: str
    kind: str
    cursor_kind: str
    text: str
    exact: bool
    passed: bool | None
    reference_chars: int
    saved_chars: int
    broken: bool
    prompt_tokens: int
    evaluated_tokens: int
    generated_tokens: int
    latency_ms: float
    confidence: float = 0.0
    document: str = ""
    language: str = ""
    unused_chars: int | None = None


@dataclass(frozen=True)
class RunSummary:
    """Aggregated metrics of outcomes; shares in per cent, None without data.

    Attributes:
        n: Number of problems.
        exact: Share of exact matches.
        passed: Share of the problems with a test that passed it (pass@1).
        saved: Share of the reference's characters that need no typing.
        unused: Mean number of characters shown for nothing per problem; None without data.
        shown: Share of problems with a suggestion.
        broken: Number of suggestions that add syntax errors.
        evaluated_tokens: Mean number of evaluated prompt tokens per problem.
        generated_tokens: Mean number of generated tokens per problem.
        latency_ms: Median latency.
    """

    n: int
    exact: float | None
    passed: float | None
    saved: float | None
    unused: float | None
    shown: float | None
    broken: int
    evaluated_tokens: float
    generated_tokens: float
    latency_ms: float


def summarize(outcomes: Sequence[Outcome]) -> RunSummary:
    """Aggregate the metrics of outcomes."""
    tested = [outcome.passed for outcome in outcomes if outcome.passed is not None]
    unused = [outcome.unused_chars for outcome in outcomes if outcome.unused_chars is not None]
    n = len(outcomes)
    return RunSummary(
        n=n,
        exact=_share(sum(outcome.exact for outcome in outcomes), n),
        passed=_share(sum(tested), len(tested)),
        saved=_share(sum(o.saved_chars for o in outcomes), sum(o.reference_chars for o in outcomes)),
        unused=sum(unused) / len(unused) if unused else None,
        shown=_share(sum(bool(outcome.text) for outcome in outcomes), n),
        broken=sum(outcome.broken for outcome in outcomes),
        evaluated_tokens=sum(outcome.evaluated_tokens for outcome in outcomes) / max(1, n),
        generated_tokens=sum(outcome.generated_tokens for outcome in outcomes) / max(1, n),
        latency_ms=float(np.median([outcome.latency_ms for outcome in outcomes])) if outcomes else 0.0,
    )


@dataclass(frozen=True)
class Comparison:
    """The comparison of two runs by one metric.

    Attributes:
        measure: Name of the metric.
        n: Number of problems in both runs.
        files: Number of files that these are of.
        first: Mean of the first run, in per cent.
        second: Mean of the second run, in per cent.
        low: Lower end of the 95 % interval of the difference, in points.
        high: Upper end of it; with few files, the interval is too narrow.
        p_value: Probability of a difference at least as large by chance.
    """

    measure: str
    n: int
    files: int
    first: float
    second: float
    low: float
    high: float
    p_value: float


def compare(first: Iterable[Outcome], second: Iterable[Outcome]) -> list[Comparison]:
    """Compare two runs on the problems of both, file by file: those of one file are not independent of each other.

    The p-value is that of a randomization test that changes the sign of all differences of a file together (Canay,
    Romano and Shaikh 2017, Econometrica 85(3)); with one problem in each file and a binary metric, this is McNemar's
    test. The interval is a percentile bootstrap that draws whole files (Field and Welsh 2007, Journal of the Royal
    Statistical Society B 69(3)). Random numbers have a fixed seed.
    """
    others = {outcome.name: outcome for outcome in second}
    pairs = [(outcome, others[outcome.name]) for outcome in first if outcome.name in others]
    measures: tuple[tuple[str, Callable[[Outcome], float | None]], ...] = (
        ("pass@1", lambda o: None if o.passed is None else float(o.passed)),
        ("exact match", lambda o: float(o.exact)),
        ("characters saved", lambda o: o.saved_chars / o.reference_chars if o.reference_chars else None),
        ("breaks the parse", lambda o: float(o.broken)),
    )
    found = []
    for measure, value in measures:
        rows = [
            (a.document or b.document or a.name, x, y)
            for a, b in pairs
            if (x := value(a)) is not None and (y := value(b)) is not None
        ]
        if rows:
            names, xs, ys = (np.array(column) for column in zip(*rows, strict=True))
            _, file_of = np.unique(names, return_inverse=True)
            sums, sizes = (np.bincount(file_of, each).astype(np.float64) for each in (ys - xs, np.ones(len(rows))))
            low, high = _interval(sums, sizes)
            found.append(
                Comparison(
                    measure=measure,
                    n=len(rows),
                    files=len(sums),
                    first=100 * float(xs.mean()),
                    second=100 * float(ys.mean()),
                    low=100 * low,
                    high=100 * high,
                    p_value=_p_value(sums),
                )
            )
    return found


def group_by(items: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Outcomes or problems by a key, in its order."""
    groups: dict[str, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(sorted(groups.items()))


def saved_chars(suggestion: str, reference: str) -> int:
    """Number of characters that need no typing when the suggestion's matching words are accepted from its start."""
    n = next((i for i, (a, b) in enumerate(zip(suggestion, reference, strict=False)) if a != b), None)
    if n is None:
        n = min(len(suggestion), len(reference))
    if n < len(suggestion):
        ends = [end.end() for end in re.finditer(r"\w+|[^\w\s]|\s+", suggestion)]
        n = max((end for end in ends if end <= n), default=0)
    return n


def breaks_parse(problem: Problem, text: str) -> bool:
    """Whether the suggestion adds syntax errors: more ERROR or MISSING nodes, or Python no longer parses the file."""
    if not text:
        return False
    before, after = problem.prefix + problem.suffix, problem.prefix + text + problem.suffix
    trees = problem.parse(before), problem.parse(after)
    if trees[0] and trees[1]:
        return syntax.breaks_parse(trees[0], trees[1])
    return problem.language.name == "python" and is_python(before) and not is_python(after)


def _share(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


def _p_value(sums: NDArray[np.float64]) -> float:
    """P-value of a sum of differences, given as the sum of each file, shape (n_files,)."""
    source, as_large = np.random.default_rng(0), 0
    for n in _batches(len(sums)):
        changed = source.choice((-1.0, 1.0), size=(n, len(sums))) @ sums
        as_large += int((np.abs(changed) >= abs(sums.sum()) - 1e-9).sum())
    return (as_large + 1) / (_SAMPLES + 1)


def _interval(sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of a mean difference, given as the sum and the number of differences of each file."""
    source, n_files = np.random.default_rng(0), len(sums)
    means = []
    for n in _batches(n_files):
        drawn = source.integers(n_files, size=(n, n_files))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return float(low), float(high)


def _batches(n_files: int) -> list[int]:
    """Numbers of samples that are drawn together."""
    n = min(_SAMPLES, max(1, _DRAWN_AT_ONCE // n_files))
    return [n] * (_SAMPLES // n) + [_SAMPLES % n]

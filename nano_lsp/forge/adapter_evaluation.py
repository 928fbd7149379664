"""Decides whether an adapter is taken: the model as it comes and with the adapter on the same problems, paired tests.

Problems of one file are not independent: tests and intervals are by file (`nano_lsp.evaluation.metrics.compare`). The
decision is made once, on all problems: to test again and again while answers come in would take adapters by chance
more often than the level says (Armitage, McPherson and Rowe 1969, J. R. Stat. Soc. A 132(2)).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from nano_lsp.errors import ForgeError
from nano_lsp.evaluation.metrics import Comparison, Outcome, compare
from nano_lsp.evaluation.problems import Problem, load_infilling
from nano_lsp.forge.dataset import CARD, PROBLEMS
from nano_lsp.forge.source import hash_files
from nano_lsp.inference.backend import Tokenizer

TRAINING = "training.json"
"""Name of the training log, beside the adapter."""
GAINS = ("exact match", "characters saved")
"""Measures that an adapter may gain in."""
LEVEL = 0.05 / len(GAINS)
"""Significance level of a gain: 5 % for all measures together (Bonferroni)."""
MAX_LOSS = 2.0
"""Loss in general, in points, above which an adapter is not taken."""
VERDICTS = {True: "Taken.", False: "Not taken.", None: "Not decided yet."}
"""What people read for `taken`."""
MIN_FILES = 1 + math.ceil(math.log2(1 / LEVEL))
"""Number of files that a significant gain needs: of the 2^n combinations of signs, two are as extreme as can be."""
_FEW_FILES = 20  # with fewer, intervals by file are too narrow (Cameron and Miller 2015, J. Human Resources 50(2))
# Where nothing has changed in n files, at most 3 / n would (95 %; Hanley and Lippman-Hand 1983, JAMA 249(13)).
_FEW_UNCHANGED_FILES = math.ceil(3 / (MAX_LOSS / 100))
_EXAMPLES = 12
_EXAMPLE_CHARS = 400


@dataclass(frozen=True)
class ProblemSet:
    """Problems of one file, in an order that mixes its documents, so that any number of the first is a sample.

    Attributes:
        name: Name for people.
        sha256: SHA-256 of the file.
        problems: The problems.
    """

    name: str
    sha256: str
    problems: tuple[Problem, ...]

    @property
    def n_files(self) -> int:
        """Number of files that the problems are in."""
        return len({problem.document for problem in self.problems})

    @classmethod
    def load(cls, path: Path, name: str, limit: int | None = None) -> ProblemSet:
        """Load a file that `nano_lsp.evaluation.problems.load_infilling` reads.

        Args:
            path: Path of the file.
            name: Name for people.
            limit: Maximum number of problems; None for all.

        Raises:
            EvaluationError: The file cannot be read or has other content.
        """
        problems = sorted(load_infilling(path), key=lambda each: hashlib.blake2b(each.name.encode()).digest())
        return cls(name, hash_files([path]), tuple(problems[:limit]))


@dataclass(frozen=True)
class Answers:
    """Outcomes of a set of problems.

    Attributes:
        problem_set: The problems.
        before: Outcomes of the model as it comes, or with another adapter.
        after: Outcomes of the model with the adapter.
    """

    problem_set: ProblemSet
    before: Sequence[Outcome]
    after: Sequence[Outcome]

    @property
    def n_missing(self) -> int:
        """Number of answers that are still to come."""
        return 2 * len(self.problem_set.problems) - len(self.before) - len(self.after)

    def compare(self, choose: Callable[[Outcome], bool] = lambda _: True) -> list[Comparison]:
        """Compare the chosen outcomes by `nano_lsp.evaluation.metrics.compare`."""
        return compare(filter(choose, self.before), filter(choose, self.after))


class TrainingLog(msgspec.Struct, frozen=True):
    """What the training of an adapter has written beside it.

    Attributes:
        steps: Optimizer steps.
        loss: Training loss at each of them.
        heldout_steps: Optimizer steps after which the held-out loss was computed.
        heldout_loss: Held-out loss at each of them.
        tokens: Number of tokens trained on.
        seconds: Duration of training.
    """

    steps: list[int]
    loss: list[float]
    heldout_steps: list[int] = []
    heldout_loss: list[float] = []
    tokens: int = 0
    seconds: float = 0

    def __post_init__(self) -> None:
        if (len(self.steps), len(self.heldout_steps)) != (len(self.loss), len(self.heldout_loss)):
            raise ValueError("steps and losses differ in number")


def load_card(folder: Path) -> dict[str, Any]:
    """The data card of a folder that `nano-lsp forge data` has written.

    Raises:
        ForgeError: There is none, or it cannot be read.
    """
    try:
        card = json.loads((folder / CARD).read_bytes())
        tokenizer = {name: card["tokenizer"][name] for name in ("model", "n_vocab", "fim_order")}
        return {"recipe": dict(card["recipe"]), "tokenizer": tokenizer}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ForgeError(
            f"{folder} has no usable data card ({CARD}).",
            "Give the --output of a `nano-lsp forge data` run that ended.",
        ) from error


def load_heldout(folder: Path, limit: int | None = None) -> ProblemSet:
    """The held-out problems, at most a number of them, of a folder that `nano-lsp forge data` has written.

    Raises:
        ForgeError: There are none.
        EvaluationError: They cannot be read.
    """
    path = folder / PROBLEMS
    if not path.is_file():
        raise ForgeError(
            f"{folder} has no held-out problems ({PROBLEMS}).",
            "Make data of code, which has some, with `nano-lsp forge data` of this version.",
        )
    return ProblemSet.load(path, "held-out code", limit)


def load_training(adapter: Path) -> TrainingLog | None:
    """The training log beside an adapter; None if there is none.

    Raises:
        ForgeError: It cannot be read.
    """
    path = adapter.with_name(TRAINING)
    try:
        return msgspec.json.decode(path.read_bytes(), type=TrainingLog)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ForgeError(f"{path} is not a training log: {error}.", "Move it away, or train again.") from error


def check_base(tokenizer: Tokenizer, fim_order: str, card: Mapping[str, Any]) -> None:
    """Check that a model has the tokenizer and the layout of prompts that the data was made for.

    Raises:
        ForgeError: It has others.
    """
    made_for, spec = card["tokenizer"], tokenizer.spec
    if (spec.n_vocab, fim_order) != (made_for["n_vocab"], made_for["fim_order"]):
        raise ForgeError(
            f"The data was made for the tokenizer of {made_for['model']}, and {spec.name} has another one.",
            f"Use --model {made_for['model']}, or make data for {spec.name}.",
        )


def build_evaluation(answers: Sequence[Answers], training: TrainingLog | None, **details: object) -> dict[str, Any]:
    """The evaluation of an adapter as JSON; the same answers give the same.

    Args:
        answers: Answers to the held-out problems, then those to each general set.
        training: The training log; None for none.
        details: What identifies the model, the adapter and the data.
    """
    taken, reason = decide(answers)
    return {
        "taken": taken,
        "reason": reason,
        **details,
        "sets": [_figures(each) for each in answers],
        "training": msgspec.to_builtins(training),
        "examples": _examples(answers[0]),
    }


def decide(answers: Sequence[Answers]) -> tuple[bool | None, str]:
    """Whether an adapter is taken, and why or why not, in a sentence; None until all problems are answered.

    It has to gain on held-out code, in `GAINS` at `LEVEL`, where no measure may fall at that level; in general, no
    measure may lose more than `MAX_LOSS` points. Where the interval of such a loss does not say on which side of that
    limit it is, the reason says that there are too few cases to tell.

    Args:
        answers: Answers to the held-out problems, then those to each general set.
    """
    if n_missing := sum(each.n_missing for each in answers):
        n_all = sum(2 * len(each.problem_set.problems) for each in answers)
        return None, f"{n_missing:,} of {n_all:,} answers are missing: the same command goes on, and then decides."
    heldout, *general = [(each.problem_set.name, each.compare()) for each in answers]
    in_general = [(c, _change(c, name)) for name, compared in general for c in compared]
    losses = [
        *[_change(c, heldout[0]) for c in heldout[1] if _gain(c) < 0 and c.p_value < LEVEL],
        *[change for c, change in in_general if _gain(c) < -MAX_LOSS],
    ]
    tested = [c for c in heldout[1] if c.measure in GAINS]
    gains = [_change(c, heldout[0]) for c in tested if _gain(c) > 0 and c.p_value < LEVEL]
    if losses:
        reasons = [f"It loses: {'; '.join(losses)}."]
    elif gains:
        limit = f"It loses at most {MAX_LOSS:g} points on {', '.join(name for name, _ in general)}."
        reasons = [f"It gains: {'; '.join(gains)}."]
        reasons.append(limit if general else "What it loses in general was not measured.")
    else:
        reasons = [f"It does not gain significantly: {'; '.join(_change(c, heldout[0]) for c in tested)}."]
        if any(c.files < MIN_FILES for c in tested):
            reasons.append(f"Too few cases to tell: a gain is significant in {MIN_FILES} files at the least.")
    if unclear := [change for c, change in in_general if _is_unclear(c)]:
        reasons.append(f"Too few cases to tell whether it loses more than {MAX_LOSS:g} points: {'; '.join(unclear)}.")
    return bool(gains) and not losses, " ".join(reasons)


def _gain(comparison: Comparison) -> float:
    """Gain in points; negative for a loss."""
    gain = round(comparison.second - comparison.first, 9)  # 60 % → 58 % is a loss of 2 points
    return -gain if comparison.measure == "breaks the parse" else gain


def _is_unclear(comparison: Comparison) -> bool:
    """Whether there are too few cases to tell a loss of more than `MAX_LOSS` points."""
    c = comparison
    if c.low == c.high == 0:
        return c.files < _FEW_UNCHANGED_FILES
    worst, best = (-c.high, -c.low) if c.measure == "breaks the parse" else (c.low, c.high)
    return worst < -MAX_LOSS < best or c.files < _FEW_FILES


def _change(comparison: Comparison, name: str) -> str:
    c = comparison
    files = f"{c.files} file" + "s" * (c.files != 1)
    return (
        f"{c.measure} on {name} {c.first:.1f} % → {c.second:.1f} % ({c.low:+.1f} to {c.high:+.1f} points at 95 %, "
        f"n = {c.n} in {files}, p = {c.p_value:.2g})"
    )


def _figures(answers: Answers) -> dict[str, Any]:
    def rows(kind: str = "", kind_of: Callable[[Outcome], str] = lambda _: "") -> list[dict[str, Any]]:
        compared = answers.compare(lambda outcome: kind_of(outcome) == kind)
        return [
            {
                "measure": c.measure,
                "n": c.n,
                "files": c.files,
                "before": c.first,
                "after": c.second,
                "interval": [c.low, c.high],
                "p_value": c.p_value,
            }
            for c in compared
        ]

    def by(kind_of: Callable[[Outcome], str]) -> dict[str, list[dict[str, Any]]]:
        return {kind: rows(kind, kind_of) for kind in sorted(set(map(kind_of, answers.before)))}

    return {
        "name": answers.problem_set.name,
        "sha256": answers.problem_set.sha256,
        "problems": len(answers.problem_set.problems),
        "all": rows(),
        "cursor_kinds": by(lambda outcome: outcome.cursor_kind),
        "kinds": by(lambda outcome: outcome.kind),
    }


def _examples(answers: Answers) -> list[dict[str, str]]:
    """Problems whose answer has changed, those with the largest gains and losses of characters first."""
    befores = {outcome.name: outcome for outcome in answers.before}
    problems = {problem.name: problem for problem in answers.problem_set.problems}
    changed = [
        (after.saved_chars - befores[after.name].saved_chars, after)
        for after in answers.after
        if after.name in befores and after.text != befores[after.name].text
    ]
    ranked = sorted(changed, key=lambda each: (-each[0], each[1].name))
    half = _EXAMPLES // 2
    chosen = ranked if len(ranked) <= _EXAMPLES else [*ranked[:half], *ranked[-half:]]
    return [
        {
            "problem": _cut(after.name),
            "code": "\n".join(problems[after.name].prefix[-_EXAMPLE_CHARS:].split("\n")[-3:]),
            "expected": _cut(problems[after.name].reference),
            "before": _cut(befores[after.name].text),
            "after": _cut(after.text),
        }
        for _, after in chosen
    ]


def _cut(text: str) -> str:
    return text if len(text) <= _EXAMPLE_CHARS else text[:_EXAMPLE_CHARS] + " …"

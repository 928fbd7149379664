"""Questions on code and logic: choices with and without reasoning, against a free answer; how well probabilities fit.

    python -m tests.bench.bench_tasks [--model nano] [--data questions|calibration] [--results FILE] [--fit]

Each answer is written at once; a run that was stopped goes on. The free answer is what `nano-lsp ask` says to the
same question with the same list of choices; of these the one counts that it names first. `--fit` finds the
temperature that makes the probabilities of the choices in the results fit best (negative log-likelihood).
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nano_lsp.config import find_folders, load_settings
from nano_lsp.features.assistant import Assistant
from nano_lsp.features.tasks import Task
from nano_lsp.features.tasks.choosing import TEMPERATURE, THINK_TEMPERATURE, probabilities, quote

DATA = Path(__file__).parents[1] / "data"
_MAX_TOKENS = 200
_BINS = 10


def first_named(text: str, choices: Sequence[str]) -> str:
    """The choice that a text names first, the longer one of two at the same place; empty for none."""
    found = [
        (match.start(), -len(choice), choice)
        for choice in choices
        if (match := re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", text, re.IGNORECASE))
    ]
    return min(found)[2] if found else ""


def calibration_error(sure: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error over bins of equal width (Guo et al. 2017): 0 is perfect.

    Args:
        sure: the probability of each answer, and whether it was right.
    """
    bins: dict[int, list[tuple[float, bool]]] = {}
    for probability, right in sure:
        bins.setdefault(min(_BINS - 1, int(probability * _BINS)), []).append((probability, right))
    gaps = (abs(sum(p for p, _ in each) - sum(right for _, right in each)) for each in bins.values())
    return sum(gaps) / len(sure)


def fit_temperature(scores: Sequence[tuple[Sequence[float], int]]) -> float:
    """The temperature from 0.25 to 8 under which the right choices are most probable.

    Args:
        scores: log-probabilities of the choices, and the index of the right one.
    """

    def loss(temperature: float) -> float:
        return -sum(math.log(max(probabilities(each, temperature)[right], 1e-12)) for each, right in scores)

    return min((0.05 * i for i in range(5, 161)), key=loss)


def answers(assistant: Assistant, rows: Sequence[dict[str, Any]], results: Path) -> Iterator[dict[str, Any]]:
    """What the model says to each question, known answers included."""
    known = {}
    if results.exists():
        known = {row["question"]: row for row in map(json.loads, results.read_text(encoding="utf-8").splitlines())}
    with results.open("a", encoding="utf-8") as stream:
        for row in rows:
            if row["question"] not in known:
                said = {**row, **_answer(assistant, row)}
                known[row["question"]] = said
                print(json.dumps(said, ensure_ascii=False), file=stream, flush=True)
            yield known[row["question"]]


def _answer(assistant: Assistant, row: dict[str, Any]) -> dict[str, Any]:
    choices = tuple(row["choices"])
    listed = f"{row['question']}\n\nAnswer with one of: {', '.join(map(quote, choices))}."
    said: dict[str, Any] = {"free": assistant.ask(listed, max_tokens=_MAX_TOKENS).text}
    for name, think in (("choice", False), ("think", True)):
        task = Task(row["question"], choices=choices, think=think)
        answer = assistant.carry_out(task.plan(assistant.backend))
        said[name] = dict(answer.probabilities)
        said[f"{name}_tokens"] = answer.counters.generated_tokens
    return said


def report(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The figures of some answers, line by line."""
    for kind in ("all", *sorted({row["kind"] for row in rows})):
        part = [row for row in rows if kind in {"all", row["kind"]}]
        free = sum(first_named(row["free"], row["choices"]) == row["answer"] for row in part) / len(part)
        line = f"{kind}: {len(part)} questions; free answer {free:.1%}"
        for name in ("choice", "think"):
            sure = [(max(row[name].values()), max(row[name], key=row[name].get) == row["answer"]) for row in part]
            right = sum(each for _, each in sure) / len(part)
            tokens = sum(row[f"{name}_tokens"] for row in part) / len(part)
            line += f"; {name} {right:.1%}, calibration error {calibration_error(sure):.3f}, {tokens:.0f} tokens"
        yield line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="nano")
    parser.add_argument("--data", choices=["questions", "calibration"], default="questions")
    parser.add_argument("--results", type=Path, default=Path("tasks.jsonl"))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--fit", action="store_true", help="only look at the results, and fit the temperatures")
    options = parser.parse_args()
    if options.fit:
        rows = [json.loads(line) for line in options.results.read_text(encoding="utf-8").splitlines()]
        for name, temperature in (("choice", TEMPERATURE), ("think", THINK_TEMPERATURE)):
            scores = [
                (
                    [temperature * math.log(max(p, 1e-300)) for p in row[name].values()],
                    row["choices"].index(row["answer"]),
                )
                for row in rows
            ]
            print(f"{name}: temperature {fit_temperature(scores):.2f} on {len(rows)} questions")
    else:
        questions = [json.loads(line) for line in (DATA / f"{options.data}.jsonl").read_text("utf-8").splitlines()]
        settings = load_settings(model=options.model, n_threads=options.threads)
        with Assistant.open(settings, find_folders(), lambda *_: None) as assistant:
            rows = list(answers(assistant, questions, options.results))
    for line in report(rows):
        print(line)


if __name__ == "__main__":
    main()

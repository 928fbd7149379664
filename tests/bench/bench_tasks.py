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

from nano_lsp.chat import Ask
from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.connect import Assistant
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.tasks import Task
from nano_lsp.tasks.classification import TEMPERATURE, THINK_TEMPERATURE, choice_instruction, softmax

DATA = Path(__file__).parents[1] / "data"
_MAX_TOKENS = 200
_BINS = 10
WAYS = ("free", "choice", "think")


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
        return -sum(math.log(max(softmax(each, temperature)[right], 1e-12)) for each, right in scores)

    return min((0.05 * i for i in range(5, 161)), key=loss)


def load_answers(rows: Sequence[dict[str, Any]], results: Path) -> dict[str, dict[str, Any]]:
    """The questions by their text, with what is known of the answers."""
    known: dict[str, dict[str, Any]] = {row["question"]: dict(row) for row in rows}
    if results.exists():
        for line in results.read_text(encoding="utf-8").splitlines():
            said = json.loads(line)
            known[said["question"]].update(said)
    return known


def answers(assistant: Assistant, rows: Sequence[dict[str, Any]], results: Path) -> list[dict[str, Any]]:
    """What the model says to each question in each way, what takes longest last; known answers are not asked for."""
    known = load_answers(rows, results)
    with results.open("a", encoding="utf-8") as stream:
        for way in WAYS:
            for row in rows:
                if way not in known[row["question"]]:
                    said = {"question": row["question"], **_answer(assistant, row, way)}
                    known[row["question"]].update(said)
                    print(json.dumps(said, ensure_ascii=False), file=stream, flush=True)
    return list(known.values())


def _answer(assistant: Assistant, row: dict[str, Any], way: str) -> dict[str, Any]:
    choices = tuple(row["choices"])
    if way == "free":
        question = f"{row['question']}\n\n{choice_instruction(choices)}"
        return {way: assistant.run(Ask(question, max_tokens=_MAX_TOKENS)).text}
    task = Task(row["question"], choices=choices, think=way == "think")
    answer = assistant.run(task)
    return {way: dict(answer.probabilities), f"{way}_tokens": answer.counters.generated_tokens}


def report(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The figures of some answers, a line for each kind of question and way of answering."""
    for kind in ("all", *sorted({row["kind"] for row in rows})):
        for way in WAYS:
            part = [row for row in rows if kind in {"all", row["kind"]} and way in row]
            if not part:
                continue
            if way == "free":
                right = sum(first_named(row[way], row["choices"]) == row["answer"] for row in part)
                yield f"{kind}, {way}: {right} of {len(part)} right ({right / len(part):.1%})"
                continue
            sure = [(max(row[way].values()), max(row[way], key=row[way].get) == row["answer"]) for row in part]
            right = sum(each for _, each in sure)
            tokens = sum(row[f"{way}_tokens"] for row in part) / len(part)
            yield (
                f"{kind}, {way}: {right} of {len(part)} right ({right / len(part):.1%}), calibration error "
                f"{calibration_error(sure):.3f}, {tokens:.0f} tokens"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="nano")
    parser.add_argument("--data", choices=["questions", "calibration"], default="questions")
    parser.add_argument("--results", type=Path, default=Path("tasks.jsonl"))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--fit", action="store_true", help="only look at the results, and fit the temperatures")
    options = parser.parse_args()
    questions = [json.loads(line) for line in (DATA / f"{options.data}.jsonl").read_text("utf-8").splitlines()]
    if options.fit:
        rows = list(load_answers(questions, options.results).values())
        for way, temperature in (("choice", TEMPERATURE), ("think", THINK_TEMPERATURE)):
            scores = [
                (
                    [temperature * math.log(max(p, 1e-300)) for p in row[way].values()],
                    row["choices"].index(row["answer"]),
                )
                for row in rows
                if way in row
            ]
            print(f"{way}: temperature {fit_temperature(scores):.2f} on {len(scores)} questions")
    else:
        settings = load_settings(model=options.model, n_threads=options.threads)
        folders = find_folders()
        with LocalAssistant(LoadedModel.load(settings, folders, lambda *_: None), settings, folders) as assistant:
            rows = answers(assistant, questions, options.results)
    for line in report(rows):
        print(line)


if __name__ == "__main__":
    main()
